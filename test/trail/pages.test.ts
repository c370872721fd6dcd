import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hexDecode, hexEncode, utf8Encode } from '../../proofs/bytes.ts';
import { pageKey } from '../../src/log/rows.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import {
  compareTerms,
  findInPage,
  hashOf,
  hashOfText,
  listedIn,
  openPage,
  type PageEntry,
  PageWriter,
  readPage,
} from '../../src/trail/pages.ts';
import { LAYOUT } from '../../src/trail/postings.ts';
import { TWINS } from '../support/small-index.ts';
import '../support/seed.ts';

/** As it stands in the header of postings.ts. */
const KEY = hexDecode('0d00e000000000');
const CONTENT = hexDecode('066e3a61636d65010008613a755f38323432000303a902');
const VALUE = new Uint8Array([...CONTENT, ...hexDecode('f3553f0e')]);

const row = (entries: readonly (readonly [string, PageEntry])[]) => {
  const writer = new PageWriter(nativeHasher);
  const sorted = [...entries].sort(([a], [b]) => compareTerms(a, b));
  for (const [term, { own, offsets }] of sorted) writer.addText(term, own, offsets);
  return writer.takeRow('spanPage', 7, 1);
};

const term = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }),
  fc.string({ unit: fc.constantFrom('a', 'b', 'ÿ', '\uffee', '\u{1f600}'), minLength: 1, maxLength: 5 }),
  fc.string({ minLength: 1, maxLength: 300 }),
);
const entry = fc.record({
  own: fc.nat({ max: 2 ** 31 - 1 }),
  offsets: fc.uniqueArray(fc.nat({ max: 2 ** 18 - 1 }), { maxLength: 300 }).map((all) => all.sort((a, b) => a - b)),
});

describe('a page of the search index', () => {
  it('is the sample that the format shows, byte by byte', () => {
    const writer = new PageWriter(nativeHasher);
    writer.addText('n:acme', 1, []);
    writer.addText('a:u_8242', 0, [3, 300]);
    expect(compareTerms('n:acme', 'a:u_8242')).toBeLessThan(0);
    const { key, value } = writer.takeRow('blockPage', 224, 0);
    expect([hexEncode(key), hexEncode(value)]).toEqual([hexEncode(KEY), hexEncode(VALUE)]);
    expect(hexEncode(pageKey('blockPage', 224, 0))).toBe(hexEncode(KEY));
    for (const name of ['a:u_8242', 'n:acme']) expect(hashOfText(name) % LAYOUT.blockPages).toBe(224);
    const page = openPage(KEY, VALUE, nativeHasher);
    expect(page).toEqual(CONTENT);
    expect(findInPage(page, utf8Encode('a:u_8242'))).toEqual({ own: 0, offsets: [3, 300] });
    expect(findInPage(page, utf8Encode('n:acme'))).toEqual({ own: 1, offsets: [] });
    for (const other of ['a:u_824', 'a:u_82420', 'a:u_8243', 'a', 'z', '']) {
      expect(findInPage(page, utf8Encode(other))).toBeUndefined();
    }
  });

  it('is refused with any bit changed, under another key, and when it is missing', () => {
    for (let at = 0; at < VALUE.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const altered = VALUE.slice();
        altered[at] = (altered[at] ?? 0) ^ (1 << bit);
        expect(() => openPage(KEY, altered, nativeHasher)).toThrow(/altered/);
      }
    }
    expect(() => openPage(pageKey('blockPage', 224, 1), VALUE, nativeHasher)).toThrow(/altered/);
    expect(() => openPage(pageKey('spanPage', 224, 0), VALUE, nativeHasher)).toThrow(/altered/);
    expect(() => openPage(KEY, undefined, nativeHasher)).toThrow(/altered/);
    expect(() => openPage(KEY, new Uint8Array(), nativeHasher)).toThrow(/altered/);
  });

  it.each([
    ['ends within a term', '0861'],
    ['ends within the offsets', '016100020a'],
    ['has a number that is longer than needed', '8100610000'],
    ['has a number beyond 32 bits', '01618080808010'.concat('00')],
    ['has a number without end', '016180808080808000'],
    ['has an offset twice', '016100020300'],
    ['has offsets that reach into the next entry', '01610001ac02'],
  ])('that %s is refused', (_, hex) => {
    const page = hexDecode(hex);
    expect(() => readPage(page)).toThrow(expect.objectContaining({ code: 'corrupt-data' }));
  });

  it('gives back whatever was written, and of each term alone the same', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(term, entry), { selector: ([name]) => name, maxLength: 40 }), (entries) => {
        const { key, value } = row(entries);
        const page = openPage(key, value, nativeHasher);
        const read = readPage(page);
        expect(new Map(read)).toEqual(new Map(entries));
        const names = [...read.keys()];
        expect(names).toEqual(names.toSorted(compareTerms));
        for (const [name, its] of entries) expect(findInPage(page, utf8Encode(name))).toEqual(its);
        expect(findInPage(page, utf8Encode('no event has this'))).toBeUndefined();
      }),
    );
  });

  it('divides its offsets between the blocks of the span', () => {
    const { blockEvents } = LAYOUT;
    const its = {
      own: 0b10,
      offsets: [0, blockEvents - 1, 2 * blockEvents, 2 * blockEvents + 7, 16 * blockEvents - 1],
    };
    expect(listedIn(its, 0, LAYOUT)).toEqual([0, blockEvents - 1]);
    expect(listedIn(its, 1, LAYOUT)).toBeUndefined();
    expect(listedIn(its, 2, LAYOUT)).toEqual([0, 7]);
    expect(listedIn(its, 3, LAYOUT)).toEqual([]);
    expect(listedIn(its, 15, LAYOUT)).toEqual([blockEvents - 1]);
    expect(listedIn(undefined, 0, LAYOUT)).toEqual([]);
  });
});

