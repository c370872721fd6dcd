/** Samples over HTTP, from the commit to the verdict over the report. */
import { describe, expect, it } from 'vitest';
import { base64Encode } from '../../proofs/bytes.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { sha256 } from '../../proofs/hash.ts';
import { nonceHash } from '../../proofs/sample-draw.ts';
import { parseSampleReport } from '../../proofs/sample-report.ts';
import { type BundleVerdict, verifyBundle } from '../../proofs/verify-bundle.ts';
import { readBundleZip } from '../../src/evidence/read-zip.ts';
import { ask, ownEntries, type TestAnswer, type TestServer, testEvent, withServer } from '../support/http.ts';
import { until } from '../support/test-log.ts';

const NONCE = sha256(Uint8Array.of(1));
const ASKED = { query: 'action:role.*', nonce_hash: base64Encode(nonceHash(NONCE)), design: { size: 5 } };
const OPENING = { nonce: base64Encode(NONCE) };

async function submit(server: TestServer, count: number): Promise<void> {
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify(testEvent(`e${i}`, i % 3 === 0 ? { action: 'user.login' } : {})),
  );
  const headers = { 'content-type': 'application/x-ndjson' };
  const answer = await ask(server, '/test/events', { token: server.producer, headers, body: lines.join('\n') });
  expect(answer.status).toBe(200);
}

const commit = (server: TestServer, changes: object = {}): Promise<TestAnswer> =>
  ask(server, '/test/samples', { token: server.auditor, json: { ...ASKED, ...changes } });

const reveal = (server: TestServer, sample: unknown, opening: object = OPENING): Promise<TestAnswer> =>
  ask(server, `/test/samples/${sample}/reveal`, { token: server.auditor, json: opening });

/** Publishes a head over the commit and something after it. */
async function fixHead(server: TestServer): Promise<void> {
  expect((await ask(server, '/test/samples', { token: server.auditor })).status).toBe(200);
  await server.publish();
}

interface Reported {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly verdict: BundleVerdict;
}

async function report(server: TestServer, sample: unknown, pin?: string): Promise<Reported> {
  const pinned = pin === undefined ? {} : { pinned_size: parseCheckpoint(pin).checkpoint.size };
  const asked = await ask(server, `/test/samples/${sample}/report`, { token: server.auditor, json: pinned });
  expect(asked.status, asked.text).toBe(202);
  await server.publish();
  const path = asked.headers.get('location') ?? '';
  await until(async () => (await ask(server, path, { token: server.auditor })).json()['state'] !== 'building', 'it');
  const headers = { authorization: `Bearer ${server.auditor}` };
  const response = await fetch(`${server.url}${path}/bundle.zip`, { headers });
  if (response.status !== 200) throw new Error(await response.text());
  const files = readBundleZip(new Uint8Array(await response.arrayBuffer()));
  return { files, verdict: verifyBundle({ files, policy: server.keys.policyText, pin }) };
}

