/**
 * `fsck`: the whole log from scratch, from the bytes on disk and by a second path: entries ─▶ leaf hashes ─▶ tiles ─▶
 * root, held against every head that the log ever kept; contents against entries; ids and search rows against contents.
 * Nothing that the running log believes is believed here. It reads only, and names everything that does not hold.
 */
import { equalBytes } from '../../proofs/bytes.ts';
import { decodeEntry } from '../../proofs/entry.ts';
import { ProofError } from '../../proofs/errors.ts';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import { parsePolicy } from '../../proofs/policy.ts';
import { appendLeaves, type CompactRange, EMPTY_RANGE, rangeRoot } from '../../proofs/range.ts';
import { TILE_WIDTH } from '../../proofs/tile.ts';
import type { Store } from '../store/contract.ts';
import type { IndexLayout } from '../trail/postings.ts';
import { AuditContents, type ContentsCheck, RawContents } from './check-contents.ts';
import { type Damage, damage } from './damage.ts';
import { readRow, readWindow } from './read-damaged.ts';
import { chunkFirstIndex, chunkKey, tileKey } from './rows.ts';
import { type OwnHead, readOwnHeads } from './signed-heads.ts';
import { findStrayIds, type StrayIds } from './stray-ids.ts';
import { type SurveyedTree, TreeSurvey } from './survey-tree.ts';
import { type FoundState, findState, judgeTree, NO_ENTRY } from './trusted-tree.ts';

export interface FsckOptions {
  readonly store: Store;
  readonly hasher: Hasher;
  /** The log's directory: its guard is beside the database. */
  readonly directory: string;
  readonly origin: string;
  readonly kind: 'audit' | 'raw';
  readonly policyText: string;
  /** Of the search index; for tests. A block is a multiple of TILE_WIDTH. */
  readonly layout?: IndexLayout;
  readonly onProgress: (done: number, total: number) => void;
}

export interface FsckReport {
  readonly size: number;
  /** Null where the entries do not lead to one. */
  readonly root: Hash | null;
  readonly damages: readonly Damage[];
  /** Heads that the entries were held against. */
  readonly heads: readonly { readonly holder: string; readonly size: number; readonly verdict: HeadVerdict }[];
  /** The rest is what `repair` needs to know. */
  readonly tree: SurveyedTree;
  readonly state: FoundState;
  readonly ownHeads: readonly OwnHead[];
  readonly strayIds: readonly Uint8Array[];
}

/** `unchecked`: the entries below it are damaged, and are named. */
export type HeadVerdict = 'agrees' | 'contradicted' | 'unchecked';

export async function fsck(options: FsckOptions): Promise<FsckReport> {
  const { store, hasher, directory, origin, kind, onProgress } = options;
  const own = await readOwnHeads(store, directory, parsePolicy(options.policyText), origin);
  const found = await findState(store, own.heads, hasher);
  const { size } = found;
  const survey = new TreeSurvey(size, hasher);
  const contents =
    kind === 'raw' ? new RawContents(store, hasher) : new AuditContents(store, hasher, 0, options.layout);
  const pass = new Pass(hasher, own.heads);
  const damages: Damage[] = [...own.damages, ...found.damages];
  for (let from = 0; from < size; from += TILE_WIDTH) {
    const to = Math.min(size, from + TILE_WIDTH);
    const { items, faults } = await readWindow(store, 'entries', from, to);
    for (const [index, fault] of faults) damages.push(damage('entry-missing', index, `entry ${index}: ${fault}`));
    const hashes = items.map((entry) => (entry === undefined ? undefined : hasher.leaf(entry)));
    const row = to - from === TILE_WIDTH ? await readRow(store, tileKey(0, from / TILE_WIDTH)) : undefined;
    survey.addLeaves(from / TILE_WIDTH, hashes, row);
    pass.add(hashes);
    if (kind === 'audit') damages.push(...pass.checkTimes(from, items));
    damages.push(...(await contents.window(from, items)));
    onProgress(to, size);
  }
  damages.push(...(await contents.end(size)));
  await survey.addTiles((level, index) => readRow(store, tileKey(level, index)));
  const tree = judgeTree(survey, found, own.heads);
  const bad = new Set([...damages, ...tree.damages].flatMap((one) => (isEntryDamage(one) ? (one.index ?? []) : [])));
  damages.push(...tree.damages, ...(await findRowsBeyond(store, size)));
  const stray = kind === 'audit' ? await strayIds(options, size, contents, bad) : { damages: [], keys: [] };
  damages.push(...stray.damages);
  const heads = pass.verdicts(own.heads, bad, size);
  for (const { holder, size: at, verdict } of heads) {
    if (verdict === 'contradicted') damages.push(damage('head-contradicted', null, contradiction(holder, at, size)));
  }
  const root = pass.range === undefined ? null : rangeRoot(pass.range, hasher);
  return {
    ...{ size, root, heads, tree, state: found },
    ownHeads: own.heads,
    strayIds: stray.keys,
    damages: damages.filter((one) => isOwnFault(one, bad)),
  };
}

