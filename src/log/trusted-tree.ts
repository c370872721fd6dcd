/**
 * What is trusted when a stored tree is examined: the size and peaks of the state row, if they fit a head that was signed;
 * otherwise a signed head alone.
 */
import { equalBytes } from '../../proofs/bytes.ts';
import type { Hasher } from '../../proofs/hash.ts';
import { foldPeaks } from '../../proofs/tree.ts';
import type { Store } from '../store/contract.ts';
import { type Damage, damage } from './damage.ts';
import { readRow } from './read-damaged.ts';
import { chunkHolding, STATE_KEY } from './rows.ts';
import type { OwnHead } from './signed-heads.ts';
import { decodeState, type StoredState } from './state-row.ts';
import type { SurveyedTree, TreeSurvey } from './survey-tree.ts';
import { LogError } from './types.ts';

/** Beyond every index that a log can have. */
export const NO_ENTRY: number = 2 ** 40;

export interface FoundState {
  readonly size: number;
  readonly state: StoredState | undefined;
  readonly damages: readonly Damage[];
}

/** The size to examine: the state's; where that is damaged, that of the newest head. */
export async function findState(store: Store, heads: readonly OwnHead[], hasher: Hasher): Promise<FoundState> {
  const row = await readRow(store, STATE_KEY);
  const newest = [...heads].sort((a, b) => b.size - a.size)[0];
  if (row === undefined) {
    const entries = await store.range(chunkHolding('entries', NO_ENTRY));
    if (entries.length === 0) return { size: 0, state: undefined, damages: [] };
    const damages = [damage('state-damaged', null, 'the row with the state of the tree is missing')];
    return { size: newest?.size ?? 0, state: undefined, damages };
  }
  try {
    const state = decodeState(row);
    const head = heads.find(({ size }) => size === state.range.size);
    if (head === undefined || equalBytes(head.root, foldPeaks(state.range.hashes, hasher))) {
      return { size: state.range.size, state, damages: [] };
    }
    const damages = [damage('state-damaged', null, `the stored root of the tree is not that of ${head.holder}`)];
    return { size: state.range.size, state: undefined, damages };
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    return { size: newest?.size ?? 0, state: undefined, damages: [damage('state-damaged', null, error.message)] };
  }
}

/** Judges under the stored peaks; where these are damaged, under those that lead to a head of that size. */
export function judgeTree(
  survey: TreeSurvey,
  { state, size }: Omit<FoundState, 'damages'>,
  heads: readonly OwnHead[],
): SurveyedTree {
  if (state !== undefined) return survey.judge(state.range.hashes, state.marks);
  const head = heads.find((one) => one.size === size);
  const peaks = head === undefined ? undefined : survey.peaksOf(head.root);
  if (peaks !== undefined) return survey.judge(peaks, undefined);
  const found =
    size === 0
      ? []
      : [damage('entry-unlocated', 0, `entries 0 to ${size - 1} and their tiles do not lead to any head`, size - 1)];
  return { damages: found, expected: new Map(), tiles: [], unproven: new Set() };
}
