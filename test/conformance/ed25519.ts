/**
 * Vectors of `ed25519/`. The edge cases are no list of right and wrong: the project picked one rule (see
 * proofs/ed25519.ts), so each case must come out as the column of that rule, and what the native verifier accepts
 * after the key checks must be accepted by ours.
 */
import { equal } from 'node:assert/strict';
import { createPublicKey, verify as nativeVerify } from 'node:crypto';
import { utf8Encode } from '../../proofs/bytes.ts';
import { checkPublicKey, verify } from '../../proofs/ed25519.ts';
import { ProofError } from '../../proofs/errors.ts';
import {
  boolOf,
  check,
  type Family,
  type Fields,
  haveFields,
  hexOf,
  judge,
  judgeAll,
  Refusal,
  recordsOf,
  textOf,
  type Verdict,
} from './vector.ts';

export const judgeEd25519: Family = ({ content }) => {
  const cases = recordsOf(content, 'cases');
  if (haveFields(cases, 'pk', 'result')) return judgeAll(cases ?? [], judgeSignature);
  if (haveFields(cases, 'key', 'noble_zip215_false')) return judgeAll(cases ?? [], judgeEdgeCase);
  return undefined;
};

function judgeSignature(fields: Fields, id: string): Promise<Verdict> {
  return judge(id, textOf(fields, 'result') === 'valid' ? 'accept' : 'reject', () => {
    const publicKey = checkPublicKey(hexOf(fields, 'pk'));
    if (!verify(hexOf(fields, 'msg'), hexOf(fields, 'sig'), publicKey)) throw new Refusal('bad signature');
  });
}

function judgeEdgeCase(fields: Fields, id: string): Promise<Verdict> {
  return check(id, () => {
    const [key, signature, message] = [hexOf(fields, 'key'), hexOf(fields, 'sig'), utf8Encode(textOf(fields, 'msg'))];
    const admitted = isAdmittedKey(key);
    const ours = admitted && verify(message, signature, key);
    equal(ours, boolOf(fields, 'noble_zip215_false'), 'another verdict than the rule gives');
    const native = admitted && nativeVerify(null, message, nativeKey(key), signature);
    equal(native && !ours, false, 'the native verifier accepts what ours refuses');
    if (admitted) equal(native, boolOf(fields, 'go_openssl_node'), 'another verdict than OpenSSL gave');
  });
}

function isAdmittedKey(key: Uint8Array): boolean {
  try {
    checkPublicKey(key);
    return true;
  } catch (error) {
    if (error instanceof ProofError) return false;
    throw error;
  }
}

function nativeKey(key: Uint8Array): ReturnType<typeof createPublicKey> {
  return createPublicKey({
    format: 'jwk',
    key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(key).toString('base64url') },
  });
}
