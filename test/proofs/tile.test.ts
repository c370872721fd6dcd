import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkInclusion } from '../../proofs/check.ts';
import type { Hash } from '../../proofs/hash.ts';
import { proveInclusion } from '../../proofs/prove.ts';
import { rangeAt, rangeRoot } from '../../proofs/range.ts';
import {
  bundlesForEntries,
  decodeEntryBundle,
  decodeTile,
  encodeEntryBundle,
  encodeTile,
  FULL_TILE_BYTES,
  formatTilePath,
  newBundles,
  newTiles,
  nodeInTile,
  parseTilePath,
  partialWidth,
  type TileCoordinates,
  tileHashReader,
  tileLevels,
  tileOfNode,
  tileRoot,
  tilesForSize,
  tileWidthAt,
} from '../../proofs/tile.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import { memoryReader, platformHasher, sampleLeaves, verdictOf, verdictOfAsync } from '../support/tree.ts';

const SIZE = 1000;
const leaves = sampleLeaves(SIZE);
const read = memoryReader(leaves);

/** The bytes of a tile, straight from its definition. */
async function tileBytes({ level, index, width }: TileCoordinates): Promise<Uint8Array> {
  const nodes = Array.from({ length: width }, (_, i) => ({ level: 8 * level, index: index * 256 + i }));
  return encodeTile(await read(nodes));
}

describe('a tile path', () => {
  it('is read back as it was written, whatever the coordinates (the seed is printed on failure)', () => {
    const level = fc.oneof(fc.constant('entries' as const), fc.nat(63));
    fc.assert(
      fc.property(level, fc.maxSafeNat(), fc.integer({ min: 1, max: 256 }), (at, index, width) => {
        const resource = at === 'entries' ? { level: at, index, width } : { level: at, index, width };
        expect(parseTilePath(formatTilePath(resource))).toEqual(resource);
      }),
    );
  });

  it('says the same as the sample on top of tile.ts', () => {
    expect(parseTilePath('tile/0/x001/x234/067')).toEqual({ level: 0, index: 1234067, width: 256 });
    expect(1234067 * 256).toBe(315921152);
    expect(parseTilePath('tile/1/001.p/17')).toEqual({ level: 1, index: 1, width: 17 });
    expect(parseTilePath('tile/entries/273.p/112')).toEqual({ level: 'entries', index: 273, width: 112 });
  });

  it('has one spelling: every near neighbour is refused', () => {
    for (const path of [
      '',
      '/tile/0/000',
      'tile/0/000/',
      'tile/0/000\n',
      'tile//000',
      'tile/00/000',
      'tile/01/000',
      'tile/64/000',
      'tile/100/000',
      'tile/+1/000',
      'tile/1e1/000',
      'tile/Entries/000',
      'tile/entries/',
      'tile/0/0',
      'tile/0/00',
      'tile/0/0000',
      'tile/0/x000',
      'tile/0/x000/000',
      'tile/0/x000/x001/234',
      'tile/0/001/234',
      'tile/0/X001/234',
      'tile/0/x01/234',
      'tile/0/x001/x234',
      'tile/0/x001//234',
      'tile/0/-01',
      'tile/0/٠٠١',
      'tile/0/000.p/0',
      'tile/0/000.p/00',
      'tile/0/000.p/01',
      'tile/0/000.p/256',
      'tile/0/000.p/257',
      'tile/0/000.p/999',
      'tile/0/000.p/1000',
      'tile/0/000.p/-1',
      'tile/0/000.p/',
      'tile/0/000.p',
      'tile/0/000p/1',
      'tile/0/000.p/1/',
      'tile/0/000.p/1.p/1',
      `tile/0/${'x001/'.repeat(100)}001`,
    ]) {
      expect(
        verdictOf(() => parseTilePath(path)),
        JSON.stringify(path),
      ).toBe('invalid-tile-path');
    }
  });

  it('with an index above 2^53-1 is refused by that name', () => {
    expect(parseTilePath('tile/0/x009/x007/x199/x254/x740/991').index).toBe(Number.MAX_SAFE_INTEGER);
    expect(verdictOf(() => parseTilePath('tile/0/x009/x007/x199/x254/x740/992'))).toBe('size-too-large');
  });

  it('is not made for coordinates out of bounds', () => {
    for (const bad of [
      { level: 64, index: 0, width: 256 },
      { level: -1, index: 0, width: 256 },
      { level: 0.5, index: 0, width: 256 },
      { level: 0, index: -1, width: 256 },
      { level: 0, index: 2 ** 53, width: 256 },
      { level: 0, index: 0, width: 0 },
      { level: 0, index: 0, width: 257 },
      { level: 0, index: 0, width: 1.5 },
    ]) {
      expect(verdictOf(() => formatTilePath(bad))).toBe('invalid-tile');
    }
  });
});

