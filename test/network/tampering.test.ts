/**
 * What an operator can do to the disk of a running network: restore yesterday's copy, change one byte, rewrite history
 * with the log's own keys. None of it may go unnoticed, and each must be said in words that help.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChunkKind, chunkHolding } from '../../src/log/rows.ts';
import { openLevelStore } from '../../src/store/leveldb.ts';
import { builtFile } from '../support/built.ts';
import { cli, removeNetworks, startTestNetwork, type TestNetwork } from '../support/network.ts';

const COUNT = 6;
/** Number of the event whose bytes are changed, and the text in it that is. */
const VICTIM = 2;
const ACTOR = 'u_victim';

function events(prefix: string): string {
  return Array.from({ length: COUNT }, (_, n) =>
    JSON.stringify({
      event_id: `${prefix}-${n}`,
      occurred_at: '2026-01-08T14:32:07Z',
      tenant: 'acme',
      actor: { type: 'user', id: n === VICTIM ? ACTOR : `u_${n}` },
      action: 'payment.approve',
      target: { type: 'payment', id: `pay_${n}` },
      outcome: { result: 'success' },
    }),
  ).join('\n');
}

interface Scene {
  readonly network: TestNetwork;
  /** Directory of the log, and a copy of it as it was when the network stopped. */
  readonly log: string;
  readonly backup: string;
  /** Index of the event whose bytes are changed. */
  readonly index: number;
}

/** A network with some published events, stopped. */
async function networkWithBackup(): Promise<Scene> {
  const network = await startTestNetwork();
  const submitted = await network.run(['submit', '-', '--wait', '--json'], events('day-one'));
  expect(submitted.code, submitted.err).toBe(0);
  await network.stop();
  const log = path.join(network.data, 'logs', (await network.read()).log);
  const backup = path.join(network.data, 'backup');
  await cp(log, backup, { recursive: true });
  return { network, log, backup, index: indexOfVictim(submitted.json()) };
}

function indexOfVictim(submitted: Record<string, unknown>): number {
  const events = submitted['events'] as { event_id: string; index: number }[];
  return events.find(({ event_id }) => event_id.endsWith(`-${VICTIM}`))?.index ?? -1;
}

describe("a log that was set back to yesterday's copy", () => {
  let network: TestNetwork;
  let log: string;
  let backup: string;
  /** Entries under the head that the restored database does not know of. */
  let lostSize: number;
  beforeAll(async () => {
    ({ network, log, backup } = await networkWithBackup());
    network = await startTestNetwork({ data: network.data });
    const submitted = await network.run(['submit', '-', '--wait', '--json'], events('day-two'));
    expect(submitted.code, submitted.err).toBe(0);
    lostSize = Number(submitted.json()['checkpoint_size']);
    await network.stop();
  }, 120_000);
  afterAll(removeNetworks);

  async function expectRefusal(whoRemembers: RegExp): Promise<void> {
    network = await startTestNetwork({ data: network.data });
    const health = await network.run(['health', '--json']);
    expect(health.code).toBe(1);
    expect(health.json()).toMatchObject({ status: 'failing', logs: [{ signing: 'refusing' }] });
    const [{ problems = [] } = {}] = health.json()['logs'] as { problems?: string[] }[];
    const refusal = problems.find((problem) => problem.startsWith('No head is signed'));
    expect(refusal).toMatch(whoRemembers);
    expect(refusal).toContain(`${lostSize}`);
    const submitted = await network.run(['submit', '-', '--timeout', '0'], events('day-three'));
    expect(submitted.code).toBe(3);
    expect(submitted.err).toContain('The log has stopped');
    await network.stop();
  }

  it('refuses to sign and names the head that its guard remembers', async () => {
    await rm(path.join(log, 'db'), { recursive: true });
    await cp(path.join(backup, 'db'), path.join(log, 'db'), { recursive: true });
    await expectRefusal(/guard/);
  }, 60_000);

  it('refuses to sign and names the head that the witnesses remember, when the guard was set back too', async () => {
    await rm(log, { recursive: true });
    await cp(backup, log, { recursive: true });
    await expectRefusal(/witness w[123]/);
  }, 60_000);
});

