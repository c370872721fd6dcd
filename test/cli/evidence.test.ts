/** `countersign evidence` and `controls` against a server in this process, and what they say about the result. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { base64Encode } from '../../proofs/bytes.ts';
import { LIMITS } from '../../proofs/claims.ts';
import type { SignerKey } from '../../proofs/key.ts';
import { formatOpenedEvent } from '../../proofs/opened-event.ts';
import { proveInclusion } from '../../proofs/prove.ts';
import { formatTlogProof } from '../../proofs/tlog-proof.ts';
import { headOf, makeWorld, openEvent, POLICY, SIZE } from '../evidence/world.ts';
import { producerKey, revokedKey } from '../evidence/world-events.ts';
import { ask, startServer, type TestServer, testEvent } from '../support/http.ts';
import { type CliResult, cli } from '../support/network.ts';
import { memoryReader } from '../support/tree.ts';

let server: TestServer;
let directory = '';
let policy = '';
let asking: readonly string[] = [];

beforeAll(async () => {
  server = await startServer();
  directory = await mkdtemp(path.join(tmpdir(), 'countersign-evidence-cli-'));
  policy = path.join(directory, 'policy.txt');
  const token = path.join(directory, 'auditor.token');
  await writeFile(policy, server.keys.policyText);
  await writeFile(token, server.auditor);
  asking = ['--url', server.url, '--log', 'test', '--token-file', token];
  for (let i = 0; i < 12; i++) {
    const event = testEvent(`e${i}`, i % 4 === 0 ? { action: 'role.revoke', outcome: { result: 'denied' } } : {});
    await ask(server, '/test/events', { token: server.producer, json: event });
  }
});
afterAll(async () => {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

const file = (name: string): string => path.join(directory, name);

/** Runs the command while witnesses cosign whatever there is. */
async function run(...args: readonly string[]): Promise<CliResult> {
  let running = true;
  const publishing = (async () => {
    while (running) {
      await server.publish();
      await turn();
    }
  })();
  try {
    return await cli(args);
  } finally {
    running = false;
    await publishing;
  }
}

