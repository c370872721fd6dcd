import { describe, expect, it } from 'vitest';
import { base64Decode } from '../../proofs/bytes.ts';
import { checkConsistency } from '../../proofs/check.ts';
import { type Checkpoint, parseCheckpoint } from '../../proofs/checkpoint.ts';
import { cosign } from '../../proofs/cosignature.ts';
import { EMPTY_ROOT, type Hash } from '../../proofs/hash.ts';
import type { SignerKey } from '../../proofs/key.ts';
import { formatSignatureLines } from '../../proofs/note.ts';
import type { Log } from '../../src/log/types.ts';
import { openTestLog, preparedEvent, testKeys, until, withDirectory } from '../support/test-log.ts';

type Answer = (request: {
  old: number;
  proof: readonly Hash[];
  checkpoint: Checkpoint;
  signal: AbortSignal;
}) => Promise<Response> | Response;

const SECONDS = Math.floor(Date.now() / 1000);
const WITNESS = /^http:\/\/w([123])\.test\/(add-checkpoint|[0-9a-f]{64}\/checkpoint)$/;

/** A log whose policy gives w1, w2 and w3 a URL; `answers` says what each does with a pushed head. */
async function withWitnesses(
  answers: readonly Answer[],
  work: (log: Log, requests: readonly string[]) => Promise<void>,
): Promise<void> {
  await withDirectory(async (directory) => {
    const keys = testKeys();
    const policyText = keys.policyText.replace(/^(witness w(\d) .*)$/gm, '$1 http://w$2.test/');
    const requests: string[] = [];
    const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
      const [, number = '', path = ''] = WITNESS.exec(String(input)) ?? [];
      if (path !== 'add-checkpoint') return new Response('', { status: 404 });
      const body = String(init?.body);
      requests.push(`w${number} ${body.slice(0, body.indexOf('\n'))}`);
      const signal = init?.signal ?? new AbortController().signal;
      return (
        (await answers[Number(number) - 1]?.({ ...readRequest(body), signal })) ?? new Response('', { status: 500 })
      );
    };
    const { log } = await openTestLog(directory, { keys, policyText, fetch, limits: { witnessTimeoutMs: 300 } });
    try {
      await work(log, requests);
    } finally {
      await log.close();
    }
  });
}

function readRequest(body: string): { old: number; proof: readonly Hash[]; checkpoint: Checkpoint } {
  const split = body.indexOf('\n\n');
  const [first = '', ...proof] = body.slice(0, split).split('\n');
  const { checkpoint } = parseCheckpoint(body.slice(split + 2));
  return { old: Number(first.replace('old ', '')), proof: proof.map(base64Decode), checkpoint };
}

/** A witness as the specification wants it, which checks each proof that it gets. */
function honest(key: SignerKey | undefined): Answer {
  if (key === undefined) throw new Error('a witness needs a key');
  let [size, root] = [0, EMPTY_ROOT];
  return ({ old, proof, checkpoint }) => {
    if (old !== size)
      return new Response(`${size}\n`, { status: 409, headers: { 'content-type': 'text/x.tlog.size' } });
    if (old > 0) checkConsistency({ from: old, to: checkpoint.size, fromRoot: root, toRoot: checkpoint.root, proof });
    else expect(proof).toEqual([]);
    [size, root] = [checkpoint.size, checkpoint.root];
    return new Response(formatSignatureLines([cosign(checkpoint, key, SECONDS)]));
  };
}

const [k1, k2, k3] = testKeys().witnesses;
const hung: Answer = ({ signal }) =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('timed out')));
  });

async function submitAndWait(log: Log, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await log.submit([preparedEvent(`e${log.treeSize()}`)]);
    await until(() => log.publishedSize() === log.treeSize(), 'publication');
  }
}

const health = (log: Log, name: string) => log.health().witnesses.find((one) => one.name === name);

