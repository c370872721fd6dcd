/**
 * The log's own entries, and which of them go with evidence (DESIGN.md, "Everything is an event"). What the log records
 * about itself has a producer of its own, which no token and no key can be, so that the public entry shows whose it is.
 * A complete bundle opens the `action` of every one of them in its range: that shows which have to be beside the events.
 */

/** The producer id of what the log does by itself, and of what its administrators do: nobody else may submit as this. */
export const OWN_PRODUCER = 'countersign';
export const OWN_ACTION_PREFIX = 'countersign.';

export const PUBLISH_RULE = 'countersign.rule.publish';
export const PUBLISH_CATALOGUE = 'countersign.catalogue.publish';
export const REGISTER_KEY = 'countersign.key.register';
export const REVOKE_KEY = 'countersign.key.revoke';
export const RAISE_FINDING = 'countersign.finding.raise';
export const ACKNOWLEDGE_FINDING = 'countersign.finding.acknowledge';

/** Published once and in force until something follows: from the beginning of the log to the end of the range. */
export const RELATED_SO_FAR: readonly string[] = [PUBLISH_RULE, PUBLISH_CATALOGUE, REGISTER_KEY, REVOKE_KEY];

/** About the time of the range itself. */
export const RELATED_IN_RANGE: readonly string[] = [RAISE_FINDING, ACKNOWLEDGE_FINDING];

/** Whether an entry of the range with this action belongs beside the events. */
export function isRelated(action: string): boolean {
  return RELATED_SO_FAR.includes(action) || RELATED_IN_RANGE.includes(action);
}
