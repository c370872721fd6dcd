/** People with tokens of an identity provider: a real one, and everybody who only pretends to be one. */
import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOidcVerifier, type OidcConfig, parseOidcConfig, personId } from '../../src/trail/oidc.ts';
import { ask, ownEntries, type TestServer, testEvent, withServer } from '../support/http.ts';
import { AUDIENCE, startIssuer, type TestIssuer } from '../support/issuer.ts';

let idp: TestIssuer;
beforeAll(async () => {
  idp = await startIssuer();
});
afterAll(() => idp.stop());

function config(more: Partial<OidcConfig> = {}): OidcConfig {
  return parseOidcConfig(
    JSON.stringify({
      issuer: idp.issuer,
      audience: AUDIENCE,
      mapping: [
        { claim: 'groups', value: 'sox', role: 'auditor', scope: { actions: ['role.*'] } },
        { claim: 'groups', value: 'customers', role: 'auditor', scope_from_claims: { tenants: 'tenant' } },
        { claim: 'groups', value: 'auditors', role: 'auditor' },
        { claim: 'groups', value: 'admins', role: 'admin' },
      ],
      ...more,
    }),
  );
}

function withOidc(work: (server: TestServer) => Promise<void>, given: OidcConfig = config()): Promise<void> {
  return withServer(
    async (server) => {
      const events = [
        testEvent('e0', { tenant: 'acme' }),
        testEvent('e1', { tenant: 'other' }),
        testEvent('e2', { tenant: 'acme', action: 'billing.update' }),
      ];
      for (const json of events) await ask(server, '/test/events', { token: server.producer, json });
      await work(server);
    },
    { served: { oidc: createOidcVerifier({ config: given }) } },
  );
}

const problem = (text: string): unknown => JSON.parse(text).type?.replace('urn:countersign:problem:', '');

describe('a person with a token of the identity provider', () => {
  it.each<[claims: object, indices: readonly number[]]>([
    [{ groups: ['sox'] }, [0, 1]],
    [{ groups: 'sox' }, [0, 1]],
    [{ groups: ['customers'], tenant: 'acme' }, [0, 2]],
    [{ groups: ['customers'], tenant: ['acme', 'other'] }, [0, 1, 2]],
    [{ groups: ['other', 'auditors'] }, [0, 1, 2]],
    [{ groups: ['auditors', 'sox'] }, [0, 1]],
  ])('%j sees what the first mapping that fits allows', (claims, indices) =>
    withOidc(async (server) => {
      const token = await idp.token('ann', { ...claims });
      const answer = await ask(server, `/test/events?producer=${server.tokens.list()[0]?.id}`, { token });
      expect(answer.status, answer.text).toBe(200);
      const { events }: { events: readonly { index: number }[] } = JSON.parse(answer.text);
      expect(events.map(({ index }) => index)).toEqual(indices);
      expect(await ownEntries(server.log)).toMatchObject([
        {
          action: 'countersign.read.search',
          actor: {
            type: 'user',
            id: personId(idp.issuer, 'ann'),
            role: 'auditor',
            auth: { method: 'oidc', provider: idp.issuer },
          },
        },
      ]);
    }),
  );

  it('may be an admin, whose changes are entries by the pseudonym', () =>
    withOidc(async (server) => {
      const token = await idp.token('bob', { groups: ['admins'] });
      const created = await ask(server, '/test/tokens', { token, json: { role: 'auditor', name: 'x' } });
      expect(created.status).toBe(201);
      expect(await ownEntries(server.log)).toMatchObject([
        { action: 'countersign.token.create', actor: { type: 'user', id: personId(idp.issuer, 'bob'), role: 'admin' } },
      ]);
      expect(personId(idp.issuer, 'bob')).toMatch(/^oidc:[a-p]{32}$/);
      expect(JSON.stringify(await ownEntries(server.log))).not.toContain('"bob"');
    }));

  it.each<[claims: object]>([
    [{}],
    [{ groups: ['nobody'] }],
    [{ groups: 'SOX' }],
    [{ groups: { sox: true } }],
    [{ groups: ['customers'] }],
    [{ groups: ['customers'], tenant: '' }],
    [{ groups: ['customers'], tenant: { id: 'acme' } }],
  ])('%j has no role, and the attempt is an entry', (claims) =>
    withOidc(async (server) => {
      const answer = await ask(server, '/test/events', { token: await idp.token('ann', { ...claims }) });
      expect([answer.status, problem(answer.text)]).toEqual([403, 'oidc-not-mapped']);
      expect(await ownEntries(server.log)).toMatchObject([
        {
          action: 'countersign.access.refused',
          actor: { type: 'user', id: personId(idp.issuer, 'ann') },
          outcome: { result: 'denied', code: 'oidc-not-mapped' },
        },
      ]);
    }),
  );

  it('cannot submit, and gets nothing beyond the scope', () =>
    withOidc(async (server) => {
      const token = await idp.token('ann', { groups: ['sox'] });
      const submitted = await ask(server, '/test/events', { token, json: testEvent('x') });
      expect([submitted.status, problem(submitted.text)]).toEqual([403, 'forbidden-role']);
      const beyond = await ask(server, '/test/events?action=billing.update', { token });
      expect([beyond.status, problem(beyond.text)]).toEqual([403, 'out-of-scope']);
    }));

  it('costs one request for the keys of the provider, not one each time', () =>
    withOidc(async (server) => {
      const before = idp.keyRequests();
      const token = await idp.token('ann', { groups: ['sox'] });
      for (let i = 0; i < 5; i++) expect((await ask(server, '/test/events', { token })).status).toBe(200);
      expect(idp.keyRequests() - before).toBe(1);
    }));
});

