/**
 * One log as a mirror holds it (C2SP tlog-mirror): the copy, the pending checkpoints that it may grow to, and the mirror
 * checkpoint, which is the only thing that the mirror ever signs.
 *
 *     pending checkpoint (recorded, unsigned)  ->  entries up to it, durable  ->  mirror checkpoint, durable  ->  sign
 *
 * The mirror checkpoint never goes back, and its tree is recomputed from the copy before it is written.
 */
import type { Checkpoint } from '../proofs/checkpoint.ts';
import { type VerifyOptions, verifyCosignature } from '../proofs/cosignature.ts';
import { ProofError } from '../proofs/errors.ts';
import type { VerifierKey } from '../proofs/key.ts';
import { formatNote, type Note, type NoteSignature } from '../proofs/note.ts';
import { holdsTree, LogCopy } from './copy.ts';
import { type CopyRows, MIRRORED_KEY, PUBLISHED_KEY } from './copy-rows.ts';
import { sign, timeOfLine } from './cosign-head.ts';
import { WitnessError } from './errors.ts';
import { decodeHead, encodeHead, type HeadRecord, headKey } from './head-record.ts';
import type { WitnessParts } from './parts.ts';

/** What signing needs. */
export type SigningParts = Pick<WitnessParts, 'cosigners' | 'clock' | 'metrics' | 'logger'>;

/** Pending checkpoints that an upload may still name without a ticket. */
const MAX_RECENT_PENDING = 32;

