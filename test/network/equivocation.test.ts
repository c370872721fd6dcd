/**
 * Three logs and five witnesses, all real processes but one log, which tells two stories. Every witness that both stories
 * reach keeps its own and the proof against the other; the monitor makes a fork proof of it; the other two logs go on.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { checkForkProof, parseForkProof } from '../../proofs/fork-proof.ts';
import { formatSignerKey, verifierKeyOf } from '../../proofs/key.ts';
import { parsePolicy } from '../../proofs/policy.ts';
import { findFreePorts } from '../../src/cli/ports.ts';
import { originHash } from '../../witness/logs.ts';
import { cli } from '../support/network.ts';
import { testSigner } from '../support/signed.ts';
import { until } from '../support/test-log.ts';
import { type ServedViews, serveViews, type TinyLog, tinyLog, type View } from '../support/tiny-log.ts';
import { type RunningProgram, runProgram, startProgram } from '../witness/support/program.ts';

const WITNESSES = ['w1', 'w2', 'w3', 'w4', 'w5'] as const;
const HONEST = ['first', 'second'] as const;
const EVIL = 'log.example/evil';
/** Twelve processes share the machine with whatever else runs on it. */
const WAIT_MS = 40_000;
const story = {
  a: tinyLog({ origin: EVIL, count: 700 }),
  b: tinyLog({ origin: EVIL, count: 700, branch: { at: 350, name: 'other' } }),
};

