/** Vectors of `tiles/`: paths, layout, entry bundles, whole logs as they are served. */
import { deepEqual, equal } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { hexEncode, utf8Encode } from '../../proofs/bytes.ts';
import { checkConsistency, checkInclusion } from '../../proofs/check.ts';
import { parseCheckpoint, verifyCheckpoint } from '../../proofs/checkpoint.ts';
import { type Hash, leafHash } from '../../proofs/hash.ts';
import { parseVerifierKey } from '../../proofs/key.ts';
import { parseDecimal } from '../../proofs/numbers.ts';
import { type HashReader, proveConsistency, proveInclusion } from '../../proofs/prove.ts';
import {
  bundlesForEntries,
  decodeEntryBundle,
  encodeEntryBundle,
  encodeTile,
  formatTilePath,
  newBundles,
  parseTilePath,
  TILE_WIDTH,
  tileHashReader,
  tileLevels,
  tileRoot,
  tilesForSize,
} from '../../proofs/tile.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import { platformHasher } from '../support/tree.ts';
import {
  check,
  type Family,
  type Fields,
  hashesOf,
  haveFields,
  hexOf,
  judge,
  judgeAll,
  NotUnderstood,
  recordsOf,
  textOf,
  textsOf,
  type VectorFile,
  type Verdict,
} from './vector.ts';

export const judgeTiles: Family = (file) => {
  const { content } = file;
  const cases = recordsOf(content, 'cases');
  if (content['paths'] !== undefined) return judgePaths(content);
  if (content['all_tiles_digest'] !== undefined) return judgeBuiltLog(content);
  if (content['vkey'] !== undefined && content['entries'] !== undefined) return judgeServedLog(file);
  if (haveFields(cases, 'bundle_hex')) return judgeAll(cases ?? [], judgeBundle);
  if (haveFields(cases, 'size', 'levels')) return judgeAll(cases ?? [], judgeLayout);
  return undefined;
};

async function judgePaths(content: Fields): Promise<Verdict[]> {
  const paths = await judgeAll(recordsOf(content, 'paths') ?? [], judgePath);
  const bundles = await judgeAll(recordsOf(content, 'bundle_for_index') ?? [], (fields, id) =>
    check(`bundle of entry ${id}`, () => {
      const index = number(fields, 'index');
      const [found] = bundlesForEntries(index, index + 1, number(fields, 'tree_size'));
      equal(found && formatTilePath(found.bundle), textOf(fields, 'path'));
    }),
  );
  const ranges = await judgeAll(recordsOf(content, 'ranges') ?? [], (fields, id) =>
    check(`range ${id}`, () => {
      const from = number(fields, 'from');
      const found = [...bundlesForEntries(from, from + number(fields, 'n'), number(fields, 'size'))];
      // "partial" is 0 for a full bundle.
      const seen = found.map(({ bundle, first, count }) => {
        return { index: String(bundle.index), partial: bundle.width % TILE_WIDTH, first, n: count };
      });
      deepEqual(seen, fields['bundles']);
    }),
  );
  return [...paths, ...bundles, ...ranges];
}

function judgePath(fields: Fields, id: string): Promise<Verdict> {
  return judge(id, textOf(fields, 'expect'), () => {
    const resource = parseTilePath(textOf(fields, 'path'));
    if (fields['level'] !== undefined) equal(String(resource.level), textOf(fields, 'level'));
    if (fields['index'] !== undefined) equal(String(resource.index), textOf(fields, 'index'));
    if (fields['width'] !== undefined) equal(String(resource.width), textOf(fields, 'width'));
    equal(formatTilePath(resource), textOf(fields, 'path'));
  });
}

function judgeLayout(fields: Fields, id: string): Promise<Verdict> {
  return check(id, () => {
    const levels = tileLevels(number(fields, 'size')).map(({ level, fullCount, partialWidth }) => {
      return { level, full: String(fullCount), partial_width: partialWidth };
    });
    deepEqual(levels, fields['levels']);
  });
}

