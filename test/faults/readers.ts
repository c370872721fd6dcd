/**
 * Readers under whom the faults happen, and who believe nothing: each answer is held against what producers were promised.
 * An answer may be a refusal that says what kind it is; it is never another entry, a list with a gap, or "not found".
 */
import { base64Decode, base64Encode } from '../../proofs/bytes.ts';
import { checkInclusion } from '../../proofs/check.ts';
import { decodeEntryBundle, decodeTile, formatTilePath, TILE_WIDTH, tileWidthAt } from '../../proofs/tile.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import type { Acknowledged, Ledger } from './ledger.ts';
import type { Heads } from './oracle.ts';
import type { Random } from './random.ts';
import type { RunningLog, World } from './world.ts';

const READERS = 3;
const REQUEST_TIMEOUT_MS = 20_000;
const PROBLEM = 'urn:countersign:problem:';

export interface Readers {
  /** Answers so far that had what was asked for, and that refused it. */
  readonly answers: () => { readonly given: number; readonly refused: number };
  readonly stop: () => Promise<void>;
}

/** What was promised of the tree up to the newest head, when the readers began. */
interface Known {
  readonly size: number;
  readonly root: string;
  readonly ids: readonly (readonly [string, Acknowledged])[];
  /** Leaf hashes by index. */
  readonly leaves: ReadonlyMap<number, string>;
}

interface Reading {
  readonly log: RunningLog;
  readonly world: World;
  readonly ledger: Ledger;
  readonly known: Known;
  readonly random: Random;
}

/** Undefined: it was refused, or the log went away. Throws for an answer that is wrong. */
type Question = (reading: Reading) => Promise<true | undefined>;

