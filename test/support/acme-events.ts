/**
 * Half a year of events of a company: what its services do every day, made from a seed, so that every run has the same.
 * The story that the tests ask about stands in acme-story.ts, and its events are mixed in by time.
 */
import type { AuditEvent } from '../../src/events/schema.ts';

/** An event before its producer has numbered it. */
export type AcmeEvent = Omit<AuditEvent, 'event_id' | 'actor'> & {
  readonly event_id?: string;
  /** A producer may know a person by a name, which the log translates. */
  readonly actor: AuditEvent['actor'] | { readonly type: string; readonly name: string; readonly role: string };
};

/** The services that submit, and what each of them does. */
export const PRODUCERS = ['billing', 'crm', 'iam'] as const;
export type Producer = (typeof PRODUCERS)[number];

export const FIRST_DAY = '2026-05-01';
export const LAST_DAY = '2026-10-31';

const START_MS: number = Date.parse(`${FIRST_DAY}T00:00:00Z`);
const END_MS: number = Date.parse(`${LAST_DAY}T23:59:59Z`);

/** `count` events of this producer in the order of their time. */
export function everydayEvents(producer: Producer, count: number, seed: number): readonly AcmeEvent[] {
  const random = randomFrom(seed);
  const pick = <T>(list: readonly [T, ...T[]]): T => list[Math.floor(random() * list.length)] ?? list[0];
  const times = Array.from({ length: count }, () => START_MS + Math.floor(random() * (END_MS - START_MS))).sort(
    (a, b) => a - b,
  );
  return times.map((ms) => {
    const person = { id: `u_${1100 + Math.floor(random() * 60)}`, session: `s_${Math.floor(random() * 1e6)}` };
    const auth = { method: 'sso', provider: 'okta', mfa: true };
    return {
      occurred_at: new Date(ms).toISOString(),
      tenant: pick(['acme-de', 'acme-fr', 'acme-us']),
      actor: { type: 'user', ...person, auth },
      outcome: random() < 0.04 ? { result: 'denied', code: 'not-permitted' } : { result: 'success' },
      context: { ip: `203.0.113.${Math.floor(random() * 256)}`, request_id: `req_${Math.floor(random() * 1e9)}` },
      ...EVERYDAY[producer](random, pick),
    };
  });
}

/** A generator of numbers in [0, 1): mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

type Pick = <T>(list: readonly [T, ...T[]]) => T;
type What = { readonly action: string } & Partial<AcmeEvent>;

const EVERYDAY: Readonly<Record<Producer, (random: () => number, pick: Pick) => What>> = {
  billing: (random, pick) => {
    const invoice = { type: 'invoice', id: `inv_${Math.floor(random() * 1e6)}` };
    const amount = { amount: Math.floor(random() * 90_000), currency: pick(['EUR', 'USD']) };
    const authorization = { decision: 'allow' as const };
    return pick<What>([
      { action: 'invoice.issue', target: invoice, authorization, context: amount },
      { action: 'payment.capture', target: invoice, authorization, context: amount },
      { action: 'payment.refund', target: invoice, authorization, context: amount, reason: 'asked by the customer' },
      {
        action: 'billing.address.update',
        target: { type: 'customer', id: `cus_${1000 + Math.floor(random() * 500)}` },
        authorization,
        changes: [{ path: '/city', before: pick(['Bonn', 'Lyon', 'Graz']), after: pick(['Kiel', 'Nice', 'Linz']) }],
      },
    ]);
  },
  crm: (random, pick) => {
    const customer = { type: 'customer', id: `cus_${1000 + Math.floor(random() * 5000)}` };
    return pick<What>([
      { action: 'customer.view', target: customer },
      { action: 'customer.view', target: customer },
      {
        action: 'customer.update',
        target: customer,
        changes: [{ path: '/segment', before: pick(['small', 'large']), after: 'medium' }],
      },
    ]);
  },
  iam: (random, pick) => {
    const user = { type: 'user', id: `u_${1100 + Math.floor(random() * 60)}` };
    const role = pick(['agent', 'viewer', 'editor']);
    return pick<What>([
      { action: 'session.login' },
      { action: 'session.login' },
      {
        action: 'role.grant',
        target: user,
        authorization: { decision: 'allow', rule: 'policy.access.grant.v1#manager' },
        context: { granted_role: role },
        changes: [{ path: '/roles', before: [], after: [role] }],
      },
      { action: 'role.revoke', target: user, context: { revoked_role: role } },
    ]);
  },
};