function judgeBundle(fields: Fields, id: string): Promise<Verdict> {
  return judge(id, textOf(fields, 'expect'), () => {
    const bundle = hexOf(fields, 'bundle_hex');
    const entries = decodeEntryBundle(bundle);
    if (fields['entries_hex'] !== null) deepEqual(entries.map(hexEncode), textsOf(fields, 'entries_hex'));
    equal(hexEncode(encodeEntryBundle(entries)), textOf(fields, 'bundle_hex'));
  });
}

/** A log as a server has it on disk: every checkpoint, every tile and bundle at every width. */
async function judgeServedLog({ content, folder }: VectorFile): Promise<Verdict[]> {
  const key = parseVerifierKey(textOf(content, 'vkey'));
  const entries = textsOf(content, 'entries').map(utf8Encode);
  const leaves = entries.map(leafHash);
  const read = (name: string): Uint8Array => readFileSync(path.join(folder, name));
  const verdicts: Verdict[] = [];
  for (const text of textsOf(content, 'sizes')) {
    const size = parseDecimal(text, 'size');
    verdicts.push(
      await check(`checkpoint ${size}`, () => {
        const { checkpoint } = verifyCheckpoint(read(`checkpoint.${size}`), [key], textOf(content, 'origin'));
        equal(checkpoint.size, size);
        equal(hexEncode(checkpoint.root), hexEncode(rootOfHashes(leaves.slice(0, size))));
      }),
    );
    for (const tile of tilesForSize(size)) {
      const name = formatTilePath(tile);
      verdicts.push(
        await check(name, () => {
          const bytes = read(name);
          if (tile.level === 0) equal(hexEncode(bytes), hexEncode(encodeTile(leaves.slice(0, size))));
          equal(hexEncode(tileRoot(bytes)), hexEncode(rootOfHashes(leaves.slice(0, size))));
        }),
      );
    }
    for (const bundle of newBundles(0, size)) {
      const name = formatTilePath(bundle);
      verdicts.push(await check(name, () => equalBundle(read(name), entries.slice(0, size))));
    }
  }
  verdicts.push(
    await check('checkpoint', () => equal(parseCheckpoint(read('checkpoint')).checkpoint.size, leaves.length)),
  );
  return verdicts;
}

function equalBundle(bundle: Uint8Array, entries: readonly Uint8Array[]): void {
  deepEqual(decodeEntryBundle(bundle).map(hexEncode), entries.map(hexEncode));
  equal(hexEncode(encodeEntryBundle(entries)), hexEncode(bundle));
}

/** A log to build: "entry i = ASCII "entry " + decimal i", every tile and bundle compared by digest. */
async function judgeBuiltLog(content: Fields): Promise<Verdict[]> {
  const prefix = /entry i = ASCII "([^"]*)" \+ decimal i/.exec(textOf(content, 'what'))?.[1];
  if (prefix === undefined) throw new NotUnderstood('other entries');
  const size = number(content, 'size');
  const entries = Array.from({ length: size }, (_, i) => utf8Encode(`${prefix}${i}`));
  const log = buildLog(entries);
  const { leaves, tiles, bundles } = log;
  const root = hexEncode(rootOfHashes(leaves, platformHasher));
  const verdicts = [
    await check('root', () => equal(root, textOf(content, 'root'))),
    await check('tile count', () => equal(tiles.size, number(content, 'tile_count'))),
    await check('bundle count', () => equal(bundles.size, number(content, 'bundle_count'))),
    await check('all tiles', () => equal(digestOfAll(tiles), textOf(content, 'all_tiles_digest'))),
    await check('all bundles', () => equal(digestOfAll(bundles), textOf(content, 'all_bundles_digest'))),
  ];
  for (const [count, expected] of Object.entries(content['roots'] ?? {})) {
    const leavesBefore = leaves.slice(0, Number(count));
    verdicts.push(
      await check(`root of ${count}`, () => equal(hexEncode(rootOfHashes(leavesBefore, platformHasher)), expected)),
    );
  }
  const samples = ['sample_level0', 'upper_levels', 'sample_bundles'].flatMap((name) => recordsOf(content, name) ?? []);
  const sampled = await judgeAll(samples, (fields, id) =>
    check(id, () => {
      const bytes = tiles.get(id) ?? bundles.get(id) ?? new Uint8Array(0);
      equal(String(bytes.length), textOf(fields, 'bytes'));
      equal(sha256Hex(bytes), textOf(fields, 'sha256'));
    }),
  );
  return [...verdicts, ...sampled, ...(await judgeProofsFromTiles(content, log))];
}

