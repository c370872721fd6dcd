import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { haveVectors, vectorsDir, vectorsMissing } from '../support/vectors.ts';
import { runFile, vectorFiles } from './runner.ts';
import type { Outcome, Verdict } from './vector.ts';

const ownVectors = path.resolve(import.meta.dirname, '../vectors');

async function run(root: string, outcome: Outcome): Promise<string[]> {
  const found: string[] = [];
  for (const name of vectorFiles(root)) {
    const { verdicts } = await runFile(root, name);
    found.push(
      ...verdicts.filter((verdict) => verdict.outcome === outcome).map(({ id, why }) => `${name} ${id} ${why}`),
    );
  }
  return found;
}

describe('our own vectors', () => {
  it('all pass, and all are understood', async () => {
    expect(vectorFiles(ownVectors).length).toBeGreaterThan(0);
    expect(await run(ownVectors, 'failed')).toEqual([]);
    expect(await run(ownVectors, 'not-understood')).toEqual([]);
    expect((await run(ownVectors, 'passed')).length).toBeGreaterThan(50);
  });
});

describe.skipIf(!haveVectors)(`the shared vectors${vectorsMissing}`, () => {
  it('have no failures', { timeout: 120_000 }, async () => {
    expect(await run(vectorsDir, 'failed')).toEqual([]);
  });
});

describe('the runner', () => {
  let folder = '';

  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'conformance-'));
    cpSync(ownVectors, folder, { recursive: true });
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const verdictsOf = async (name: string, change: (text: string) => string): Promise<readonly Verdict[]> => {
    const file = path.join(folder, name);
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, change(before));
    const { verdicts } = await runFile(folder, name);
    writeFileSync(file, before);
    return verdicts;
  };

  it('finds nothing where there is nothing', () => {
    expect(vectorFiles(path.join(folder, 'nowhere'))).toEqual([]);
    expect(vectorFiles(path.join(folder, 'policy/near-neighbours.json'))).toEqual([]);
  });

  it('fails every case whose expectation is turned around, but sizes that it refuses by their own code', async () => {
    const swap = (text: string): string =>
      text.replace(/"expect": "(accept|reject)"/g, (_, word: string) =>
        word === 'accept' ? '"expect": "reject"' : '"expect": "accept"',
      );
    for (const name of vectorFiles(folder).filter((file) => !file.includes('quorum'))) {
      const verdicts = await verdictsOf(name, swap);
      const passed = verdicts.filter(({ outcome }) => outcome !== 'failed').map(({ id }) => id);
      const sizes = ['size 2^53, refused by its own code', 'every proper substring is refused'];
      expect(
        passed.filter((id) => !sizes.includes(id)),
        name,
      ).toEqual([]);
    }
  });

  it('fails an accepted case whose value is another', async () => {
    const verdicts = await verdictsOf('checkpoints/near-neighbours.json', (text) =>
      text.replace('"size": "7"', '"size": "8"'),
    );
    expect(verdicts.filter(({ outcome }) => outcome === 'failed').map(({ id }) => id)).toEqual(['plain']);
  });

  it('counts what is left open apart, and what it does not know as not understood', async () => {
    const all = async (expect_: string): Promise<string[]> => {
      const text = readFileSync(path.join(folder, 'loglist/near-neighbours.json'), 'utf8');
      const changed = text.replace(/"expect": "(accept|reject)"/g, `"expect": "${expect_}"`);
      return (await verdictsOf('loglist/near-neighbours.json', () => changed)).map(({ outcome }) => outcome);
    };
    expect(new Set(await all('either'))).toEqual(new Set(['either']));
    expect(new Set(await all('perhaps'))).toEqual(new Set(['not-understood']));
    const other = await verdictsOf('loglist/near-neighbours.json', () => '{"cases":[{"a":1},{"a":2}]}');
    expect(other.map(({ outcome }) => outcome)).toEqual(['not-understood', 'not-understood']);
    const empty = await verdictsOf('loglist/near-neighbours.json', () => '{"cases":[]}');
    expect(empty.map(({ outcome }) => outcome)).toEqual(['not-understood']);
    const broken = await verdictsOf('loglist/near-neighbours.json', (text) => text.slice(0, -10));
    expect(broken.map(({ outcome }) => outcome)).toEqual(['failed']);
  });

  it('says no to a size above 2^53−1 in the way that counts as passed', async () => {
    const verdicts = await verdictsOf('checkpoints/near-neighbours.json', (text) => text);
    const large = verdicts.find(({ id }) => id.startsWith('size 2^53,'));
    expect(large).toMatchObject({ outcome: 'passed', why: 'refused: size-too-large' });
  });
});
