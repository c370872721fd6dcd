/**
 * Puts a damaged log right, with verified bytes only: entries that hash to the leaf which the tree has, contents that open
 * their entry. Everything that follows from entries and contents (tiles, state, ids, search rows) is made again. What no
 * source has, or has otherwise, is left as it is and named.
 *
 *   fsck ─▶ entries ─▶ state ─▶ tiles ─▶ fsck ─▶ contents ─▶ fsck ─▶ ids, search ─▶ fsck
 *
 * Each step is one batch that is right by itself: after a crash, run it again.
 */
import { equalBytes } from '../../proofs/bytes.ts';
import { decodeEntry } from '../../proofs/entry.ts';
import { TILE_WIDTH } from '../../proofs/tile.ts';
import type { Row } from '../store/contract.ts';
import type { Damage } from './damage.ts';
import { type FsckOptions, type FsckReport, fsck } from './fsck.ts';
import { rowsWith } from './put-items.ts';
import { readWindow } from './read-damaged.ts';
import { openEvent } from './read-events.ts';
import { idRows, rebuildSearch } from './rebuild-rows.ts';
import type { RepairSource } from './repair-source.ts';
import { RestoreError } from './restore-error.ts';
import { STATE_KEY, shortcutKey, tileKey } from './rows.ts';
import { encodeState } from './state-row.ts';
import { surveyStored } from './survey-tree.ts';
import { judgeTree } from './trusted-tree.ts';
import { LogError, type StoredEvent } from './types.ts';

export interface RepairOptions extends FsckOptions {
  readonly sources: readonly RepairSource[];
  /** The idempotency MAC of an event's contents; see rebuild-rows.ts. */
  readonly contentMac: (event: StoredEvent) => Uint8Array | undefined;
}

export interface Refused {
  readonly index: number;
  readonly source: string;
  readonly why: string;
}

export interface Silent {
  readonly source: string;
  readonly why: string;
}

export interface RepairReport {
  readonly before: readonly Damage[];
  readonly entries: readonly number[];
  readonly contents: readonly number[];
  readonly tiles: readonly { readonly level: number; readonly index: number }[];
  readonly isStateRebuilt: boolean;
  readonly ids: readonly number[];
  readonly searchBlocks: readonly number[];
  /** What a source offered and what was not taken. */
  readonly refused: readonly Refused[];
  /** Sources that did not answer, and were not asked further. */
  readonly silent: readonly Silent[];
  /** What is still damaged. */
  readonly left: readonly Damage[];
  readonly size: number;
}

/** What is told of the sources, as it is found. */
interface Told {
  readonly refused: Refused[];
  readonly silent: Silent[];
}

/** Entries of one damaged range that are looked for one by one. */
const MAX_WANTED = 1_000_000;
const ENTRY_KINDS: readonly Damage['kind'][] = ['entry-altered', 'entry-missing', 'entry-unlocated'];
const NOT_LEADING = 'its entry does not lead to the root of the tree';

export async function repair(options: RepairOptions): Promise<RepairReport> {
  const before = await fsck(options);
  const told: Told = { refused: [], silent: [] };
  const nothing = { entries: [], contents: [], tiles: [], ids: [], searchBlocks: [], isStateRebuilt: false };
  if (before.damages.length === 0) return { ...nothing, ...told, before: [], left: [], size: before.size };
  const entries = await repairEntries(options, before, told);
  const isStateRebuilt = await rebuildState(options, before);
  const tiles = await rebuildTiles(options, before);
  // Nothing could be said about the contents of an entry that was itself damaged.
  const located = entries.length === 0 ? before : await fsck(options);
  const contents = options.kind === 'raw' ? [] : await repairContents(options, located, told);
  const between = await fsck(options);
  const ids = options.kind === 'raw' ? [] : await rebuildIds(options, between);
  const searchBlocks = options.kind === 'raw' ? [] : await rebuildSearch(options, between);
  const { damages: left, size } = await fsck(options);
  return { before: before.damages, entries, contents, tiles, isStateRebuilt, ids, searchBlocks, ...told, left, size };
}

function indicesOf(damages: readonly Damage[], kinds: readonly Damage['kind'][]): readonly number[] {
  const indices = new Set<number>();
  for (const { kind, index, lastIndex } of damages) {
    if (index === null || !kinds.includes(kind)) continue;
    for (let i = index; i <= (lastIndex ?? index) && indices.size < MAX_WANTED; i++) indices.add(i);
  }
  return [...indices].sort((a, b) => a - b);
}

interface Offered {
  readonly bytes: Uint8Array;
  /** Its name. */
  readonly source: string;
}

/**
 * One source after the other; the whole tree is judged with its entries in place, and what does not lead to the root goes.
 * An entry that only its neighbours keep from being proven waits for the sources after its own.
 */
