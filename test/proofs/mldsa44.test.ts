import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { utf8Encode } from '../../proofs/bytes.ts';
import { MLDSA44_PUBLIC_KEY_BYTES, MLDSA44_SIGNATURE_BYTES, publicKeyOf, sign, verify } from '../../proofs/mldsa44.ts';
import { flipBit, verdictOf } from '../support/tree.ts';

const seed = new Uint8Array(32).fill(7);
const message = utf8Encode('a head of a log');
const signature = sign(message, seed);
const publicKey = publicKeyOf(seed);

describe('ML-DSA-44', () => {
  it('gives the same key and signature for the same seed and message, in every run', () => {
    expect(publicKey.length).toBe(MLDSA44_PUBLIC_KEY_BYTES);
    expect(signature.length).toBe(MLDSA44_SIGNATURE_BYTES);
    expect(sign(message, seed)).toEqual(signature);
    const digest = createHash('sha256').update(publicKey).update(signature).digest('hex');
    expect(digest).toMatchInlineSnapshot(`"04d2aade6ffa8f030be644f023b7ecabcffc73bb9f972f4190a241a6058bacb2"`);
  });

  it('refuses another message, key or signature', () => {
    expect(verify(message, signature, publicKey)).toBe(true);
    expect(verify(utf8Encode('another head'), signature, publicKey)).toBe(false);
    expect(verify(message, signature, publicKeyOf(new Uint8Array(32).fill(8)))).toBe(false);
    for (let bit = 0; bit < 8 * MLDSA44_SIGNATURE_BYTES; bit += 997) {
      expect(verify(message, flipBit(signature, bit), publicKey), `bit ${bit}`).toBe(false);
    }
  });

  it('says no, and throws nothing, for signatures and keys of another length', () => {
    expect(verify(message, signature.slice(1), publicKey)).toBe(false);
    expect(verify(message, new Uint8Array(0), publicKey)).toBe(false);
    expect(verify(message, signature, publicKey.slice(1))).toBe(false);
    expect(verify(message, signature, new Uint8Array(MLDSA44_PUBLIC_KEY_BYTES + 1))).toBe(false);
  });

  it('refuses a seed of another length', () => {
    expect(verdictOf(() => sign(message, seed.slice(1)))).toBe('invalid-argument');
    expect(verdictOf(() => publicKeyOf(new Uint8Array(33)))).toBe('invalid-argument');
  });
});