describe('a sample over HTTP', () => {
  it.each([
    ['of the matches of a question', {}, 40, 5],
    ['of a whole range', { query: '' }, 60, 5],
    ['by outcome', { query: '', strata: 'outcome' }, 60, 5],
    ['of a share', { query: '', design: { rate_bp: 1_000 } }, 60, 6],
    ['for a confidence', { design: { confidence: 95, tolerable_bp: 1_000, deviations: 0 } }, 40, 21],
  ] as const)('%s is drawn, reported and verified', (_, changes, matches, size) =>
    withServer(async (server) => {
      await submit(server, 60);
      const committed = await commit(server, { ...changes, to: '2026-01-08T14:32:07.000060Z' });
      expect(committed.status, committed.text).toBe(201);
      expect(committed.json()).toMatchObject({ matches, number: 0, previous: null, reveal: null });
      const { sample } = committed.json();
      await fixHead(server);
      const held = server.log.checkpoint();
      expect((await reveal(server, sample)).status).toBe(200);
      const { files, verdict } = await report(server, sample, held);
      expect(verdict.claims.filter(({ result }) => result !== 'pass')).toEqual([]);
      expect(verdict).toMatchObject({ verdict: 'PASS', matched: matches });
      const [stratum] = parseSampleReport(files.get('sample.json') ?? new Uint8Array(0)).strata;
      expect(stratum?.drawn.length).toBe(size);
    }),
  );

  it('gives the same events whenever it is asked for again', () =>
    withServer(async (server) => {
      await submit(server, 30);
      const { sample } = (await commit(server)).json();
      await fixHead(server);
      await reveal(server, sample);
      const one = await report(server, sample);
      await submit(server, 60);
      const two = await report(server, sample);
      const seeds = [one, two].map(({ files }) => parseSampleReport(files.get('sample.json') ?? new Uint8Array(0)));
      expect(seeds[1]?.strata).toEqual(seeds[0]?.strata);
      expect(two.files.get('events.ndjson')).toEqual(one.files.get('events.ndjson'));
      expect(two.verdict.verdict).toBe('PASS');
    }));

  it('opens the nonce only when a cosigned head is fixed, only the right one, and once', () =>
    withServer(async (server) => {
      await submit(server, 12);
      await server.publish();
      const { sample } = (await commit(server)).json();
      const problem = async (answer: Promise<TestAnswer>): Promise<unknown> => (await answer).json()['type'];
      const type = (code: string): string => `urn:countersign:problem:${code}`;
      expect(await problem(reveal(server, sample))).toBe(type('head-not-fixed'));
      await fixHead(server);
      const other = base64Encode(new Uint8Array(32));
      expect(await problem(reveal(server, sample, { nonce: other }))).toBe(type('nonce-mismatch'));
      expect(await problem(reveal(server, sample, { nonce: 'AA==' }))).toBe(type('nonce-mismatch'));
      const beacon = { ...OPENING, drand_signature: base64Encode(new Uint8Array(48)) };
      expect(await problem(reveal(server, sample, beacon))).toBe(type('bad-beacon'));
      const path = `/test/samples/${sample}/report`;
      expect(await problem(ask(server, path, { token: server.auditor, json: {} }))).toBe(type('sample-not-revealed'));
      const opened = (await reveal(server, sample)).json();
      expect((await reveal(server, sample)).json()).toEqual(opened);
      expect(await problem(reveal(server, sample, { nonce: other }))).toBe(type('already-revealed'));
      expect(await problem(reveal(server, 0))).toBe(type('unknown-sample'));
      expect(await problem(ask(server, path, { token: server.producer, json: {} }))).toBe(type('forbidden-role'));
      const { token } = await server.tokens.create({ role: 'auditor', name: 'another' });
      expect(await problem(ask(server, path, { token, json: {} }))).toBe(type('unknown-sample'));
    }));

  it('counts commits, says which were never drawn, and answers a nonce with its one commit', () =>
    withServer(async (server) => {
      await submit(server, 12);
      const first = (await commit(server, { nonce_hash: base64Encode(nonceHash(sha256(NONCE))) })).json();
      const second = (await commit(server, { query: '' })).json();
      const again = (await commit(server, { query: '' })).json();
      expect(second).toMatchObject({ number: 1, previous: first['sample'] });
      expect(again['sample']).toBe(second['sample']);
      await fixHead(server);
      await reveal(server, second['sample']);
      const { verdict } = await report(server, second['sample']);
      expect(verdict.verdict).toBe('PASS');
      expect(verdict.claims.find(({ claim }) => claim === 'history')?.detail).toBe(
        '1 commits of the same auditor came before this one',
      );
      expect(verdict.notes.join()).toContain('NEVER DRAWN');
      const list = (await ask(server, '/test/samples', { token: server.auditor })).json()['samples'];
      expect(list).toMatchObject([{ reveal: null }, { sample: second['sample'] }]);
    }));

  it('refuses what could not be drawn or shown', () =>
    withServer(async (server) => {
      await submit(server, 6);
      const code = async (changes: object, token = server.auditor): Promise<unknown> =>
        String((await ask(server, '/test/samples', { token, json: { ...ASKED, ...changes } })).json()['type'])
          .split(':')
          .at(-1);
      expect(await code({ query: 'action:nothing.here' })).toBe('empty-population');
      expect(await code({ design: { size: 0 } })).toBe('invalid-body');
      expect(await code({ design: {} })).toBe('invalid-body');
      expect(await code({ nonce_hash: 'AAAA' })).toBe('invalid-sample-request');
      expect(await code({ nonce_hash: 'no base64' })).toBe('invalid-body');
      expect(await code({ strata: 'producer' })).toBe('invalid-body');
      expect(await code({ drand_round: 1_000 })).toBe('invalid-sample-request');
      expect(await code({}, server.producer)).toBe('forbidden-role');
      const scoped = await server.tokens.create({ role: 'auditor', name: 's', scope: { actions: ['role.*'] } });
      expect(await code({}, scoped.token)).toBe('complete-needs-scope');
      expect(await code({ query: '' }, scoped.token)).toBe('complete-needs-scope');
      const entries = await ownEntries(server.log);
      expect(entries.filter(({ action }) => String(action).startsWith('countersign.sample.'))).toEqual([]);
    }));
});
