/** A head leaves the building by e-mail, by QR code and as a file, and comes back when the log has grown, or was replaced. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatPinBlock, parsePin } from '../../proofs/pin.ts';
import { parseTlogProof } from '../../proofs/tlog-proof.ts';
import { cli, removeNetworks, startTestNetwork, type TestNetwork } from '../support/network.ts';

function events(prefix: string, count: number): string {
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify({
      event_id: `${prefix}-${i}`,
      occurred_at: '2026-01-08T14:32:07Z',
      actor: { type: 'service', id: 'svc-1' },
      action: 'job.run',
      target: { type: 'job', id: 'nightly' },
      outcome: { result: 'success' },
    }),
  );
  return `${lines.join('\n')}\n`;
}

describe('a head that was kept outside', () => {
  let network: TestNetwork;
  let directory: string;
  let policy: string;
  let mail: string;
  /** Of the kept head. The log has entries of its own among the events, so no size is known beforehand. */
  let size: number;

  const file = (name: string): string => path.join(directory, name);
  /** `verify --pin` without a network, under the pinned policy. */
  const verify = (...args: readonly string[]): ReturnType<typeof cli> => cli(['verify', '--policy', policy, ...args]);

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'countersign-head-'));
    network = await startTestNetwork();
    policy = (await network.read()).policy;
    expect((await network.run(['submit', '-', '--wait'], events('first', 300))).code).toBe(0);
    mail = (await network.run(['head', '--text'])).out;
    await writeFile(file('mail.txt'), mail);
    ({ size } = parsePin(mail));
    expect(size).toBeGreaterThanOrEqual(300);
  }, 120_000);

  afterAll(async () => {
    await removeNetworks();
    await rm(directory, { recursive: true, force: true });
  });

  it('is a text that fits an e-mail and says what it is', async () => {
    expect(mail).toMatch(/^Head of the audit log localhost\/audit\n/);
    expect(mail).toContain(`\n  Origin   localhost/audit\n  Entries  ${size}\n  Root     `);
    expect(mail).toMatch(/\n {2}Time {5}2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ, by [23] of 3 witnesses\n/);
    expect(mail).toContain('countersign verify --pin ');
    expect(mail.split('\n').every((line) => line.length <= 78 && /^[\x20-\x7e]*$/.test(line))).toBe(true);
    expect(mail.length).toBeLessThan(2_000);
    const { json } = await network.run(['head', '--json']);
    expect(json()).toMatchObject({ origin: 'localhost/audit', size: expect.any(Number) });
    expect(parsePin(mail).signatures.length).toBeGreaterThanOrEqual(3);
  });

  it('is a short line in a QR code, for the terminal and as a picture', async () => {
    const { code, out } = await network.run(['head', '--qr', '--png', file('head.png')]);
    expect(code).toBe(0);
    const [line = ''] = /countersign-head:1;\S+/.exec(out) ?? [];
    expect(line.length).toBeLessThan(220);
    expect(out).toMatch(/[▀▄█]/);
    await writeFile(file('scanned.txt'), line);
    const scanned = parsePin(line);
    expect(scanned.signatures.map(({ name }) => name)).toEqual(['localhost/audit']);
    expect(scanned.size).toBeGreaterThanOrEqual(size);
    expect((await readFile(file('head.png'))).subarray(1, 4).toString()).toBe('PNG');
  });

  it('passes at once, because it is the head of today', async () => {
    const { code, json } = await network.run(['verify', '--pin', file('mail.txt'), '--json']);
    expect(json()).toMatchObject({ verdict: 'PASS', passed: 1 });
    expect(code).toBe(0);
  });

  it('passes after the log has grown, over the network and then without one', async () => {
    expect((await network.run(['submit', '-', '--wait'], events('later', 400))).code).toBe(0);
    for (const kept of ['mail.txt', 'scanned.txt']) {
      const online = await network.run(['verify', '--pin', file(kept)]);
      expect([online.code, online.out]).toEqual([
        0,
        expect.stringMatching(/entries of the kept head are the first of today's \d{3}, unchanged/),
      ]);
      const since = await network.run(['head', '--since', file(kept), '--out', file('since.txt')]);
      expect([since.code, since.err]).toEqual([0, expect.stringMatching(/^proves that the \d+ entries|written to/)]);
      const offline = await verify('--pin', file(kept), '--consistency', file('since.txt'));
      expect([offline.code, offline.out]).toEqual([0, expect.stringContaining('PASS: 1 passed')]);
    }
  });

  it('is read out of a reply in which it was quoted and wrapped', async () => {
    const reply = `Thanks, kept.\n\nOn Monday the operator wrote:\n${mail.replace(/^/gm, '> ').replace(/(.{50})/g, '$1\n')}`;
    await writeFile(file('reply.txt'), reply);
    const { code } = await verify('--pin', file('reply.txt'), '--consistency', file('since.txt'));
    expect(code).toBe(0);
  });

  it('is incomplete where there is nothing to hold it against', async () => {
    for (const args of [
      ['--pin', file('mail.txt')],
      ['--pin', file('mail.txt'), '--url', 'http://127.0.0.1:1'],
    ]) {
      const { code, json } = await verify(...args, '--json');
      expect([code, json()['verdict']]).toEqual([2, 'INCOMPLETE']);
    }
    expect((await verify()).code).toBe(2);
    expect((await verify('--pin', file('missing.txt'))).code).toBe(2);
    expect((await verify(file('mail.txt'), '--consistency', file('since.txt'))).code).toBe(2);
  });

  it('fails when it is damaged, or the proof is', async () => {
    await writeFile(file('damaged.txt'), mail.replace(/^([A-Za-z0-9+/]{63})./m, '$1-'));
    const damaged = await verify('--pin', file('damaged.txt'), '--consistency', file('since.txt'), '--json');
    expect([damaged.code, damaged.json()['results']]).toEqual([
      1,
      [expect.objectContaining({ verdict: 'FAIL', failure: { code: 'invalid-pin' } })],
    ]);
    const since = await readFile(file('since.txt'), 'utf8');
    const [, , , first = '', second = ''] = since.split('\n');
    await writeFile(file('swapped.txt'), since.replace(`${first}\n${second}`, `${second}\n${first}`));
    const swapped = await verify('--pin', file('mail.txt'), '--consistency', file('swapped.txt'), '--json');
    expect([swapped.code, swapped.json()['results']]).toEqual([
      1,
      [expect.objectContaining({ failure: { code: 'bad-consistency-proof' } })],
    ]);
  });

  it('also holds receipts to it', async () => {
    expect((await network.run(['proof', '--index', '5', '--out', file('receipts')])).code).toBe(0);
    const held = await verify(file('receipts'), '--pin', file('mail.txt'), '--json');
    expect(held.json()).toMatchObject({ verdict: 'INCOMPLETE' });
    const [name = ''] = (await readdir(file('receipts'))).filter((one) => one.endsWith('.tlog-proof'));
    const receipt = await readFile(path.join(file('receipts'), name), 'utf8');
    await writeFile(file('same.txt'), formatPinBlock(parseTlogProof(receipt).checkpoint));
    const now = await verify(file('receipts'), '--pin', file('same.txt'), '--json');
    expect(now.json()).toMatchObject({ verdict: 'PASS' });
  });

  it('fails against a log that was made anew under the same name', async () => {
    const other = await startTestNetwork();
    expect((await other.run(['submit', '-', '--wait'], events('anew', 350))).code).toBe(0);
    const { code, json } = await other.run(['verify', '--pin', file('mail.txt'), '--json']);
    expect([code, json()['results']]).toEqual([
      1,
      [expect.objectContaining({ failure: { code: 'bad-consistency-proof' } })],
    ]);
    const refused = await other.run(['head', '--since', file('mail.txt'), '--out', file('never.txt')]);
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('does not extend the kept one')]);
    await expect(readFile(file('never.txt'))).rejects.toThrow();
    await writeFile(file('larger.txt'), (await network.run(['head', '--text'])).out);
    const shrunk = await other.run(['verify', '--pin', file('larger.txt')]);
    expect([shrunk.code, shrunk.out]).toEqual([1, expect.stringContaining('it lost or hides what came between')]);
  }, 90_000);
});
