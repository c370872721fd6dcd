import { describe, expect, it } from 'vitest';
import { parseTlogProof } from '../../proofs/tlog-proof.ts';
import { parseRuleReference } from '../../src/trail/rules.ts';
import { openTrail } from '../../src/trail/trail.ts';
import { ownEntries, type TestServer, testContexts, withServer } from '../support/http.ts';

const HASH = (digit: string): string => `sha256:${digit.repeat(64)}`;
const rule = (version: string, more: object = {}): object => ({
  id: 'policy.access.grant',
  version,
  definition_hash: HASH(version.slice(1)),
  source: `policies@4f1c/access-grant.rego`,
  author: 'u_17',
  approver: 'u_23',
  approval: `PR-81${version.slice(1)}`,
  ...more,
});

async function call(
  server: TestServer,
  token: string,
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; json: Record<string, unknown> }> {
  const response = await fetch(`${server.url}/test/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const json: unknown = await response.json();
  if (typeof json !== 'object' || json === null) throw new Error('not an object');
  return { status: response.status, json: { ...json } };
}

describe('rules', () => {
  it('are published by admins, once per version, and each becomes an entry', () =>
    withServer(async (server) => {
      const publish = (body: object, token = server.admin) => call(server, token, 'POST', 'rules', body);
      expect(await publish(rule('v1'))).toMatchObject({ status: 201, json: { index: 0, approved: true } });
      expect(await publish(rule('v1'))).toMatchObject({ status: 200, json: { index: 0 } });
      expect(await publish(rule('v1', { definition_hash: HASH('f') }))).toMatchObject({
        status: 409,
        json: { type: 'urn:countersign:problem:rule-version-exists', index: 0 },
      });
      expect(await publish(rule('v2'), server.auditor)).toMatchObject({ status: 403 });
      expect((await ownEntries(server.log)).map(({ action }) => action)).toEqual([
        'countersign.rule.publish',
        'countersign.access.refused',
      ]);
      expect(await publish(rule('3', { definition_hash: HASH('3') }))).toMatchObject({
        status: 422,
        json: { errors: [{ pointer: '/version' }] },
      });
      expect(await publish({ ...rule('v2'), text: 'allow if true' })).toMatchObject({ status: 422 });
      expect(server.log.treeSize()).toBe(2);
    }));

  it('have a history with proofs, and one version in force at any index', () =>
    withServer(async (server) => {
      for (const version of ['v1', 'v2', 'v3']) {
        await call(server, server.admin, 'POST', 'rules', rule(version, version === 'v3' ? { approver: 'u_17' } : {}));
      }
      await server.publish();
      const { json } = await call(server, server.auditor, 'GET', 'rules/policy.access.grant');
      expect(json).toMatchObject({
        versions: [
          { version: 'v1', index: 0, approved: true, superseded_by: 'v2', approval: 'PR-811' },
          { version: 'v2', index: 1, approved: true, superseded_by: 'v3' },
          { version: 'v3', index: 2, approved: false, superseded_by: null },
        ],
      });
      const versions = json['versions'] as readonly { receipt: string }[];
      expect(versions.map(({ receipt }) => parseTlogProof(receipt).index)).toEqual([0, 1, 2]);
      const at = async (index: number) => call(server, server.auditor, 'GET', `rules/policy.access.grant?at=${index}`);
      expect(await at(0)).toMatchObject({ status: 404, json: { type: 'urn:countersign:problem:unknown-rule' } });
      expect((await at(1)).json).toMatchObject({ versions: [{ version: 'v1' }] });
      expect((await at(2)).json).toMatchObject({ versions: [{ version: 'v2' }] });
      expect(await call(server, server.auditor, 'GET', 'rules/policy.other')).toMatchObject({ status: 404 });
      expect((await call(server, server.auditor, 'GET', 'rules')).json).toEqual({ rules: ['policy.access.grant'] });
    }));

  it('are judged as they stood at the index of the event that cites them, also after a restart', () =>
    withServer(async (server) => {
      const { rules } = server.trail;
      await call(server, server.admin, 'POST', 'rules', rule('v1'));
      await call(server, server.admin, 'POST', 'rules', rule('v2'));
      await call(server, server.admin, 'POST', 'rules', rule('v3', { approval: undefined }));
      const reopened = await openTrail({ log: server.log, prepareContext: testContexts() });
      for (const book of [rules, reopened.rules]) {
        expect(book.judge('policy.access.grant.v1#owner', 1)).toBe('in-force');
        expect(book.judge('policy.access.grant.v1', 0)).toBe('unknown');
        expect(book.judge('policy.access.grant.v1', 2)).toBe('superseded');
        expect(book.judge('policy.access.grant.v2#admin-bypass', 2)).toBe('in-force');
        expect(book.judge('policy.access.grant.v3', 3)).toBe('unapproved');
        expect(book.judge('policy.access.grant.v9', 3)).toBe('unknown');
        expect(book.judge('policy.access.grant', 3)).toBe('unknown');
      }
      await reopened.close();
    }));

  it('are cited as id, version and part', () => {
    expect(parseRuleReference('policy.billing.update.v3#admin-bypass')).toEqual({
      id: 'policy.billing.update',
      version: 'v3',
      part: 'admin-bypass',
    });
    expect(parseRuleReference('a.v1.2')).toEqual({ id: 'a', version: 'v1.2', part: null });
    for (const text of ['policy', 'policy.access', '.v1', 'policy.v', 'policy.v1#', 'policy .v1']) {
      expect(parseRuleReference(text)).toBeUndefined();
    }
  });
});