/** Needs a log that has signed a head, and reads below it only: what is not signed is served to nobody. */
export async function startReaders(
  log: RunningLog,
  world: World,
  ledger: Ledger,
  heads: Heads,
  random: Random,
): Promise<Readers> {
  const head = await heads.look(log);
  if (head === undefined) throw new Error(`there is no head to read below: ${log.said()}`);
  const ids = [...ledger.acknowledged].filter(([, { index }]) => index < head.size);
  if (ids.length === 0) throw new Error('nothing was acknowledged yet');
  const leaves = new Map(ids.map(([, { index, leafHash }]) => [index, leafHash]));
  const reading = { log, world, ledger, random, known: { ...head, ids, leaves } };
  let stopping = false;
  let [given, refused] = [0, 0];
  const reader = async (): Promise<void> => {
    while (!stopping && log.isAlive()) {
      const question = random.pick(QUESTIONS);
      try {
        if ((await question(reading)) === true) given += 1;
        else refused += 1;
      } catch (error) {
        ledger.breach('altered', `${question.name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  };
  const readers = Array.from({ length: READERS }, reader);
  return {
    answers: () => ({ given, refused }),
    stop: async () => {
      stopping = true;
      await Promise.all(readers);
    },
  };
}

/** The body of a 200; undefined for a refusal of the right form, or none. Throws for "not found", or for no problem at all. */
async function ask({ log, world }: Reading, path: string): Promise<Uint8Array | undefined> {
  let status: number;
  let bytes: Uint8Array;
  try {
    const response = await fetch(`${log.url}/${path}`, {
      headers: { authorization: `Bearer ${world.tokens.auditor}` },
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    status = response.status;
    bytes = new Uint8Array(await response.arrayBuffer());
  } catch {
    // A long answer that cannot go on is cut off; that is no answer.
    return undefined;
  }
  if (status === 200) return bytes;
  const text = Buffer.from(bytes).toString();
  if (status >= 500 && text.includes(PROBLEM)) return undefined;
  throw new Error(`${path} was answered ${status}: ${text.slice(0, 300)}`);
}

async function byIndex(reading: Reading): Promise<true | undefined> {
  const [id, promise] = reading.random.pick(reading.known.ids);
  return heldAgainst(id, promise, await ask(reading, `events/by-index/${promise.index}`));
}

async function byId(reading: Reading): Promise<true | undefined> {
  const [id, promise] = reading.random.pick(reading.known.ids);
  return heldAgainst(id, promise, await ask(reading, `events/${id}`));
}

function heldAgainst(id: string, promise: Acknowledged, bytes: Uint8Array | undefined): true | undefined {
  if (bytes === undefined) return undefined;
  const { index, entry } = JSON.parse(Buffer.from(bytes).toString()) as { index: number; entry: string };
  const leafHash = base64Encode(nativeHasher.leaf(base64Decode(entry)));
  if (index === promise.index && leafHash === promise.leafHash) return true;
  throw new Error(`${id} was promised at ${promise.index}, and is at ${index} with the leaf hash ${leafHash}`);
}

async function bundle(reading: Reading): Promise<true | undefined> {
  const { index, width } = someTile(reading);
  const bytes = await ask(reading, formatTilePath({ level: 'entries', index, width }));
  return bytes === undefined ? undefined : sameLeaves(reading, index, decodeEntryBundle(bytes).map(nativeHasher.leaf));
}

async function tile(reading: Reading): Promise<true | undefined> {
  const { index, width } = someTile(reading);
  const bytes = await ask(reading, formatTilePath({ level: 0, index, width }));
  return bytes === undefined ? undefined : sameLeaves(reading, index, decodeTile(bytes));
}

function someTile({ random, known }: Reading): { readonly index: number; readonly width: number } {
  const index = Math.floor(random.below(known.size) / TILE_WIDTH);
  return { index, width: tileWidthAt(0, index, known.size) };
}

function sameLeaves({ known }: Reading, tileIndex: number, leaves: readonly Uint8Array[]): true {
  if (leaves.length !== tileWidthAt(0, tileIndex, known.size)) throw new Error(`tile ${tileIndex} has another width`);
  for (const [i, leaf] of leaves.entries()) {
    const index = tileIndex * TILE_WIDTH + i;
    const promised = known.leaves.get(index);
    if (promised !== undefined && promised !== base64Encode(leaf)) throw new Error(`${index} has another leaf hash`);
  }
  return true;
}

async function inclusion(reading: Reading): Promise<true | undefined> {
  const { size, root } = reading.known;
  const [, { index, leafHash }] = reading.random.pick(reading.known.ids);
  const bytes = await ask(reading, `proof/inclusion?index=${index}&size=${size}`);
  if (bytes === undefined) return undefined;
  const { proof } = JSON.parse(Buffer.from(bytes).toString()) as { proof: readonly string[] };
  const claim = { index, size, leafHash: base64Decode(leafHash), proof: proof.map((hash) => base64Decode(hash)) };
  checkInclusion({ ...claim, root: base64Decode(root) });
  return true;
}

/** Everything that a question matches: whole by its own word means whole. */
async function exported(reading: Reading): Promise<true | undefined> {
  const tenant = reading.random.pick(['acme', 'umbrella']);
  const bytes = await ask(reading, `export.ndjson?q=tenant:${tenant}`);
  if (bytes === undefined) return undefined;
  const lines = Buffer.from(bytes).toString().split('\n').slice(0, -1);
  if (lines.at(-1)?.startsWith('{"complete":true') !== true) return undefined;
  const found = new Set(lines.slice(0, -1).map((line) => (JSON.parse(line) as { index: number }).index));
  for (const [id, { index }] of reading.known.ids) {
    const isAsked = tenantOf(reading.ledger, id) === tenant;
    if (isAsked !== found.has(index))
      throw new Error(
        `${id} at ${index} is ${isAsked ? 'missing in' : 'in'} a complete export of the tenant ${tenant}`,
      );
  }
  return true;
}

/** The first page of a question, from the first match on, without a gap. */
async function page(reading: Reading): Promise<true | undefined> {
  const bytes = await ask(reading, 'events?q=action:role.grant&limit=50');
  if (bytes === undefined) return undefined;
  const { events } = JSON.parse(Buffer.from(bytes).toString()) as { events: readonly { index: number }[] };
  const found = new Set(events.map(({ index }) => index));
  const last = Math.max(-1, ...found);
  for (const [id, { index }] of reading.known.ids) {
    const isAsked = reading.ledger.sent.get(id)?.includes('"action":"role.grant"') === true;
    if (isAsked && index < last && !found.has(index)) throw new Error(`${id} at ${index} is missing in a page`);
  }
  return true;
}

function tenantOf(ledger: Ledger, id: string): string {
  return (JSON.parse(ledger.sent.get(id) ?? '{}') as { tenant?: string }).tenant ?? '';
}

const QUESTIONS: readonly Question[] = [byIndex, byId, bundle, tile, inclusion, exported, page];
