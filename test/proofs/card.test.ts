import { describe, expect, it } from 'vitest';
import { concatBytes, hexEncode, utf8Encode } from '../../proofs/bytes.ts';
import { type CardField, cardHash, decodeCard, encodeCard, MAX_CARD_FIELDS, sortFieldIds } from '../../proofs/card.ts';
import { type CborValue, encodeCbor } from '../../proofs/cbor.ts';
import { commitField, deriveSalt } from '../../proofs/commitment.ts';
import { platformHasher } from '../support/tree.ts';

const c = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const salt = Uint8Array.from({ length: 16 }, (_, i) => i);
const invalid = expect.objectContaining({ code: 'invalid-card' });

describe('a commitment', () => {
  it('is the hash of the bytes that the format describes', () => {
    const bytes = concatBytes(
      Uint8Array.of(0x84, 0x74),
      utf8Encode('countersign/field/v1'),
      Uint8Array.of(0x50),
      salt,
      Uint8Array.of(0x66),
      utf8Encode('action'),
      Uint8Array.of(0x6c),
      utf8Encode('"role.grant"'),
    );
    expect(commitField(salt, 'action', '"role.grant"')).toEqual(platformHasher.sha256(bytes));
    expect(hexEncode(commitField(salt, 'action', '"role.grant"'))).toBe(
      '3fc4a352a82e72d2ff506a3e0b510e871d51a19c0fc55312d4173d2bfecb741d',
    );
  });

  it.each([
    ['a', '1'],
    ['x'.repeat(23), 'y'.repeat(24)],
    ['x'.repeat(24), 'y'.repeat(23)],
    ['x'.repeat(255), 'y'.repeat(255)],
    ['x'.repeat(256), 'y'],
    ['x', 'y'.repeat(256)],
    ['x', 'y'.repeat(65_536)],
    ['é', '"ü"'],
    ['plain', '"😀"'],
    ['', ''],
  ])('has the same preimage however its texts are written', (id, text) => {
    const preimage = encodeCbor(['countersign/field/v1', salt, id, text]);
    expect(commitField(salt, id, text)).toEqual(platformHasher.sha256(preimage));
    expect(commitField(salt, id, text, platformHasher)).toEqual(platformHasher.sha256(preimage));
    const saltPreimage = encodeCbor(['countersign/salt/v1', salt, id]);
    expect(deriveSalt(salt, id)).toEqual(platformHasher.sha256(saltPreimage).slice(0, 16));
  });

  it('changes with the salt, the id and the value, and with where one ends and the next begins', () => {
    const all = [
      commitField(salt, 'ab', 'c'),
      commitField(salt, 'a', 'bc'),
      commitField(salt, 'ab', 'd'),
      commitField(salt, 'abc', ''),
      commitField(c(1).slice(0, 16), 'ab', 'c'),
    ].map(hexEncode);
    expect(new Set(all).size).toBe(all.length);
  });

  it.each([0, 15, 17, 32])('takes no salt or secret of %i bytes', (length) => {
    const short = new Uint8Array(length);
    expect(() => commitField(short, 'a', '1')).toThrow(expect.objectContaining({ code: 'invalid-field' }));
    expect(() => deriveSalt(short, 'a')).toThrow(expect.objectContaining({ code: 'invalid-field' }));
  });

  it('takes no text that has no UTF-8 form', () => {
    expect(() => commitField(salt, '\ud800', '1')).toThrow(expect.objectContaining({ code: 'invalid-cbor' }));
    expect(() => commitField(salt, 'a', '\ud800')).toThrow(expect.objectContaining({ code: 'invalid-cbor' }));
  });
});

describe('a card', () => {
  it('is sorted by the bytes of its ids, whatever order they came in', () => {
    const fields: CardField[] = [
      ['target', c(1)],
      ['actor.session', c(2)],
      ['actor', c(3)],
    ];
    const card = encodeCard(fields);
    expect(card).toEqual(encodeCard(fields.toReversed()));
    expect(decodeCard(card)).toEqual([
      ['actor', c(3)],
      ['actor.session', c(2)],
      ['target', c(1)],
    ]);
    expect(card).toEqual(
      encodeCbor([
        'countersign/card/v1',
        [
          ['actor', c(3)],
          ['actor.session', c(2)],
          ['target', c(1)],
        ],
      ]),
    );
    expect(cardHash(card)).toEqual(platformHasher.sha256(card));
  });

  it('sorts by UTF-8, which is not the order of UTF-16 above the basic plane', () => {
    expect(sortFieldIds(['\ufb33', '😀', 'z', 'Z'])).toEqual(['Z', 'z', '\ufb33', '😀']);
    expect(
      decodeCard(
        encodeCard([
          ['😀', c(1)],
          ['\ufb33', c(2)],
        ]),
      ).map(([id]) => id),
    ).toEqual(['\ufb33', '😀']);
  });

  it.each<[string, CardField[]]>([
    [
      'an id twice',
      [
        ['a', c(1)],
        ['a', c(1)],
      ],
    ],
    ['an empty id', [['', c(1)]]],
    ['the id of the log’s own field', [['log', c(1)]]],
    ['an id that is too long', [['x'.repeat(513), c(1)]]],
    ['an id that is too long in bytes', [['é'.repeat(257), c(1)]]],
    ['a commitment of 31 bytes', [['a', c(1).slice(1)]]],
    ['too many fields', Array.from({ length: MAX_CARD_FIELDS + 1 }, (_, i): CardField => [`f${i}`, c(1)])],
  ])('is not made with %s', (_, fields) => {
    expect(() => encodeCard(fields)).toThrow(invalid);
  });

  it.each<[string, CborValue]>([
    ['another label', ['countersign/card/v2', [['a', c(1)]]]],
    ['no fields member', ['countersign/card/v1']],
    ['a third member', ['countersign/card/v1', [['a', c(1)]], null]],
    ['fields that are no array', ['countersign/card/v1', 'a']],
    ['a field that is no pair', ['countersign/card/v1', [['a']]]],
    ['a field of three', ['countersign/card/v1', [['a', c(1), 1]]]],
    ['an id that is no text', ['countersign/card/v1', [[1, c(1)]]]],
    ['a commitment that is text', ['countersign/card/v1', [['a', 'x'.repeat(32)]]]],
    [
      'ids out of order',
      [
        'countersign/card/v1',
        [
          ['b', c(1)],
          ['a', c(1)],
        ],
      ],
    ],
    [
      'an id twice',
      [
        'countersign/card/v1',
        [
          ['a', c(1)],
          ['a', c(2)],
        ],
      ],
    ],
    ['an id of the log', ['countersign/card/v1', [['log', c(1)]]]],
    ['a short commitment', ['countersign/card/v1', [['a', c(1).slice(1)]]]],
    ['no array at all', 'countersign/card/v1'],
  ])('is not read with %s', (_, value) => {
    expect(() => decodeCard(encodeCbor(value))).toThrow(invalid);
  });
});
