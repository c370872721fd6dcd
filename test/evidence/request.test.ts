/** From a request over HTTP to a verdict over the bundle that was downloaded. */
import { describe, expect, it } from 'vitest';
import { parseManifest } from '../../proofs/manifest.ts';
import { verifyBundle } from '../../proofs/verify-bundle.ts';
import { readBundleZip } from '../../src/evidence/read-zip.ts';
import { ask, type TestServer, testEvent, withServer } from '../support/http.ts';
import { until } from '../support/test-log.ts';

async function submit(server: TestServer, count: number): Promise<void> {
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify(
      testEvent(`e${i}`, i % 5 === 0 ? { action: 'role.revoke', actor: { type: 'user', id: `u_${i}` } } : {}),
    ),
  );
  const answer = await ask(server, '/test/events', {
    token: server.producer,
    headers: { 'content-type': 'application/x-ndjson' },
    body: lines.join('\n'),
  });
  expect(answer.status).toBe(200);
}

/** Asks for a bundle, publishes, waits until it was made and downloads it. */
async function bundleOf(server: TestServer, body: object, token = server.auditor): Promise<Uint8Array> {
  const asked = await ask(server, '/test/evidence', { token, json: body });
  expect(asked.status, asked.text).toBe(202);
  await server.publish();
  const path = asked.headers.get('location') ?? '';
  await until(async () => (await ask(server, path, { token })).json()['state'] !== 'building', 'the bundle');
  const response = await fetch(`${server.url}${path}/bundle.zip`, { headers: { authorization: `Bearer ${token}` } });
  if (response.status !== 200) throw new Error(await response.text());
  return new Uint8Array(await response.arrayBuffer());
}

describe('evidence over HTTP', () => {
  it('answers a question completely, with a verdict of PASS', () =>
    withServer(async (server) => {
      await submit(server, 300);
      const zip = await bundleOf(server, { query: 'action:role.revoke' });
      const files = readBundleZip(zip);
      const verdict = verifyBundle({ files, policy: server.keys.policyText });
      expect(verdict.claims.filter(({ result }) => result !== 'pass')).toEqual([]);
      expect(verdict).toMatchObject({ verdict: 'PASS', examined: 300, matched: 60, unevaluated: 0 });
      expect(verdict.claims.find(({ claim }) => claim === 'completeness')?.detail).toBe(
        'all 300 events of the range were examined; 60 match',
      );
      expect(verdict.existedBy).toMatchObject({ seconds: 1_767_882_727, satisfied: 2, members: 3 });
    }));

  it('shows of other events nothing but the fields of the filter', () =>
    withServer(async (server) => {
      await submit(server, 6);
      const files = readBundleZip(await bundleOf(server, { query: 'action:role.revoke outcome:success' }));
      const lines = new TextDecoder().decode(files.get('events.ndjson')).trim().split('\n');
      expect(lines.map((line) => Object.keys(JSON.parse(line).fields).length)).toEqual([8, 2, 2, 2, 2, 8]);
      expect(Object.keys(JSON.parse(lines[1] ?? '').fields)).toEqual(['action', 'outcome']);
    }));

  it('makes a selection for a token whose scope hides other events, and refuses it a complete answer', () =>
    withServer(async (server) => {
      await submit(server, 20);
      const { token } = await server.tokens.create({ role: 'auditor', name: 'x', scope: { actions: ['role.revoke'] } });
      const refused = await ask(server, '/test/evidence', { token, json: { mode: 'complete' } });
      expect([refused.status, refused.json()['type']]).toEqual([403, 'urn:countersign:problem:complete-needs-scope']);
      const files = readBundleZip(await bundleOf(server, { query: '' }, token));
      const verdict = verifyBundle({ files, policy: server.keys.policyText });
      expect(verdict.claims.filter(({ result }) => result !== 'pass')).toEqual([]);
      expect(verdict).toMatchObject({ verdict: 'PASS', matched: 4 });
      expect(verdict.reason).toContain('selection');
      expect(verdict.manifest?.scope).toEqual({ actions: ['role.revoke'] });
    }));

  it('proves that a bundle extends a head that the auditor holds', () =>
    withServer(async (server) => {
      await submit(server, 20);
      await server.publish();
      const pin = server.log.checkpoint() ?? '';
      await ask(server, '/test/events', { token: server.producer, json: testEvent('later') });
      const files = readBundleZip(await bundleOf(server, { pinned_size: 20 }));
      const policy = server.keys.policyText;
      expect(verifyBundle({ files, policy, pin })).toMatchObject({
        verdict: 'PASS',
        reason: 'every claim was checked and holds',
      });
      const other = readBundleZip(await bundleOf(server, {}));
      expect(verifyBundle({ files: other, policy, pin })).toMatchObject({ verdict: 'INCOMPLETE' });
    }));

  it('records the request, and gives the bundle to nobody else', () =>
    withServer(async (server) => {
      await submit(server, 3);
      const asked = await ask(server, '/test/evidence', { token: server.auditor, json: { query: 'actor:u_0' } });
      const stored = await server.log.eventAt(Number(asked.headers.get('countersign-read-entry')));
      const action = stored?.fields.find(({ id }) => id === 'action')?.opening?.value;
      expect(action).toBe('"countersign.read.evidence"');
      const other = await ask(server, asked.headers.get('location') ?? '', { token: server.admin });
      expect([other.status, other.json()['type']]).toEqual([404, 'urn:countersign:problem:unknown-bundle']);
    }));

  it('is downloaded in parts that make up the whole', () =>
    withServer(async (server) => {
      await submit(server, 3);
      const zip = await bundleOf(server, {});
      const part = async (range: string, etag?: string): Promise<Response> =>
        fetch(`${server.url}/test/evidence/bundle-1/bundle.zip`, {
          headers: { authorization: `Bearer ${server.auditor}`, range, ...(etag && { 'if-range': etag }) },
        });
      const first = await part('bytes=0-99');
      const rest = await part('bytes=100-', first.headers.get('etag') ?? '');
      expect([first.status, rest.status]).toEqual([206, 206]);
      expect(rest.headers.get('content-range')).toBe(`bytes 100-${zip.length - 1}/${zip.length}`);
      expect(Buffer.concat([Buffer.from(await first.arrayBuffer()), Buffer.from(await rest.arrayBuffer())])).toEqual(
        Buffer.from(zip),
      );
      expect((await part('bytes=100-', '"other"')).status).toBe(200);
      expect((await part(`bytes=${zip.length}-`)).status).toBe(416);
      const last = await part('bytes=-1');
      expect([last.status, Buffer.from(await last.arrayBuffer())]).toEqual([206, Buffer.from(zip.slice(-1))]);
    }));

  it('refuses what could not be checked', () =>
    withServer(async (server) => {
      await submit(server, 1);
      const unknown = await ask(server, '/test/evidence', { token: server.auditor, json: { query: 'actr:x' } });
      expect(unknown.status).toBe(400);
      const asProducer = await ask(server, '/test/evidence', { token: server.producer, json: {} });
      expect(asProducer.status).toBe(403);
    }));

  it('answers about a time that has nothing in it, and proves that', () =>
    withServer(async (server) => {
      await submit(server, 5);
      const files = readBundleZip(await bundleOf(server, { from: '2030-01-01', to: '2030-12-31' }));
      expect(parseManifest(files.get('manifest.json') ?? new Uint8Array()).counts.population).toBe(0);
      const verdict = verifyBundle({ files, policy: server.keys.policyText });
      expect(verdict).toMatchObject({ verdict: 'PASS', examined: 0 });
    }));
});
