/** What is kept of a log that misbehaves, what the file alone proves, and how much of it is kept. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { base64Decode, equalBytes } from '../../proofs/bytes.ts';
import { checkConsistency } from '../../proofs/check.ts';
import { verifyCheckpoint } from '../../proofs/checkpoint.ts';
import type { Hash } from '../../proofs/hash.ts';
import {
  directoryEvidence,
  type Evidence,
  type EvidenceStore,
  headsOf,
  listEvidence,
  MAX_CONCLUSIVE_PER_LOG,
  MAX_SUSPICIONS_PER_LOG,
  memoryEvidence,
} from '../../witness/evidence.ts';
import type { Witness } from '../../witness/witness.ts';
import { memoryWitness, testLog } from './support/witness.ts';

const log = testLog();
const fork = testLog({ branch: { at: 3, name: 'another history' } });

/** The promise of `conclusive`: with nothing but the file and the log's key, anyone sees that the log lied. */
function proves(evidence: Evidence): boolean {
  const held = verifyCheckpoint(evidence.held, log.known.keys, log.origin).checkpoint;
  const offered = verifyCheckpoint(evidence.offered, log.known.keys, log.origin).checkpoint;
  if (evidence.kind === 'two-roots') return held.size === offered.size && !equalBytes(held.root, offered.root);
  if (evidence.prefix_root === undefined || evidence.proof === undefined) return false;
  const prefixRoot = base64Decode(evidence.prefix_root);
  const proof = evidence.proof.map(base64Decode);
  checkConsistency({ from: held.size, to: offered.size, fromRoot: prefixRoot, toRoot: offered.root, proof });
  return !equalBytes(prefixRoot, held.root);
}

async function evidenceAfter(held: number, ...requests: readonly Uint8Array[]): Promise<readonly Evidence[]> {
  const witness = await memoryWitness([log.known]);
  expect((await witness.addCheckpoint(log.request(0, held))).status).toBe(200);
  for (const request of requests) expect((await witness.addCheckpoint(request)).status).not.toBe(200);
  return witness.evidence();
}

describe('evidence of two roots for one size', () => {
  it('is conclusive, carries both signed heads and our cosignature on the one we held', async () => {
    const [evidence, ...others] = await evidenceAfter(5, fork.request(5, 5));
    if (evidence === undefined) throw new Error('no evidence');
    expect(others).toEqual([]);
    expect(evidence).toMatchObject({ kind: 'two-roots', conclusive: true, origin: log.origin, via: 'add-checkpoint' });
    expect(evidence.held.startsWith(log.head(5))).toBe(true);
    expect(evidence.held).toContain('\u2014 witness.example/w1 ');
    expect(evidence.offered).toBe(fork.head(5));
    expect(proves(evidence)).toBe(true);
  });

  it('is kept although the request fails for another reason first', async () => {
    for (const request of [fork.request(0, 5), fork.request(4, 5), fork.request(5, 5, { old: '6' })]) {
      const [evidence] = await evidenceAfter(5, request);
      expect(evidence?.kind).toBe('two-roots');
    }
  });
});

describe('evidence of a head that does not extend ours', () => {
  it('is conclusive when the proof itself shows another root at the size we hold', async () => {
    for (const [held, next] of [
      [5, 8],
      [6, 7],
      [7, 20],
      [300, 513],
    ] as const) {
      const [evidence] = await evidenceAfter(held, fork.request(held, next));
      expect(evidence).toMatchObject({ kind: 'failed-consistency', conclusive: true });
      expect(evidence !== undefined && proves(evidence), `${held} to ${next}`).toBe(true);
    }
  });

  it('is a suspicion when the proof does not show that, as from a power of two', async () => {
    const [evidence] = await evidenceAfter(8, fork.request(8, 13));
    expect(evidence).toMatchObject({ kind: 'failed-consistency', conclusive: false });
    expect(evidence?.prefix_root).toBeUndefined();
  });

  it('is not made of what a stranger can fake: a missing, long or garbled proof, a forged signature', async () => {
    const noHash: Hash = new Uint8Array(32);
    const proof = log.tree.consistency(5, 8);
    const garbled = proof.map((hash) => hash.with(0, (hash[0] ?? 0) ^ 1));
    expect(
      await evidenceAfter(5, log.request(5, 8, { proof: [] }), log.request(5, 8, { proof: [...proof, noHash] })),
    ).toEqual([]);
    const [suspicion, ...others] = await evidenceAfter(5, log.request(5, 8, { proof: garbled }));
    expect(others).toEqual([]);
    expect(suspicion?.conclusive).toBe(false);
    const forged = fork.head(5).replace(/\u2014 .*\n$/, log.head(5).match(/\u2014 .*\n$/)?.[0] ?? '');
    expect(await evidenceAfter(5, fork.request(5, 5, { head: forged }))).toEqual([]);
  });
});

