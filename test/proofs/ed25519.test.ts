import { createPublicKey, verify as nativeVerify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { hexDecode, utf8Encode } from '../../proofs/bytes.ts';
import { checkPublicKey, publicKeyOf, sign, verify } from '../../proofs/ed25519.ts';
import { flipBit, verdictOf } from '../support/tree.ts';
import { haveVectors, readVectors, vectorsMissing } from '../support/vectors.ts';

const seed = hexDecode('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60');
const message = utf8Encode('a head of a log');

describe('Ed25519', () => {
  it('signs and verifies the first test of RFC 8032 §7.1', () => {
    const publicKey = hexDecode('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
    const signature = hexDecode(
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    );
    expect(publicKeyOf(seed)).toEqual(publicKey);
    expect(sign(new Uint8Array(0), seed)).toEqual(signature);
    expect(verify(new Uint8Array(0), signature, publicKey)).toBe(true);
  });

  it('refuses a signature with any bit flipped', () => {
    const signature = sign(message, seed);
    const publicKey = publicKeyOf(seed);
    expect(verify(message, signature, publicKey)).toBe(true);
    for (let bit = 0; bit < 512; bit += 7) expect(verify(message, flipBit(signature, bit), publicKey)).toBe(false);
  });

  it('says no, and throws nothing, for signatures and keys of another length', () => {
    const signature = sign(message, seed);
    const publicKey = publicKeyOf(seed);
    for (const length of [0, 1, 63]) expect(verify(message, signature.slice(0, length), publicKey)).toBe(false);
    for (const length of [0, 31]) expect(verify(message, signature, publicKey.slice(0, length))).toBe(false);
    expect(verify(message, new Uint8Array(65), publicKey)).toBe(false);
    expect(verify(message, signature, new Uint8Array(33))).toBe(false);
  });

  it('refuses a seed of another length', () => {
    expect(verdictOf(() => sign(message, seed.slice(1)))).toBe('invalid-argument');
    expect(verdictOf(() => publicKeyOf(new Uint8Array(33)))).toBe('invalid-argument');
  });
});

describe('a public key', () => {
  it.each([
    ['of another length', '00'.repeat(31)],
    ['the neutral element', `01${'00'.repeat(31)}`],
    ['of order 2', `ec${'ff'.repeat(30)}7f`],
    ['of order 4', '00'.repeat(32)],
    ['of order 4, the other sign', `${'00'.repeat(31)}80`],
    ['of order 8', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'],
    ['of order 8, the other', '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'],
    ['with y above the prime', `ee${'ff'.repeat(30)}7f`],
    ['with y equal to the prime', `ed${'ff'.repeat(30)}7f`],
    ['with x zero and a sign', `01${'00'.repeat(30)}80`],
    ['on no point of the curve', `02${'00'.repeat(31)}`],
  ])('%s is refused', (_, hex) => {
    expect(verdictOf(() => checkPublicKey(hexDecode(hex)))).toBe('bad-public-key');
  });

  it('made from a seed is admitted', () => {
    for (let i = 0; i < 20; i++) checkPublicKey(publicKeyOf(new Uint8Array(32).fill(i)));
  });
});

interface EdgeCase {
  readonly number: number;
  readonly key: string;
  readonly sig: string;
  readonly msg: string;
  readonly flags: readonly string[];
}

describe.skipIf(!haveVectors)(`Ed25519 edge cases${vectorsMissing}`, () => {
  it('what the native verifier accepts with an admitted key, ours accepts', () => {
    const { cases } = readVectors<{ cases: EdgeCase[] }>('ed25519/edge-cases.json');
    let nativeAccepted = 0;
    for (const { number, key, sig, msg } of cases) {
      const publicKey = hexDecode(key);
      if (verdictOf(() => checkPublicKey(publicKey)) !== 'accepted') continue;
      const x = Buffer.from(publicKey).toString('base64url');
      const nativeKey = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } });
      if (!nativeVerify(null, utf8Encode(msg), nativeKey, hexDecode(sig))) continue;
      nativeAccepted++;
      expect(verify(utf8Encode(msg), hexDecode(sig), publicKey), `case ${number}`).toBe(true);
    }
    expect(nativeAccepted).toBeGreaterThan(10);
  });

  it('every key that is flagged as of small order or as not canonical is refused, and no other', () => {
    const { cases } = readVectors<{ cases: EdgeCase[] }>('ed25519/edge-cases.json');
    for (const { number, key, flags } of cases) {
      const bad = flags.includes('low_order_A') || flags.includes('non_canonical_A');
      const verdict = verdictOf(() => checkPublicKey(hexDecode(key)));
      expect(verdict, `case ${number}`).toBe(bad ? 'bad-public-key' : 'accepted');
    }
  });
});
