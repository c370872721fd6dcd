import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { base64Encode } from '../../proofs/bytes.ts';
import type { JsonObject } from '../../proofs/canonical-json.ts';
import { publicKeyOf, verify } from '../../proofs/ed25519.ts';
import { decodeEntry, submissionMessage } from '../../proofs/entry.ts';
import { type SignedSubmission, signEvent } from '../../src/sdk/sign.ts';
import { producerEvents, type TestServer, withServer } from '../support/http.ts';
import { ORIGIN } from '../support/test-log.ts';

const SEED = new Uint8Array(32).fill(77);
const PUBLIC_KEY = publicKeyOf(SEED);

const event = (id: string, more: JsonObject = {}): JsonObject => ({
  event_id: id,
  occurred_at: '2026-01-08T14:32:07Z',
  actor: { type: 'user', id: 'u_1', session: 's_1' },
  action: 'role.grant',
  outcome: { result: 'success' },
  producer_seq: 7,
  ...more,
});

async function post(server: TestServer, path: string, token: string, body: unknown, type = 'application/json') {
  const response = await fetch(`${server.url}/test/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': type },
    body: JSON.stringify(body),
  });
  const json = (await response.json()) as Record<string, unknown>;
  return { status: response.status, json };
}

async function register(server: TestServer): Promise<string> {
  const body = { public_key: base64Encode(PUBLIC_KEY), name: 'billing' };
  const { status, json } = await post(server, 'keys', server.admin, body);
  expect(status).toBe(201);
  return String(json['id']);
}

function signed(id: string, keyId: string, more: JsonObject = {}, origin = ORIGIN): SignedSubmission {
  const bytes = (count: number): Uint8Array => new Uint8Array(randomBytes(count));
  return signEvent(event(id, more), {
    origin,
    keyId,
    seed: SEED,
    separatePaths: ['actor.session'],
    randomBytes: bytes,
  });
}

const SIGNED = 'application/vnd.countersign.signed+json';
const submit = (server: TestServer, body: unknown) => post(server, 'events', server.producer, body, SIGNED);

describe('signed events', () => {
  it('carry a signature in their entry that anyone can verify with the registered key', () =>
    withServer(async (server) => {
      const keyId = await register(server);
      expect(await submit(server, signed('e1', keyId))).toMatchObject({ status: 201, json: { index: 1 } });
      const stored = await server.log.eventAt(1);
      const entry = decodeEntry(stored?.entry ?? new Uint8Array());
      expect(entry).toMatchObject({ producerId: keyId, producerSeq: 7 });
      const message = submissionMessage(ORIGIN, keyId, 7, entry.cardHash);
      expect(verify(message, entry.signature ?? new Uint8Array(), PUBLIC_KEY)).toBe(true);
      expect(stored?.fields.map(({ id }) => id)).toContain('actor.session');
    }));

  it('are refused when anything in them was changed, and nothing is stored', () =>
    withServer(async (server) => {
      const keyId = await register(server);
      const good = signed('e1', keyId);
      const changed: readonly [unknown, number, string][] = [
        [{ ...good, event: event('e1', { action: 'role.revoke' }) }, 422, 'bad-producer-signature'],
        [{ ...good, event: event('e1', { producer_seq: 8 }) }, 422, 'bad-producer-signature'],
        [{ ...good, signature: base64Encode(new Uint8Array(64)) }, 422, 'bad-producer-signature'],
        [
          { ...good, salts: { ...good.salts, action: base64Encode(new Uint8Array(16)) } },
          422,
          'bad-producer-signature',
        ],
        [signed('e1', keyId, {}, 'log.example/other'), 422, 'bad-producer-signature'],
        [{ ...good, salts: { ...good.salts, reason: base64Encode(new Uint8Array(16)) } }, 422, 'salts-mismatch'],
        [{ ...good, salts: { action: good.salts['action'] } }, 422, 'salts-mismatch'],
        [{ ...good, key: 'key_00' }, 403, 'unknown-producer-key'],
        [{ ...good, signature: 'AA==' }, 422, 'invalid-submission'],
        [{ ...good, note: 'x' }, 422, 'invalid-submission'],
        [{ ...good, event: event('e1', { actor: { type: 'user' } }) }, 422, 'missing-member'],
        [[good], 422, 'invalid-submission'],
      ];
      for (const [body, status, code] of changed) {
        const answer = await submit(server, body);
        expect(answer, code).toMatchObject({ status, json: { type: `urn:countersign:problem:${code}` } });
      }
      expect(await producerEvents(server.log)).toBe(0);
      expect(await submit(server, good)).toMatchObject({ status: 201 });
      expect(await submit(server, good)).toMatchObject({ status: 200, json: { status: 'duplicate' } });
    }));

  it('stop with the entry that revokes their key, and the key cannot come back', () =>
    withServer(async (server) => {
      const keyId = await register(server);
      expect(await submit(server, signed('e1', keyId))).toMatchObject({ status: 201 });
      const revocation = await post(server, `keys/${keyId}/revocation`, server.admin, { reason: 'laptop lost' });
      expect(revocation).toMatchObject({ status: 200, json: { revoked_at_index: 2 } });
      expect(await submit(server, signed('e2', keyId))).toMatchObject({ status: 403 });
      expect(await register(server)).toBe(keyId);
      expect(await submit(server, signed('e3', keyId))).toMatchObject({ status: 403 });
      expect(await post(server, `keys/${keyId}/revocation`, server.admin, { reason: 'again' })).toMatchObject({
        status: 404,
      });
      const refused = { public_key: base64Encode(new Uint8Array(32)), name: 'small order' };
      expect(await post(server, 'keys', server.admin, refused)).toMatchObject({ status: 422 });
    }));
});