describe('a log of which one stored byte was changed', () => {
  let network: TestNetwork;
  let log: string;
  let backup: string;
  let index: number;
  beforeAll(async () => {
    ({ network, log, backup, index } = await networkWithBackup());
  }, 90_000);
  afterAll(removeNetworks);

  it('does not serve the event, names its index, and serves the others', async () => {
    await changeByte('disclosures', (bytes) => Buffer.from(bytes).indexOf(ACTOR));
    network = await startTestNetwork({ data: network.data });
    const changed = await network.run(['event', '--index', `${index}`, '--timeout', '0']);
    expect(changed.code).toBe(1);
    expect(changed.err).toMatch(new RegExp(`\\b${index}\\b`));
    expect(changed.out).not.toContain(ACTOR.slice(2));
    expect((await network.run(['event', 'day-one-0'])).code).toBe(0);
    await network.stop();
    await restore();
  }, 60_000);

  it('does not start on a changed entry', async () => {
    await changeByte('entries', (bytes) => bytes.length - 1);
    await expect(startTestNetwork({ data: network.data })).rejects.toThrow(/does not open \(corrupt-data\)/);
    await restore();
    network = await startTestNetwork({ data: network.data });
    expect((await network.run(['health'])).code).toBe(0);
    await network.stop();
  }, 90_000);

  async function changeByte(kind: ChunkKind, position: (bytes: Uint8Array) => number): Promise<void> {
    const store = await openLevelStore(path.join(log, 'db'));
    const [row] = await store.range(chunkHolding(kind, index));
    if (row === undefined) throw new Error('there is no such row');
    const at = position(row.value);
    const value = Uint8Array.from(row.value, (byte, index) => (index === at ? byte ^ 1 : byte));
    expect(value).not.toEqual(row.value);
    await store.write([{ key: row.key, value }]);
    await store.close();
  }

  async function restore(): Promise<void> {
    await rm(log, { recursive: true });
    await cp(backup, log, { recursive: true });
  }
});

describe('evidence that was taken home', () => {
  let network: TestNetwork;
  let out: string;
  let index: number;
  beforeAll(async () => {
    network = await startTestNetwork();
    const submitted = await network.run(['submit', '-', '--wait', '--json'], events('home'));
    expect(submitted.code, submitted.err).toBe(0);
    index = indexOfVictim(submitted.json());
    out = path.join(network.data, 'home');
    expect((await network.run(['proof', 'home-2', '--out', out])).code).toBe(0);
    await network.stop();
  }, 90_000);
  afterAll(removeNetworks);

  it('fails, and names index and field, when one byte of a value was changed', async () => {
    const { policy } = await network.read();
    const text = (await readFile(path.join(out, 'home-2.json'), 'utf8')).replace(ACTOR, 'u_victin');
    const altered = path.join(network.data, 'altered');
    await mkdir(altered);
    await cp(path.join(out, 'home-2.tlog-proof'), path.join(altered, 'home-2.tlog-proof'));
    await writeFile(path.join(altered, 'home-2.json'), text);
    const { code, out: said } = await cli(['verify', path.join(altered, 'home-2.json'), '--policy', policy]);
    expect(code).toBe(1);
    expect(said).toContain(`(index ${index}, field "actor")`);
  });

  it('is worth nothing under the policy of another network', async () => {
    const other = await startTestNetwork();
    const { policy } = await other.read();
    const { code, json } = await cli(['verify', out, '--policy', policy, '--json']);
    expect(code).toBe(1);
    expect(json()).toMatchObject({ verdict: 'FAIL', results: [{ index }] });
  }, 60_000);
});

describe('the insider of the demonstration', () => {
  it('rewrites an event, builds the whole tree again, and fools neither log, witnesses nor verifier', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [builtFile('src/cli/demo-insider.ts')]);
    expect(stdout).toContain('No head is signed');
    for (const name of ['w1', 'w2', 'w3']) {
      expect(stdout).toContain(`${name} answers 422: another root is held for this size`);
      expect(stdout).toContain(`${name} answers 422: the consistency proof does not verify`);
    }
    expect(stdout).toMatch(/the forged event, with the receipt of then: FAIL, index \d+:/);
    expect(stdout).toMatch(/the forged event, with a receipt that the log's own keys signed: FAIL, index \d+:/);
    expect(stdout).toContain('The insider fooled nobody');
  }, 120_000);
});