describe('pushing heads to witnesses', () => {
  it('reaches the quorum with correct proofs from size to size, while one witness hangs and one is broken', () =>
    withWitnesses([honest(k1), honest(k2), hung], async (log) => {
      const startedAt = performance.now();
      await submitAndWait(log, 5);
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      expect(health(log, 'w1')).toMatchObject({ cosignedSize: 5, lastError: null, push: { failures: 0 } });
      await until(() => (health(log, 'w3')?.push?.failures ?? 0) > 0, 'the hung witness to be noticed');
      expect(health(log, 'w3')?.lastError).toMatch(/timeout|timed out|aborted/i);
    }));

  it('learns the size that a witness names with 409, and sends the right proof', () => {
    const late = honest(k2);
    return withWitnesses([honest(k1), late, honest(k3)], async (log, requests) => {
      await submitAndWait(log, 2);
      await until(() => health(log, 'w2')?.cosignedSize === 2);
      expect(requests.filter((line) => line.startsWith('w2')).slice(0, 2)).toEqual(['w2 old 0', 'w2 old 0']);
      expect(requests).toContain('w2 old 1');
    });
  });

  it('asks a witness at most four times for one head when it names ever other sizes', () => {
    let named = 0;
    const confused: Answer = ({ checkpoint }) =>
      new Response(`${named++ % Math.max(1, checkpoint.size)}\n`, { status: 409 });
    return withWitnesses([honest(k1), honest(k2), confused], async (log, requests) => {
      await submitAndWait(log, 3);
      await until(() => (health(log, 'w3')?.push?.failures ?? 0) >= 1);
      expect(health(log, 'w3')?.lastError).toMatch(/4 times in a row/);
      expect(requests.filter((line) => line.startsWith('w3')).length).toBeGreaterThanOrEqual(4);
    });
  });

  it('stops signing, and says why, when a witness claims more entries than the log has', () => {
    const ahead: Answer = () => new Response('1000\n', { status: 409 });
    return withWitnesses([ahead, hung, hung], async (log) => {
      await until(() => log.health().signing.state === 'refusing');
      const { signing, problems } = log.health();
      expect(signing).toMatchObject({ code: 'rolled-back' });
      expect(problems.join(' ')).toMatch(/witness w1 at http:\/\/w1\.test says it cosigned 1000 entries/);
      await expect(log.submit([preparedEvent('x')])).rejects.toMatchObject({ code: 'log-stopped' });
    });
  });

  it('keeps only lines that verify: foreign keys, wrong heads, no time and a far future count for nothing', () => {
    if (k1 === undefined || k2 === undefined || k3 === undefined) throw new Error('three keys are needed');
    const wrongKey: Answer = ({ checkpoint }) => new Response(formatSignatureLines([cosign(checkpoint, k3, SECONDS)]));
    const wrongHead: Answer = ({ checkpoint }) =>
      new Response(
        formatSignatureLines([cosign({ ...checkpoint, body: checkpoint.body.replace('\n0\n', '\n9\n') }, k2, SECONDS)]),
      );
    const future: Answer = ({ checkpoint }) =>
      new Response(formatSignatureLines([cosign(checkpoint, k3, SECONDS + 9_000)]));
    return withWitnesses([wrongKey, wrongHead, future], async (log) => {
      await until(() => ['w1', 'w2', 'w3'].every((name) => (health(log, name)?.push?.requests ?? 0) > 0));
      await until(() => health(log, 'w2')?.lastError !== null);
      expect(log.checkpoint()).toBeUndefined();
      expect(health(log, 'w2')?.cosignedSize).toBeNull();
    });
  });

  it('survives every kind of bad answer, and publishes nothing from it', () => {
    const bodies = ['junk\n', '— w1 AAAA\n', `${'x'.repeat(300 * 1024)}\n`];
    let turn = 0;
    const junk: Answer = () => new Response(bodies[turn++ % bodies.length] ?? '');
    const refusing: Answer = () => new Response('no such log\n', { status: 404 });
    const odd: Answer = () => new Response('007\n', { status: 409 });
    return withWitnesses([junk, refusing, odd], async (log) => {
      await until(() => ['w1', 'w2', 'w3'].every((name) => (health(log, name)?.push?.failures ?? 0) > 0));
      expect(health(log, 'w2')?.lastError).toMatch(/it answered 404: no such log/);
      expect(log.checkpoint()).toBeUndefined();
      expect(log.health().signing.state).toBe('signing');
    });
  });
});
