/** The witness's command, as a process: it starts, says so in one line, stops cleanly, and lists what it saw. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { parseVerifierKey } from '../../proofs/key.ts';
import { clientOf } from './support/client.ts';
import { type FakeLog, fakeLog, postedSizes } from './support/fake-log.ts';
import { type RunningWitness, runWitness, startWitness } from './support/process.ts';
import { testLog, verifiedLines } from './support/witness.ts';

const NAME = 'witness.example/process';
const log = testLog();
const fork = testLog({ branch: { at: 3, name: 'another history' } });
const [key] = log.known.keys;
const vkey = key?.vkey ?? '';

let directory: string;
let running: RunningWitness[] = [];
let servers: Server[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'witness-command-'));
});

afterEach(async () => {
  for (const witness of running) await witness.end('SIGKILL');
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  running = [];
  servers = [];
  await rm(directory, { recursive: true, force: true });
});

async function start(...args: readonly string[]): Promise<RunningWitness> {
  const witness = await startWitness(['--data', join(directory, 'data'), ...args]);
  running.push(witness);
  return witness;
}

/** Puts a fake log behind a real socket. */
async function listen(fake: FakeLog): Promise<string> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = 'GET', headers, url } = request;
    const body = method === 'POST' ? { body: Buffer.concat(chunks).toString('utf8') } : {};
    const etag = headers['if-none-match'];
    const init = { method, headers: etag === undefined ? {} : { 'if-none-match': etag }, ...body };
    const answer = await fake.fetch(`${fake.url}${url}`, init);
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('countersign-witness run', () => {
  it('makes its keys once, follows its logs, answers, and stops cleanly on SIGTERM', async () => {
    const fake = fakeLog(log, 5);
    const url = await listen(fake);
    const witness = await start('--name', NAME, '--log', `${vkey} ${url}`, '--poll-ms', '20');
    expect(witness).toMatchObject({ ready: true, name: NAME });
    expect(witness.url).toMatch(/^http:\/\/127\.0\.0\.1:[0-9]+$/);
    expect(witness.vkeys.map((one) => parseVerifierKey(one).type)).toEqual([4, 6]);
    for (const size of [5, 8, 300]) {
      fake.size = size;
      await until(() => postedSizes(fake).at(-1) === size);
    }
    const keys = witness.vkeys.map(parseVerifierKey);
    const lines = fake.posted.at(-1)?.slice(log.head(300).length) ?? '';
    expect(verifiedLines({ body: lines }, parseCheckpoint(log.head(300)).checkpoint, keys).length).toBe(2);
    expect(await clientOf(witness.url).add(log.request(300, 301))).toBe('200');
    expect(await witness.end('SIGTERM')).toBe(0);
    const keyFile = join(directory, 'data', 'witness-ed25519.key');
    expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
    const secret = (await readFile(keyFile, 'utf8')).trim().split('+').at(-1) ?? '';
    expect(witness.log()).not.toContain(secret);
    expect(witness.log()).toContain('the witness has stopped');

    const again = await start('--log', vkey);
    expect(again.vkeys).toEqual(witness.vkeys);
    expect(await clientOf(again.url).add(log.request(5, 8))).toBe('409 text/x.tlog.size "301\\n"');
    expect(await again.end('SIGINT')).toBe(0);
  });

  it('keeps a second process away from its directory', async () => {
    await start('--name', NAME, '--log', vkey);
    const second = await runWitness(['run', '--data', join(directory, 'data')]);
    expect(second.code).toBe(1);
    expect(second.err).toContain('(store-locked)');
    expect(second.out).toBe('');
  });

  it('takes a configuration file', async () => {
    const file = join(directory, 'witness.json');
    const config = { name: NAME, data: join(directory, 'data'), logs: [{ vkeys: [vkey] }], listen: '127.0.0.1:0' };
    await writeFile(file, JSON.stringify(config));
    const witness = await startWitness(['--config', file]);
    running.push(witness);
    expect(await clientOf(witness.url).add(log.request(0, 5))).toBe('200');
  });

  it('says what is wrong and exits 2 for a configuration that it does not understand, 1 for anything else', async () => {
    const data = ['--data', join(directory, 'data')];
    const cases: readonly [args: readonly string[], code: number, said: string][] = [
      [[], 2, '--data'],
      [[...data, '--log', 'nonsense'], 2, '--log'],
      [[...data, '--config', join(directory, 'none.json')], 2, 'none.json'],
      [data, 1, '--name'],
    ];
    for (const [args, code, said] of cases) {
      const { err, ...ended } = await runWitness(['run', ...args]);
      expect(ended).toEqual({ code, out: '' });
      expect(err).toContain(said);
    }
  });
});

describe('countersign-witness evidence', () => {
  it('lists what was kept, also while the witness runs', async () => {
    const witness = await start('--name', NAME, '--log', vkey);
    const data = join(directory, 'data');
    expect(await runWitness(['evidence', '--data', data])).toMatchObject({ code: 0, out: '' });
    expect(await clientOf(witness.url).add(log.request(0, 5))).toBe('200');
    expect(await clientOf(witness.url).add(fork.request(5, 5))).toBe('422');
    expect(await clientOf(witness.url).add(fork.request(5, 8))).toBe('422');
    const { out } = await runWitness(['evidence', '--data', data]);
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2}/).slice(1, 5));
    expect(lines).toEqual([
      ['two-roots', 'conclusive', log.origin, 'held size 5, offered size 5'],
      ['failed-consistency', 'conclusive', log.origin, 'held size 5, offered size 8'],
    ]);
    const json = await runWitness(['evidence', '--data', data, '--json']);
    const [first] = json.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(first).toMatchObject({ kind: 'two-roots', offered: fork.head(5) });
  });
});

describe('countersign-witness keygen', () => {
  it('makes a key file and prints the verifier key, once', async () => {
    for (const [type, number] of [
      ['ed25519', 4],
      ['mldsa44', 6],
    ] as const) {
      const path = join(directory, `${type}.key`);
      const { code, out } = await runWitness(['keygen', '--name', NAME, '--out', path, '--type', type]);
      expect(code).toBe(0);
      expect(parseVerifierKey(out.trim())).toMatchObject({ name: NAME, type: number });
      expect((await runWitness(['keygen', '--name', NAME, '--out', path])).code).toBe(1);
      const witness = await start('--key-file', path, '--log', vkey);
      expect(witness.vkeys).toEqual([out.trim()]);
      await witness.end('SIGTERM');
    }
    expect((await runWitness(['keygen', '--name', NAME, '--out', join(directory, 'x'), '--type', 'rsa'])).code).toBe(2);
  });
});
