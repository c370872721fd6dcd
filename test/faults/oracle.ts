/**
 * Holds a log that runs against what its producers were promised: every acknowledged event at its index with its leaf
 * hash, its contents as sent and no second time; every signed head that was ever seen a head of the tree that there is.
 * What the log itself says is lost, by index, is counted apart: it was found, and it was not served.
 */
import { base64Decode, base64Encode } from '../../proofs/bytes.ts';
import { canonicalJson, type JsonValue } from '../../proofs/canonical-json.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { decodeEntry } from '../../proofs/entry.ts';
import { appendLeaf, type CompactRange, EMPTY_RANGE, rangeRoot } from '../../proofs/range.ts';
import { decodeEntryBundle, formatTilePath, TILE_WIDTH } from '../../proofs/tile.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import type { Ledger } from './ledger.ts';
import { pause } from './load.ts';
import type { RunningLog, World } from './world.ts';

const HEAD_TIMEOUT_MS = 30_000;
const POLL_MS = 20;

/** Every signed head that anyone was shown, over all processes of one world. */
export class Heads {
  readonly seen = new Map<number, string>();
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  static copyOf(heads: Heads, ledger: Ledger): Heads {
    const copy = new Heads(ledger);
    for (const [size, root] of heads.seen) copy.seen.set(size, root);
    return copy;
  }

  /** The newest head of a log, written down; undefined if it serves none. */
  async look(log: RunningLog): Promise<{ readonly size: number; readonly root: string } | undefined> {
    const response = await fetch(`${log.url}/head`).catch(() => undefined);
    if (response?.status !== 200) return undefined;
    const { size, root } = parseCheckpoint(await response.text()).checkpoint;
    const text = base64Encode(root);
    const before = this.seen.get(size);
    if (before !== undefined && before !== text) this.#ledger.breach('fork', `two heads of size ${size}`);
    this.seen.set(size, text);
    return { size, root: text };
  }

  /** Looks as long as the log lives. */
  follow(log: RunningLog): () => Promise<void> {
    let stopping = false;
    const loop = (async () => {
      while (!stopping && log.isAlive()) {
        await this.look(log);
        await pause(POLL_MS);
      }
    })();
    return async () => {
      stopping = true;
      await loop;
    };
  }
}

export interface CheckOptions {
  /** Only acknowledgements from this index on; default all. */
  readonly from?: number;
  /** Also the contents of each event, and that no event is there twice. */
  readonly contents?: boolean;
}

export interface Checked {
  readonly events: number;
  /** Indices that the log names as damaged, and does not serve. */
  readonly named: readonly number[];
}

/** Everything that was promised, against what is served. Breaches go into the ledger. */
export async function checkPromises(
  log: RunningLog,
  world: World,
  ledger: Ledger,
  heads: Heads,
  options: CheckOptions = {},
): Promise<Checked> {
  const from = options.from ?? 0;
  const promises = [...ledger.acknowledged].filter(([, { index }]) => index >= from);
  // What is seen from now on may be larger than the tree that is read below.
  const known = new Map(heads.seen);
  const highest = promises.reduce((most, [, { index }]) => Math.max(most, index), Math.max(0, ...known.keys()) - 1);
  const size = await headOver(log, heads, highest);
  const entries = await readEntries(log, from - (from % TILE_WIDTH), size);
  const named = new Set<number>(entries.missing);
  for (const [id, { index, leafHash: promised }] of promises) {
    const found = entries.leaves.get(index);
    if (found === undefined) {
      if (!named.has(index)) ledger.breach('lost', `${id} at ${index}: the log serves no entry and names no damage`);
    } else if (found !== promised) {
      ledger.breach('altered', `${id} at ${index}: another leaf hash`);
    }
  }
  if (from === 0 && entries.missing.length === 0) checkHeads(entries.inOrder, ledger, known);
  if (options.contents === true)
    for (const index of await checkContents(log, world, ledger, promises)) named.add(index);
  return { events: promises.length, named: [...named] };
}

/** Waits for a signed head over an index: what is not signed is served to nobody. */
async function headOver(log: RunningLog, heads: Heads, index: number): Promise<number> {
  const deadline = Date.now() + HEAD_TIMEOUT_MS;
  for (;;) {
    const head = await heads.look(log);
    if (head !== undefined && head.size > index) return head.size;
    if (Date.now() > deadline) throw new Error(`no head over ${index} within ${HEAD_TIMEOUT_MS} ms: ${log.said()}`);
    await pause(POLL_MS);
  }
}

interface Entries {
  /** Leaf hashes as base64, by index. */
  readonly leaves: ReadonlyMap<number, string>;
  readonly inOrder: readonly Uint8Array[];
  /** Indices in bundles that the log refused to serve. */
  readonly missing: readonly number[];
}