function contradiction(holder: string, at: number, size: number): string {
  if (at > size) return `${holder} has size ${at}, the database ${size}: entries ${size} to ${at - 1} are lost`;
  return `${holder} has another root for the first ${at} entries than the entries have`;
}

function isEntryDamage({ kind }: Damage): boolean {
  return kind === 'entry-altered' || kind === 'entry-missing';
}

/** What is said about contents, id and time of an entry that is itself not good says nothing. */
function isOwnFault({ kind, index }: Damage, bad: ReadonlySet<number>): boolean {
  if (index === null) return true;
  if (kind === 'log-time' && bad.has(index - 1)) return false;
  if (!bad.has(index)) return true;
  return !['contents-altered', 'log-time', 'id-missing', 'id-wrong', 'search-wrong'].includes(kind);
}

/** Rows of entries behind the tree: what a lost or older state row leaves. */
async function findRowsBeyond(store: Store, size: number): Promise<readonly Damage[]> {
  const [row] = await store.range({ gte: chunkKey('entries', size), lt: chunkKey('entries', NO_ENTRY), limit: 1 });
  if (row === undefined) return [];
  const first = chunkFirstIndex(row.key);
  return [damage('rows-beyond', first, `there are entries from ${first} on, and the tree ends at ${size}`)];
}

function strayIds(
  { store, hasher }: FsckOptions,
  size: number,
  contents: ContentsCheck,
  bad: ReadonlySet<number>,
): Promise<StrayIds> {
  return findStrayIds({ store, hasher, size, knownCount: contents.idCount, bad });
}

/** What goes along with the entries: the compact range, its root at the size of each head, and the last log time. */
class Pass {
  range: CompactRange | undefined = EMPTY_RANGE;
  readonly #hasher: Hasher;
  readonly #sizes: readonly number[];
  readonly #roots = new Map<number, Hash>();
  #lastLogTime = 0;

  constructor(hasher: Hasher, heads: readonly OwnHead[]) {
    this.#hasher = hasher;
    this.#sizes = [...new Set(heads.map(({ size }) => size))].sort((a, b) => a - b);
    if (this.#sizes[0] === 0) this.#roots.set(0, rangeRoot(EMPTY_RANGE, hasher));
  }

  add(hashes: readonly (Hash | undefined)[]): void {
    const whole = hashes.flatMap((hash) => hash ?? []);
    if (this.range === undefined || whole.length < hashes.length) {
      this.range = undefined;
      return;
    }
    const before = this.range;
    for (const size of this.#sizes) {
      if (size <= before.size || size > before.size + whole.length) continue;
      const upTo = appendLeaves(before, whole.slice(0, size - before.size), this.#hasher);
      this.#roots.set(size, rangeRoot(upTo, this.#hasher));
    }
    this.range = appendLeaves(before, whole, this.#hasher);
  }

  checkTimes(from: number, entries: readonly (Uint8Array | undefined)[]): readonly Damage[] {
    const damages: Damage[] = [];
    for (const [i, entry] of entries.entries()) {
      if (entry === undefined) continue;
      const index = from + i;
      try {
        const { logTime } = decodeEntry(entry);
        if (logTime <= this.#lastLogTime) {
          damages.push(damage('log-time', index, `the log time of entry ${index} is not later than the one before`));
        }
        this.#lastLogTime = logTime;
      } catch (error) {
        if (!(error instanceof ProofError)) throw error;
        damages.push(damage('log-time', index, `entry ${index} is not an entry of an audit log (${error.code})`));
      }
    }
    return damages;
  }

  verdicts(heads: readonly OwnHead[], bad: ReadonlySet<number>, size: number): FsckReport['heads'] {
    return heads.map(({ holder, size: at, root }) => {
      const computed = this.#roots.get(at);
      if (at > size) return { holder, size: at, verdict: 'contradicted' };
      if (computed !== undefined && equalBytes(computed, root)) return { holder, size: at, verdict: 'agrees' };
      const isExplained = computed === undefined || [...bad].some((index) => index < at);
      return { holder, size: at, verdict: isExplained ? 'unchecked' : 'contradicted' };
    });
  }
}