describe('the tiles of a tree', () => {
  it('are, at every size, those that its right edge and the full ones before it need', () => {
    for (let size = 0; size <= SIZE; size += 7) {
      const hashes = new Map<number, number>();
      for (const { level, index, width } of tilesForSize(size)) {
        hashes.set(level, (hashes.get(level) ?? 0) + width);
        expect(width).toBe(tileWidthAt(level, index, size));
      }
      for (const level of [0, 1, 2]) expect(hashes.get(level) ?? 0).toBe(Math.floor(size / 256 ** level));
      for (const { level, partialWidth: width } of tileLevels(size)) expect(width).toBe(partialWidth(level, size));
    }
  });

  it('that an append writes are exactly the ones that were not there at that width', () => {
    const pathsAt = (size: number): string[] => [...tilesForSize(size)].map(formatTilePath);
    for (const [from, to] of [
      [0, 0],
      [0, 1],
      [5, 5],
      [5, 6],
      [200, 256],
      [255, 257],
      [256, 257],
      [300, 900],
      [512, 1000],
    ] as const) {
      const before = new Set(pathsAt(from));
      const expected = pathsAt(to).filter((path) => !before.has(path));
      expect([...newTiles(from, to)].map(formatTilePath)).toEqual(expected);
      const bundles = expected.filter((path) => path.startsWith('tile/0/'));
      expect([...newBundles(from, to)].map(formatTilePath)).toEqual(
        bundles.map((path) => path.replace('tile/0/', 'tile/entries/')),
      );
    }
  });

  it('give every stored node back, and a full one its hash in the level above', async () => {
    for (let level = 0; 2 ** level <= SIZE; level++) {
      for (let index = 0; (index + 1) * 2 ** level <= SIZE; index++) {
        const at = tileOfNode({ level, index });
        const tile = await tileBytes({ ...at, width: tileWidthAt(at.level, at.index, SIZE) });
        expect([nodeInTile(tile, { level, index }, platformHasher)]).toEqual(await read([{ level, index }]));
      }
    }
    const full = await tileBytes({ level: 0, index: 2, width: 256 });
    expect(full.length).toBe(FULL_TILE_BYTES);
    expect([tileRoot(full)]).toEqual(await read([{ level: 8, index: 2 }]));
  });

  it('are refused when their bytes are no whole hashes, none, too many, or end before the node', () => {
    for (const bytes of [0, 1, 31, 33, FULL_TILE_BYTES + 32]) {
      expect(verdictOf(() => decodeTile(new Uint8Array(bytes)))).toBe('invalid-tile');
    }
    const three = encodeTile(leaves.slice(0, 3));
    expect(decodeTile(three)).toEqual(leaves.slice(0, 3));
    expect(verdictOf(() => nodeInTile(three, { level: 0, index: 3 }))).toBe('invalid-tile');
    expect(verdictOf(() => nodeInTile(three, { level: 1, index: 1 }))).toBe('invalid-tile');
    expect(verdictOf(() => nodeInTile(three.slice(1), { level: 0, index: 0 }))).toBe('invalid-tile');
    expect(verdictOf(() => encodeTile([]))).toBe('invalid-tile');
    expect(verdictOf(() => encodeTile(Array<Hash>(257).fill(new Uint8Array(32))))).toBe('invalid-tile');
    expect(verdictOf(() => encodeTile([new Uint8Array(31)]))).toBe('invalid-hash');
  });
});

