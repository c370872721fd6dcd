/** What the mirror tests share: keys, mirrors in memory over chosen rows, transcripts, and the oracle over a mirror. */
import pino from 'pino';
import { equalBytes } from '../../../proofs/bytes.ts';
import { type Checkpoint, parseCheckpoint, verifyLogSignatures } from '../../../proofs/checkpoint.ts';
import { verifyCosignature } from '../../../proofs/cosignature.ts';
import { leafHash } from '../../../proofs/hash.ts';
import { makeSignerKey } from '../../../proofs/key.ts';
import { parseNote } from '../../../proofs/note.ts';
import { decodeEntryBundle, formatTilePath, newBundles, tilesForSize } from '../../../proofs/tile.ts';
import { rootOfHashes } from '../../../proofs/tree.ts';
import { type CopyRows, memoryCopyRows } from '../../../witness/copy-rows.ts';
import { localCosigner } from '../../../witness/cosigner.ts';
import { WitnessError } from '../../../witness/errors.ts';
import { memoryEvidence } from '../../../witness/evidence.ts';
import { noGuard } from '../../../witness/guard.ts';
import { originHash } from '../../../witness/logs.ts';
import { memoryRows } from '../../../witness/memory-rows.ts';
import { type Mirror, type MirrorOptions, openMirror } from '../../../witness/mirror.ts';
import { parseMirrorInfo } from '../../../witness/mirror-wire.ts';
import type { Reply } from '../../../witness/reply.ts';
import type { TinyLog } from '../../support/tiny-log.ts';
import { CLOCK_SECONDS, seed } from './witness.ts';

export const MIRROR_NAME = 'mirror.example/m1';
export const mirrorEd25519 = makeSignerKey(MIRROR_NAME, 4, seed(0x51));
export const mirrorMldsa44 = makeSignerKey(MIRROR_NAME, 6, seed(0x52));

export interface MemoryDisk {
  /** Hexadecimal key to value, by origin: what a test may damage. */
  readonly copies: Map<string, Map<string, Uint8Array>>;
  readonly options: Pick<MirrorOptions, 'openRows' | 'openCopy'>;
  /** Called before each write of a copy: it fails then, and takes effect all the same (`kept`) or does not. */
  fault: () => 'lost' | 'kept' | undefined;
}

/** A disk in memory that outlives the mirrors on it. */
export function memoryDisk(): MemoryDisk {
  const heads = memoryRows();
  const copies = new Map<string, Map<string, Uint8Array>>();
  const disk: MemoryDisk = {
    copies,
    fault: () => undefined,
    options: {
      openRows: heads.open,
      openCopy: async (origin) => {
        const stored = copies.get(origin) ?? new Map<string, Uint8Array>();
        copies.set(origin, stored);
        const rows: CopyRows = memoryCopyRows(stored);
        return {
          ...rows,
          write: async (written) => {
            const fault = disk.fault();
            if (fault !== 'lost') await rows.write(written);
            if (fault !== undefined) throw new WitnessError('store-failed', `injected: the write is ${fault}`);
          },
        };
      },
    },
  };
  return disk;
}

export function mirrorOn(
  disk: MemoryDisk,
  logs: readonly TinyLog[],
  options: Partial<MirrorOptions> = {},
): Promise<Mirror> {
  return openMirror({
    cosigners: [localCosigner(mirrorEd25519)],
    logs: logs.map(({ known }) => known),
    witnesses: [],
    guard: noGuard,
    evidence: memoryEvidence(),
    ticketSecret: new Uint8Array(32).fill(7),
    clock: () => CLOCK_SECONDS * 1000,
    fetch: async () => {
      throw new TypeError('no network');
    },
    logger: pino({ level: 'silent' }),
    ...disk.options,
    ...options,
  });
}

export async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** `200`, `202 300 256`, `409 300 256`, `422`: status, and where the mirror says it stands. */
export async function transcript(reply: Promise<Reply>): Promise<string> {
  const { status, contentType, body } = await reply;
  if (status === 200) return String(status);
  if (/\u2014 /.test(body)) throw new Error(`status ${status} with a signature line`);
  if (contentType !== 'text/x.tlog.mirror-info') return String(status);
  const { pendingSize, nextEntry } = parseMirrorInfo(body);
  return `${status} ${pendingSize} ${nextEntry}`;
}

export function upload(mirror: Mirror, body: Uint8Array): Promise<string> {
  return transcript(mirror.addEntries(oneChunk(body)));
}

/**
 * The oracle: whatever a mirror serves as its checkpoint carries its log's signature and its own, and every tile and
 * entry under it is there and is the log's. Returns the checkpoint, or undefined where there is none.
 */
export async function checkMirror(mirror: Mirror, log: TinyLog): Promise<Checkpoint | undefined> {
  const prefix = originHash(log.origin);
  const reply = await mirror.checkpoint(prefix);
  if (reply.status === 404) return undefined;
  if (reply.status !== 200) throw new Error(`the checkpoint is answered with ${reply.status}`);
  return checkServedCopy(reply.body, mirror.keys, log, (path) => mirror.resource(prefix, path));
}

export async function checkServedCopy(
  note: string,
  keys: Mirror['keys'],
  log: TinyLog,
  resource: (path: string) => Promise<Uint8Array | undefined>,
): Promise<Checkpoint> {
  const { checkpoint } = parseCheckpoint(note);
  const { signatures } = parseNote(note);
  verifyLogSignatures(checkpoint, { text: checkpoint.body, signatures }, log.known.keys);
  for (const key of keys) {
    const line = signatures.find(({ name, keyId }) => name === key.name && keyId === key.keyId);
    if (line === undefined) throw new Error(`no line by the mirror's key of type ${key.type}`);
    verifyCosignature(checkpoint, line, key);
  }
  const hashes: Uint8Array[] = [];
  for (const bundle of newBundles(0, checkpoint.size)) {
    const bytes = await resource(formatTilePath(bundle));
    if (bytes === undefined) throw new Error(`bundle ${bundle.index} is missing`);
    hashes.push(...decodeEntryBundle(bytes).map(leafHash));
  }
  if (!equalBytes(rootOfHashes(hashes), checkpoint.root))
    throw new Error('the entries are not those of the checkpoint');
  if (!equalBytes(checkpoint.root, await log.root(checkpoint.size))) throw new Error("the checkpoint is not the log's");
  for (const tile of tilesForSize(checkpoint.size)) {
    const bytes = await resource(formatTilePath(tile));
    const expected = await log.resource(formatTilePath(tile), checkpoint.size);
    if (bytes === undefined || expected === undefined || !equalBytes(bytes, expected)) {
      throw new Error(`tile ${formatTilePath(tile)} differs`);
    }
  }
  return checkpoint;
}
