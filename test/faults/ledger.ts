/**
 * The memory of the producers: what was sent, what was acknowledged with which index and leaf hash, and what got no
 * answer. Nothing in here comes from the log's disk, so that it can be held against it.
 */
export interface Acknowledged {
  readonly index: number;
  readonly leafHash: string;
}

/** `unexplained`: it refused or stopped, and did not say what is wrong. */
export type Breach = 'lost' | 'altered' | 'duplicated' | 'fork' | 'unexplained';

export class Ledger {
  /** Events that were sent, as sent. */
  readonly sent = new Map<string, string>();
  readonly acknowledged = new Map<string, Acknowledged>();
  /** Sent, and neither acknowledged nor refused: they may be in the log or not. */
  readonly unknown = new Set<string>();
  readonly breaches: { readonly breach: Breach; readonly what: string }[] = [];
  refused = 0;
  #numbers = 0;
  readonly #run: string;

  constructor(run: string) {
    this.#run = run;
  }

  /** For a copy of the log, whose breaches are told apart. */
  static copyOf(ledger: Ledger): Ledger {
    const copy = new Ledger(`${ledger.#run}c`);
    for (const [id, text] of ledger.sent) copy.sent.set(id, text);
    for (const [id, acknowledged] of ledger.acknowledged) copy.acknowledged.set(id, acknowledged);
    return copy;
  }

  /** A new event, about 600 bytes, all different in what is stored of them. */
  next(): { readonly id: string; readonly text: string } {
    const number = this.#numbers++;
    const id = `${this.#run}-${number}`;
    const text = JSON.stringify({
      event_id: id,
      occurred_at: new Date(Date.UTC(2026, 0, 8) + number * 1_000).toISOString(),
      tenant: number % 3 === 0 ? 'acme' : 'umbrella',
      actor: { type: 'user', id: `u_${number % 97}`, role: 'admin', session: `s_${number % 1_009}` },
      action: number % 2 === 0 ? 'role.grant' : 'billing.address.update',
      target: { type: 'user', id: `u_${number % 101}` },
      outcome: { result: number % 7 === 0 ? 'denied' : 'success' },
      authorization: { decision: number % 7 === 0 ? 'deny' : 'allow', rule: 'policy.access.grant.v3#owner' },
      changes: [{ path: '/roles', before: ['member'], after: ['member', `role-${number}`] }],
      context: { request_id: `req_${number}`, note: `fault run ${this.#run} event ${number} `.repeat(4) },
    });
    this.sent.set(id, text);
    return { id, text };
  }

  acknowledge(id: string, promise: Acknowledged): void {
    this.unknown.delete(id);
    const before = this.acknowledged.get(id);
    this.acknowledged.set(id, before ?? promise);
    if (before === undefined) return;
    if (before.index !== promise.index) {
      this.breach('duplicated', `${id} was acknowledged at ${before.index}, and again at ${promise.index}`);
    } else if (before.leafHash !== promise.leafHash) {
      this.breach('altered', `${id} at ${before.index} was acknowledged with two leaf hashes`);
    }
  }

  /** Nothing of it may be in the log; it can be sent again. */
  refuse(id: string): void {
    this.unknown.delete(id);
    this.refused += 1;
  }

  breach(breach: Breach, what: string): void {
    this.breaches.push({ breach, what });
  }

  count(breach: Breach): number {
    return this.breaches.filter((found) => found.breach === breach).length;
  }
}
