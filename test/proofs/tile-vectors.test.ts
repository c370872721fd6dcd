/** The public vectors of tiles: paths, layout, bundles, a real log as served, and a log of 70,000 entries. */
import { beforeAll, describe, expect, it } from 'vitest';
import { base64Encode, equalBytes, hexDecode, hexEncode, utf8Decode, utf8Encode } from '../../proofs/bytes.ts';
import { checkConsistency, checkInclusion } from '../../proofs/check.ts';
import { type Hash, leafHash } from '../../proofs/hash.ts';
import { parseDecimal } from '../../proofs/numbers.ts';
import { type HashReader, proveConsistency, proveInclusion } from '../../proofs/prove.ts';
import { appendLeaves, type CompactRange, EMPTY_RANGE, rangeAt, rangeRoot } from '../../proofs/range.ts';
import {
  bundlesForEntries,
  decodeEntryBundle,
  decodeTile,
  encodeEntryBundle,
  encodeTile,
  formatTilePath,
  newBundles,
  parseTilePath,
  tileHashReader,
  tileLevels,
  tileRoot,
  tilesForSize,
  tileWidthAt,
} from '../../proofs/tile.ts';
import { platformHasher, verdictOf } from '../support/tree.ts';
import { haveVectors, readVectorBytes, readVectors, vectorsMissing } from '../support/vectors.ts';

const number = (text: string): number => parseDecimal(text, 'number');

describe.skipIf(!haveVectors)(`tile vectors${vectorsMissing}`, () => {
  it('every path of paths.json is read as it says, or has an index above 2^53-1', () => {
    const { paths } = readVectors<{
      paths: { path: string; level: string; index: string; width: number; expect: string }[];
    }>('tiles/paths.json');
    for (const c of paths) {
      const verdict = verdictOf(() => parseTilePath(c.path));
      if (c.expect === 'either') expect(verdict, c.path).not.toBe('accepted');
      else if (c.expect === 'reject') expect(verdict, c.path).toBe('invalid-tile-path');
      else if (BigInt(c.index) > BigInt(Number.MAX_SAFE_INTEGER)) expect(verdict, c.path).toBe('size-too-large');
      else {
        const level = c.level === 'entries' ? c.level : number(c.level);
        expect(parseTilePath(c.path)).toEqual({ level, index: number(c.index), width: c.width });
        expect(formatTilePath(parseTilePath(c.path))).toBe(c.path);
      }
    }
  });

  it('bundles are found for an index and for a run as it says', () => {
    const vectors = readVectors<{
      bundle_for_index: { index: string; tree_size: string; path: string }[];
      ranges: {
        from: string;
        n: string;
        size: string;
        bundles: { index: string; partial: number; first: number; n: number }[];
      }[];
    }>('tiles/paths.json');
    for (const c of vectors.bundle_for_index) {
      const [found, ...more] = bundlesForEntries(number(c.index), number(c.index) + 1, number(c.tree_size));
      expect(found === undefined ? '' : formatTilePath(found.bundle)).toBe(c.path);
      expect(more).toEqual([]);
    }
    for (const c of vectors.ranges) {
      const from = number(c.from);
      const found = [...bundlesForEntries(from, from + number(c.n), number(c.size))];
      expect(
        found.map(({ bundle, first, count }) => ({
          index: String(bundle.index),
          partial: bundle.width % 256,
          first,
          n: count,
        })),
      ).toEqual(c.bundles);
    }
  });

  it('the layout at each size of layout.json is this', () => {
    const { cases } = readVectors<{
      cases: { size: string; levels: { level: number; full: string; partial_width: number }[] }[];
    }>('tiles/layout.json');
    for (const c of cases) {
      expect(
        tileLevels(number(c.size)).map(({ level, fullCount, partialWidth }) => ({
          level,
          full: String(fullCount),
          partial_width: partialWidth,
        })),
      ).toEqual(c.levels);
    }
  });

  it('every bundle of entry-bundles.json is read as it says', () => {
    const { cases } = readVectors<{
      cases: { id: string; bundle_hex: string; entries_hex: string[] | null; expect: string }[];
    }>('tiles/entry-bundles.json');
    for (const c of cases) {
      const bundle = hexDecode(c.bundle_hex);
      if (c.entries_hex === null) {
        expect(
          verdictOf(() => decodeEntryBundle(bundle)),
          c.id,
        ).toBe('invalid-entry-bundle');
      } else {
        expect(decodeEntryBundle(bundle).map(hexEncode), c.id).toEqual(c.entries_hex);
        expect(hexEncode(encodeEntryBundle(c.entries_hex.map(hexDecode)))).toBe(c.bundle_hex);
      }
    }
  });

  it('a log as another implementation serves it has, at every size, our tiles, bundles and roots', async () => {
    const folder = 'tiles/tessera-testlog';
    const log = readVectors<{ entries: string[]; sizes: string[] }>(`${folder}/log.json`);
    for (const size of log.sizes.map(number)) {
      const [, sizeLine, root] = utf8Decode(readVectorBytes(`${folder}/checkpoint.${size}`)).split('\n');
      expect(sizeLine).toBe(String(size));
      const entries = log.entries.slice(0, size).map(utf8Encode);
      const range = appendLeaves(EMPTY_RANGE, entries.map(leafHash));
      expect(base64Encode(rangeRoot(range))).toBe(root);
      for (const tile of tilesForSize(size)) {
        const bytes = readVectorBytes(`${folder}/${formatTilePath(tile)}`);
        expect(hexEncode(encodeTile(entries.map(leafHash)))).toBe(hexEncode(bytes));
        expect(base64Encode(tileRoot(bytes))).toBe(root);
      }
      for (const bundle of newBundles(0, size)) {
        const bytes = readVectorBytes(`${folder}/${formatTilePath(bundle)}`);
        expect(decodeEntryBundle(bytes).map(hexEncode)).toEqual(entries.map(hexEncode));
      }
      const read = tileHashReader(async (tile) => readVectorBytes(`${folder}/${formatTilePath(tile)}`), size);
      expect(await rangeAt(size, read)).toEqual(range);
    }
  });
});

