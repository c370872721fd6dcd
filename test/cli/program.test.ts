/** The command line without a network: keys, new logs, offline verification, and usage that is wrong. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../proofs/claims.ts';
import { parseSignerKey, parseVerifierKey, verifierKeyOf } from '../../proofs/key.ts';
import { formatOpenedEvent } from '../../proofs/opened-event.ts';
import { parsePolicy } from '../../proofs/policy.ts';
import { openedEventOf } from '../../src/trail/open.ts';
import { cli } from '../support/network.ts';
import { openTestLog, preparedEvent, publishAll, withDirectory } from '../support/test-log.ts';

const VERBS = [
  'up',
  'serve',
  'submit',
  'import',
  'event',
  'proof',
  'verify',
  'checkpoint',
  'health',
  'token',
  'init',
  'keygen',
];

describe('countersign', () => {
  it('lists every verb and the exit codes in its help', async () => {
    const { code, out } = await cli(['--help']);
    expect(code).toBe(0);
    for (const verb of VERBS) expect(out).toMatch(new RegExp(`^  ${verb}\\b`, 'm'));
    expect(out).toContain('Exit codes:');
  });

  it.each(VERBS)('explains %s', async (verb) => {
    const { code, out } = await cli([verb, '--help']);
    expect(code).toBe(0);
    expect(out).toContain(`Usage: countersign ${verb}`);
  });

  it.each([
    [['nonsense']],
    [['verify']],
    [['keygen', 'rsa', '--name', 'a', '--out', 'b']],
    [['up', '--port', '70000']],
    [['up', '--port', '08']],
    [['serve', '--port', '-1']],
    [['submit']],
    [['submit', '-', '--timeout', 'soon']],
    [['import', 'csv', '.']],
    [['event', 'x', '--index', '1.5']],
  ])('answers wrong usage with exit code 2 and a word about it: %j', async (args) => {
    const { code, err } = await cli(args);
    expect(code).toBe(2);
    expect(err).toMatch(/^(error|countersign): /m);
  });

  it('says how to come by a network when there is none', async () => {
    const { code, err, json } = await cli(['health', '--json', '--network', '/nowhere/network.json']);
    expect(code).toBe(2);
    expect(err).toContain('/nowhere/network.json');
    expect(json()).toMatchObject({ error: { code: 'unreadable-input' } });
  });

  it('says that nothing answers with exit code 3', async () => {
    const { code, err } = await cli(['health', '--url', 'http://127.0.0.1:1']);
    expect(code).toBe(3);
    expect(err).toContain('countersign up');
  });

  it('does not listen beyond this machine in clear text unless told twice', () =>
    withDirectory(async (data) => {
      const { code, err } = await cli(['serve', '--data', data, '--listen', '0.0.0.0', '--port', '0']);
      expect(code).toBe(2);
      expect(err).toContain('clear text');
    }));

  it('does not serve a directory without a log', () =>
    withDirectory(async (data) => {
      const { code, err } = await cli(['serve', '--data', data, '--port', '0']);
      expect(code).toBe(2);
      expect(err).toContain('countersign init');
    }));
});

describe('countersign keygen', () => {
  it.each([
    ['ed25519', 'log', 1],
    ['mldsa44', 'log', 6],
    ['ed25519', 'witness', 4],
    ['mldsa44', 'witness', 6],
  ])('makes a %s key for a %s, secret to its file, public to the screen', (algorithm, purpose, type) =>
    withDirectory(async (directory) => {
      const file = path.join(directory, 'new', 'signer.key');
      const args = ['keygen', algorithm, '--for', purpose, '--name', 'example.com/log', '--out', file];
      const { code, out, err } = await cli(args);
      expect(code).toBe(0);
      const signer = parseSignerKey((await readFile(file, 'utf8')).trim());
      expect(signer).toMatchObject({ name: 'example.com/log', type });
      expect(parseVerifierKey(out.trim())).toEqual(verifierKeyOf(signer));
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      expect(out + err).not.toContain('PRIVATE+KEY');
      const again = await cli(args);
      expect(again.code).toBe(1);
      expect(parseSignerKey((await readFile(file, 'utf8')).trim())).toEqual(signer);
    }),
  );

  it.each(['', 'two words', 'a+b'])('refuses the name %j', (name) =>
    withDirectory(async (directory) => {
      const { code } = await cli(['keygen', 'ed25519', '--name', name, '--out', path.join(directory, 'k')]);
      expect(code).toBe(2);
      expect(await readdir(directory)).toEqual([]);
    }),
  );
});

describe('countersign init', () => {
  it('makes a whole log, its policy and a token per role, and never makes it again', () =>
    withDirectory(async (data) => {
      const args = ['init', '--data', data, '--origin', 'log.example/audit', '--json'];
      const { code, json } = await cli(args);
      expect(code).toBe(0);
      const { policy, vkeys, tokens } = json() as { policy: string; vkeys: string[]; tokens: Record<string, string> };
      expect(parsePolicy(await readFile(policy, 'utf8')).logs.map(({ key }) => key.vkey)).toEqual(vkeys);
      for (const file of Object.values(tokens)) expect((await stat(file)).mode & 0o777).toBe(0o600);
      const again = await cli(args);
      expect(again.code).toBe(1);
      expect(again.json()).toMatchObject({ error: { code: 'already-exists' } });
    }));

  it.each([
    ['--origin', 'https://log.example/audit'],
    ['--origin', 'two words'],
    ['--name', 'Upper'],
    ['--name', '../up'],
  ])('refuses %s %s and leaves nothing behind', (option, value) =>
    withDirectory(async (data) => {
      const given = new Map([
        ['--origin', 'log.example/audit'],
        [option, value],
      ]);
      expect((await cli(['init', '--data', data, ...[...given].flat()])).code).toBe(2);
      expect(await readdir(path.join(data, 'logs')).catch(() => [])).toEqual([]);
    }),
  );
});

describe('countersign verify', () => {
  async function withEvidence(
    test: (files: { directory: string; event: string; receipt: string; policy: string }) => Promise<void>,
  ): Promise<void> {
    await withDirectory(async (directory) => {
      const { log, keys } = await openTestLog(path.join(directory, 'log'));
      await log.submit(['a', 'b', 'c'].map((id) => preparedEvent(id, { actor: { id: `u_${id}` } })));
      await publishAll(log, keys);
      await log.waitForPublished(2, 10_000);
      const stored = await log.eventAt(1);
      if (stored === undefined) throw new Error('there is no event 1');
      const files = {
        directory: path.join(directory, 'log'),
        event: path.join(directory, 'b.json'),
        receipt: path.join(directory, 'b.tlog-proof'),
        policy: path.join(directory, 'policy.txt'),
      };
      await writeFile(files.event, formatOpenedEvent(openedEventOf(stored)));
      await writeFile(files.receipt, (await log.receipt(1)) ?? '');
      await writeFile(files.policy, keys.policyText);
      await log.close();
      await test(files);
    });
  }

  it('passes an event with its receipt, and says what no verification can', () =>
    withEvidence(async ({ event, policy }) => {
      const { code, out } = await cli(['verify', event, '--policy', policy]);
      expect(code).toBe(0);
      expect(out).toMatch(/^PASS {2}.*b\.json {2}\(index 1\)/m);
      for (const limit of LIMITS) expect(out).toContain(limit);
    }));

  it('takes the receipt from elsewhere with --proof', () =>
    withEvidence(async ({ directory, event, receipt, policy }) => {
      const elsewhere = path.join(directory, 'elsewhere.proof');
      await writeFile(elsewhere, await readFile(receipt));
      await writeFile(receipt, 'not this one');
      expect((await cli(['verify', event, '--proof', elsewhere, '--policy', policy])).code).toBe(0);
      expect((await cli(['verify', event, '--policy', policy])).code).toBe(1);
    }));

  it('fails an altered value and names index and field', () =>
    withEvidence(async ({ event, policy }) => {
      await writeFile(event, (await readFile(event, 'utf8')).replace('u_b', 'u_c'));
      const { code, out } = await cli(['verify', event, '--policy', policy]);
      expect(code).toBe(1);
      expect(out).toMatch(/^FAIL {2}.*\(index 1, field "actor"\)/);
      const { json } = await cli(['verify', event, '--policy', policy, '--json']);
      expect(json()).toMatchObject({
        verdict: 'FAIL',
        results: [{ failure: { code: 'commitment-mismatch', index: 1, field: 'actor' } }],
      });
    }));

  it('is incomplete, and never passes, without a receipt, without an event, without anything', () =>
    withEvidence(async ({ event, receipt, policy }) => {
      const parent = path.dirname(event);
      const missing = path.join(parent, 'none.tlog-proof');
      expect(await cli(['verify', event, '--proof', missing, '--policy', policy])).toMatchObject({ code: 2 });
      await writeFile(path.join(parent, 'orphan.tlog-proof'), await readFile(receipt));
      const { code, out } = await cli(['verify', parent, '--policy', policy]);
      expect(code).toBe(2);
      expect(out).toContain('INCOMPLETE: 1 passed, 0 failed, 1 incomplete');
      await withDirectory(async (empty) => {
        const nothing = await cli(['verify', empty, '--policy', policy]);
        expect(nothing.code).toBe(2);
        expect(nothing.out).toContain('INCOMPLETE: there is no event to verify');
      });
    }));

  it('blames a policy that cannot be read on nobody else', () =>
    withEvidence(async ({ event, policy }) => {
      await writeFile(policy, 'quorum maybe\n');
      expect(await cli(['verify', event, '--policy', policy])).toMatchObject({ code: 2, out: '' });
      expect((await cli(['verify', event, '--policy', '/nowhere/policy.txt'])).code).toBe(2);
      const without = await cli(['verify', event, '--network', '/nowhere/network.json']);
      expect(without.code).toBe(2);
    }));

  it('escapes what an event would draw on the screen', () =>
    withEvidence(async ({ event, policy }) => {
      const opened = JSON.parse(await readFile(event, 'utf8')) as { fields: Record<string, unknown> };
      opened.fields['\u001b[2Jboo'] = { salt: 'AAAAAAAAAAAAAAAAAAAAAA==', value: '"x"' };
      await writeFile(event, JSON.stringify(opened));
      const { code, out, err } = await cli(['verify', event, '--policy', policy]);
      expect(code).toBe(1);
      expect(out + err).not.toContain('\u001b');
    }));
});