describe('a log that equivocates among three logs and five witnesses', () => {
  const witnessKeys = new Map(WITNESSES.map((name) => [name, testSigner(`witness.example/${name}`, 4)] as const));
  const witnesses = new Map<string, RunningProgram>();
  /** What the evil log shows to whom: by the first segment of the path. */
  const shown = new Map<string, View>();
  let data: string;
  let logs: RunningProgram;
  let evil: ServedViews;

  beforeAll(async () => {
    data = await mkdtemp(path.join(tmpdir(), 'countersign-equivocation-'));
    const [logPort = 0, ...ports] = await findFreePorts(1 + WITNESSES.length);
    const urls = new Map(WITNESSES.map((name, i) => [name, `http://127.0.0.1:${ports[i]}`] as const));
    const lines = WITNESSES.map((name) => `witness ${name} ${verifierKeyOf(keyOf(name)).vkey} ${urls.get(name)}`);
    const witnessLines = [...lines, `group quorum-of-them 3 ${WITNESSES.join(' ')}`, 'quorum quorum-of-them', ''].join(
      '\n',
    );
    await writeFile(path.join(data, 'witnesses.txt'), witnessLines);
    await writeFile(path.join(data, 'evil-policy.txt'), `log ${verifierKeyOf(story.a.signer).vkey}\n${witnessLines}`);
    for (const name of HONEST) {
      const flags = ['--data', data, '--name', name, '--witnesses', path.join(data, 'witnesses.txt')];
      expect((await cli(['init', '--origin', `log.example/${name}`, ...flags])).code).toBe(0);
    }
    evil = await serveViews((segment) => shown.get(segment));
    logs = await startProgram('src/cli/main.ts', ['serve', '--data', data, '--port', String(logPort)]);
    await Promise.all(
      WITNESSES.map(async (name) => {
        const honest = await Promise.all(HONEST.map((log) => honestFlags(log, `http://127.0.0.1:${logPort}`)));
        const evilFlags = ['--log', `${verifierKeyOf(story.a.signer).vkey} ${evil.url}/${name}`];
        const keyFile = path.join(data, `${name}.key`);
        await writeFile(keyFile, `${formatSignerKey(keyOf(name))}\n`, { mode: 0o600 });
        const own = ['--data', path.join(data, 'witnesses', name), '--key-file', keyFile, '--poll-ms', '50'];
        const listen = ['--listen', `127.0.0.1:${ports[WITNESSES.indexOf(name)]}`];
        witnesses.set(
          name,
          await startProgram('witness/main.ts', ['run', ...own, ...listen, ...honest.flat(), ...evilFlags]),
        );
      }),
    );
  }, 120_000);

  afterAll(async () => {
    for (const program of [...witnesses.values(), logs]) if (program?.isRunning()) await program.end('SIGTERM');
    await evil?.close();
    await rm(data, { recursive: true, force: true });
  }, 60_000);

  function keyOf(name: (typeof WITNESSES)[number]): ReturnType<typeof testSigner> {
    const key = witnessKeys.get(name);
    if (key === undefined) throw new Error(`no key of ${name}`);
    return key;
  }

  async function policyTextOf(log: string): Promise<string> {
    return readFile(path.join(data, 'logs', log, 'policy.txt'), 'utf8');
  }

  async function honestFlags(log: string, baseUrl: string): Promise<string[]> {
    const { logs: keys } = parsePolicy(await policyTextOf(log));
    return keys.flatMap(({ key }) => ['--log', `${key.vkey} ${baseUrl}/${log}`]);
  }

  function show(to: readonly string[], log: TinyLog, size: number): void {
    for (const name of to) shown.set(name, { log, size });
  }

  /** Size and root of the head that a witness serves for this log. */
  async function headAt(witness: string, origin: string): Promise<string> {
    const response = await fetch(`${witnesses.get(witness)?.url}/${originHash(origin)}/checkpoint`);
    if (response.status !== 200) return `status ${response.status}`;
    const { size, root } = parseCheckpoint(await response.text()).checkpoint;
    return `${size} ${Buffer.from(root).toString('base64')}`;
  }

  async function expected(log: TinyLog, size: number): Promise<string> {
    return `${size} ${Buffer.from(await log.root(size)).toString('base64')}`;
  }

  async function allHave(names: readonly string[], log: TinyLog, size: number): Promise<void> {
    const head = await expected(log, size);
    for (const name of names) {
      await until(async () => (await headAt(name, EVIL)) === head, `${name} has ${size}`, WAIT_MS);
    }
  }

  /** Submits so many events to an honest log and waits until they are published. */
  async function publish(log: string, from: number, count: number): Promise<void> {
    const token = (await readFile(path.join(data, 'logs', log, 'issued', 'producer.token'), 'utf8')).trim();
    const body = Array.from({ length: count }, (_, i) => JSON.stringify(eventOf(`${log}-${from + i}`))).join('\n');
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' };
    const response = await fetch(`${logs.url}/${log}/events`, { method: 'POST', headers, body });
    expect([response.status, log]).toEqual([expect.toBeOneOf([200, 201, 202]), log]);
    await until(async () => (await publishedSize(log)) >= from + count, `${log} publishes ${from + count}`, WAIT_MS);
  }

  async function publishedSize(log: string): Promise<number> {
    const response = await fetch(`${logs.url}/${log}/checkpoint`);
    return response.status === 200 ? parseCheckpoint(await response.text()).checkpoint.size : 0;
  }

  type KeptEvidence = { readonly kind: string; readonly conclusive: boolean; readonly origin: string };

  /** The files, while the witness runs: asking the command again and again would take longer than the witness. */
  async function evidenceOf(witness: string): Promise<readonly KeptEvidence[]> {
    const directory = path.join(data, 'witnesses', witness, 'evidence');
    const names = (await readdir(directory)).filter((name) => name.endsWith('.json'));
    return Promise.all(names.map(async (name) => JSON.parse(await readFile(path.join(directory, name), 'utf8'))));
  }

  function monitorOnce(
    directory: string,
    policy: string,
    logUrl: string,
  ): Promise<{ code: number | string; out: string }> {
    const flags = ['--data', path.join(data, directory), '--policy', policy, '--log-url', logUrl, '--once', '--json'];
    return runProgram('witness/monitor-main.ts', flags);
  }

  it('starts with one story, which everybody cosigns', async () => {
    for (const log of HONEST) await publish(log, 0, 3);
    show([...WITNESSES, 'public'], story.a, 300);
    await allHave(WITNESSES, story.a, 300);
  }, 60_000);

  it('tells two stories to two halves: neither half can know, and each cosigns what extends what it had', async () => {
    show(['w1', 'w2', 'w3', 'public'], story.a, 500);
    show(['w4', 'w5'], story.b, 500);
    await allHave(['w1', 'w2', 'w3'], story.a, 500);
    await allHave(['w4', 'w5'], story.b, 500);
    for (const name of WITNESSES) expect(await evidenceOf(name)).toEqual([]);
  }, 60_000);

  it('is found out by the monitor, which asks all of them: a fork proof that verifies offline', async () => {
    const policy = path.join(data, 'evil-policy.txt');
    const { code, out } = await monitorOnce('monitor-evil', policy, `${evil.url}/public`);
    expect([code, out]).toEqual([1, expect.stringContaining('"code":"fork"')]);
    const forks = path.join(data, 'monitor-evil', 'forks');
    const texts = await Promise.all((await readdir(forks)).map((name) => readFile(path.join(forks, name), 'utf8')));
    expect(texts).toHaveLength(1);
    const fork = checkForkProof(parseForkProof(texts[0] ?? ''), parsePolicy(await readFile(policy, 'utf8')));
    expect(fork).toMatchObject({ kind: 'two-roots', origin: EVIL, witnessesOfBoth: [] });
    const halves = [fork.first, fork.second].map(({ witnesses: by }) => by.map(({ name }) => name).join(' '));
    expect(halves.sort()).toEqual(['w1 w2 w3', 'w4 w5']);
  }, 60_000);

  it('is caught by every witness that the other story reaches, and none of them ever signs it', async () => {
    show(['w1', 'w2'], story.b, 600);
    show(['w3'], story.b, 500);
    show(['w4', 'w5'], story.a, 600);
    for (const name of WITNESSES) {
      await until(async () => (await evidenceOf(name)).length > 0, `${name} keeps evidence`, WAIT_MS);
      const kind = name === 'w3' ? 'two-roots' : 'failed-consistency';
      expect([name, await evidenceOf(name)]).toEqual([
        name,
        [expect.objectContaining({ kind, conclusive: true, origin: EVIL })],
      ]);
    }
    await allHave(['w1', 'w2', 'w3'], story.a, 500);
    await allHave(['w4', 'w5'], story.b, 500);
    // Any of them can hand its evidence on as a fork proof.
    const trusted = parsePolicy(await readFile(path.join(data, 'evil-policy.txt'), 'utf8'));
    const command = ['evidence', '--data', path.join(data, 'witnesses', 'w1')];
    const [file = ''] = (
      await runProgram('witness/main.ts', [...command, '--fork-proofs', path.join(data, 'w1-proofs')])
    ).out.split('\n');
    expect(checkForkProof(parseForkProof(await readFile(file)), trusted)).toMatchObject({ kind: 'two-histories' });
    const { out } = await runProgram('witness/main.ts', command);
    expect(out).toMatch(/failed-consistency {2}conclusive {2}log\.example\/evil/);
  }, 90_000);

  it('does not hold up the other logs: they publish, and their monitor has nothing to say', async () => {
    for (const log of HONEST) {
      // The log also makes entries of its own, so that its sizes are at least these.
      const before = await publishedSize(log);
      await publish(log, before, 5);
      for (const name of WITNESSES) {
        const sizeAt = async (): Promise<number> => Number.parseInt(await headAt(name, `log.example/${log}`), 10);
        await until(async () => (await sizeAt()) >= before + 5, `${name} follows ${log}`, WAIT_MS);
      }
      const policy = path.join(data, 'logs', log, 'policy.txt');
      const { code, out } = await monitorOnce(`monitor-${log}`, policy, `${logs.url}/${log}`);
      const report = JSON.parse(out.trim()) as { readonly entries_verified: number; readonly ok: boolean };
      expect([code, report.ok, report.entries_verified >= before + 5]).toEqual([0, true, true]);
    }
    for (const { url } of witnesses.values()) expect((await fetch(`${url}/healthz`)).status).toBe(200);
  }, 90_000);
});

function eventOf(id: string): object {
  return {
    event_id: id,
    occurred_at: '2026-01-08T14:32:07Z',
    tenant: 'acme',
    actor: { type: 'service', id: 'svc-1' },
    action: 'job.run',
    target: { type: 'job', id: 'nightly' },
    outcome: { result: 'success' },
  };
}
