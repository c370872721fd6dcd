import { describe, expect, it } from 'vitest';
import { hexEncode } from '../../proofs/bytes.ts';
import { type CborValue, encodeCbor } from '../../proofs/cbor.ts';
import { decodeEntry, type Entry, encodeEntry, MAX_ENTRY_BYTES, submissionMessage } from '../../proofs/entry.ts';

const h = (byte: number, length = 32): Uint8Array => new Uint8Array(length).fill(byte);

const ENTRY: Entry = {
  logTime: 1_767_882_727_123_456,
  producerId: 'tok_1',
  producerSeq: 4728,
  cardHash: h(1),
  logCommitment: h(2),
  signature: null,
};

const invalid = expect.objectContaining({ code: 'invalid-entry' });

describe('an entry', () => {
  it('has the bytes that the format describes', () => {
    const text = (value: string): string => Buffer.from(value).toString('hex');
    const expected = [
      `8774${text('countersign/entry/v1')}`,
      `1b${ENTRY.logTime.toString(16).padStart(16, '0')}`,
      `65${text('tok_1')}`,
      '191278',
      `5820${'01'.repeat(32)}`,
      `5820${'02'.repeat(32)}`,
      'f6',
    ];
    expect(hexEncode(encodeEntry(ENTRY))).toBe(expected.join(''));
    expect(encodeEntry(ENTRY).length).toBeLessThan(150);
  });

  it.each<[string, Partial<Entry>]>([
    ['no sequence number', { producerSeq: null }],
    ['sequence number 0', { producerSeq: 0 }],
    ['the largest numbers', { producerSeq: Number.MAX_SAFE_INTEGER, logTime: Number.MAX_SAFE_INTEGER }],
    ['a signature', { signature: h(3, 64) }],
    ['a producer id of any visible ASCII', { producerId: '!~key+1/2=' }],
  ])('comes back with %s', (_, change) => {
    const entry = { ...ENTRY, ...change };
    expect(decodeEntry(encodeEntry(entry))).toEqual(entry);
  });

  it.each<[string, Partial<Entry>]>([
    ['a negative time', { logTime: -1 }],
    ['a fraction of a microsecond', { logTime: 0.5 }],
    ['an unsafe time', { logTime: 2 ** 53 }],
    ['no producer', { producerId: '' }],
    ['a producer with a space', { producerId: 'a b' }],
    ['a producer with a line break', { producerId: 'a\n' }],
    ['a producer outside ASCII', { producerId: 'é' }],
    ['a producer of 129 characters', { producerId: 'x'.repeat(129) }],
    ['a negative sequence number', { producerSeq: -1 }],
    ['a fraction for a sequence number', { producerSeq: 1.5 }],
    ['a short card hash', { cardHash: h(1, 31) }],
    ['a long log commitment', { logCommitment: h(1, 33) }],
    ['a short signature', { signature: h(1, 63) }],
    ['an empty signature', { signature: h(1, 0) }],
  ])('is not made with %s', (_, change) => {
    expect(() => encodeEntry({ ...ENTRY, ...change })).toThrow(invalid);
  });

  const members: readonly CborValue[] = ['countersign/entry/v1', 1, 'tok_1', null, h(1), h(2), null];

  it.each<[string, CborValue]>([
    ['another label', members.with(0, 'countersign/entry/v2')],
    ['a member less', members.slice(0, 6)],
    ['a member more', [...members, null]],
    ['a time that is text', members.with(1, '1')],
    ['no time', members.with(1, null)],
    ['a producer that is bytes', members.with(2, h(1))],
    ['a sequence number that is text', members.with(3, '1')],
    ['a card hash that is text', members.with(4, 'x'.repeat(32))],
    ['no log commitment', members.with(5, null)],
    ['a signature that is text', members.with(6, 'x'.repeat(64))],
    ['a signature of 65 bytes', members.with(6, h(1, 65))],
    ['no array', 'countersign/entry/v1'],
    ['an array around it', [members]],
  ])('is not read with %s', (_, value) => {
    expect(() => decodeEntry(encodeCbor(value))).toThrow(invalid);
  });

  it('is not read when it is longer than a bundle can hold', () => {
    const bytes = new Uint8Array(MAX_ENTRY_BYTES + 1);
    expect(() => decodeEntry(bytes)).toThrow(expect.objectContaining({ code: 'entry-too-large' }));
  });
});

describe('what a producer signs', () => {
  it('names the log, the producer, its number and the card', () => {
    expect(submissionMessage('log.example/a', 'key_1', 7, h(1))).toEqual(
      encodeCbor(['countersign/submission/v1', 'log.example/a', 'key_1', 7, h(1)]),
    );
    expect(submissionMessage('log.example/a', 'key_1', null, h(1))).toEqual(
      encodeCbor(['countersign/submission/v1', 'log.example/a', 'key_1', null, h(1)]),
    );
  });

  it('is refused for what no entry could hold', () => {
    expect(() => submissionMessage('o', 'a b', null, h(1))).toThrow(invalid);
    expect(() => submissionMessage('o', 'a', -1, h(1))).toThrow(invalid);
    expect(() => submissionMessage('o', 'a', 1, h(1, 31))).toThrow(invalid);
  });
});
