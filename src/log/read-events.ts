/**
 * Reading stored events back. The entry is compared with its leaf hash in the tree, and the contents with the entry:
 * every commitment is recomputed and must lead to the card that the entry names. What does not fit is never served.
 */
import { equalBytes } from '../../proofs/bytes.ts';
import { cardHash, encodeCard } from '../../proofs/card.ts';
import { decodeEntry } from '../../proofs/entry.ts';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import { decodeDisclosure, LOG_FIELD, LOST_DISCLOSURE } from './disclosure.ts';
import { readAllItems } from './entries.ts';
import { checkedLeaf, type EntrySource } from './read-entries.ts';
import { LogError, type StoredEvent } from './types.ts';

/** Indices closer together than this are read in one sweep. */
const MAX_SWEEP_GAP = 16;

/** The events at these ascending indices, in that order. Throws LogError `corrupt-data` naming the first bad one. */
export async function readEvents(source: EntrySource, indices: readonly number[]): Promise<readonly StoredEvent[]> {
  const sweeps = await Promise.all(sweepsOf(indices).map((sweep) => readSweep(source, sweep)));
  return sweeps.flat();
}

async function readSweep(source: EntrySource, indices: readonly number[]): Promise<readonly StoredEvent[]> {
  const from = indices[0] ?? 0;
  const to = (indices.at(-1) ?? 0) + 1;
  const [entries, disclosures] = await Promise.all([
    readAllItems(source.store, 'entries', from, to),
    readAllItems(source.store, 'disclosures', from, to),
  ]);
  const events: StoredEvent[] = [];
  for (const index of indices) {
    const entry = entries[index - from];
    const disclosure = disclosures[index - from];
    if (entry === undefined || disclosure === undefined) {
      throw new LogError('corrupt-data', `event ${index} is missing on disk`, { index });
    }
    const leafHash = await checkedLeaf(source, index, entry);
    events.push(openEvent(index, entry, leafHash, disclosure, source.hasher));
  }
  return events;
}

export function openEvent(
  index: number,
  entry: Uint8Array,
  leafHash: Hash,
  disclosure: Uint8Array,
  hasher: Hasher,
): StoredEvent {
  const altered = (): LogError =>
    new LogError('corrupt-data', `the contents of event ${index} were altered on disk: they do not open its entry`, {
      index,
    });
  const decoded = decodeEntry(entry);
  const { logTime, producerId, producerSeq } = decoded;
  if (equalBytes(disclosure, LOST_DISCLOSURE)) {
    const head = { index, entry, leafHash, logTime, producerId, producerSeq };
    return { ...head, card: new Uint8Array(0), fields: [], contentsLost: true };
  }
  let fields: StoredEvent['fields'];
  try {
    fields = decodeDisclosure(disclosure, hasher);
  } catch {
    throw altered();
  }
  const card = encodeCard(fields.filter(({ id }) => id !== LOG_FIELD).map(({ id, commitment }) => [id, commitment]));
  const logCommitment = fields.find(({ id }) => id === LOG_FIELD)?.commitment;
  const opens = logCommitment !== undefined && equalBytes(logCommitment, decoded.logCommitment);
  if (!opens || !equalBytes(cardHash(card, hasher), decoded.cardHash)) throw altered();
  return { index, entry, leafHash, logTime, producerId, producerSeq, card, fields };
}

function sweepsOf(indices: readonly number[]): readonly (readonly number[])[] {
  const sweeps: number[][] = [];
  for (const index of indices) {
    const current = sweeps.at(-1);
    const last = current?.at(-1);
    if (current !== undefined && last !== undefined && index - last <= MAX_SWEEP_GAP) current.push(index);
    else sweeps.push([index]);
  }
  return sweeps;
}
