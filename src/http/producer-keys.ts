/** Producer keys: registered and revoked by admins, each change an entry (src/trail/producer-keys.ts). */
import { Type } from '@sinclair/typebox';
import { base64Decode } from '../../proofs/bytes.ts';
import { ProofError } from '../../proofs/errors.ts';
import type { ProducerKey } from '../trail/producer-keys.ts';
import { tokenActor } from '../trail/trail.ts';
import { readJsonBody } from './json-body.ts';
import { HttpProblem } from './problems.ts';
import { privateJson } from './respond.ts';
import type { TokenExchange, TokenRoute } from './route.ts';

const MAX_NAME_LENGTH = 100;
const MAX_REASON_LENGTH = 500;

const NewKey = Type.Object(
  {
    public_key: Type.String({ maxLength: 44, contentEncoding: 'base64', description: 'Ed25519, 32 bytes.' }),
    name: Type.String({ minLength: 1, maxLength: MAX_NAME_LENGTH, pattern: '^[^\\u0000-\\u001f\\u007f]+$' }),
  },
  { $id: 'NewProducerKey', additionalProperties: false },
);

const Revocation = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: MAX_REASON_LENGTH }) },
  { $id: 'KeyRevocation', additionalProperties: false },
);

export const producerKeyRoutes: readonly TokenRoute[] = [
  {
    method: 'POST',
    path: '/:log/keys',
    access: 'admin',
    description: {
      summary: "Register a producer's public key; it becomes an entry",
      body: { 'application/json': NewKey },
      answers: { 201: { description: 'It is registered; `id` is the producer id of what it signs.' } },
    },
    handle: registerKey,
  },
  {
    method: 'GET',
    path: '/:log/keys',
    access: 'auditor',
    description: {
      summary: 'All producer keys, revoked ones too',
      answers: { 200: { description: 'In the order of registration.' } },
    },
    handle: ({ served }) => privateJson(200, { keys: served.trail.keys.list().map(keyJson) }),
  },
  {
    method: 'POST',
    path: '/:log/keys/:id/revocation',
    access: 'admin',
    description: {
      summary: 'Revoke a producer key, at once and for good; it becomes an entry',
      parameters: [{ name: 'id', in: 'path', required: true, description: 'key_…', schema: Type.String() }],
      body: { 'application/json': Revocation },
      answers: { 200: { description: 'It is revoked.' }, 404: { description: 'There is no such live key.' } },
    },
    handle: revokeKey,
  },
];

async function registerKey({ c, served, services, token }: TokenExchange): Promise<Response> {
  const { public_key, name } = await readJsonBody(c, services, NewKey);
  const { keys, recorder } = served.trail;
  try {
    const key = await keys.register(recorder, base64Decode(public_key), tokenActor(token), name);
    return privateJson(201, keyJson(key));
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    const errors = [{ pointer: '/public_key', detail: error.message }];
    throw new HttpProblem('invalid-body', 'public_key is not an Ed25519 public key that can be used.', { errors });
  }
}

async function revokeKey({ c, served, services, token }: TokenExchange): Promise<Response> {
  const id = c.req.param('id') ?? '';
  const { reason } = await readJsonBody(c, services, Revocation);
  const { keys, recorder } = served.trail;
  if (keys.live(id) === undefined) throw new HttpProblem('unknown-producer-key-id', `There is no live key ${id}.`);
  await keys.revoke(recorder, id, tokenActor(token), reason);
  const revoked = keys.get(id);
  return privateJson(200, revoked === undefined ? {} : keyJson(revoked));
}

function keyJson({ id, publicKey, registeredAt, revokedAt }: ProducerKey): object {
  return {
    id,
    public_key: Buffer.from(publicKey).toString('base64'),
    registered_at_index: registeredAt,
    revoked_at_index: revokedAt,
  };
}
