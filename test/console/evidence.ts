/** Evidence from a real log over HTTP, of the kinds that the page has something to show for. */
import { openPrepareSource } from '../../src/cli/prepare-source.ts';
import { parseCatalogue } from '../../src/events/catalogue/parse.ts';
import { readShippedCatalogue } from '../../src/events/catalogue/shipped.ts';
import { ask, type TestServer, testEvent, withServer } from '../support/http.ts';
import { until } from '../support/test-log.ts';

/** Markup, a line break with a forged line, a turned reading direction, and something that nobody sees. */
export const HOSTILE = '<img src=x onerror="document.title=1"><script>alert(1)</script>\n\u202egnp.exe\u202c\u200b\\';

export const RULE = {
  id: 'policy.access.grant',
  version: 'v3',
  definition_hash: `sha256:${'ab'.repeat(32)}`,
  source: 'git.example/policies@4f2a91c:access.rego',
  author: 'u_1001',
  approver: 'u_1002',
  approval: 'CHG-1200',
};

/** A log with a catalogue and a rule, and then what happened: ordinary, denied, failed, emergency, hostile. */
export async function withFilledLog<T>(work: (server: TestServer) => Promise<T>): Promise<T> {
  const text = await readShippedCatalogue('starter');
  const source = await openPrepareSource(new Uint8Array(32).fill(9), '/nowhere/allowed-cards.txt');
  source.useCatalogue(parseCatalogue(text));
  return withServer(
    async (server) => {
      await post(server, server.admin, 'catalogue', { text, approver: 'u_1002' });
      await post(server, server.admin, 'rules', RULE);
      for (const event of happened()) await post(server, server.producer, 'events', event);
      return work(server);
    },
    { served: { prepareContext: source.contextFor } },
  );
}

function happened(): readonly object[] {
  const actor = {
    ...{ type: 'user', id: 'u_8842', role: 'admin', session: 's_1f9c' },
    auth: { method: 'sso', provider: 'okta', mfa: true },
    delegation: [{ type: 'service', id: 'svc-support' }],
  };
  const changes = [{ path: '/roles', before: ['member'], after: ['member', 'admin'] }];
  const context = { ip: '203.0.113.40', request_id: 'req_77', granted_role: 'admin' };
  const authorization = { decision: 'allow', rule: 'policy.access.grant.v3#owner', ticket: 'CHG-1204' };
  return [
    testEvent('grant-1', { actor, changes, context, authorization, reason: 'on-call rotation', tenant: 'acme' }),
    testEvent('grant-2', {
      actor: { type: 'user', id: 'u_7' },
      outcome: { result: 'denied', code: 'not-owner' },
      authorization: { decision: 'deny', rule: 'policy.access.grant.v3#owner' },
      context,
    }),
    testEvent('grant-3', { outcome: { result: 'failure', code: 'directory-timeout' }, context, changes }),
    testEvent('grant-4', {
      reason: HOSTILE,
      target: { type: 'user', id: HOSTILE.replaceAll('\n', '') },
      context,
      changes,
    }),
    testEvent('grant-5', {
      ...{ actor: { type: 'user', id: 'u_3', role: 'on-call' }, changes, context, break_glass: true },
      authorization: { decision: 'bypass', rule: 'policy.access.grant.v3#emergency', ticket: 'INC-88' },
      reason: 'primary directory unreachable, customer locked out',
    }),
    testEvent('revoke-1', { action: 'role.revoke', changes, context: { ...context, revoked_role: 'admin' } }),
  ];
}

async function post(server: TestServer, token: string, where: string, json: object): Promise<void> {
  const answer = await ask(server, `/test/${where}`, { token, json });
  if (answer.status >= 300) throw new Error(`${where}: ${answer.status} ${answer.text}`);
}

/** The bundle that answers a question about everything until now. */
export async function bundleOf(server: TestServer, body: object): Promise<Uint8Array> {
  const asked = await ask(server, '/test/evidence', { token: server.auditor, json: body });
  if (asked.status !== 202) throw new Error(`${asked.status} ${asked.text}`);
  await server.publish();
  const where = asked.headers.get('location') ?? '';
  const token = server.auditor;
  await until(async () => (await ask(server, where, { token })).json()['state'] !== 'building', 'the bundle');
  const response = await fetch(`${server.url}${where}/bundle.zip`, { headers: { authorization: `Bearer ${token}` } });
  if (!response.ok) throw new Error(await response.text());
  return new Uint8Array(await response.arrayBuffer());
}
