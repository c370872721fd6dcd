/**
 * Restores a lost log's public part from a copy, and proves that nothing changed. What comes back: every entry, the tree,
 * the signed head. What does not: contents, search terms and event ids, which no copy ever had (docs/restore.md).
 *
 *     the copy's checkpoint -> log signature -> everyone else's heads: none is newer
 *       -> entries, each bundle proven -> everyone's heads are heads of this tree -> quorum
 *       -> guard -> the database takes its place
 *
 * The log goes on under its origin and its keys. Everything is built beside, and takes its place by one rename: a crash
 * before leaves no database, and a log that finds its guard without one signs nothing.
 */
import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { utf8Encode } from '../../proofs/bytes.ts';
import type { Hash } from '../../proofs/hash.ts';
import { formatNote } from '../../proofs/note.ts';
import { type Policy, parsePolicy } from '../../proofs/policy.ts';
import type { Store } from '../store/contract.ts';
import { openLevelStore } from '../store/leveldb.ts';
import { nativeHasher } from '../store/native-hasher.ts';
import { readAcknowledged } from './acknowledged.ts';
import { type CopySource, fetchEntries, findCopy } from './fetch-copy.ts';
import { ACKNOWLEDGED_FILE, readGuard, writeGuard } from './guard.ts';
import { EMPTY_STATE, integrate, type TreeState } from './integrate.ts';
import { rootAt } from './prove.ts';
import type { RestoredEntries } from './restore-entries.ts';
import { RestoreError } from './restore-error.ts';
import {
  guardedHead,
  judgeHead,
  judgeWitnesses,
  type KnownHead,
  linesOf,
  publishedNote,
  quorumSize,
  refuseNewer,
  refuseOthers,
} from './restore-heads.ts';
import { HEAD_KEY, PUBLISHED_KEY } from './rows.ts';
import { TreeReader } from './tree-reader.ts';
import { askWitnesses } from './witness-client.ts';

export interface RestoreOptions {
  /** The log's directory: no database in it, and the guard file if it survived. */
  readonly directory: string;
  readonly origin: string;
  readonly policyText: string;
  /** What the entries are: events, or bytes. */
  readonly entries: RestoredEntries;
  /** A mirror, or any tiled copy of the log. */
  readonly from: string;
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
  /** Checkpoints that somebody kept, each with a name for people; the restored tree must be consistent with them. */
  readonly pins: readonly { readonly name: string; readonly note: Uint8Array }[];
  /** Go on although witnesses do not answer. They may hold a newer head; then the log will refuse to sign. */
  readonly acceptSilentWitnesses: boolean;
  /** Go on although no quorum stands behind the copy: the log's own signature is then all there is. */
  readonly acceptNoQuorum: boolean;
  /** Go on without entries that were acknowledged after the newest head: no copy can have them. */
  readonly acceptLostAcknowledged?: boolean;
  /** Told of entries that are written, and how many there will be. */
  readonly onProgress: (done: number, total: number) => void;
}

export interface Restored {
  readonly size: number;
  readonly root: Hash;
  /** URL prefix of the copy. */
  readonly from: string;
  /** Heads that were compared, and agree. */
  readonly agrees: readonly { readonly holder: string; readonly size: number }[];
  readonly silent: readonly string[];
  /** Entries up to here are vouched for by a quorum of the policy; those after it by the log's own signature. */
  readonly quorumSize: number;
  /** Entries that were acknowledged and that no head covered: they are lost. */
  readonly lostAcknowledged: number;
  /** Whether the restored head is public at once, or has to be cosigned again first. */
  readonly published: boolean;
}

/** Throws RestoreError, and then nothing was changed; ProofError for a bad policy, LogError for a damaged guard file. */
export async function restoreLog(options: RestoreOptions): Promise<Restored> {
  const { directory, origin, from, acceptSilentWitnesses, acceptNoQuorum } = options;
  const database = join(directory, 'db');
  if (await exists(database)) {
    throw new RestoreError('not-empty', `there is a database at ${database}. Move it away first, and keep it.`);
  }
  const policy = parsePolicy(options.policyText);
  const source = await findCopy(options, from, origin);
  const copy = judgeHead(policy, origin, 'the copy', source.note);
  const { heads, silent } = await collectHeads(options, policy);
  if (silent.length > 0 && !acceptSilentWitnesses) {
    throw new RestoreError('unreachable', `these could hold a newer head, and do not answer: ${silent.join('; ')}`);
  }
  refuseNewer(copy.size, heads);
  const lostFrom = await refuseAcknowledged(options, copy.size);
  const all = [copy, ...heads];
  const vouched = quorumSize(policy, all);
  if (vouched === 0 && copy.size > 0 && !acceptNoQuorum) {
    throw new RestoreError('quorum-not-met', 'no quorum of the policy stands behind any part of this copy');
  }
  const published = await build(options, policy, source, copy, all);
  const agrees = heads.map(({ holder, size }) => ({ holder, size }));
  const { size, root } = copy;
  return {
    size,
    root,
    lostAcknowledged: lostFrom,
    from: source.prefix,
    agrees,
    silent,
    quorumSize: vouched,
    published,
  };
}

