/**
 * From names to immutable ids (W8), for producers that only know what a person is called: before validation, an actor
 * (or a step of its delegation) of the form `{ "type", "name", … }` without an `id` gets the id that a resolver knows, and
 * the name is dropped. Names reach neither an entry nor the log's own messages.
 *
 *   { "type": "user", "name": "ann@example.com", "role": "admin" }  ─▶  { "type": "user", "id": "u_8842", "role": "admin" }
 *
 * A name that cannot be resolved never loses the event: its id is then `unresolved:` and a keyed hash of type and name,
 * the same for the same name, so that it can be resolved later by whoever knows the name; and that is a security event.
 * Answers are kept for a minute, failures for a few seconds, so that a resolver that is away slows down little.
 */
import { Buffer } from 'node:buffer';
import { createHmac } from 'node:crypto';
import type { JsonObject, JsonValue } from '../../proofs/canonical-json.ts';
import { isObject } from '../../proofs/fields.ts';
import { MAX_DELEGATION_STEPS, MAX_ID_CHARACTERS, MAX_NAME_CHARACTERS } from './limits.ts';

/** Where names are looked up. */
export interface IdentitySource {
  /** The id, or undefined if there is nobody of this name. Rejects when it cannot tell. */
  find(type: string, name: string): Promise<string | undefined>;
}

/** Why a name has no id. */
export type UnresolvedReason = 'unknown-name' | 'resolver-failed' | 'invalid-answer';

export interface Unresolved {
  readonly type: string;
  /** What stands in the event: `unresolved:` and 32 letters. */
  readonly id: string;
  readonly reason: UnresolvedReason;
}

export interface ResolvedEvent {
  /** The same value if nothing in it had to be resolved. */
  readonly value: JsonValue;
  readonly unresolved: readonly Unresolved[];
}

export interface IdentityResolver {
  resolve(value: JsonValue): Promise<ResolvedEvent>;
}

export interface IdentityOptions {
  readonly source: IdentitySource;
  /** Keys the hash of a name that has no id. */
  readonly macKey: Uint8Array;
  readonly nowMs: () => number;
  readonly limits?: Partial<IdentityLimits>;
}

export interface IdentityLimits {
  /** How long an answer is used again … */
  readonly cacheMs: number;
  /** … and how long a failure, for every name. */
  readonly failureMs: number;
  readonly maxCached: number;
  /** Lookups at one time; whoever comes then gets an unresolved id. */
  readonly maxLookups: number;
}

export const DEFAULT_IDENTITY_LIMITS: IdentityLimits = {
  cacheMs: 60_000,
  failureMs: 5_000,
  maxCached: 10_000,
  maxLookups: 256,
};

export const UNRESOLVED_PREFIX = 'unresolved:';
const HASH_BYTES = 16;
const NO_ID = /[\p{Cc}\u2028\u2029]/u;

type Answer = { readonly id: string } | { readonly reason: UnresolvedReason };

export function createIdentityResolver(options: IdentityOptions): IdentityResolver {
  const { source, macKey, nowMs } = options;
  const limits = { ...DEFAULT_IDENTITY_LIMITS, ...options.limits };
  /** In the order in which they were learnt. */
  const known = new Map<string, { readonly answer: Answer; readonly untilMs: number }>();
  const asking = new Map<string, Promise<Answer>>();
  let failedUntilMs = 0;

  async function answerFor(type: string, name: string): Promise<Answer> {
    const key = `${type}\0${name}`;
    const kept = known.get(key);
    if (kept !== undefined && nowMs() < kept.untilMs) return kept.answer;
    known.delete(key);
    const running = asking.get(key);
    if (running !== undefined) return running;
    // A resolver that just failed is left alone: each event would wait for its time-out.
    if (nowMs() < failedUntilMs || asking.size >= limits.maxLookups) return { reason: 'resolver-failed' };
    const lookup = ask(type, name, key).finally(() => asking.delete(key));
    asking.set(key, lookup);
    return lookup;
  }

  async function ask(type: string, name: string, key: string): Promise<Answer> {
    let answer: Answer;
    try {
      const id = await source.find(type, name);
      if (id === undefined) answer = { reason: 'unknown-name' };
      else answer = isUsableId(type, id) ? { id } : { reason: 'invalid-answer' };
    } catch {
      failedUntilMs = nowMs() + limits.failureMs;
      return { reason: 'resolver-failed' };
    }
    keep(key, answer);
    return answer;
  }

  function keep(key: string, answer: Answer): void {
    const oldest = known.size >= limits.maxCached ? known.keys().next().value : undefined;
    if (oldest !== undefined) known.delete(oldest);
    known.set(key, { answer, untilMs: nowMs() + limits.cacheMs });
  }

  async function resolvePrincipal(value: JsonValue, unresolved: Unresolved[]): Promise<JsonValue> {
    if (!isObject(value) || !isNamed(value)) return value;
    const { name, ...rest } = value;
    const type = String(value['type']);
    const answer = await answerFor(type, String(name));
    if ('id' in answer) return { ...rest, id: answer.id };
    const id = pseudonym(macKey, type, String(name));
    unresolved.push({ type, id, reason: answer.reason });
    return { ...rest, id };
  }

  return {
    resolve: async (value) => {
      const actor = isObject(value) ? value['actor'] : undefined;
      if (!isObject(value) || !isObject(actor)) return { value, unresolved: [] };
      const steps = delegationOf(actor);
      if (!isNamed(actor) && !steps.some((step) => isObject(step) && isNamed(step))) return { value, unresolved: [] };
      const unresolved: Unresolved[] = [];
      const resolved = await resolvePrincipal(actor, unresolved);
      const delegation: JsonValue[] = [];
      for (const step of steps) delegation.push(await resolvePrincipal(step, unresolved));
      const whole = { ...(isObject(resolved) ? resolved : {}), ...(steps.length === 0 ? {} : { delegation }) };
      return { value: { ...value, actor: whole }, unresolved };
    },
  };
}

/** Whether a principal waits for its id. One with an id keeps it, and a name beside it is refused by validation. */
function isNamed(principal: JsonObject): boolean {
  const { type, name } = principal;
  const isName = typeof name === 'string' && name.length > 0 && name.length <= MAX_NAME_CHARACTERS;
  return typeof type === 'string' && isName && !Object.hasOwn(principal, 'id');
}

/** A chain that is too long is left for validation to refuse. */
function delegationOf(actor: JsonObject): readonly JsonValue[] {
  const { delegation } = actor;
  return Array.isArray(delegation) && delegation.length <= MAX_DELEGATION_STEPS ? delegation : [];
}

/** What validation would refuse must not come from us: then the event would be lost by the resolver's fault. */
function isUsableId(type: string, id: string): boolean {
  if (id === '' || id.length > MAX_ID_CHARACTERS || !id.isWellFormed() || NO_ID.test(id)) return false;
  return !(type === 'user' && id.includes('@')) && !id.startsWith(UNRESOLVED_PREFIX);
}

/** Letters only, so that nothing takes it for a number. */
function pseudonym(macKey: Uint8Array, type: string, name: string): string {
  const digest = createHmac('sha256', macKey).update(`countersign/identity/v1\0${type}\0${name}`).digest();
  const letters = [...Buffer.from(digest.subarray(0, HASH_BYTES)).toString('hex')].map((digit) =>
    String.fromCharCode(97 + Number.parseInt(digit, 16)),
  );
  return `${UNRESOLVED_PREFIX}${letters.join('')}`;
}
