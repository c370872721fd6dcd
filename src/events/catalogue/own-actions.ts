/**
 * The log's own actions, under `countersign.`: known to every catalogue, defined by none, and used by nobody but the log.
 * They form a class of their own, so that a scope or a count of an organisation's classes never holds them by accident.
 */
import { RESERVED_ACTION_PREFIX } from '../validate.ts';
import type { ActionRule } from './catalogue.ts';

export const OWN_CLASS = 'countersign';
export const OWN_CLASS_TITLE = 'The audit trail itself';

/** Titles, for lists and exports. An action that is not here is shown by its words. */
const TITLES: Readonly<Record<string, string>> = {
  'countersign.access.refused': 'Refused access to the audit trail',
  'countersign.attestation': 'Attested what was recorded in a day',
  'countersign.catalogue.publish': 'Published the catalogue of audited actions',
  'countersign.clock.check': 'Checked the clock of the audit trail',
  'countersign.finding.acknowledge': 'Acknowledged a finding',
  'countersign.finding.raise': 'Raised a finding',
  'countersign.heartbeat': 'Showed that the audit trail is alive',
  'countersign.key.register': 'Registered the key of a producer',
  'countersign.key.revoke': 'Revoked the key of a producer',
  'countersign.log.recover': 'Began again after losing its data',
  'countersign.policy.change': 'Changed the keys or the witnesses of the audit trail',
  'countersign.read.event': 'Read an event',
  'countersign.read.evidence': 'Took evidence from the audit trail',
  'countersign.read.export': 'Exported events',
  'countersign.read.findings': 'Read the findings',
  'countersign.read.search': 'Searched the audit trail',
  'countersign.read.reviews': 'Read the reviews',
  'countersign.read.samples': 'Read the samples',
  'countersign.repair': 'Repaired stored data',
  'countersign.repair.forget-acknowledged': 'Gave up waiting for entries that were acknowledged and lost',
  'countersign.repair.guard': 'Made the guard of the signed head anew',
  'countersign.review.complete': 'Completed a review of a sample',
  'countersign.rule.publish': 'Published a rule',
  'countersign.sample.commit': 'Committed to drawing a sample',
  'countersign.sample.reveal': 'Opened the nonce of a sample',
  'countersign.security.event-id-conflict': 'Refused an event whose id was used before',
  'countersign.security.identity-unresolved': 'Could not map a name to an identity',
  'countersign.submission.refused': 'Refused an event',
  'countersign.token.create': 'Created a token for the audit trail',
  'countersign.token.revoke': 'Revoked a token for the audit trail',
};

export function isOwnAction(action: string): boolean {
  return action.startsWith(RESERVED_ACTION_PREFIX);
}

export function ownAction(action: string): ActionRule {
  return {
    name: action,
    title: TITLES[action] ?? `The audit trail: ${action.slice(RESERVED_ACTION_PREFIX.length).replaceAll('.', ' ')}`,
    class: OWN_CLASS,
    breakGlass: false,
    retention: 'critical',
    required: [],
    requiredOnSuccess: [],
    personal: [],
    sensitive: [],
    separatePaths: [],
    minimise: [],
  };
}

/** The own actions that have titles. */
export function titledOwnActions(): readonly string[] {
  return Object.keys(TITLES);
}