export class MirroredLog {
  readonly origin: string;
  readonly copy: LogCopy;
  readonly #rows: CopyRows;
  /** By size; the newest last. All of them are on the branch that the mirror follows. */
  readonly #recent = new Map<number, HeadRecord>();
  #mirrored: HeadRecord | undefined;
  /** A head that the log published: its cosignatures are those of witnesses that the operator named, verified. */
  #published: HeadRecord | undefined;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(origin: string, rows: CopyRows, copy: LogCopy) {
    this.origin = origin;
    this.#rows = rows;
    this.copy = copy;
  }

  /** Reads everything back. `pending` is what the witness state holds. Throws `state-corrupt` or `state-lost`. */
  static async open(origin: string, rows: CopyRows, pending: HeadRecord | undefined): Promise<MirroredLog> {
    const mirror = new MirroredLog(origin, rows, await LogCopy.open(rows));
    mirror.#mirrored = await readHead(rows, MIRRORED_KEY, origin);
    mirror.#published = await readHead(rows, PUBLISHED_KEY, origin);
    await mirror.#checkOpened(pending);
    if (pending !== undefined) mirror.remember(pending);
    return mirror;
  }

  /** The mirror checkpoint; its cosignatures are made again after a start. */
  get mirrored(): HeadRecord | undefined {
    return this.#mirrored;
  }

  /** A pending checkpoint was recorded: uploads may name it. */
  remember(pending: HeadRecord): void {
    const { size } = pending.checkpoint;
    this.#recent.delete(size);
    this.#recent.set(size, pending);
    if (this.#recent.size <= MAX_RECENT_PENDING) return;
    const oldest = this.#recent.keys().next();
    if (oldest.done !== true) this.#recent.delete(oldest.value);
  }

  /** The pending or mirror checkpoint of this size, if it is still known. */
  pendingOf(size: number): HeadRecord | undefined {
    const recent = this.#recent.get(size);
    if (recent !== undefined) return recent;
    return this.#mirrored?.checkpoint.size === size ? this.#mirrored : undefined;
  }

  /**
   * Makes a pending checkpoint the mirror checkpoint and signs it, once the copy has all of it. The same checkpoint again
   * gets a fresh time. Undefined when the mirror checkpoint is larger by now. Throws `state-corrupt` when the copy does
   * not hold the tree, `store-failed` when it cannot be promised.
   */
  commit(parts: SigningParts, pending: HeadRecord): Promise<HeadRecord | undefined> {
    return this.#inTurn(async () => {
      const held = this.#mirrored;
      const { size } = pending.checkpoint;
      if (held !== undefined && size < held.checkpoint.size) return undefined;
      const { failure } = this.copy;
      if (failure !== undefined) throw new WitnessError('store-failed', failure);
      if (!(await holdsTree(this.copy, pending.checkpoint))) {
        throw new WitnessError('state-corrupt', `the copy does not hold the tree of size ${size}`);
      }
      const next = isSame(held, pending) ? held : { ...pending, cosignatures: [] };
      // The commit point of the mirror. A crash after it leaves a checkpoint without our lines; they are made again.
      if (next !== held) await this.copy.put({ key: MIRRORED_KEY, value: encodeHead(next) });
      return this.#signed(parts, next);
    });
  }

  /** The mirror checkpoint as anyone may see it: the log's lines, those of witnesses, and ours. */
  async served(parts: SigningParts): Promise<string | undefined> {
    const mirrored = await this.#inTurn(async () => {
      const held = this.#mirrored;
      if (held === undefined || held.cosignatures.length > 0) return held;
      if (this.copy.failure !== undefined) throw new WitnessError('store-failed', this.copy.failure);
      return this.#signed(parts, held);
    });
    if (mirrored === undefined) return undefined;
    const { checkpoint, logSignatures, cosignatures } = mirrored;
    return formatNote({
      text: checkpoint.body,
      signatures: [...logSignatures, ...this.#witnessLines(), ...cosignatures],
    });
  }

  /** Whether the log's published checkpoint, if it is ours, could still bring lines of witnesses. */
  lacksWitnesses(count: number): boolean {
    return this.#mirrored !== undefined && this.#witnessLines().length < count;
  }

  /**
   * Keeps the witnesses' lines of the log's published checkpoint, if it is the mirror checkpoint: who restores the log
   * from here can then prove more than our word. Only lines that verify are kept.
   */
  keepWitnessLines(
    { checkpoint, note }: { readonly checkpoint: Checkpoint; readonly note: Note },
    witnesses: readonly VerifierKey[],
    options: VerifyOptions,
  ): Promise<void> {
    return this.#inTurn(async () => {
      const mirrored = this.#mirrored;
      if (mirrored === undefined || mirrored.checkpoint.body !== checkpoint.body) return;
      const cosignatures = witnesses.flatMap((key) => verifiedLine(checkpoint, note, key, options));
      if (cosignatures.length <= this.#witnessLines().length) return;
      const published = { ...mirrored, cosignatures };
      await this.copy.put({ key: PUBLISHED_KEY, value: encodeHead(published) });
      this.#published = published;
    });
  }

  async close(): Promise<void> {
    await this.#last;
    await this.copy.settle();
    await this.#rows.close();
  }

  async #signed(parts: SigningParts, head: HeadRecord): Promise<HeadRecord> {
    const { cosigners, clock, metrics, logger } = parts;
    const timestamp = Math.floor(clock() / 1000);
    const { origin, size } = head.checkpoint;
    this.#mirrored = head;
    if (cosigners.every(({ key }) => timeOfLine(head, key) === timestamp)) return head;
    const signed = { ...head, cosignatures: await sign(parts, head.checkpoint, timestamp) };
    this.#mirrored = signed;
    metrics.cosigned(origin, size);
    logger.debug({ origin, size }, 'mirrored and cosigned');
    return signed;
  }

  #witnessLines(): readonly NoteSignature[] {
    const published = this.#published;
    return published !== undefined && published.checkpoint.body === this.#mirrored?.checkpoint.body
      ? published.cosignatures
      : [];
  }

  /** The copy must be behind what was recorded as pending, and hold what was signed. */
  async #checkOpened(pending: HeadRecord | undefined): Promise<void> {
    const mirrored = this.#mirrored?.checkpoint;
    const ahead = Math.max(mirrored?.size ?? 0, this.copy.size);
    if (ahead > (pending?.checkpoint.size ?? 0)) {
      throw new WitnessError(
        'state-lost',
        `the copy of "${this.origin}" has ${ahead} entries, but no such head is recorded: the database of heads was set ` +
          'back. Restore it, or remove the copy too and start with new keys.',
      );
    }
    if (mirrored !== undefined && !(await holdsTree(this.copy, mirrored))) {
      throw new WitnessError(
        'state-corrupt',
        `the copy of "${this.origin}" does not hold the ${mirrored.size} entries that this mirror has cosigned. Restore ` +
          'the newest copy, or remove its directory: it is then made again from the log.',
      );
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}

function isSame(held: HeadRecord | undefined, pending: HeadRecord): held is HeadRecord {
  return (
    held !== undefined &&
    held.checkpoint.body === pending.checkpoint.body &&
    held.logSignatures.length >= pending.logSignatures.length
  );
}

function verifiedLine(
  checkpoint: Checkpoint,
  { signatures }: Note,
  key: VerifierKey,
  options: VerifyOptions,
): readonly NoteSignature[] {
  const line = signatures.find(({ name, keyId }) => name === key.name && keyId === key.keyId);
  if (line === undefined) return [];
  try {
    verifyCosignature(checkpoint, line, key, options);
    return [line];
  } catch (error) {
    if (error instanceof ProofError) return [];
    throw error;
  }
}

async function readHead(rows: CopyRows, key: Uint8Array, origin: string): Promise<HeadRecord | undefined> {
  const value = await rows.get(key);
  if (value === undefined) return undefined;
  // The key under which such a record lies elsewhere: it says whose record this must be.
  return decodeHead(headKey(origin), new Uint8Array(value));
}
