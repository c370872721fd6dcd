/**
 * How a verification is reported: a list of named claims, each of which passed, failed or could not be checked, and the
 * verdict that follows from them. Every verifier of this folder collects its claims here, so that none of them can call
 * something PASS that was not looked at.
 *
 * PASS: every claim was checked and holds. FAIL: one is false. INCOMPLETE: one could not be checked, so nothing to check
 * is never PASS.
 */
import { type ErrorDetails, ProofError, type ProofErrorCode } from './errors.ts';

export interface Claim<Name extends string = string> {
  readonly claim: Name;
  readonly result: 'pass' | 'fail' | 'incomplete';
  /** One sentence for a reader; names from the input are quoted and escaped. */
  readonly detail: string;
}

export interface Conclusion<Name extends string = string> {
  readonly verdict: 'PASS' | 'FAIL' | 'INCOMPLETE';
  /** Why, in one line: the first claim that does not hold, or that could not be checked. */
  readonly reason: string;
  readonly claims: readonly Claim<Name>[];
  /** Stated by the input and proved by nothing here. */
  readonly notes: readonly string[];
  /** The failure of the claim that decides, for programs: its code, and where it has them, `index` and `field`. */
  readonly failure?: Failure;
}

export interface Failure {
  readonly code: ProofErrorCode;
  readonly details: ErrorDetails;
}

/** What no verdict can say, to be printed with every one (REQUIREMENTS, limits). */
export const LIMITS: readonly string[] = [
  'Nothing proves an event that was never submitted; sequence numbers show gaps between submitted events only.',
  'Erasure cannot recall a copy that was already handed over.',
  'A quorum of witnesses that collude can hide a fork.',
];

/** Collects claims. The first result that is not a pass decides a claim for good. */
export class ClaimReport<Name extends string> {
  readonly #order: readonly Name[];
  readonly #claims = new Map<Name, Claim<Name>>();
  readonly #notes: string[] = [];
  readonly #failures = new Map<Name, Failure>();

  /** `order` is the one in which claims are shown. */
  constructor(order: readonly Name[]) {
    this.#order = order;
  }

  pass(claim: Name, detail: string): void {
    this.#record({ claim, result: 'pass', detail });
  }

  incomplete(claim: Name, detail: string): void {
    this.#record({ claim, result: 'incomplete', detail });
  }

  fail(claim: Name, error: ProofError): void {
    if (!this.#failures.has(claim)) this.#failures.set(claim, { code: error.code, details: error.details });
    this.#record({ claim, result: 'fail', detail: error.message });
  }

  note(text: string): void {
    this.#notes.push(text);
  }

  /** The value of a step, or undefined and a failed claim. Whatever a step throws, the input is what it failed on. */
  attempt<T>(claim: Name, step: () => T): T | undefined {
    try {
      return step();
    } catch (error) {
      this.fail(claim, error instanceof ProofError ? error : new ProofError('invalid-argument', String(error)));
      return undefined;
    }
  }

  /** What the claims come to. Without any of the `required` ones, whatever else holds, nothing was verified. */
  conclude(required: readonly Name[]): Conclusion<Name> {
    for (const claim of required) if (!this.#claims.has(claim)) this.incomplete(claim, 'could not be checked');
    const claims = [...this.#claims.values()].sort(
      (a, b) => this.#order.indexOf(a.claim) - this.#order.indexOf(b.claim),
    );
    const failed = claims.find(({ result }) => result === 'fail');
    const open = claims.find(({ result }) => result === 'incomplete');
    const decisive = failed ?? open;
    const failure = failed && this.#failures.get(failed.claim);
    const passed = claims.length > 0 && decisive === undefined;
    return {
      verdict: failed !== undefined ? 'FAIL' : passed ? 'PASS' : 'INCOMPLETE',
      reason:
        decisive !== undefined
          ? `${decisive.claim}: ${decisive.detail}`
          : passed
            ? 'every claim was checked and holds'
            : 'there was nothing to check',
      claims,
      notes: this.#notes,
      ...(failure !== undefined && { failure }),
    };
  }

  #record(claim: Claim<Name>): void {
    const before = this.#claims.get(claim.claim);
    if (before === undefined || before.result === 'pass') this.#claims.set(claim.claim, claim);
  }
}
