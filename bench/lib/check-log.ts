/**
 * What a benchmark is worth nothing without: after the run, and after the server was killed, every event that was
 * acknowledged is in the database exactly once, at the index and with the leaf hash that were promised, with the very
 * content that was sent; and the entries lead to the root of the stored tree.
 */
import { join } from 'node:path';
import { parseCanonicalJson } from '../../proofs/canonical-json.ts';
import { cardHash, encodeCard } from '../../proofs/card.ts';
import { decodeEntry } from '../../proofs/entry.ts';
import { joinFields } from '../../proofs/fields.ts';
import { appendLeaves, type CompactRange, EMPTY_RANGE, rangeRoot } from '../../proofs/range.ts';
import { decodeDisclosure, LOG_FIELD } from '../../src/log/disclosure.ts';
import { readItems } from '../../src/log/entries.ts';
import { checkNewestEntries, loadState } from '../../src/log/load.ts';
import type { StoredField } from '../../src/log/types.ts';
import type { Store } from '../../src/store/contract.ts';
import { openLevelStore } from '../../src/store/leveldb.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import type { Acknowledgements } from './acknowledgements.ts';
import { type EventSource, eventBytes } from './events.ts';

export interface CheckOptions {
  /** Of the log; nobody has it open. */
  readonly directory: string;
  readonly events: EventSource;
  readonly acknowledgements: Acknowledgements;
  /** Events that were sent have the numbers below this. */
  readonly sent: number;
  /** One event in so many is compared member by member and its commitments are recomputed. */
  readonly openEvery: number;
}

export interface CheckedLog {
  readonly entries: number;
  readonly acknowledged: number;
  readonly opened: number;
  readonly milliseconds: number;
}

/** Throws Error that says what is not as it was promised. */
export async function checkLog(options: CheckOptions): Promise<CheckedLog> {
  const startedMs = performance.now();
  const store = await openLevelStore(join(options.directory, 'db'));
  try {
    const counted = await checkStore(store, options);
    return { ...counted, milliseconds: performance.now() - startedMs };
  } finally {
    await store.close();
  }
}

async function checkStore(store: Store, options: CheckOptions): Promise<Omit<CheckedLog, 'milliseconds'>> {
  const { events, acknowledgements, sent, openEvery } = options;
  const state = await loadState(store, nativeHasher);
  await checkNewestEntries(store, state, state.range.size, nativeHasher);
  const { size } = state.range;
  const seen = new Uint8Array(sent);
  let range: CompactRange = EMPTY_RANGE;
  let opened = 0;
  let index = 0;
  const disclosures = itemsOf(readItems(store, 'disclosures', 0, size));
  for await (const page of readItems(store, 'entries', 0, size)) {
    const leaves = page.map((entry) => nativeHasher.leaf(entry));
    range = appendLeaves(range, leaves, nativeHasher);
    for (const [i, entry] of page.entries()) {
      const disclosure = (await disclosures.next()).value;
      if (disclosure === undefined) throw new Error(`the contents of index ${index} are missing`);
      const eventId = eventIdIn(disclosure);
      const number = events.numberOf(eventId);
      if (number !== undefined) {
        if (number >= sent) throw new Error(`index ${index} holds event ${number}, which was never sent`);
        if (seen[number] !== 0)
          throw new Error(`event ${number} is in the log twice, the second time at index ${index}`);
        seen[number] = 1;
        const promised = acknowledgements.indexOf(number);
        if (promised !== undefined && promised !== index) {
          throw new Error(`event ${number} was acknowledged with index ${promised} and is at ${index}`);
        }
        if (promised !== undefined && Buffer.compare(acknowledgements.leafHashOf(number), leaves[i] ?? NOTHING) !== 0) {
          throw new Error(`event ${number} was acknowledged with another leaf hash than index ${index} has`);
        }
        if (number % openEvery === 0) {
          checkContent(index, entry, disclosure, eventBytes(events, number));
          opened++;
        }
      }
      index++;
    }
  }
  if (Buffer.compare(rangeRoot(range, nativeHasher), rangeRoot(state.range, nativeHasher)) !== 0) {
    throw new Error(`the ${size} entries do not lead to the root of the tree`);
  }
  for (let number = 0; number < sent; number++) {
    if (acknowledgements.indexOf(number) !== undefined && seen[number] === 0) {
      throw new Error(`event ${number} was acknowledged with index ${acknowledgements.indexOf(number)} and is lost`);
    }
  }
  return { entries: size, acknowledged: acknowledgements.count, opened };
}

const NOTHING = new Uint8Array(0);

async function* itemsOf(pages: AsyncIterable<readonly Uint8Array[]>): AsyncGenerator<Uint8Array, undefined> {
  for await (const page of pages) yield* page;
  return undefined;
}

const EVENT_ID = /event_id.{1,3}"([^"]+)"/s;

/** Found in the bytes: decoding every disclosure would take longer than the run. */
function eventIdIn(disclosure: Uint8Array): string {
  const text = Buffer.from(disclosure.buffer, disclosure.byteOffset, disclosure.length).toString('latin1');
  return EVENT_ID.exec(text)?.[1] ?? '';
}

/** The contents open the entry's commitments, and are what was sent. */
function checkContent(index: number, entry: Uint8Array, disclosure: Uint8Array, sent: Buffer): void {
  const fields = decodeDisclosure(disclosure, nativeHasher);
  const own = fields.filter(({ id }) => id !== LOG_FIELD);
  const card = encodeCard(own.map(({ id, commitment }) => [id, commitment]));
  if (Buffer.compare(cardHash(card, nativeHasher), decodeEntry(entry).cardHash) !== 0) {
    throw new Error(`the contents of index ${index} do not open its entry`);
  }
  const stored = joinFields(own.map(({ id, opening }) => [id, parseCanonicalJson(valueIn(index, opening))] as const));
  if (JSON.stringify(sorted(stored)) !== JSON.stringify(sorted(JSON.parse(sent.toString('latin1'))))) {
    throw new Error(`index ${index} holds another event than the one that was sent`);
  }
}

function valueIn(index: number, opening: StoredField['opening']): string {
  if (opening === undefined) throw new Error(`a field of index ${index} is not there`);
  return opening.value;
}

/** The same value with all members in the order of their names. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, sorted(member)]),
  );
}
