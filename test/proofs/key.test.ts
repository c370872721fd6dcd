import { describe, expect, it } from 'vitest';
import { base64Encode, concatBytes, hexDecode, hexEncode } from '../../proofs/bytes.ts';
import {
  formatSignerKey,
  formatVerifierKey,
  isKeyName,
  keyIdBytes,
  keyIdOf,
  MAX_COSIGNER_NAME_BYTES,
  MAX_KEY_CHARACTERS,
  makeSignerKey,
  makeVerifierKey,
  parseSignerKey,
  parseVerifierKey,
  type SignatureType,
  verifierKeyOf,
} from '../../proofs/key.ts';
import { testSigner } from '../support/signed.ts';
import { verdictOf } from '../support/tree.ts';

const example = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
const types: readonly SignatureType[] = [1, 4, 6];
const parse = (vkey: string): string => verdictOf(() => parseVerifierKey(vkey));

describe('a verifier key', () => {
  it('is parsed as in the example of signed-note', () => {
    const key = parseVerifierKey(example);
    expect(key).toMatchObject({ name: 'example.com/foo', keyId: 0x530d903a, type: 1, vkey: example });
    expect(hexEncode(key.publicKey)).toBe('e932791ae6e7a840a46164c904786426d5e7821dd8b29a00d61cae72afdd4da4');
    expect(formatVerifierKey(key)).toBe(example);
  });

  it.each(types)('of type %i is written and read back', (type) => {
    const key = verifierKeyOf(testSigner('example.com/é', type));
    expect(parseVerifierKey(key.vkey)).toEqual(key);
  });

  it('of one public key has another id for each type and name', () => {
    const { publicKey } = testSigner('a', 1);
    const ids = [keyIdOf('a', 1, publicKey), keyIdOf('a', 4, publicKey), keyIdOf('b', 1, publicKey)];
    expect(new Set(ids).size).toBe(3);
  });

  it.each([
    ['empty', ''],
    ['without a name', example.slice('example.com/foo'.length)],
    ['with two parts', 'example.com/foo+530d903a'],
    ['with a space in the name', example.replace('/', ' ')],
    ['with a no-break space in the name', example.replace('/', '\u00a0')],
    ['with a control character in the name', example.replace('/', '\u0001')],
    ['with a line end in the name', example.replace('/', '\n')],
    ['with a lone surrogate in the name', example.replace('/', '\ud800')],
    ['with another name', example.replace('foo', 'fop')],
    ['with another id', example.replace('530d903a', '530d903b')],
    ['with the id in upper case', example.replace('530d903a', '530D903A')],
    ['with a short id', example.replace('530d903a', '30d903a')],
    ['without padding', 'Wit1+9b3fb2d5+BFhZSmQj9+SoL+p/nN0Hh76xXmF7QcHfytUrI1XfSCl'],
    ['with white space behind', `${example} `],
    ['with a newline behind', `${example}\n`],
    ['longer than any key', example + 'A'.repeat(MAX_KEY_CHARACTERS)],
  ])('%s is refused', (_, vkey) => {
    expect(parse(vkey)).toBe('invalid-key');
  });

  it('with bits set under the padding is refused', () => {
    const { vkey } = verifierKeyOf(testSigner('name', 6));
    const loose = vkey.replace(/(.)=$/, (_, last: string) => `${String.fromCharCode(last.charCodeAt(0) + 1)}=`);
    expect(loose).not.toBe(vkey);
    expect(parse(loose)).toBe('invalid-key');
  });

  it.each([0, 2, 3, 5, 7, 0x65, 0xff])('of type %i is refused with a code of its own', (type) => {
    const material = concatBytes(Uint8Array.of(type), new Uint8Array(32).fill(9));
    expect(parse(`a+00000000+${base64Encode(material)}`)).toBe('unsupported-key-type');
  });

  it.each([1, 4] as const)('of type %i is refused where its public key is of small order', (type) => {
    const publicKey = hexDecode(`01${'00'.repeat(31)}`);
    const id = hexEncode(keyIdBytes(keyIdOf('a', type, publicKey)));
    expect(parse(`a+${id}+${base64Encode(concatBytes(Uint8Array.of(type), publicKey))}`)).toBe('bad-public-key');
    expect(verdictOf(() => makeVerifierKey('a', type, publicKey))).toBe('bad-public-key');
  });

  it.each(types)('of type %i is refused where its public key is one byte short or long', (type) => {
    const { publicKey } = testSigner('a', type);
    for (const wrong of [publicKey.slice(1), concatBytes(publicKey, Uint8Array.of(0))]) {
      const id = hexEncode(keyIdBytes(keyIdOf('a', type, wrong)));
      expect(parse(`a+${id}+${base64Encode(concatBytes(Uint8Array.of(type), wrong))}`)).toBe('bad-public-key');
    }
  });

  it('of type 6 has a name that fits the signed message', () => {
    const { publicKey } = testSigner('a', 6);
    makeVerifierKey('n'.repeat(MAX_COSIGNER_NAME_BYTES), 6, publicKey);
    expect(verdictOf(() => makeVerifierKey('n'.repeat(256), 6, publicKey))).toBe('invalid-key');
    expect(verdictOf(() => makeVerifierKey('é'.repeat(128), 6, publicKey))).toBe('invalid-key');
  });
});

describe('a signer key', () => {
  it.each(types)('of type %i is written and read back', (type) => {
    const signer = testSigner('example.com/log', type);
    const line = formatSignerKey(signer);
    expect(line.startsWith('PRIVATE+KEY+example.com/log+')).toBe(true);
    expect(parseSignerKey(line)).toEqual(signer);
  });

  it('is refused where anything in it is changed', () => {
    const line = formatSignerKey(testSigner('example.com/log', 1));
    for (const wrong of [
      line.replace('PRIVATE+KEY+', ''),
      line.replace('PRIVATE', 'PUBLIC'),
      line.replace('log+', 'lag+'),
      line.slice(0, -4),
      `${line}AAAA`,
      `${line}\n`,
    ]) {
      expect(
        verdictOf(() => parseSignerKey(wrong)),
        wrong,
      ).toBe('invalid-key');
    }
  });

  it('needs a valid name and 32 bytes', () => {
    expect(verdictOf(() => makeSignerKey('a b', 1, new Uint8Array(32)))).toBe('invalid-key');
    expect(verdictOf(() => makeSignerKey('a', 1, new Uint8Array(31)))).toBe('invalid-argument');
    expect(verdictOf(() => makeSignerKey('a', 6, new Uint8Array(33)))).toBe('invalid-argument');
  });
});

describe('a key name', () => {
  it.each(['a', 'example.com/log', 'oid/1.2.3', 'ünïcode', '\u{1f511}', '—', '\u200b'])('may be %s', (name) => {
    expect(isKeyName(name)).toBe(true);
  });

  // Every character with the property White_Space, and what cannot stand in a note at all.
  it.each([
    '',
    '+',
    'a+b',
    ...[0x9, 0xa, 0xb, 0xc, 0xd, 0x20, 0x85, 0xa0, 0x1680, 0x2000, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000],
    0,
    0x1f,
    0xdc00,
  ])('may not hold %j', (part) => {
    expect(isKeyName(typeof part === 'string' ? part : `a${String.fromCharCode(part)}b`)).toBe(false);
  });
});
