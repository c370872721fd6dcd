/**
 * What a run against a raw log is worth nothing without, for any server that speaks C2SP tlog-tiles: every checkpoint
 * that was seen bears the log's signature under its key and origin, each is consistent with the one before, and every
 * entry that was answered stands at its index, read back from bundles that are proven under the last of them.
 */
import { checkConsistency } from '../../proofs/check.ts';
import { type Checkpoint, verifyCheckpoint } from '../../proofs/checkpoint.ts';
import { parseVerifierKey } from '../../proofs/key.ts';
import { proveConsistency } from '../../proofs/prove.ts';
import { tileHashReader } from '../../proofs/tile.ts';
import { type CopyClient, cachedTiles, fetchEntries } from '../../src/log/fetch-copy.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import { rawEntry } from './raw-entries.ts';
import type { RawResult, RawTarget } from './raw-load.ts';

export interface RawKey {
  readonly vkey: string;
}

export interface CheckedRun {
  readonly checkpoints: number;
  readonly acknowledged: number;
  readonly size: number;
}

/** One run of the load generator, by the name that is part of its entries. */
export interface RawRun {
  readonly run: string;
  readonly result: RawResult;
}

const CLIENT: CopyClient = { fetch, timeoutMs: 30_000 };

/** Throws Error that says what is not as it was answered. `runs` in the order in which they were made. */
export async function checkRawRuns(target: RawTarget, { vkey }: RawKey, runs: readonly RawRun[]): Promise<CheckedRun> {
  const heads = await checkHeads(target, vkey, runs);
  const head = heads.at(-1);
  if (head === undefined) throw new Error(`${target.url} has shown no checkpoint`);
  const expected = expectedEntries(runs);
  let index = 0;
  for await (const entries of fetchEntries(CLIENT, { prefix: target.url, note: '' }, head)) {
    for (const entry of entries) {
      const sent = expected.get(index);
      if (sent !== undefined && Buffer.compare(entry, rawEntry(sent.run, sent.number)) !== 0) {
        throw new Error(`entry ${sent.number} of run ${sent.run} was answered with ${index}, where other bytes stand`);
      }
      expected.delete(index);
      index++;
    }
  }
  const [lost] = expected;
  if (lost !== undefined) throw new Error(`entry ${lost[1].number} was answered with ${lost[0]}, which is not there`);
  const acknowledged = runs.reduce(
    (sum, { result }) => sum + result.indices.filter((at) => !Number.isNaN(at)).length,
    0,
  );
  return { checkpoints: heads.length, acknowledged, size: head.size };
}

async function checkHeads({ url }: RawTarget, vkey: string, runs: readonly RawRun[]): Promise<readonly Checkpoint[]> {
  const key = parseVerifierKey(vkey);
  const heads: Checkpoint[] = [];
  for (const { note } of runs.flatMap(({ result }) => result.checkpoints)) {
    const { checkpoint } = verifyCheckpoint(note, [key], key.name);
    const before = heads.at(-1);
    if (before !== undefined) await checkGrowth(url, before, checkpoint);
    heads.push(checkpoint);
  }
  return heads;
}

async function checkGrowth(url: string, from: Checkpoint, to: Checkpoint): Promise<void> {
  const read = tileHashReader(cachedTiles(CLIENT, url), to.size, nativeHasher);
  const proof = from.size === 0 ? [] : await proveConsistency(from.size, to.size, read, nativeHasher);
  const sizes = { from: from.size, to: to.size };
  checkConsistency({ ...sizes, fromRoot: from.root, toRoot: to.root, proof }, nativeHasher);
}

/** By index. Throws when one index was answered for two entries: none of them is sent twice. */
function expectedEntries(runs: readonly RawRun[]): Map<number, { readonly run: string; readonly number: number }> {
  const expected = new Map<number, { readonly run: string; readonly number: number }>();
  for (const { run, result } of runs) {
    for (const [number, index] of result.indices.entries()) {
      if (Number.isNaN(index)) continue;
      if (expected.has(index)) throw new Error(`index ${index} was answered for two entries`);
      expected.set(index, { run, number });
    }
  }
  return expected;
}
