/**
 * What happens in the corpus's log. Every fourth event is a match of `role.revoke`, event 21 is a break-glass; the log's own
 * entries publish rules (2, 10), raise a finding (11), show that it is alive (13), and register and revoke the keys of
 * producers (1, 25, 27), who sign events 14 and 16 with the first key and 26 with the second.
 */
import { base64Encode } from '../../proofs/bytes.ts';
import type { JsonObject } from '../../proofs/canonical-json.ts';
import type { SignerKey } from '../../proofs/key.ts';
import {
  OWN_ACTION_PREFIX,
  OWN_PRODUCER,
  PUBLISH_RULE,
  RAISE_FINDING,
  REGISTER_KEY,
  REVOKE_KEY,
} from '../../proofs/own-entries.ts';
import { producerKeyId } from '../../proofs/producer-keys.ts';
import { testSigner } from '../support/signed.ts';

export const producerKey: SignerKey = testSigner('producer-1', 1);
export const revokedKey: SignerKey = testSigner('producer-2', 1);

export type HappenedEvent = JsonObject & { readonly action: string };

/** Who signs an event: who says so in the entry, and whose key it is in truth. */
export interface Signing {
  readonly as: SignerKey;
  readonly with: SignerKey;
}

/** Entries before this one are from a time when the log did not keep the class of an action. */
export const FIRST_WITH_CLASS = 2;

export const SIGNED: ReadonlyMap<number, Signing> = new Map([
  [14, { as: producerKey, with: producerKey }],
  [16, { as: producerKey, with: producerKey }],
  [26, { as: revokedKey, with: revokedKey }],
]);

export function eventAt(index: number): HappenedEvent {
  const common = { event_id: `e${index}`, occurred_at: '2026-01-08T14:32:07.123456Z', outcome: { result: 'success' } };
  const own = OWN.get(index);
  if (own !== undefined) return { ...common, actor: { type: 'token', id: 'tok_admin' }, ...own };
  return {
    ...common,
    action: index % 4 === 0 ? 'role.revoke' : 'role.grant',
    actor: { type: 'user', id: `u_${index % 5}`, session: `s_${index}` },
    target: { type: 'user', id: `t_${index % 3}` },
    reason: 'ünïcode, "quoted"',
    ...(index === 21 && { break_glass: true }),
  };
}

export function producerOf(event: HappenedEvent, signing: Signing | undefined): string {
  if (event.action.startsWith(OWN_ACTION_PREFIX)) return OWN_PRODUCER;
  return signing === undefined ? 'tok_corpus' : producerKeyId(signing.as.publicKey);
}

/** What the log says of the class; nothing for the oldest. */
export function classAt(index: number, { action }: HappenedEvent): { readonly class?: string } {
  if (index < FIRST_WITH_CLASS) return {};
  if (action.startsWith(OWN_ACTION_PREFIX)) return { class: 'countersign' };
  return { class: index % 7 === 0 ? 'financial' : 'access' };
}

const OWN: ReadonlyMap<number, HappenedEvent> = new Map([
  [1, registration(producerKey)],
  [2, { action: PUBLISH_RULE, target: { type: 'rule', id: 'policy.access.grant', version: 'v1' } }],
  [10, { action: PUBLISH_RULE, target: { type: 'rule', id: 'policy.access.grant', version: 'v2' } }],
  [11, { action: RAISE_FINDING, target: { type: 'finding', id: 'finding.break-glass.9' } }],
  [13, { action: 'countersign.heartbeat', target: { type: 'log', id: 'log.example/corpus' } }],
  [25, registration(revokedKey)],
  [27, { action: REVOKE_KEY, target: { type: 'producer-key', id: producerKeyId(revokedKey.publicKey) } }],
]);

function registration({ publicKey }: SignerKey): HappenedEvent {
  return {
    action: REGISTER_KEY,
    target: { type: 'producer-key', id: producerKeyId(publicKey) },
    context: { public_key: base64Encode(publicKey), name: 'a service' },
  };
}
