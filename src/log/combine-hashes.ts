/**
 * Hashes of one place of a tree as several stories tell them, and the one combination that folds to the hash above. For
 * survey-tree.ts, where entries and tiles do not agree.
 */
import { equalBytes } from '../../proofs/bytes.ts';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import { rootOfHashes } from '../../proofs/tree.ts';

type Maybe<T> = T | undefined;

/** Ways to combine what the stories say that are tried below one hash before it is given up. */
const MAX_COMBINATIONS = 4096;

/** Undefined where one of them is not known. */
export function foldIfWhole(hashes: readonly Maybe<Hash>[], hasher: Hasher): Maybe<Hash> {
  const whole = hashes.flatMap((hash) => hash ?? []);
  return whole.length === hashes.length ? rootOfHashes(whole, hasher) : undefined;
}

export function same(a: Maybe<Hash>, b: Maybe<Hash>): boolean {
  return a !== undefined && b !== undefined && equalBytes(a, b);
}

export function unique(hashes: readonly Maybe<Hash>[]): readonly Hash[] {
  const found: Hash[] = [];
  for (const hash of hashes) if (hash !== undefined && !found.some((one) => equalBytes(one, hash))) found.push(hash);
  return found;
}

/** One candidate for each place, so that together they fold to `above`; undefined if none does or there are too many. */
export function choose(
  candidates: readonly (readonly Hash[])[],
  fold: (hashes: readonly Hash[]) => Hash,
  above: Hash,
): Maybe<readonly Hash[]> {
  for (const hashes of combinations(candidates, MAX_COMBINATIONS)) if (equalBytes(fold(hashes), above)) return hashes;
  return undefined;
}

/** Every way to take one candidate for each place; none if there are more ways than the bound. */
export function* combinations(candidates: readonly (readonly Hash[])[], bound: number): Generator<readonly Hash[]> {
  const count = candidates.reduce((product, list) => Math.min(product * list.length, bound + 1), 1);
  if (count > bound) return;
  for (let number = 0; number < count; number++) {
    let rest = number;
    yield candidates.flatMap((list) => {
      const hash = list[rest % list.length];
      rest = Math.floor(rest / list.length);
      return hash ?? [];
    });
  }
}
