/**
 * Tokens of one log, for its admins. The text of a new token is in the answer to its creation and nowhere else.
 *
 * A creation is an entry before it happens: no entry, no token. A revocation happens first, also while the log takes no
 * entries, and is recorded as soon as it does.
 */
import { Type } from '@sinclair/typebox';
import type { TokenRecord } from '../trail/access.ts';
import { tokenCreated, tokenNotCreated, tokenRevoked } from '../trail/token-entries.ts';
import { tokenActor } from '../trail/trail.ts';
import { readJsonBody } from './json-body.ts';
import { privateJson, respond, SECURITY_HEADERS } from './respond.ts';
import type { TokenExchange, TokenRoute } from './route.ts';
import { CreatedTokenAnswer, NewTokenRequest, TokenList } from './schemas.ts';

export const tokenRoutes: readonly TokenRoute[] = [
  {
    method: 'POST',
    path: '/:log/tokens',
    access: 'admin',
    description: {
      summary: 'Create a token; its text is shown once, here',
      body: { 'application/json': NewTokenRequest },
      answers: {
        201: { description: 'The new token.', content: { 'application/json': CreatedTokenAnswer } },
        422: { description: 'Not a valid request for a token.' },
        503: { description: 'The log takes no entries, so that the token could not be recorded: there is none.' },
      },
    },
    handle: createToken,
  },
  {
    method: 'GET',
    path: '/:log/tokens',
    access: 'admin',
    description: {
      summary: 'List the tokens of the log, revoked ones too; never their text',
      answers: { 200: { description: 'All tokens, oldest first.', content: { 'application/json': TokenList } } },
    },
    handle: ({ served }) => privateJson(200, { tokens: served.tokens.list().map(tokenJson) }),
  },
  {
    method: 'DELETE',
    path: '/:log/tokens/:id',
    access: 'admin',
    description: {
      summary: 'Revoke a token, at once and for good',
      parameters: [
        { name: 'id', in: 'path', required: true, description: 'The id of the token.', schema: Type.String() },
      ],
      answers: {
        204: { description: 'It is revoked.' },
        404: { description: 'There is no such live token.' },
        409: { description: 'It is the last admin token.' },
      },
    },
    handle: revokeToken,
  },
];

async function createToken({ c, served, services, token: admin }: TokenExchange): Promise<Response> {
  const { expires_at: expiresAt, ...request } = await readJsonBody(c, services, NewTokenRequest);
  const { recorder } = served.trail;
  const actor = tokenActor(admin);
  let announced: TokenRecord | undefined;
  try {
    const wanted = { ...request, ...(expiresAt === undefined ? {} : { expiresAt }) };
    const { record, token } = await served.tokens.create(wanted, async (planned) => {
      await recorder.record(tokenCreated(planned, actor));
      announced = planned;
    });
    return privateJson(201, { ...tokenJson(record), token });
  } catch (error) {
    if (announced !== undefined) await recorder.record(tokenNotCreated(announced, actor));
    throw error;
  }
}

async function revokeToken({ c, served, token: admin }: TokenExchange): Promise<Response> {
  const id = c.req.param('id') ?? '';
  await served.tokens.revoke(id);
  await served.trail.deferred.record(tokenRevoked(id, tokenActor(admin)));
  return respond(204, null, { ...SECURITY_HEADERS, 'cache-control': 'no-store' });
}

function tokenJson(record: TokenRecord): object {
  return {
    id: record.id,
    role: record.role,
    name: record.name,
    producer_id: record.producerId,
    created_at: record.createdAt,
    revoked_at: record.revokedAt,
    ...(record.expiresAt === null ? {} : { expires_at: record.expiresAt }),
    ...(record.scope === null ? {} : { scope: record.scope }),
  };
}
