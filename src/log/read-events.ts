/**
 * Reading stored events back. The entry is compared with its leaf hash in the tree, and the contents with the entry:
 * every commitment is recomputed and must lead to the card that the entry names. What does not fit is never served.
 */
import { equalBytes } from '../../proofs/bytes.ts';
import { cardHash, encodeCard } from '../../proofs/card.ts';
import { decodeEntry } from '../../proofs/entry.ts';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import { decodeDisclosure, LOG_FIELD, LOST_DISCLOSURE } from './disclosure.ts';
import { checkEntry } from './load.ts';
import { type EntrySource, readItemsAt } from './read-entries.ts';
import { LogError, type StoredEvent } from './types.ts';

/** The events at these ascending indices, in that order. Throws LogError `corrupt-data` naming the first bad one. */
export async function readEvents(source: EntrySource, indices: readonly number[]): Promise<readonly StoredEvent[]> {
  const { reader, state, hasher } = source;
  const expected = await reader.hashReader(state)(indices.map((index) => ({ level: 0, index })));
  const [entries, disclosures] = await Promise.all([
    readItemsAt(source, 'entries', indices),
    readItemsAt(source, 'disclosures', indices),
  ]);
  return indices.map((index, i) => {
    const entry = entries[i];
    const disclosure = disclosures[i];
    if (entry === undefined || disclosure === undefined) {
      throw new LogError('corrupt-data', `event ${index} is missing on disk`, { index });
    }
    return openEvent(index, entry, checkEntry(index, entry, expected[i], hasher), disclosure, hasher);
  });
}

/** Throws LogError `corrupt-data` for contents that do not open the entry, whatever they are. */
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
  let card: Uint8Array;
  try {
    fields = decodeDisclosure(disclosure, hasher);
    // One altered byte can make an id that no card may have, or the same id twice.
    card = encodeCard(fields.filter(({ id }) => id !== LOG_FIELD).map(({ id, commitment }) => [id, commitment]));
  } catch {
    throw altered();
  }
  const logCommitment = fields.find(({ id }) => id === LOG_FIELD)?.commitment;
  const opens = logCommitment !== undefined && equalBytes(logCommitment, decoded.logCommitment);
  if (!opens || !equalBytes(cardHash(card, hasher), decoded.cardHash)) throw altered();
  return { index, entry, leafHash, logTime, producerId, producerSeq, card, fields };
}