describe('the hash of a term', () => {
  it('is FNV-1a, folded', () => {
    // Vectors of the hash itself, of 32 bits: draft-eastlake-fnv, appendix C.
    const vectors = { '': '811c9dc5', a: 'e40c292c', foobar: 'bf9cf968' };
    for (const [text, hash] of Object.entries(vectors)) {
      const h = Number.parseInt(hash, 16);
      expect(hashOfText(text)).toBe((h ^ (h >>> 16)) >>> 0);
    }
  });

  it('is the same by text and by bytes, and its page of a span refines that of a block', () => {
    fc.assert(
      fc.property(term, (text) => {
        const { blockPages, spanPages } = LAYOUT;
        const hash = hashOfText(text);
        expect(hash).toBe(hashOf(utf8Encode(text)));
        expect((hash % spanPages) % blockPages, text).toBe(hash % blockPages);
      }),
    );
  });

  it('is the same of two terms now and then, which then stand in the order of their bytes', () => {
    const [greater, less] = TWINS;
    expect(hashOfText(greater)).toBe(hashOfText(less));
    expect(compareTerms(less, greater)).toBeLessThan(0);
    const its = { own: 0, offsets: [7] };
    const { key, value } = row([
      [greater, { own: 1, offsets: [] }],
      [less, its],
    ]);
    const page = openPage(key, value, nativeHasher);
    expect([...readPage(page).keys()]).toEqual([less, greater]);
    expect(findInPage(page, utf8Encode(less))).toEqual(its);
    expect(findInPage(page, utf8Encode(greater))).toEqual({ own: 1, offsets: [] });
  });

  it('spreads actors, targets and requests evenly', () => {
    const names = [
      (i: number) => `a:u_${i}`,
      (i: number) => `t:invoice-${1_000_000 + i}`,
      (i: number) => `k:${i.toString(16)}`,
    ];
    for (const name of names) {
      const counts = new Uint32Array(LAYOUT.blockPages);
      for (let i = 0; i < 25_600; i++) {
        const page = hashOfText(name(i)) % LAYOUT.blockPages;
        counts[page] = (counts[page] ?? 0) + 1;
      }
      expect(Math.min(...counts), name(1)).toBeGreaterThan(50);
      expect(Math.max(...counts), name(1)).toBeLessThan(150);
    }
  });
});
