/** Parts of the browser verifier that need no browser: inflating within bounds, and paths out of a range proof. */
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { base64Encode, utf8Encode } from '../../proofs/bytes.ts';
import { formatPopulationEntry, formatPopulationHead, parsePopulation } from '../../proofs/population.ts';
import { proveInclusion } from '../../proofs/prove.ts';
import { proveRange } from '../../proofs/range.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import { inflate } from '../../src/console/verifier/inflate.ts';
import { populationProver, treePath } from '../../src/console/verifier/tree-path.ts';
import { inflate as nativeInflate } from '../../src/evidence/read-zip.ts';
import { makeWorld } from '../evidence/world.ts';
import { memoryReader } from '../support/tree.ts';

describe('inflating in the page', () => {
  const content = utf8Encode('evidence '.repeat(20_000));
  const good = new Uint8Array(deflateRawSync(content));

  it('gives what the command line gives', () => {
    expect(base64Encode(inflate(good, content.length))).toBe(base64Encode(nativeInflate(good, content.length)));
    const nothing = new Uint8Array(deflateRawSync(new Uint8Array(0)));
    expect([inflate(nothing, 0).length, nativeInflate(nothing, 0).length]).toEqual([0, 0]);
  });

  it.each([
    ['one byte more than was said', good, content.length - 1],
    ['a stream that was cut off', good.subarray(0, -1), content.length],
    ['data behind the stream', Uint8Array.of(...good, 0), content.length],
    ['no stream at all', Uint8Array.of(7, 7, 7), 10],
    ['nothing', new Uint8Array(0), 10],
  ])('refuses %s, as the command line does', (_name, bytes, maxBytes) => {
    expect(() => inflate(bytes, maxBytes)).toThrow();
    expect(() => nativeInflate(bytes, maxBytes)).toThrow();
  });
});

describe('a path out of the proof of a range', () => {
  it('is the inclusion proof of every leaf, for every range of small trees, and reaches the root', async () => {
    const { events, leaves: all } = makeWorld(17);
    for (let size = 1; size <= 17; size++) {
      const leaves = all.slice(0, size);
      const [read, root] = [memoryReader(leaves), rootOfHashes(leaves)];
      for (let start = 0; start < size; start++) {
        for (const end of new Set([start + 1, Math.ceil((start + size) / 2), size])) {
          if (end <= start) continue;
          const head = { start, count: end - start, proof: await proveRange(start, end, size, read) };
          const lines = events.slice(start, end).map(({ entry }) => formatPopulationEntry(entry));
          const population = parsePopulation(utf8Encode(formatPopulationHead(head) + lines.join('')));
          const prove = populationProver(population, size);
          for (let index = start; index < end; index++) {
            const proof = prove(index);
            expect(proof).toEqual(await proveInclusion(index, size, read));
            const leaf = leaves[index] ?? root;
            const path = treePath({ index, size, leaf, proof, root });
            expect(path?.steps.at(-1)?.node ?? leaf).toEqual(root);
            expect(path?.steps.at(-1)?.covers ?? { start: 0, end: 1 }).toEqual({ start: 0, end: size });
          }
        }
      }
    }
  });

  it('is none where the proof leads elsewhere', () => {
    const { leaves } = makeWorld(3);
    const [leaf, other, third] = leaves;
    if (leaf === undefined || other === undefined || third === undefined) throw new Error('the world is too small');
    const root = rootOfHashes(leaves);
    expect(treePath({ index: 0, size: 3, leaf, proof: [other, third], root })?.steps).toHaveLength(2);
    expect(treePath({ index: 0, size: 3, leaf, proof: [third, other], root })).toBeUndefined();
    expect(treePath({ index: 0, size: 3, leaf, proof: [other], root })).toBeUndefined();
  });
});