describe('a token that the provider did not make for this log', () => {
  const now = (): number => Math.floor(Date.now() / 1000);

  async function forged(kid: string): Promise<string> {
    const { privateKey } = await generateKeyPair('ES256');
    return new SignJWT({ groups: ['admins'] })
      .setProtectedHeader({ alg: 'ES256', kid })
      .setIssuer(idp.issuer)
      .setAudience(AUDIENCE)
      .setSubject('ann')
      .setIssuedAt()
      .setExpirationTime('10m')
      .sign(privateKey);
  }

  const flipped = (token: string): string => {
    const [head, body, signature = ''] = token.split('.');
    return `${head}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
  };
  const withClaims = (token: string, claims: object): string => {
    const [head, body = '', signature] = token.split('.');
    const payload = { ...JSON.parse(Buffer.from(body, 'base64url').toString()), ...claims };
    return `${head}.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.${signature}`;
  };

  it.each<[what: string, make: () => Promise<string>]>([
    ['is signed by another key of the same id', () => forged('test')],
    ['is signed by a key of another id', () => forged('another')],
    ['is for another audience', () => idp.token('ann', { groups: ['admins'] }, 'another')],
    ['has one bit changed in its signature', async () => flipped(await idp.token('ann', { groups: ['admins'] }))],
    ['has other claims', async () => withClaims(await idp.token('ann', {}), { groups: ['admins'] })],
    ['has a later end', async () => withClaims(await idp.token('ann', { groups: ['sox'] }), { exp: now() + 9_999 })],
    [
      'is not signed at all',
      async () =>
        new UnsecuredJWT({ groups: ['admins'] })
          .setIssuer(idp.issuer)
          .setAudience(AUDIENCE)
          .setSubject('ann')
          .setIssuedAt()
          .setExpirationTime('10m')
          .encode()
          .concat('AA'),
    ],
    [
      'is signed by a shared secret',
      () =>
        new SignJWT({ groups: ['admins'] })
          .setProtectedHeader({ alg: 'HS256', kid: 'test' })
          .setIssuer(idp.issuer)
          .setAudience(AUDIENCE)
          .setSubject('ann')
          .setIssuedAt()
          .setExpirationTime('10m')
          .sign(new Uint8Array(32)),
    ],
    ['is no token', async () => 'a.b.c'],
  ])('%s: 401, and no entry, because nobody is known', (_, make) =>
    withOidc(async (server) => {
      const answer = await ask(server, '/test/events', { token: await make() });
      expect([answer.status, problem(answer.text)]).toEqual([401, 'invalid-token']);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="test", error="invalid_token"');
      expect(await ownEntries(server.log)).toEqual([]);
    }),
  );

  it('is over: 401', async () => {
    const token = await idp.token('ann', { groups: ['sox'] });
    const verifier = (laterMs: number) => createOidcVerifier({ config: config(), nowMs: () => Date.now() + laterMs });
    await expect(verifier(600_000).verify(token)).resolves.toMatchObject({ principal: { role: 'auditor' } });
    await expect(verifier(640_000).verify(token)).rejects.toMatchObject({ code: 'invalid-oidc-token' });
    await expect(verifier(-60_000).verify(token)).rejects.toMatchObject({ code: 'invalid-oidc-token' });
  });

  it('is too old, or made by an algorithm that is not on the list: 401', async () => {
    const token = await idp.token('ann', { groups: ['sox'] });
    const old = createOidcVerifier({
      config: config({ max_token_age_seconds: 60 }),
      nowMs: () => Date.now() + 120_000,
    });
    await expect(old.verify(token)).rejects.toMatchObject({ code: 'invalid-oidc-token' });
    const rsaOnly = createOidcVerifier({ config: config({ algorithms: ['RS256'] }) });
    await expect(rsaOnly.verify(token)).rejects.toMatchObject({ code: 'invalid-oidc-token' });
  });
});

describe('a provider that is away, or not itself,', () => {
  it('makes people wait with 503, and leaves the tokens of the log alone', async () => {
    const gone = await startIssuer();
    const token = await gone.token('ann', { groups: ['sox'] });
    await gone.stop();
    await withOidc(
      async (server) => {
        for (let i = 0; i < 2; i++) {
          const answer = await ask(server, '/test/events', { token });
          expect([answer.status, problem(answer.text)]).toEqual([503, 'oidc-unavailable']);
        }
        expect((await ask(server, '/test/events', { token: server.auditor })).status).toBe(200);
      },
      config({ issuer: gone.issuer }),
    );
  });

  it.each<[what: string, answer: (url: string) => Response]>([
    ['another issuer', () => Response.json({ issuer: 'https://evil.example', jwks_uri: 'https://evil.example/jwks' })],
    [
      'keys in clear text elsewhere',
      (url) => Response.json({ issuer: issuerOf(url), jwks_uri: 'http://evil.example/' }),
    ],
    ['no keys', (url) => Response.json({ issuer: issuerOf(url) })],
    ['no JSON', () => new Response('hello')],
    ['too much', () => new Response('x'.repeat(300_000))],
    [
      'keys that are none',
      (url) => Response.json({ issuer: issuerOf(url), jwks_uri: `${issuerOf(url)}/jwks`, keys: 7 }),
    ],
  ])('answers with %s: nobody is believed', async (_, answer) => {
    const token = await idp.token('ann', { groups: ['sox'] });
    const oidc = createOidcVerifier({ config: config(), fetch: async (url) => answer(String(url)) });
    await expect(oidc.verify(token)).rejects.toMatchObject({ code: 'oidc-unavailable' });
  });
});

function issuerOf(url: string): string {
  return new URL(url).origin;
}

describe('oidc.json', () => {
  const good = {
    issuer: 'https://idp.example',
    audience: 'countersign',
    mapping: [{ claim: 'groups', value: 'x', role: 'auditor' }],
  };

  it.each<[what: string, change: object]>([
    ['no JSON', {}],
    ['an issuer in clear text', { issuer: 'http://idp.example' }],
    ['keys in clear text', { jwks_uri: 'http://idp.example/jwks' }],
    ['no mapping', { mapping: [] }],
    ['a mapping to producers', { mapping: [{ claim: 'a', value: 'b', role: 'producer' }] }],
    ['an admin with a scope', { mapping: [{ claim: 'a', value: 'b', role: 'admin', scope: { tenants: ['x'] } }] }],
    ['a scope that is none', { mapping: [{ claim: 'a', value: 'b', role: 'auditor', scope: { actions: ['x'] } }] }],
    ['a scope from no claim', { mapping: [{ claim: 'a', value: 'b', role: 'auditor', scope_from_claims: {} }] }],
    ['shared secrets', { algorithms: ['HS256'] }],
    ['no algorithm', { algorithms: ['none'] }],
    ['too much tolerance', { clock_tolerance_seconds: 3_600 }],
    ['an unknown member', { client_secret: 'x' }],
  ])('is refused with %s', (what, change) => {
    const text = what === 'no JSON' ? 'issuer: x' : JSON.stringify({ ...good, ...change });
    expect(() => parseOidcConfig(text)).toThrow(expect.objectContaining({ code: 'invalid-oidc-config' }));
    expect(parseOidcConfig(JSON.stringify(good))).toEqual(good);
  });
});