for (const [kind, open] of [
  ['in memory', async () => memoryEvidence()],
  ['in a directory', (directory: string) => directoryEvidence(directory)],
] as const) {
  describe(`the evidence store ${kind}`, () => {
    let directory: string;
    let store: EvidenceStore;
    let sample: Evidence;

    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), 'witness-evidence-'));
      store = await open(directory);
      const [evidence] = await evidenceAfter(5, fork.request(5, 5));
      if (evidence === undefined) throw new Error('no evidence');
      sample = evidence;
    });

    afterEach(() => rm(directory, { recursive: true, force: true }));

    it('keeps one piece per offered head', async () => {
      expect(await store.keep(sample)).toBe(true);
      expect(await store.keep({ ...sample, seen_at: '2030-01-01T00:00:00.000Z' })).toBe(false);
      expect(await store.keep({ ...sample, seen_at: '2030-01-01T00:00:00.000Z', offered: fork.head(6) })).toBe(true);
      expect((await store.list()).map((one) => headsOf(one).offered.size)).toEqual([5, 6]);
    });

    it('keeps the first ones of each log and class, however many come, and suspicions never displace proof', async () => {
      const many = MAX_CONCLUSIVE_PER_LOG + MAX_SUSPICIONS_PER_LOG;
      for (let size = 1; size <= many; size++) {
        const offered = fork.head(size);
        await store.keep({ ...sample, kind: 'rollback', conclusive: false, offered });
        await store.keep({ ...sample, offered });
      }
      const kept = await store.list();
      expect(kept.filter(({ conclusive }) => !conclusive).length).toBe(MAX_SUSPICIONS_PER_LOG);
      expect(kept.filter(({ conclusive }) => conclusive).length).toBe(MAX_CONCLUSIVE_PER_LOG);
      expect(await store.keep({ ...sample, origin: 'log.example/other' })).toBe(true);
    });
  });
}

describe('evidence in a directory', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'witness-evidence-'));
  });

  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('is there after a restart, and is not written twice', async () => {
    const [sample] = await evidenceAfter(5, fork.request(5, 5));
    if (sample === undefined) throw new Error('no evidence');
    await (await directoryEvidence(directory)).keep(sample);
    const again = await directoryEvidence(directory);
    expect(await again.keep(sample)).toBe(false);
    expect(await listEvidence(directory)).toEqual([sample]);
    expect((await readdir(directory)).length).toBe(1);
  });

  it('is not skipped over when a file cannot be read', async () => {
    await writeFile(join(directory, 'x.json'), '{"format":"something else"}');
    await expect(listEvidence(directory)).rejects.toMatchObject({ code: 'state-corrupt' });
  });
});

describe('a witness whose evidence cannot be written', () => {
  it('still refuses the head', async () => {
    const broken: EvidenceStore = { keep: () => Promise.reject(new Error('disk full')), list: async () => [] };
    const base: Witness = await memoryWitness([log.known], { evidence: broken });
    expect((await base.addCheckpoint(log.request(0, 5))).status).toBe(200);
    expect((await base.addCheckpoint(fork.request(5, 5))).status).toBe(422);
    expect((await base.addCheckpoint(log.request(5, 6))).status).toBe(200);
  });
});
