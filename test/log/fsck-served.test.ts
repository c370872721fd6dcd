import { beforeAll, describe, expect, it } from 'vitest';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { verifierKeyOf } from '../../proofs/key.ts';
import { formatNote, signNote } from '../../proofs/note.ts';
import { parsePolicy } from '../../proofs/policy.ts';
import {
  decodeEntryBundle,
  decodeTile,
  encodeEntryBundle,
  encodeTile,
  formatTilePath,
  newBundles,
  tileRoot,
  tilesForSize,
} from '../../proofs/tile.ts';
import { type FsckServedReport, fsckServed } from '../../src/log/fsck-served.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import { type CopyFiles, changed } from '../support/tiled-copy.ts';
import { type TinyLog, tinyLog } from '../support/tiny-log.ts';

const PREFIX = 'https://log.test/one';

/** Two full windows and a part of one, with three peaks; and one over which there are tiles of three levels. */
const SMALL = 660;
const LARGE = 256 * 256 + 700;
let small: Served;
let large: Served;

interface Served {
  readonly log: TinyLog;
  readonly note: string;
  readonly files: CopyFiles;
}

beforeAll(async () => {
  [small, large] = await Promise.all([serve(SMALL), serve(LARGE)]);
});

async function serve(count: number): Promise<Served> {
  const log = tinyLog({ count });
  const files = new Map<string, Uint8Array>();
  for (const resource of [...tilesForSize(count), ...newBundles(0, count)]) {
    const path = formatTilePath(resource);
    const bytes = await log.resource(path, count);
    if (bytes !== undefined) files.set(path, bytes);
  }
  return { log, files, note: await log.head(count) };
}

/** `silent`: what gets no answer. */
function examine(
  { log, note }: Served,
  files: CopyFiles,
  silent: (path: string) => boolean = () => false,
): Promise<FsckServedReport> {
  const answer: typeof fetch = async (url) => {
    const path = String(url).slice(PREFIX.length + 1);
    if (silent(path)) throw new TypeError('fetch failed');
    const bytes = files.get(path);
    return bytes === undefined ? new Response('', { status: 404 }) : new Response(new Uint8Array(bytes));
  };
  return fsckServed({
    ...{ prefix: PREFIX, note, origin: log.origin, hasher: nativeHasher },
    client: { fetch: answer, timeoutMs: 1000 },
    policy: parsePolicy(`log ${verifierKeyOf(log.signer).vkey}\nquorum none\n`),
    onProgress: () => undefined,
  });
}

type Found = readonly (readonly [string, number | null, number | null])[];

async function found(served: Served, files: CopyFiles): Promise<Found> {
  const { damages, stopped } = await examine(served, files);
  expect(stopped).toBeUndefined();
  return damages.map(({ kind, index, lastIndex }) => [kind, index, lastIndex]);
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
}

/** With another entry at each index; `first` of the bundle that has it. */
function withOthers(files: CopyFiles, indices: readonly number[]): CopyFiles {
  return changed(files, (name, bytes) => {
    const match = /^tile\/entries\/((?:x[0-9]{3}\/)*[0-9]{3})/.exec(name);
    if (match === null) return bytes;
    const first = Number((match[1] ?? '').replace(/[x/]/g, '')) * 256;
    return encodeEntryBundle(
      decodeEntryBundle(bytes).map((entry, i) => (indices.includes(first + i) ? flipped(entry, 0) : entry)),
    );
  });
}

function withTile(files: CopyFiles, path: string, change: (hashes: Uint8Array[]) => Uint8Array[]): CopyFiles {
  if (!files.has(path)) throw new Error(`there is no ${path}`);
  return changed(files, (name, bytes) => (name === path ? encodeTile(change(decodeTile(bytes))) : bytes));
}

const altered = (at: number) => (hashes: Uint8Array[]) => hashes.map((hash, i) => (i === at ? flipped(hash, 5) : hash));

