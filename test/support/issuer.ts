/**
 * A real identity provider on loopback, for the tests of OIDC: tokens by the client-credentials grant as JWTs, with claims
 * of the test's choice, and keys of the test's choice.
 */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';

export interface TestIssuer {
  readonly issuer: string;
  /** A JWT for a client, who is the subject, with these further claims. */
  token(subject: string, claims: Readonly<Record<string, unknown>>, audience?: string): Promise<string>;
  /** Requests for its keys so far. */
  readonly keyRequests: () => number;
  /** From now on nobody is at home. */
  stop(): Promise<void>;
}

export const AUDIENCE = 'countersign';
const SECRET = 'secret-of-a-test';
const CLIENTS = ['ann', 'bob'];

export async function startIssuer(): Promise<TestIssuer> {
  let listener: RequestListener = (_, response) => void response.writeHead(503).end();
  let keyRequests = 0;
  const server = createServer((request, response) => {
    if (request.url === '/jwks') keyRequests++;
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;
  let claims: Readonly<Record<string, unknown>> = {};
  let audience = AUDIENCE;
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), use: 'sig', kid: 'test' }] },
    clients: CLIENTS.map((id) => ({
      client_id: id,
      client_secret: SECRET,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: 'ES256',
    })),
    extraTokenClaims: () => claims,
    ttl: { ClientCredentials: 600 },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: 'read',
          audience,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  });
  listener = provider.callback();
  return {
    issuer,
    keyRequests: () => keyRequests,
    token: async (subject, wanted, wantedAudience = AUDIENCE) => {
      claims = wanted;
      audience = wantedAudience;
      const response = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`${subject}:${SECRET}`).toString('base64')}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: 'grant_type=client_credentials&resource=https://log.example/&scope=read',
      });
      const { access_token: token }: { access_token?: string } = JSON.parse(await response.text());
      if (token === undefined) throw new Error(`the issuer gave no token: ${response.status}`);
      return token;
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