async function repairEntries(options: RepairOptions, before: FsckReport, told: Told): Promise<readonly number[]> {
  const { store, hasher, sources } = options;
  const wanted = new Set(indicesOf(before.damages, ENTRY_KINDS));
  const taken = new Map<number, Uint8Array>();
  const waiting = new Map<number, Offered>();
  const refuse = (index: number, source: string, why: string): void => void told.refused.push({ index, source, why });
  for (const source of sources) {
    const offered = await entriesOf(source, wanted, told);
    for (const [index, { bytes }] of offered) {
      const expected = before.tree.expected.get(index);
      if (expected === undefined || equalBytes(hasher.leaf(bytes), expected)) continue;
      offered.delete(index);
      refuse(index, source.name, 'its entry does not hash to the leaf that the tree has');
    }
    if (offered.size === 0) continue;
    const candidates = new Map([...waiting, ...offered]);
    waiting.clear();
    const placed = [...candidates].map(([index, { bytes }]) => [index, bytes] as const);
    const survey = await surveyStored(store, before.size, hasher, new Map([...taken, ...placed]));
    const { damages, unproven } = judgeTree(survey, before.state, before.ownHeads);
    const stillBad = new Set(indicesOf(damages, ENTRY_KINDS));
    for (const [index, one] of candidates) {
      if (stillBad.has(index)) refuse(index, one.source, NOT_LEADING);
      else if (unproven.has(index)) waiting.set(index, one);
      else if (wanted.delete(index)) taken.set(index, one.bytes);
    }
  }
  for (const [index, { source }] of waiting) refuse(index, source, `${NOT_LEADING}, or what is beside it does not`);
  const rows = await rowsWith(store, 'entries', taken, before.size);
  if (rows.length > 0) await store.write(rows);
  return [...taken.keys()].sort((a, b) => a - b);
}

/** What the source has of these. One that does not answer is not asked again: what it did give is judged. */
async function entriesOf(source: RepairSource, wanted: ReadonlySet<number>, told: Told): Promise<Map<number, Offered>> {
  const found = new Map<number, Offered>();
  for (const index of wanted) {
    try {
      const bytes = await source.entry(index);
      if (bytes !== undefined) found.set(index, { bytes, source: source.name });
    } catch (error) {
      if (!(error instanceof RestoreError)) throw error;
      if (error.code === 'unreachable') {
        told.silent.push({ source: source.name, why: error.message });
        return found;
      }
      told.refused.push({ index, source: source.name, why: error.message });
    }
  }
  return found;
}

/** Only under a signed head of the very size, and only if the entries or the tiles lead to it. */
async function rebuildState(options: RepairOptions, before: FsckReport): Promise<boolean> {
  const { store, hasher, kind } = options;
  const { size } = before;
  const head = before.ownHeads.find((one) => one.size === size);
  if (!before.damages.some((one) => one.kind === 'state-damaged') || head === undefined) return false;
  const hashes = (await surveyStored(store, size, hasher)).peaksOf(head.root);
  const first = size - (size % TILE_WIDTH);
  const { items } = await readWindow(store, 'entries', Math.min(first, Math.max(0, size - 1)), size);
  const rightmost = items.flatMap((entry) => entry ?? []);
  const last = rightmost.at(-1);
  if (hashes === undefined || rightmost.length < items.length || last === undefined) return false;
  const leaves = rightmost.slice(items.length - (size - first)).map((entry) => hasher.leaf(entry));
  const lastLogTime = kind === 'raw' ? Date.now() * 1000 : decodeEntry(last).logTime;
  await store.write([
    { key: STATE_KEY, value: encodeState({ size, hashes }, lastLogTime, size === first ? [] : leaves) },
  ]);
  return true;
}

/** Level by level, each from what is below it, once the entries under it are good. */
async function rebuildTiles(
  options: RepairOptions,
  { size, state, ownHeads }: FsckReport,
): Promise<RepairReport['tiles']> {
  const { store, hasher } = options;
  const survey = await surveyStored(store, size, hasher);
  const { tiles, damages } = judgeTree(survey, state, ownHeads);
  const bad = new Set(indicesOf(damages, ENTRY_KINDS));
  const rows: Row[] = [];
  const rebuilt: { level: number; index: number }[] = [];
  for (const { level, index } of [...tiles].sort((a, b) => a.level - b.level)) {
    const span = TILE_WIDTH ** (level + 1);
    const row = survey.computedTile(level, index);
    if (row === undefined || [...bad].some((one) => Math.floor(one / span) === index)) continue;
    // The shortcut is made of the tile, and only saves time: without it the tile is read.
    rows.push({ key: tileKey(level, index), value: row }, { key: shortcutKey(level, index), delete: true });
    rebuilt.push({ level, index });
  }
  if (rows.length > 0) await store.write(rows);
  return rebuilt;
}

/** Of entries that are good; what would open another entry is nothing. */
async function repairContents(options: RepairOptions, before: FsckReport, told: Told): Promise<readonly number[]> {
  const { store, hasher, sources } = options;
  const bad = new Set(indicesOf(before.damages, ENTRY_KINDS));
  const damaged = indicesOf(before.damages, ['contents-altered', 'contents-missing']);
  const wanted = damaged.filter((index) => !bad.has(index));
  const taken = new Map<number, Uint8Array>();
  for (const source of sources) {
    for (const index of wanted) {
      if (taken.has(index)) continue;
      const bytes = await source.contents(index);
      const entry = (await readWindow(store, 'entries', index, index + 1)).items[0];
      if (bytes === undefined || entry === undefined) continue;
      try {
        const event = openEvent(index, entry, hasher.leaf(entry), bytes, hasher);
        if (event.contentsLost !== true) taken.set(index, bytes);
      } catch (error) {
        if (!(error instanceof LogError)) throw error;
        told.refused.push({ index, source: source.name, why: 'its contents do not open the entry' });
      }
    }
  }
  const rows = await rowsWith(store, 'disclosures', taken, before.size);
  if (rows.length > 0) await store.write(rows);
  return [...taken.keys()].sort((a, b) => a - b);
}

async function rebuildIds(options: RepairOptions, report: FsckReport): Promise<readonly number[]> {
  const wanted = indicesOf(report.damages, ['id-missing', 'id-wrong']);
  const { rows, indices } = await idRows(options, wanted);
  const strays: Row[] = report.strayIds.map((key) => ({ key, delete: true }));
  // Strays first: a row that led elsewhere may be under the very key that is written next.
  if (strays.length + rows.length > 0) await options.store.write([...strays, ...rows]);
  return indices;
}