describe('countersign evidence', () => {
  it('fetches a bundle, verifies it at once, and exits with 0', async () => {
    const out = file('revoked.zip');
    const result = await run('evidence', 'action:role.revoke', ...asking, '--policy', policy, '--out', out, '--json');
    expect(result.err).not.toContain('to go on with it');
    expect(result.json()).toMatchObject({ verdict: 'PASS', mode: 'complete', matched: 3, file: out });
    expect(result.code).toBe(0);
    expect((await readFile(out)).subarray(0, 2).toString()).toBe('PK');
    expect((await readdir(directory)).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('says how to verify it where no policy is named', async () => {
    const result = await run('evidence', ...asking, '--out', file('all.zip'));
    expect(result.out).toContain(`countersign verify ${file('all.zip')} --policy`);
    expect(result.code).toBe(0);
  });

  it('prints a report with every claim and what no verification can say', async () => {
    const report = file('report.html');
    const result = await cli(['verify', file('revoked.zip'), '--policy', policy, '--report', report]);
    expect(result.code).toBe(0);
    const html = await readFile(report, 'utf8');
    for (const limit of LIMITS) expect(html).toContain(limit);
    for (const claim of ['completeness', 'related', 'existed-by']) expect(html).toContain(`<td>${claim}</td>`);
    expect(html).not.toContain('<script');
  });

  it('exits with 1 for a bundle that was changed, and with 2 where something is missing', async () => {
    const bytes = await readFile(file('revoked.zip'));
    bytes[bytes.length - 30] = (bytes[bytes.length - 30] ?? 0) ^ 1;
    await writeFile(file('changed.zip'), bytes);
    const changed = await cli(['verify', file('changed.zip'), '--policy', policy, '--json']);
    expect([changed.code, changed.json()]).toMatchObject([1, { verdict: 'FAIL' }]);
    await server.publish();
    await writeFile(file('pin.txt'), server.log.checkpoint() ?? '');
    const older = await cli(['verify', file('revoked.zip'), '--policy', policy, '--pin', file('pin.txt'), '--json']);
    expect([older.code, older.json()]).toMatchObject([2, { verdict: 'INCOMPLETE' }]);
  });

  it('goes on with a download where it broke off', async () => {
    const asked = await ask(server, '/test/evidence', { token: server.auditor, json: { query: 'action:role.revoke' } });
    const id = String(asked.json()['id']);
    const first = await run(
      'evidence',
      '--resume',
      id,
      ...asking,
      '--policy',
      policy,
      '--out',
      file('again.zip'),
      '--json',
    );
    expect([first.code, first.json()]).toMatchObject([0, { verdict: 'PASS' }]);
    const whole = await readFile(file('again.zip'));
    const part = file(`part.zip.${String(first.json()['sha256']).slice(0, 16)}.part`);
    await writeFile(part, whole.subarray(0, 500));
    const rest = await run('evidence', '--resume', id, ...asking, '--out', file('part.zip'), '--json');
    expect(rest.code).toBe(0);
    expect(await readFile(file('part.zip'))).toEqual(whole);
    // A part that is none is found by the digest, and thrown away.
    await writeFile(part, Buffer.alloc(500));
    const bad = await run('evidence', '--resume', id, ...asking, '--out', file('part.zip'), '--json');
    expect(bad.code).not.toBe(0);
    expect(bad.err).toContain(`--resume ${id}`);
    expect(await readdir(directory)).not.toContain(path.basename(part));
  });

  it('refuses two questions at once', async () => {
    const both = ['evidence', 'actor:x', '--control', 'SOC2:CC7.2', ...asking, '--out', file('x')];
    expect((await cli(both)).code).toBe(2);
  });
});

describe('countersign evidence --control', () => {
  it('makes a bundle for each question and a cover page that says what is evidence and what is not', async () => {
    const out = file('cc73');
    const result = await run(
      'evidence',
      '--control',
      'SOC2:CC7.3',
      ...asking,
      '--policy',
      policy,
      '--out',
      out,
      '--json',
    );
    expect([result.code, result.json()]).toMatchObject([
      0,
      { control: 'SOC2:CC7.3', verdict: 'PASS', bundles: [{ verdict: 'PASS' }, { verdict: 'PASS' }] },
    ]);
    expect((await readdir(out)).sort()).toEqual([
      ...['SOC2-CC7.3-findings-acknowledged.zip', 'SOC2-CC7.3-findings.zip', 'cover.html'],
    ]);
    const cover = await readFile(path.join(out, 'cover.html'), 'utf8');
    for (const text of ['What the control asks', 'What is not', 'countersign.finding.raise', ...LIMITS]) {
      expect(cover).toContain(text);
    }
    const told = await cli(['verify', path.join(out, 'SOC2-CC7.3-findings.zip'), '--policy', policy, '--json']);
    const [bundle] = (told.json()['results'] as readonly { readonly bundle: object }[]).map((one) => one.bundle);
    expect(bundle).toMatchObject({
      control: { id: 'SOC2:CC7.3', part: 'findings', mapping: result.json()['mapping'] },
    });
  });

  it('says where something was expected and not found', async () => {
    const result = await run('evidence', '--control', 'PCI4:10.6', ...asking, '--policy', policy, '--out', file('pci'));
    expect(result.out).toContain('attention: none was found, and at least one was expected');
    expect(result.code).toBe(0);
  });

  it('names controls that look like the one that was asked for', async () => {
    const result = await cli(['evidence', '--control', 'cc7.2', ...asking, '--out', file('x')]);
    expect([result.code, result.err]).toEqual([2, expect.stringContaining('SOC2:CC7.2')]);
  });
});

describe('countersign verify --producer-key', () => {
  it('checks who signed an opened event, and fails for another key', async () => {
    const world = makeWorld();
    const event = world.events[14];
    if (event === undefined) throw new TypeError('no event');
    const proof = await proveInclusion(14, SIZE, memoryReader(world.leaves));
    await writeFile(file('signed.json'), formatOpenedEvent(openEvent(event)));
    await writeFile(
      file('signed.tlog-proof'),
      formatTlogProof({ index: 14, proof, checkpoint: headOf(world, SIZE), extra: event.entry }),
    );
    await writeFile(file('corpus-policy.txt'), POLICY);
    const verify = (key: SignerKey): Promise<CliResult> =>
      cli([
        ...['verify', file('signed.json'), '--policy', file('corpus-policy.txt'), '--json'],
        ...['--producer-key', base64Encode(key.publicKey)],
      ]);
    const good = await verify(producerKey);
    expect([good.code, good.out]).toEqual([0, expect.stringContaining('"producer-signature"')]);
    const other = await verify(revokedKey);
    expect([other.code, other.out]).toEqual([1, expect.stringContaining('bad-signature')]);
  });
});

describe('countersign controls', () => {
  it('lists, shows and checks the mapping that comes with it', async () => {
    const listed = await cli(['controls', 'list']);
    for (const id of ['SOC2:CC7.2', 'ISO27001:A.8.17', 'HIPAA:164.312(b)', 'NIST800-53:AU-10', 'PCI4:10.6']) {
      expect(listed.out).toContain(id);
    }
    const shown = await cli(['controls', 'show', 'HIPAA:164.312(b)']);
    expect(shown.out).toContain('class:customer_data');
    await writeFile(file('mapping.yaml'), (await cli(['controls', 'print'])).out);
    const starter = (await cli(['catalogue', 'print', 'starter'])).out;
    await writeFile(file('starter.yaml'), starter);
    const checked = await cli([
      'controls',
      'check',
      file('mapping.yaml'),
      '--catalogue',
      file('starter.yaml'),
      '--json',
    ]);
    expect([checked.code, checked.json()]).toMatchObject([0, { ok: true, warnings: [] }]);
  });

  it('says with line and column what is wrong with a mapping, and exits with 1', async () => {
    await writeFile(
      file('bad.yaml'),
      "mapping: mine\nversion: 1.0.0\ntitle: Mine\nquestions:\n  a: { title: A, query: 'actr:x', shows: B }\ncontrols: {}\n",
    );
    const result = await cli(['controls', 'check', file('bad.yaml')]);
    expect(result.code).toBe(1);
    expect(result.out).toMatch(/bad\.yaml:5:\d+: \/questions\/a\/query /);
  });
});
