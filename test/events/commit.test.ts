/** What the write side encodes by itself, for speed, against the one encoding in proofs/. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, type JsonValue } from '../../proofs/canonical-json.ts';
import { type CardField, cardHash, encodeCard, MAX_CARD_FIELDS, sortFieldIds } from '../../proofs/card.ts';
import { commitField } from '../../proofs/commitment.ts';
import { nobleHasher } from '../../proofs/hash.ts';
import { CanonicalWriter } from '../../src/events/canonical-writer.ts';
import { commit, commitTexts } from '../../src/events/commit.ts';
import { ContentsView, fieldTexts, logText } from '../../src/events/contents.ts';
import { decodeDisclosure } from '../../src/log/disclosure.ts';

const text = fc.string({ unit: 'binary', maxLength: 120 });
const json = fc
  .jsonValue({ stringUnit: 'binary' })
  .filter((value) => !/e\+|\d{16}/.test(JSON.stringify(value))) as fc.Arbitrary<JsonValue>;
const ids = fc.uniqueArray(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 80 }).filter((id) => id !== 'log'),
  { maxLength: 30 },
);

describe('the writer of RFC 8785', () => {
  it('writes the bytes of canonicalJson, again and again into the same space', () => {
    const writer = new CanonicalWriter();
    fc.assert(
      fc.property(json, (value) => {
        writer.restart();
        writer.write(value);
        expect(writer.text(0)).toBe(canonicalJson(value));
        expect(Buffer.from(writer.bytes.subarray(0, writer.length)).toString()).toBe(canonicalJson(value));
      }),
      { numRuns: 500 },
    );
  });

  it('tells where each member of an object stands', () => {
    const writer = new CanonicalWriter();
    const value = { b: [1, -0, 1e-21, 'x'.repeat(20_000)], a: { é: '"\\\u0001', z: null }, c: true };
    const members: string[] = [];
    writer.writeMembers(value, (name, start, end) => {
      members.push(`${name}=${writer.bytes.toString('utf8', start, end)}`);
    });
    expect(writer.text(0)).toBe(canonicalJson(value));
    expect(members).toEqual(['a', 'b', 'c'].map((name) => `${name}=${canonicalJson(value[name as 'a'])}`));
  });

  it.each(['\ud800', `${'x'.repeat(100)}\udfff`, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])(
    'refuses %j, which has no such form',
    (value) => {
      expect(() => new CanonicalWriter().write([value])).toThrow(expect.objectContaining({ code: 'invalid-json' }));
    },
  );
});

describe('the commitments of an event', () => {
  it('are those of proofs/, open to the same texts, and go by the order of the card', () => {
    fc.assert(
      fc.property(ids, text, fc.nat(), (names, logValue, first) => {
        const fields = names.map((id, i) => [id, JSON.stringify(`${logValue}${i}`)] as const);
        const salts = Uint8Array.from({ length: 16 * (fields.length + 1) }, (_, i) => first + 7 * i);
        const saltAt = (i: number): Uint8Array => salts.slice(16 * i, 16 * i + 16);
        const card = fields.map(([id, value], i): CardField => [id, commitField(saltAt(i), id, value)]);
        const made = commitTexts(fields, logValue, salts);
        expect(made.cardHash).toEqual(cardHash(encodeCard(card)));
        expect(made.logCommitment).toEqual(commitField(saltAt(fields.length), 'log', logValue));
        const stored = decodeDisclosure(made.contents, nobleHasher);
        expect(stored.map(({ id }) => id)).toEqual([...sortFieldIds(names), 'log']);
        for (const [i, [id, value]] of fields.entries()) {
          expect(stored.find((one) => one.id === id)?.opening).toEqual({ salt: saltAt(i), value });
        }
        expect(new Map(fieldTexts(made.contents))).toEqual(new Map(fields));
        expect(logText(made.contents)).toBe(logValue);
      }),
      { numRuns: 200 },
    );
  });

  it('are the same wherever texts and salts stand in their memory, and for every length of a text', () => {
    for (let length = 0; length <= 200; length++) {
      const value = JSON.stringify('äb'.repeat(length).slice(0, length));
      const memory = Uint8Array.from({ length: 32 + 2 * length }, (_, i) => length + 5 * i);
      const salts = memory.subarray(length, length + 32);
      const bytes = Buffer.concat([Buffer.alloc(length), Buffer.from(`${value}{}`)]).subarray(length);
      const end = Buffer.byteLength(value);
      const made = commit({
        texts: bytes,
        fields: [{ id: 'reason', start: 0, end }],
        log: { id: 'log', start: end, end: end + 2 },
        salts,
      });
      const [first, second] = [salts.slice(0, 16), salts.slice(16)];
      expect(made.cardHash).toEqual(cardHash(encodeCard([['reason', commitField(first, 'reason', value)]])));
      expect(made.logCommitment).toEqual(commitField(second, 'log', '{}'));
      const [opened, log] = decodeDisclosure(made.contents, nobleHasher);
      expect(opened?.opening).toEqual({ salt: first, value });
      expect(log?.opening).toEqual({ salt: second, value: '{}' });
    }
  });

  it('are found by the name of the field', () => {
    const { contents } = commitTexts(
      [
        ['action', '"a"'],
        ['actor', 'x'.repeat(70_000)],
      ],
      '{}',
      new Uint8Array(48),
    );
    const view = new ContentsView(contents);
    expect(view.text('action')).toBe('"a"');
    expect(view.text('actor')).toHaveLength(70_000);
    expect(view.text('target')).toBeUndefined();
  });

  it('are not made of what no card can name', () => {
    const many = Array.from({ length: MAX_CARD_FIELDS + 1 }, (_, i) => [`f${i}`, '1'] as const);
    const refused = expect.objectContaining({ code: 'invalid-card' });
    expect(() => commitTexts(many, '{}', new Uint8Array(16 * (many.length + 1)))).toThrow(refused);
    for (const id of ['', 'log', 'x'.repeat(513)]) {
      expect(() => commitTexts([[id, '1']], '{}', new Uint8Array(32))).toThrow(refused);
    }
    expect(() => commitTexts([['a', '1']], '{}', new Uint8Array(16))).toThrow('one salt for each field');
  });
});
