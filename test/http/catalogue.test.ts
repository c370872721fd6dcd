import { describe, expect, it } from 'vitest';
import { openPrepareSource } from '../../src/cli/prepare-source.ts';
import { parseCatalogue } from '../../src/events/catalogue/parse.ts';
import { readShippedCatalogue, SHIPPED_CATALOGUES } from '../../src/events/catalogue/shipped.ts';
import { logText } from '../../src/events/contents.ts';
import { prepareEvent } from '../../src/events/prepare.ts';
import { openTrail } from '../../src/trail/trail.ts';
import { type TestServer, testContexts, testEvent, withServer } from '../support/http.ts';

async function call(server: TestServer, token: string, method: string, path: string, body?: object) {
  const response = await fetch(`${server.url}/test/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

describe('catalogues', () => {
  it.each(SHIPPED_CATALOGUES)('that ship (%s) can be published, and are read back from their entry unchanged', (name) =>
    withServer(async (server) => {
      const text = await readShippedCatalogue(name);
      const catalogue = parseCatalogue(text);
      const answer = await call(server, server.admin, 'POST', 'catalogue', { text, approver: 'u_23', ticket: 'CHG-1' });
      expect(answer).toMatchObject({ status: 201, json: { label: catalogue.label, index: 0 } });
      expect(server.trail.catalogues.inForce().map((one) => one.catalogue.label)).toEqual([catalogue.label]);
      expect(server.trail.catalogues.inForce()[0]?.text).toBe(text);
      const reopened = await openTrail({ log: server.log, prepareContext: testContexts() });
      expect(reopened.catalogues.inForce()[0]?.catalogue.digest).toBe(catalogue.digest);
      await reopened.close();
    }),
  );

  it('keep each version for ever: the same again is known, other content under it is refused', () =>
    withServer(async (server) => {
      const text = await readShippedCatalogue('starter');
      const publish = (body: object, token = server.admin) => call(server, token, 'POST', 'catalogue', body);
      await publish({ text });
      expect(await publish({ text: `# a comment changes nothing\n${text}` })).toMatchObject({
        status: 200,
        json: { index: 0 },
      });
      const other = text.replace(/title: .*/, 'title: Another title');
      expect(await publish({ text: other })).toMatchObject({
        status: 409,
        json: { type: 'urn:countersign:problem:catalogue-version-exists', index: 0 },
      });
      expect(await publish({ text }, server.producer)).toMatchObject({ status: 403 });
      const broken = await publish({ text: text.replace(/title: .*/, 'titel: wrong') });
      expect(broken).toMatchObject({ status: 422, json: { type: 'urn:countersign:problem:invalid-catalogue' } });
      expect(JSON.stringify(broken.json['errors'])).toMatch(/line \d+, column \d+/);
      expect((await call(server, server.auditor, 'GET', 'catalogue')).json).toMatchObject({
        catalogues: [{ id: parseCatalogue(text).id, index: 0, in_force: true }],
      });
    }));

  it('in force at the same time are one: each event is checked by the catalogue that knows its action, and names them', () =>
    withServer(async (server) => {
      const source = await openPrepareSource(new Uint8Array(32).fill(9), '/nowhere/allowed-cards.txt');
      const trail = await openTrail({
        log: server.log,
        prepareContext: source.contextFor,
        onCatalogue: source.useCatalogue,
      });
      const submit = async (id: string, action: string) => {
        const event = testEvent(id, { action });
        const bytes = new TextEncoder().encode(JSON.stringify(event));
        return logText(prepareEvent(bytes, source.contextFor('tok_1')).contents);
      };
      expect(await submit('a', 'no.such-action')).toContain('"catalogue":null');
      const publish = async (name: (typeof SHIPPED_CATALOGUES)[number]) =>
        call(server, server.admin, 'POST', 'catalogue', { text: await readShippedCatalogue(name) });
      await publish('starter');
      const unknown = { code: 'unknown-action', faults: [{ pointer: '/action' }] };
      await expect(submit('b', 'no.such-action')).rejects.toMatchObject(unknown);
      await expect(submit('b', 'ec2.DescribeInstances')).rejects.toMatchObject(unknown);
      await publish('cloudtrail');
      const labels = trail.catalogues.inForce().map((one) => one.catalogue.label);
      expect(labels).toHaveLength(2);
      expect(await submit('b', 'ec2.DescribeInstances')).toContain(labels.join(' '));
      await trail.close();
    }));
});