describe('a served log', () => {
  it('is whole where every entry and every tile is that of the checkpoint', async () => {
    for (const served of [small, large]) expect(await found(served, served.files)).toEqual([]);
  });

  it('is examined at every size around the edges of its tiles', async () => {
    for (const size of [1, 2, 255, 256, 257, 511, 512, 513]) {
      const served = await serve(size);
      expect(await found(served, served.files)).toEqual([]);
      const last = size - 1;
      expect(await found(served, withOthers(served.files, [last]))).toEqual([['entry-altered', last, last]]);
    }
  });

  it('has each altered entry named, wherever in the tree it is, and however many there are', async () => {
    for (const indices of [[0], [255], [256], [511], [512], [640], [659], [3, 300, 600], [512, 513, 514, 641, 658]]) {
      const named = await found(small, withOthers(small.files, indices));
      expect(named).toEqual(indices.map((index) => ['entry-altered', index, index]));
    }
    const many = [0, 70, 40_000, 65_535, 65_536, 66_000, LARGE - 1];
    expect(await found(large, withOthers(large.files, many))).toEqual(many.map((i) => ['entry-altered', i, i]));
  });

  it('has each altered tile named: full ones, partial ones, on every level', async () => {
    for (const [served, path, first, last] of [
      [small, 'tile/0/001', 256, 511],
      [small, 'tile/0/002.p/148', 512, 659],
      [small, 'tile/1/000.p/2', 0, 659],
      [large, 'tile/0/000', 0, 255],
      [large, 'tile/0/258.p/188', 66_048, 66_235],
      [large, 'tile/1/000', 0, 65_535],
      [large, 'tile/1/001.p/2', 65_536, 66_235],
      [large, 'tile/2/000.p/1', 0, 66_235],
    ] as const) {
      expect(await found(served, withTile(served.files, path, altered(0)))).toEqual([['tile-altered', first, last]]);
    }
  });

  it('has an entry and its tile told from each other where both are altered', async () => {
    const files = withTile(withOthers(small.files, [17, 520]), 'tile/0/000', altered(200));
    expect(await found(small, files)).toEqual([
      ['tile-altered', 0, 255],
      ['entry-altered', 17, 17],
      ['entry-altered', 520, 520],
    ]);
    const atEdge = withTile(withOthers(small.files, [520]), 'tile/0/002.p/148', altered(100));
    expect((await found(small, atEdge)).map(([kind, index]) => [kind, index])).toEqual([
      ['entry-altered', 520],
      ['tile-altered', 512],
    ]);
  });

  it('does not pass for another history whose tiles were made to fit it, as far up as they were', async () => {
    const forged = withOthers(small.files, [17]);
    const bundle = decodeEntryBundle(forged.get('tile/entries/000') ?? new Uint8Array());
    const leaves = bundle.map((entry) => nativeHasher.leaf(entry));
    const tile = withTile(forged, 'tile/0/000', () => leaves);
    expect(await found(small, tile)).toEqual([['entry-unlocated', 0, 255]]);
    const above = withTile(tile, 'tile/1/000.p/2', ([, second]) => [
      tileRoot(encodeTile(leaves), nativeHasher),
      second ?? new Uint8Array(32),
    ]);
    expect(await found(small, above)).toEqual([['entry-unlocated', 0, 659]]);
  });

  it('has what is missing, cut or malformed named, and everything else is examined', async () => {
    const cases: readonly (readonly [string, string, number, number])[] = [
      ['tile/entries/001', 'entry-missing', 256, 511],
      ['tile/entries/002.p/148', 'entry-missing', 512, 659],
      ['tile/0/000', 'tile-altered', 0, 255],
      ['tile/0/002.p/148', 'tile-altered', 512, 659],
      ['tile/1/000.p/2', 'tile-altered', 0, 511],
    ];
    for (const [path, kind, first, last] of cases) {
      for (const instead of [undefined, new Uint8Array(0), (small.files.get(path) ?? new Uint8Array()).slice(0, 33)]) {
        const files = changed(small.files, (name, bytes) => (name === path ? instead : bytes));
        expect(await found(small, files), path).toEqual([[kind, first, last]]);
        const also = withOthers(files, [100]);
        const both = (await found(small, also)).map(([one]) => one);
        expect(both.sort(), path).toEqual(
          path === 'tile/0/000' ? ['entry-unlocated', kind] : ['entry-altered', kind].sort(),
        );
      }
    }
  });

  it('takes a full tile for a partial one that is gone, as the specification has it', async () => {
    const part = await serve(300);
    const files = new Map([...part.files].filter(([path]) => !/\/001\.p\//.test(path)));
    expect(files.size).toBe(part.files.size - 2);
    for (const path of ['tile/entries/001', 'tile/0/001']) files.set(path, small.files.get(path) ?? new Uint8Array());
    expect(await found(part, files)).toEqual([]);
  });
});

describe('a server that stops answering', () => {
  it('is examined as far as it answered, and what contradicts itself there is damage all the same', async () => {
    const silent = (path: string): boolean => /\/(008|010)/.test(path);
    const whole = await examine(large, large.files, silent);
    expect(whole).toMatchObject({ damages: [], stopped: { from: 2048, why: expect.stringContaining('fetch failed') } });
    const bad = await examine(large, withOthers(large.files, [1000]), silent);
    expect(bad.stopped?.from).toBe(2048);
    expect(bad.damages).toMatchObject([{ kind: 'entry-unlocated', index: 768, lastIndex: 1023 }]);
  });

  it('is not asked further', async () => {
    const asked: string[] = [];
    await examine(large, large.files, (path) => asked.push(path) > 0);
    expect(asked.length).toBeLessThanOrEqual(16);
  });

  it('has an end also where a head was signed over more than there is', async () => {
    const { body } = parseCheckpoint(small.note).checkpoint;
    const text = body.replace(`\n${SMALL}\n`, `\n${Number.MAX_SAFE_INTEGER}\n`);
    const note = formatNote({ text, signatures: [signNote(text, small.log.signer)] });
    const { damages, stopped } = await examine({ ...small, note }, small.files);
    expect(stopped?.why).toMatch(/more than 1000 tiles and bundles are missing/);
    expect(damages).toContainEqual(expect.objectContaining({ kind: 'entry-missing', index: 512, lastIndex: 767 }));
  });
});

describe('a checkpoint', () => {
  it('that the policy does not believe, or that is of another log, ends the examination', async () => {
    const other = tinyLog({ origin: 'log.example/other', count: 3 });
    await expect(examine({ ...small, note: await other.head(3) }, small.files)).rejects.toMatchObject({
      code: 'wrong-origin',
    });
    const forged = (await small.log.head(SMALL)).replace(`\n${SMALL}\n`, `\n${SMALL - 1}\n`);
    await expect(examine({ ...small, note: forged }, small.files)).rejects.toMatchObject({ code: 'bad-log-signature' });
    await expect(examine({ ...small, note: '<html>' }, small.files)).rejects.toMatchObject({ code: 'invalid-note' });
  });
});