interface Log70000 {
  readonly root: string;
  readonly roots: Readonly<Record<string, string>>;
  readonly tile_count: number;
  readonly bundle_count: number;
  readonly all_tiles_digest: string;
  readonly all_bundles_digest: string;
  readonly sample_level0: readonly TileDigest[];
  readonly upper_levels: readonly TileDigest[];
  readonly sample_bundles: readonly TileDigest[];
  readonly inclusion: readonly { index: string; size: string; proof: string[] }[];
  readonly consistency: readonly { size1: string; size2: string; proof: string[] }[];
}

interface TileDigest {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

describe.skipIf(!haveVectors)(`the vector log of 70,000 entries${vectorsMissing}`, () => {
  const SIZE = 70_000;
  const entries: Uint8Array[] = [];
  /** By level of the tile: its hashes, filled as a log fills them while it appends. */
  const rows: Hash[][] = [[], [], []];
  const roots: Record<string, string> = {};
  let vectors: Log70000;
  let range: CompactRange = EMPTY_RANGE;

  beforeAll(() => {
    vectors = readVectors<Log70000>('tiles/log-70000.json');
    for (let i = 0; i < SIZE; i++) entries.push(utf8Encode(`entry ${i}`));
    const stops = Object.keys(vectors.roots).map(number);
    for (const stop of [...stops, SIZE].sort((a, b) => a - b)) {
      const leaves = entries.slice(range.size, stop).map(platformHasher.leaf);
      range = appendLeaves(range, leaves, platformHasher, (level, index, hash) => {
        const row = level % 8 === 0 ? rows[level / 8] : undefined;
        if (row === undefined) return;
        expect(row.length).toBe(index);
        row.push(hash);
      });
      roots[String(stop)] = hexEncode(rangeRoot(range));
    }
  });

  const tileBytes = (level: number, index: number, width: number): Uint8Array =>
    encodeTile((rows[level] ?? []).slice(index * 256, index * 256 + width));
  const digest = (path: string, bytes: Uint8Array): TileDigest => ({
    path,
    bytes: bytes.length,
    sha256: hexEncode(platformHasher.sha256(bytes)),
  });
  const digestOfAll = (list: readonly TileDigest[]): string =>
    hexEncode(platformHasher.sha256(utf8Encode(list.map(({ path, sha256 }) => `${path} ${sha256}\n`).join(''))));

  it('has these roots at every size named', () => {
    expect(roots).toEqual({ ...vectors.roots, [SIZE]: vectors.root });
  });

  it('has these tiles, byte for byte, when it is filled from what appending tells', () => {
    const tiles = [...tilesForSize(SIZE)].map((tile) =>
      digest(formatTilePath(tile), tileBytes(tile.level, tile.index, tile.width)),
    );
    expect(tiles.length).toBe(vectors.tile_count);
    for (const sample of [...vectors.sample_level0, ...vectors.upper_levels]) expect(tiles).toContainEqual(sample);
    expect(digestOfAll(tiles)).toBe(vectors.all_tiles_digest);
  });

  it('has these entry bundles, whose entries hash to the level-0 tiles', () => {
    const bundles = [...newBundles(0, SIZE)].map((bundle) => {
      const bytes = encodeEntryBundle(entries.slice(bundle.index * 256, bundle.index * 256 + bundle.width));
      const tile = tileBytes(0, bundle.index, tileWidthAt(0, bundle.index, SIZE));
      expect(equalBytes(encodeTile(decodeEntryBundle(bytes).map(platformHasher.leaf)), tile)).toBe(true);
      expect(decodeTile(tile).length).toBe(bundle.width);
      return digest(formatTilePath(bundle), bytes);
    });
    expect(bundles.length).toBe(vectors.bundle_count);
    for (const sample of vectors.sample_bundles) expect(bundles).toContainEqual(sample);
    expect(digestOfAll(bundles)).toBe(vectors.all_bundles_digest);
  });

  it('gives these proofs out of its tiles, at most five of them for each inclusion proof', async () => {
    let fetches = 0;
    const read: HashReader = tileHashReader(
      async ({ level, index, width }) => {
        fetches += 1;
        return tileBytes(level, index, width);
      },
      SIZE,
      platformHasher,
    );
    const root = hexDecode(vectors.root);
    for (const c of vectors.inclusion) {
      fetches = 0;
      const index = number(c.index);
      const proof = await proveInclusion(index, SIZE, read, platformHasher);
      expect(fetches).toBeLessThanOrEqual(5);
      expect(proof.map(hexEncode)).toEqual(c.proof);
      checkInclusion({ index, size: SIZE, leafHash: rows[0]?.[index] ?? root, proof, root });
    }
    for (const c of vectors.consistency) {
      const from = number(c.size1);
      const proof = await proveConsistency(from, SIZE, read, platformHasher);
      expect(proof.map(hexEncode)).toEqual(c.proof);
      const fromRoot = rangeRoot(await rangeAt(from, read));
      checkConsistency({ from, to: SIZE, fromRoot, toRoot: root, proof });
    }
    expect(await rangeAt(SIZE, read)).toEqual(range);
  });
});