/** How many entries were acknowledged beyond the copy. Throws RestoreError `behind` unless that is accepted. */
async function refuseAcknowledged(
  { directory, origin, acceptLostAcknowledged }: RestoreOptions,
  copySize: number,
): Promise<number> {
  const known = await readAcknowledged(join(directory, ACKNOWLEDGED_FILE));
  if (known === undefined || known.origin !== origin || known.size <= copySize) return 0;
  if (acceptLostAcknowledged === true) return known.size - copySize;
  throw new RestoreError(
    'behind',
    `the copy has ${copySize} entries, and ${known.size} were acknowledged to their producers: entries ${copySize} to ` +
      `${known.size - 1} are not in it, and no head covered them yet. Look for a newer copy first. If there is none, ` +
      '--accept-lost-acknowledged goes on without them; their producers have to send them again.',
  );
}

async function collectHeads(
  { directory, origin, fetch, timeoutMs, pins }: RestoreOptions,
  policy: Policy,
): Promise<{ readonly heads: readonly KnownHead[]; readonly silent: readonly string[] }> {
  const guard = await readGuard(join(directory, 'guard'));
  if (guard !== undefined && guard.origin !== origin) {
    throw new RestoreError('contradicted', `the guard file is that of another log, ${guard.origin}`);
  }
  const reports = await askWitnesses({ policy, origin, timeoutMs, fetch });
  const { heads, silent } = judgeWitnesses(policy, origin, reports);
  const pinned = pins.map(({ name, note }) => judgeHead(policy, origin, `the pin ${name}`, note));
  return { heads: [...(guard === undefined ? [] : [guardedHead(guard)]), ...heads, ...pinned], silent };
}

/** Builds the database beside, checks the tree against all heads, and lets it take its place. */
async function build(
  options: RestoreOptions,
  policy: Policy,
  source: CopySource,
  copy: KnownHead,
  heads: readonly KnownHead[],
): Promise<boolean> {
  const { directory, origin } = options;
  const { checked, size, root } = copy;
  if (checked === undefined) throw new RestoreError('altered', 'the copy has no checkpoint');
  const building = join(directory, 'db.restoring');
  await rm(building, { recursive: true, force: true });
  const published = publishedNote(policy, checked, heads);
  try {
    const store = await openLevelStore(building);
    try {
      const state = await writeEntries(store, options, source, copy);
      const reader = new TreeReader(store, nativeHasher);
      await refuseOthers((at) => rootAt({ reader, hasher: nativeHasher, state }, at), heads);
      const head = formatNote({ text: checked.checkpoint.body, signatures: linesOf(checked, checked.logKeys) });
      await store.write([
        { key: HEAD_KEY, value: utf8Encode(head) },
        ...(published === undefined ? [] : [{ key: PUBLISHED_KEY, value: utf8Encode(published) }]),
        ...options.entries.rowsAtEnd(size),
      ]);
    } finally {
      await store.close();
    }
    // From here on the log knows which head it has to hold; without a database it signs nothing.
    await writeGuard(join(directory, 'guard'), { origin, size, root });
    await rm(join(directory, ACKNOWLEDGED_FILE), { force: true });
    await rename(building, join(directory, 'db'));
    await syncDirectory(directory);
  } catch (error) {
    await rm(building, { recursive: true, force: true });
    throw error;
  }
  return published !== undefined;
}

async function writeEntries(
  store: Store,
  options: RestoreOptions,
  source: CopySource,
  copy: KnownHead,
): Promise<TreeState> {
  let state = EMPTY_STATE;
  const head = copy.checked?.checkpoint;
  if (head === undefined) return state;
  for await (const entries of fetchEntries(options, source, head)) {
    const leaves = options.entries.leavesOf(state, entries);
    const { state: after, rows } = integrate(state, leaves, nativeHasher);
    await store.write([...rows, ...options.entries.rowsOf(leaves)]);
    state = after;
    options.onProgress(state.range.size, head.size);
  }
  return state;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
