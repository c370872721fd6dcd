/** An event as DESIGN.md shows it, and a context to prepare events in: its randomness counts, so that runs are alike. */
import type { JsonObject } from '../../proofs/canonical-json.ts';
import { redactNothing } from '../../src/events/prepare.ts';
import type { PrepareContext } from '../../src/events/types.ts';

/** The example of DESIGN.md, member for member. */
export const DESIGN_EVENT: JsonObject = {
  event_id: '01JH2K8Q9R3W5T7V9X1Z3B5D7F',
  occurred_at: '2026-01-08T14:32:07.123456Z',
  tenant: 'acme',
  actor: {
    type: 'user',
    id: 'u_8842',
    role: 'admin',
    session: 's_1f9c',
    auth: { method: 'sso', provider: 'okta' },
    delegation: [{ type: 'service', id: 'svc-support' }],
  },
  action: 'role.grant',
  target: { type: 'user', id: 'u_9013' },
  outcome: { result: 'success' },
  authorization: { decision: 'allow', rule: 'policy.access.grant.v3#owner', ticket: 'CHG-1204' },
  reason: 'on-call rotation',
  changes: [{ path: '/roles', before: ['member'], after: ['member', 'admin'] }],
  context: { ip: '203.0.113.40', request_id: 'req_77', granted_role: 'admin' },
  producer_seq: 4728,
};

export function bytesOf(value: unknown): Uint8Array {
  return new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
}

export function testContext(change: Partial<PrepareContext> = {}): PrepareContext {
  let drawn = 0;
  return {
    producerId: 'tok_test',
    macKeys: { raw: new Uint8Array(32).fill(1), content: new Uint8Array(32).fill(2) },
    randomBytes: (byteCount) => new Uint8Array(byteCount).fill(++drawn % 256),
    separatePaths: () => [],
    redact: redactNothing,
    catalogueVersion: null,
    redactionVersion: null,
    clockOffsetUs: null,
    ...change,
  };
}
