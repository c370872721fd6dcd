/** Randomness that can be had again: xorshift32 over a seed, enough to choose moments, files and bits. */
export interface Random {
  /** A whole number from 0 up to and without `below`. */
  below(below: number): number;
  /** From `from` up to and with `to`. */
  between(from: number, to: number): number;
  pick<T>(from: readonly T[]): T;
}

export function seededRandom(seed: number): Random {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
  const below = (bound: number): number => Math.floor((next() / 0x1_0000_0000) * bound);
  return {
    below,
    between: (from, to) => from + below(to - from + 1),
    pick: <T>(from: readonly T[]): T => {
      const chosen = from[below(from.length)];
      if (chosen === undefined) throw new Error('nothing to pick from');
      return chosen;
    },
  };
}
