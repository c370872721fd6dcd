/** A witness that changes its key: for a while it signs with the old one and the new one, each on a line of its own. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { formatSignerKey, makeSignerKey } from '../../proofs/key.ts';
import { createKeyFile, loadCosigners } from '../../witness/keys.ts';
import { memoryWitness, seed, testLog, verifiedLines } from './support/witness.ts';

const NAME = 'witness.example/keys';

async function withDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'witness-keys-'));
  try {
    await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function load(directory: string, name?: string): ReturnType<typeof loadCosigners> {
  return loadCosigners({ directory, name, sources: { files: [], variables: [] }, environment: {} });
}

describe('a second key of a type in the directory of a witness', () => {
  it('signs beside the first one, and alone when the file of the first one is gone', async () => {
    await withDirectory(async (directory) => {
      const [first] = await load(directory, NAME);
      const second = await createKeyFile(join(directory, 'witness-ed25519.2026.key'), NAME, 4);
      const log = testLog();
      const cosigners = await load(directory);
      expect(cosigners.map(({ key }) => key.type)).toEqual([4, 4, 6]);
      const witness = await memoryWitness([log.known], { cosigners });
      const reply = await witness.addCheckpoint(log.request(0, 3));
      expect(reply.status).toBe(200);
      const lines = verifiedLines(reply, parseCheckpoint(log.head(3)).checkpoint, witness.keys);
      expect(new Set(lines.map(({ key }) => key.vkey))).toEqual(new Set(witness.vkeys));
      await witness.close();

      await rm(join(directory, 'witness-ed25519.key'));
      const left = await load(directory);
      expect(left.map(({ key }) => [key.type, key.keyId])).toEqual([
        [4, second.keyId],
        [6, cosigners[2]?.key.keyId],
      ]);
      expect(left.some(({ key }) => key.keyId === first?.key.keyId)).toBe(false);
      expect((await readdir(directory)).sort()).toEqual(['witness-ed25519.2026.key', 'witness-mldsa44.key']);
    });
  });

  it('must have the same name and the type that its file says', async () => {
    await withDirectory(async (directory) => {
      await load(directory, NAME);
      const file = join(directory, 'witness-mldsa44.new.key');
      await writeFile(file, `${formatSignerKey(makeSignerKey(NAME, 4, seed(9)))}\n`, { mode: 0o600 });
      await expect(load(directory)).rejects.toMatchObject({ code: 'key-invalid' });
      await rm(file);
      await createKeyFile(join(directory, 'witness-ed25519.new.key'), 'witness.example/other', 4);
      await expect(load(directory)).rejects.toMatchObject({ code: 'key-name-differs' });
    });
  });

  it('is bounded in number', async () => {
    await withDirectory(async (directory) => {
      for (let i = 0; i < 9; i++) await createKeyFile(join(directory, `witness-ed25519.${i}.key`), NAME, 4);
      await expect(load(directory)).rejects.toMatchObject({ code: 'key-invalid' });
    });
  });
});
