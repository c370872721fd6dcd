import { describe, expect, it } from 'vitest';
import { utf8Encode } from '../../proofs/bytes.ts';
import { encodeTile, TILE_WIDTH } from '../../proofs/tile.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import { CheckedTile, encodeShortcut, middlesOf } from '../../src/log/tile-shortcut.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';

const HASHES = Array.from({ length: TILE_WIDTH }, (_, i) => nativeHasher.leaf(utf8Encode(`leaf ${i}`)));
const ROOT = rootOfHashes(HASHES, nativeHasher);
const PLACE = { level: 0, index: 3 };
const FIRST = PLACE.index * TILE_WIDTH;
const STARTS = [0, 32, 50, 64, 255].map((offset) => FIRST + offset);
const SHORTCUT = encodeShortcut(middlesOf(HASHES, nativeHasher), STARTS);

function tileOf(row: Uint8Array = encodeTile(HASHES), shortcut: Uint8Array | undefined = SHORTCUT): CheckedTile {
  return new CheckedTile(PLACE, row, shortcut, ROOT, nativeHasher);
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
}

describe('a full tile with its shortcut', () => {
  it('gives every node that it covers, with and without the shortcut', () => {
    for (const tile of [tileOf(), new CheckedTile(PLACE, encodeTile(HASHES), undefined, ROOT, nativeHasher)]) {
      for (let height = 0; height < 8; height++) {
        for (let first = 0; first < TILE_WIDTH; first += 2 ** height) {
          const expected = rootOfHashes(HASHES.slice(first, first + 2 ** height), nativeHasher);
          expect(tile.node(height, first)).toEqual(expected);
        }
      }
      expect(tile.bytes(TILE_WIDTH)).toEqual(encodeTile(HASHES));
      expect(tile.bytes(17)).toEqual(encodeTile(HASHES.slice(0, 17)));
    }
  });

  it('gives no altered hash, whichever it is, and names the leaves of the tile', () => {
    for (let i = 0; i < TILE_WIDTH; i++) {
      const tile = tileOf(flipped(encodeTile(HASHES), 32 * i + (i % 32)));
      const fault = expect.objectContaining({ code: 'corrupt-data', details: { level: 0, tile: 3, index: FIRST } });
      expect(() => tile.node(0, i)).toThrow(fault);
      expect(() => tile.bytes(i + 1)).toThrow(fault);
      // Others of the tile that the altered one is not needed for are good, and stay so.
      const other = (i + 16) % TILE_WIDTH;
      expect(tile.node(0, other)).toEqual(HASHES[other]);
    }
  });

  it('does not believe a shortcut: altered nodes are made anew, and an altered tile is refused with them', () => {
    for (let at = 0; at < 512; at += 31) {
      expect(tileOf(undefined, flipped(SHORTCUT, at)).node(0, 200)).toEqual(HASHES[200]);
      expect(() => tileOf(flipped(encodeTile(HASHES), 1), flipped(SHORTCUT, at))).toThrow(
        expect.objectContaining({ code: 'corrupt-data' }),
      );
    }
    // Nodes that fit altered hashes do not lead to the tree's.
    const forged = HASHES.map((hash, i) => (i === 9 ? flipped(hash, 0) : hash));
    const shortcut = encodeShortcut(middlesOf(forged, nativeHasher), STARTS);
    expect(() => tileOf(encodeTile(forged), shortcut)).toThrow(expect.objectContaining({ code: 'corrupt-data' }));
  });

  it('knows which chunk holds a leaf, and says so when it does not', () => {
    const tile = tileOf();
    const chunkOf = (offset: number): number | undefined => tile.chunkStart(FIRST + offset);
    expect([0, 31, 32, 49, 50, 63, 64, 254, 255].map(chunkOf)).toEqual(
      [0, 0, 32, 32, 50, 50, 64, 64, 255].map((offset) => FIRST + offset),
    );
    expect(tileOf(undefined, SHORTCUT.subarray(0, 512)).chunkStart(FIRST + 5)).toBeUndefined();
  });

  it('refuses a row that is missing or cut', () => {
    for (const row of [undefined, new Uint8Array(0), encodeTile(HASHES).slice(0, -1)]) {
      expect(() => new CheckedTile(PLACE, row, SHORTCUT, ROOT, nativeHasher)).toThrow(
        expect.objectContaining({ code: 'corrupt-data' }),
      );
    }
  });
});