async function readEntries(log: RunningLog, from: number, size: number): Promise<Entries> {
  const leaves = new Map<number, string>();
  const inOrder: Uint8Array[] = [];
  const missing: number[] = [];
  let lastLogTime = 0;
  for (let start = from; start < size; start += TILE_WIDTH) {
    const width = Math.min(TILE_WIDTH, size - start);
    const path = formatTilePath({ level: 'entries', index: start / TILE_WIDTH, width });
    const response = await fetch(`${log.url}/${path}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (response.status !== 200) {
      missing.push(...Array.from({ length: width }, (_, i) => start + i));
      continue;
    }
    for (const [i, entry] of decodeEntryBundle(bytes).entries()) {
      const { logTime } = decodeEntry(entry);
      if (logTime <= lastLogTime) throw new Error(`entry ${start + i} has a log time that is not after the one before`);
      lastLogTime = logTime;
      const hash = nativeHasher.leaf(entry);
      leaves.set(start + i, base64Encode(hash));
      inOrder.push(hash);
    }
  }
  return { leaves, inOrder, missing };
}

/** Each head that was seen has the root of the first `size` entries that are served now. */
function checkHeads(leaves: readonly Uint8Array[], ledger: Ledger, heads: ReadonlyMap<number, string>): void {
  let range: CompactRange = EMPTY_RANGE;
  const reached = new Set<number>();
  for (const [index, leaf] of leaves.entries()) {
    range = appendLeaf(range, leaf, nativeHasher);
    const root = heads.get(index + 1);
    if (root === undefined) continue;
    reached.add(index + 1);
    if (root !== base64Encode(rangeRoot(range, nativeHasher))) {
      ledger.breach('fork', `the head of size ${index + 1} is not one of the tree that there is`);
    }
  }
  for (const size of heads.keys()) {
    if (size > 0 && !reached.has(size))
      ledger.breach('fork', `a head of size ${size} was signed, and the tree has fewer`);
  }
}

type Promised = readonly [id: string, { readonly index: number }];

/** The export of everything; where it ends early, event by event. Returns what the log names as damaged. */
async function checkContents(
  log: RunningLog,
  world: World,
  ledger: Ledger,
  promises: readonly Promised[],
): Promise<readonly number[]> {
  const at = new Map<string, number[]>();
  const response = await fetch(`${log.url}/export.ndjson`, auditor(world));
  const lines = (await response.text()).split('\n').filter((line) => line !== '');
  for (const line of lines) {
    const { index, event } = JSON.parse(line) as { readonly index?: number; readonly event?: JsonValue };
    if (index === undefined || event === undefined) continue;
    const id = eventIdOf(event);
    const sent = id === undefined ? undefined : ledger.sent.get(id);
    if (id === undefined || sent === undefined) continue;
    at.set(id, [...(at.get(id) ?? []), index]);
    if (canonicalJson(event) !== canonicalJson(JSON.parse(sent) as JsonValue)) {
      ledger.breach('altered', `${id} at ${index} is exported with other contents`);
    }
  }
  for (const [id, indices] of at) {
    if (indices.length > 1) ledger.breach('duplicated', `${id} is there at ${indices.join(' and ')}`);
  }
  const isWhole = lines.at(-1)?.startsWith('{"complete":true') === true;
  const absent = promises.filter(([id, { index }]) => at.get(id)?.includes(index) !== true);
  const named: number[] = [];
  for (const [id, { index }] of absent) {
    if (await isNamed(log, world, index)) named.push(index);
    else if (isWhole) ledger.breach('lost', `${id} at ${index} is missing in an export that says it is complete`);
    else if (!(await isServed(log, world, ledger, id, index))) ledger.breach('lost', `${id} at ${index} is not served`);
  }
  return named;
}

function eventIdOf(event: JsonValue): string | undefined {
  if (typeof event !== 'object' || event === null || !('event_id' in event)) return undefined;
  return typeof event['event_id'] === 'string' ? event['event_id'] : undefined;
}

/** Whether the log answers for an event with a problem that says it is damaged. */
async function isNamed(log: RunningLog, world: World, index: number): Promise<boolean> {
  const response = await fetch(`${log.url}/events/by-index/${index}`, auditor(world));
  const text = await response.text();
  return response.status !== 200 && text.includes('urn:countersign:problem:') && response.status !== 404;
}

async function isServed(log: RunningLog, world: World, ledger: Ledger, id: string, index: number): Promise<boolean> {
  const response = await fetch(`${log.url}/events/by-index/${index}`, auditor(world));
  if (response.status !== 200) return false;
  const { entry } = (await response.json()) as { readonly entry: string };
  const leaf = base64Encode(nativeHasher.leaf(base64Decode(entry)));
  if (leaf !== ledger.acknowledged.get(id)?.leafHash) ledger.breach('altered', `${id} at ${index}: another entry`);
  return true;
}

function auditor(world: World): RequestInit {
  return { headers: { authorization: `Bearer ${world.tokens.auditor}` } };
}