interface BuiltLog {
  readonly leaves: readonly Hash[];
  readonly tiles: ReadonlyMap<string, Uint8Array>;
  readonly bundles: ReadonlyMap<string, Uint8Array>;
}

function buildLog(entries: readonly Uint8Array[]): BuiltLog {
  const leaves = entries.map(platformHasher.leaf);
  const levels: Hash[][] = [leaves];
  const tiles = new Map<string, Uint8Array>();
  for (const tile of tilesForSize(entries.length)) {
    const first = tile.index * TILE_WIDTH;
    const bytes = encodeTile((levels[tile.level] ?? []).slice(first, first + tile.width));
    tiles.set(formatTilePath(tile), bytes);
    levels[tile.level + 1] ??= [];
    if (tile.width === TILE_WIDTH) levels[tile.level + 1]?.push(tileRoot(bytes, platformHasher));
  }
  const bundles = new Map<string, Uint8Array>();
  for (const bundle of newBundles(0, entries.length)) {
    const first = bundle.index * TILE_WIDTH;
    bundles.set(formatTilePath(bundle), encodeEntryBundle(entries.slice(first, first + bundle.width)));
  }
  return { leaves, tiles, bundles };
}

/** Proofs made from tiles alone, compared with the given ones, and then checked. */
async function judgeProofsFromTiles(content: Fields, { leaves, tiles }: BuiltLog): Promise<Verdict[]> {
  const readerOf = (size: number): HashReader =>
    tileHashReader(async ({ level, index, width }) => cutTile(tiles, level, index, width), size, platformHasher);
  const rootAt = (size: number): Hash => rootOfHashes(leaves.slice(0, size), platformHasher);
  const inclusion = await judgeAll(recordsOf(content, 'inclusion') ?? [], (fields, id) =>
    check(`inclusion ${id}`, async () => {
      const [index, size] = [number(fields, 'index'), number(fields, 'size')];
      const proof = await proveInclusion(index, size, readerOf(size));
      deepEqual(proof.map(hexEncode), textsOf(fields, 'proof'));
      const leaf = leaves[index] ?? new Uint8Array(0);
      checkInclusion({ index, size, leafHash: leaf, proof: hashesOf(fields, 'proof'), root: rootAt(size) });
    }),
  );
  const consistency = await judgeAll(recordsOf(content, 'consistency') ?? [], (fields, id) =>
    check(`consistency ${id}`, async () => {
      const [from, to] = [number(fields, 'size1'), number(fields, 'size2')];
      const proof = await proveConsistency(from, to, readerOf(to));
      deepEqual(proof.map(hexEncode), textsOf(fields, 'proof'));
      checkConsistency({ from, to, fromRoot: rootAt(from), toRoot: rootAt(to), proof: hashesOf(fields, 'proof') });
    }),
  );
  return [...inclusion, ...consistency];
}

/** A tile as it was at an earlier size: the front of the tile that is there now. */
function cutTile(tiles: ReadonlyMap<string, Uint8Array>, level: number, index: number, width: number): Uint8Array {
  const start = formatTilePath({ level, index, width: TILE_WIDTH });
  for (const [name, bytes] of tiles)
    if (name === start || name.startsWith(`${start}.p/`)) return bytes.slice(0, width * 32);
  throw new Error(`no tile ${start}`);
}

function digestOfAll(files: ReadonlyMap<string, Uint8Array>): string {
  const digest = createHash('sha256');
  for (const [name, bytes] of files) digest.update(`${name} ${sha256Hex(bytes)}\n`);
  return digest.digest('hex');
}

function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function number(fields: Fields, name: string): number {
  return parseDecimal(textOf(fields, name), name);
}