describe('reading a tree from its tiles', () => {
  it('proves every kind of leaf at sizes around the edges of tiles, fetching no tile twice and never more than five', async () => {
    for (const size of [1, 2, 255, 256, 257, 511, 512, 513, 1000]) {
      const root = rootOfHashes(leaves.slice(0, size), platformHasher);
      for (const index of new Set([0, 1, 254, 255, 256, 300, size - 1].filter((i) => i < size))) {
        const fetched: string[] = [];
        const reader = tileHashReader(
          async (tile) => {
            fetched.push(formatTilePath(tile));
            return tileBytes(tile);
          },
          size,
          platformHasher,
        );
        const proof = await proveInclusion(index, size, reader, platformHasher);
        checkInclusion({ index, size, leafHash: leaves[index] ?? new Uint8Array(0), proof, root }, platformHasher);
        expect(new Set(fetched).size).toBe(fetched.length);
        expect(fetched.length).toBeLessThanOrEqual(5);
        expect(rangeRoot(await rangeAt(size, reader))).toEqual(root);
      }
    }
  });

  it('refuses a tile of another width, a node outside the tree, and passes on that a tile is missing', async () => {
    const short = tileHashReader(async (tile) => (await tileBytes(tile)).slice(32), 300);
    expect(await verdictOfAsync(short([{ level: 0, index: 299 }]))).toBe('invalid-tile');
    const wide = tileHashReader(async (tile) => tileBytes({ ...tile, width: 256 }), 300);
    expect(await verdictOfAsync(wide([{ level: 0, index: 299 }]))).toBe('invalid-tile');
    const good = tileHashReader(tileBytes, 300);
    expect(await verdictOfAsync(good([{ level: 0, index: 300 }]))).toBe('invalid-argument');
    expect(await verdictOfAsync(good([{ level: 3, index: 37 }]))).toBe('invalid-argument');
    const missing = tileHashReader(async () => Promise.reject(new Error('404')), 300);
    await expect(
      missing([
        { level: 0, index: 3 },
        { level: 0, index: 299 },
      ]),
    ).rejects.toThrow('404');
  });
});

describe('an entry bundle', () => {
  const entries = [new Uint8Array(0), Uint8Array.of(1), new Uint8Array(0xffff).fill(7), Uint8Array.of(9, 9)];

  it('gives back the entries that were put in, the empty and the longest one too', () => {
    const bundle = encodeEntryBundle(entries);
    expect(bundle.length).toBe(2 * 4 + 0 + 1 + 0xffff + 2);
    expect(decodeEntryBundle(bundle)).toEqual(entries);
    expect(decodeEntryBundle(encodeEntryBundle(Array<Uint8Array>(256).fill(Uint8Array.of(1)))).length).toBe(256);
    expect(decodeEntryBundle(new Uint8Array(0))).toEqual([]);
  });

  it('cut anywhere is refused, unless the cut is between two entries', () => {
    const bundle = encodeEntryBundle([Uint8Array.of(1, 2), Uint8Array.of(3), new Uint8Array(0)]);
    const whole = [0, 4, 7, 9];
    for (let length = 0; length <= bundle.length; length++) {
      const verdict = verdictOf(() => decodeEntryBundle(bundle.slice(0, length)));
      expect(verdict, `${length} bytes`).toBe(whole.includes(length) ? 'accepted' : 'invalid-entry-bundle');
    }
  });

  it('of more than 256 entries, or with an entry of more than 65535 bytes, is refused', () => {
    expect(verdictOf(() => decodeEntryBundle(new Uint8Array(2 * 257)))).toBe('invalid-entry-bundle');
    expect(verdictOf(() => encodeEntryBundle(Array<Uint8Array>(257).fill(Uint8Array.of(1))))).toBe(
      'invalid-entry-bundle',
    );
    expect(verdictOf(() => encodeEntryBundle([new Uint8Array(0x10000)]))).toBe('entry-too-large');
  });

  it('is found for a run of entries, with the place of the run in it', () => {
    expect([...bundlesForEntries(250, 600, 520)]).toEqual([
      { bundle: { level: 'entries', index: 0, width: 256 }, first: 250, count: 6 },
      { bundle: { level: 'entries', index: 1, width: 256 }, first: 0, count: 256 },
      { bundle: { level: 'entries', index: 2, width: 8 }, first: 0, count: 8 },
    ]);
    expect([...bundlesForEntries(3, 3, 520)]).toEqual([]);
    expect([...bundlesForEntries(520, 530, 520)]).toEqual([]);
  });
});
