/** Entries of the log's own that come along with evidence, so that an auditor can judge what the events refer to. */

import { ACKNOWLEDGE_FINDING, RAISE_FINDING } from '../trail/finding.ts';
import { REGISTER_KEY, REVOKE_KEY } from '../trail/producer-keys.ts';
import { PUBLISH_RULE } from '../trail/rules.ts';

/** Published once and in force until something follows: from the beginning of the log to the end of the range. */
export const RELATED_SO_FAR: readonly string[] = [
  PUBLISH_RULE,
  REGISTER_KEY,
  REVOKE_KEY,
  'countersign.catalogue.publish',
];

/** About the time of the range itself. */
export const RELATED_IN_RANGE: readonly string[] = [RAISE_FINDING, ACKNOWLEDGE_FINDING];
