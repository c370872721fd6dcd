/**
 * Stage `sign`: from a durable tree to a signed head. Before a signature is made, the entries since the last signed
 * head are read back from disk and hashed onto that head's compact range: if the root that comes out is the tree's,
 * the new head extends the old one and says what the disk says. Then the guard is advanced, and only then is signed.
 */
import { equalBytes } from '../../proofs/bytes.ts';
import { type Checkpoint, formatCheckpointBody, parseCheckpointBody } from '../../proofs/checkpoint.ts';
import { signCheckpoint } from '../../proofs/cosignature.ts';
import type { Hasher } from '../../proofs/hash.ts';
import type { SignerKey } from '../../proofs/key.ts';
import { formatNote, type NoteSignature } from '../../proofs/note.ts';
import { appendLeaves, type CompactRange, rangeRoot } from '../../proofs/range.ts';
import type { Store } from '../store/contract.ts';
import { readItems } from './entries.ts';
import { writeGuard } from './guard.ts';
import type { TreeState } from './integrate.ts';
import { MAX_CLOCK_STEP_BACK_US } from './log-time.ts';
import { HEAD_KEY } from './rows.ts';
import { LogError } from './types.ts';

/** A head that this log signed. */
export interface SignedHead {
  readonly checkpoint: Checkpoint;
  /** The peaks of its tree: what the next head is checked to extend. */
  readonly range: CompactRange;
  /** The log's own signature lines. */
  readonly signatures: readonly NoteSignature[];
  /** The whole signed note. */
  readonly note: string;
  readonly signedAtMs: number;
}

/** Makes the slow ML-DSA-44 signature away from the event loop. */
export type SignOffThread = (checkpoint: Checkpoint, signer: SignerKey, timestamp: number) => Promise<NoteSignature>;

export interface SignOptions {
  readonly store: Store;
  readonly hasher: Hasher;
  readonly origin: string;
  readonly guardPath: string;
  /** The keys that sign a head of this size. */
  readonly signersAt: (size: number) => readonly SignerKey[];
  readonly nowUs: () => number;
  readonly signOffThread: SignOffThread;
}

/** Signs the head of `state`, which must extend `last`. Throws LogError `corrupt-data`, `clock-backwards` or `no-valid-key`. */
export async function signHead(options: SignOptions, last: CompactRange, state: TreeState): Promise<SignedHead> {
  const { store, hasher, origin, guardPath, signersAt, nowUs } = options;
  if (nowUs() < state.lastLogTime - MAX_CLOCK_STEP_BACK_US) {
    throw new LogError(
      'clock-backwards',
      "the log's clock stands before the last log time; no head is signed until then",
    );
  }
  const signers = signersAt(state.range.size);
  const range = await reread(store, last, state.range.size, hasher);
  const root = rangeRoot(range, hasher);
  if (!equalBytes(root, rangeRoot(state.range, hasher))) {
    throw new LogError(
      'corrupt-data',
      `entries ${last.size} to ${range.size - 1} on disk do not lead to the tree's root`,
      {
        index: last.size,
        size: range.size,
      },
    );
  }
  await writeGuard(guardPath, { origin, size: range.size, root });
  const checkpoint = parseCheckpointBody(formatCheckpointBody({ origin, size: range.size, root }));
  const seconds = Math.floor(nowUs() / 1_000_000);
  const signatures = await Promise.all(
    signers.map((signer) =>
      signer.type === 6
        ? options.signOffThread(checkpoint, signer, seconds)
        : signCheckpoint(checkpoint, signer, seconds),
    ),
  );
  const note = formatNote({ text: checkpoint.body, signatures });
  await store.write([{ key: HEAD_KEY, value: new TextEncoder().encode(note) }]);
  return { checkpoint, range, signatures, note, signedAtMs: Math.floor(nowUs() / 1000) };
}

/** The second path from disk to root: entries, not tiles, and no memory of what was written. */
async function reread(store: Store, last: CompactRange, size: number, hasher: Hasher): Promise<CompactRange> {
  let range = last;
  for await (const entries of readItems(store, 'entries', last.size, size)) {
    range = appendLeaves(
      range,
      entries.map((entry) => hasher.leaf(entry)),
      hasher,
    );
  }
  return range;
}
