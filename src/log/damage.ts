/**
 * What can be wrong with a stored log, and what each of it means to the engineer who reads about it at night. Made by
 * `fsck.ts` from scratch and by `scrub.ts` in the background; `repair.ts` knows which of it can be put right.
 */

export const DAMAGE_KINDS = [
  'entry-altered',
  'entry-missing',
  'entry-unlocated',
  'log-time',
  'tile-altered',
  'contents-altered',
  'contents-missing',
  'id-missing',
  'id-wrong',
  'id-stray',
  'search-wrong',
  'rows-beyond',
  'state-damaged',
  'head-damaged',
  'head-contradicted',
  'guard-damaged',
  'not-readable',
] as const;

/** A closed union: programs read it, and tests assert it. */
export type DamageKind = (typeof DAMAGE_KINDS)[number];

/** Where bytes that can be put back come from. */
export type Remedy = 'copy' | 'rebuild' | 'recover' | 'look';

export interface Damage {
  readonly kind: DamageKind;
  /** First and last entry concerned, both inclusive; null where it is about the log as a whole. */
  readonly index: number | null;
  readonly lastIndex: number | null;
  /** One sentence: what was found. */
  readonly found: string;
}

interface Explanation {
  readonly means: string;
  readonly remedy: Remedy;
}

export const EXPLANATIONS: Readonly<Record<DamageKind, Explanation>> = {
  'entry-altered': {
    means: 'the public part of this event is not what the tree was made of; it is never served, its receipts stay good',
    remedy: 'copy',
  },
  'entry-missing': {
    means: 'the public part of this event cannot be read; it is never served, its receipts stay good',
    remedy: 'copy',
  },
  'entry-unlocated': {
    means: 'at least one of these entries or tiles was altered; too much is damaged to say which one',
    remedy: 'copy',
  },
  'log-time': {
    means: 'log times have to increase; the tree was made of it, so the fault is older than its head',
    remedy: 'look',
  },
  'tile-altered': {
    means: 'proofs that need this tile cannot be made; the entries under it are good',
    remedy: 'rebuild',
  },
  'contents-altered': {
    means: 'what was stored does not open the entry; the contents are never served, entry and receipts stay good',
    remedy: 'copy',
  },
  'contents-missing': {
    means: 'the contents cannot be read; entry and receipts stay good',
    remedy: 'copy',
  },
  'id-missing': {
    means: 'the log does not know that it took this event: sent again, it would become a second entry',
    remedy: 'rebuild',
  },
  'id-wrong': {
    means: 'whoever sends this event again, or asks for it by its id, is answered with another index',
    remedy: 'rebuild',
  },
  'id-stray': {
    means: 'an event id is taken by an entry that is not that event; whoever sends it is answered wrongly',
    remedy: 'rebuild',
  },
  'search-wrong': {
    means: 'searches can miss these events, or show them where they do not belong',
    remedy: 'rebuild',
  },
  'rows-beyond': {
    means: 'there are rows behind the end of the tree: rows of its newest events, or its state, went lost or back',
    remedy: 'look',
  },
  'state-damaged': {
    means: 'the log does not start: size and root of its tree are not to be had from the database',
    remedy: 'rebuild',
  },
  'head-damaged': {
    means: 'a signed head in the database is not good under the policy; a fresh one is signed at the next start',
    remedy: 'look',
  },
  'head-contradicted': {
    means: 'the log signed or acknowledged something else than what is stored: it refuses to sign on',
    remedy: 'recover',
  },
  'guard-damaged': {
    means: 'a set-back database cannot be told from a whole one; the log refuses to sign',
    remedy: 'recover',
  },
  'not-readable': {
    means: 'the database could not read its own files; what is behind them is unknown',
    remedy: 'copy',
  },
};

export const REMEDIES: Readonly<Record<Remedy, string>> = {
  copy: 'countersign repair --from MIRROR|DIRECTORY|BUNDLE puts back the bytes that fit the tree, from any copy that has them',
  rebuild: 'countersign repair rebuilds it from the entries and contents; no copy is needed',
  recover: 'put back the right copy of the log directory; if there is none, docs/operating.md, "Recovery"',
  look: 'nothing can be put back; keep a copy of the log directory and find out how it came about',
};

export function damage(kind: DamageKind, index: number | null, found: string, lastIndex = index): Damage {
  return { kind, index, lastIndex, found };
}

/** Neighbours of one kind become one line: a torn block damages hundreds of entries in a row. */
export function runsOf(damages: readonly Damage[]): readonly Damage[] {
  const sorted = [...damages].sort(
    (a, b) => a.kind.localeCompare(b.kind) || (a.index ?? -1) - (b.index ?? -1) || a.found.localeCompare(b.found),
  );
  const runs: Damage[] = [];
  for (const one of sorted) {
    const last = runs.at(-1);
    const joins =
      last !== undefined &&
      last.kind === one.kind &&
      last.lastIndex !== null &&
      one.index !== null &&
      one.index <= last.lastIndex + 1;
    if (joins) runs[runs.length - 1] = { ...last, lastIndex: Math.max(last.lastIndex ?? 0, one.lastIndex ?? 0) };
    else runs.push(one);
  }
  return runs;
}
