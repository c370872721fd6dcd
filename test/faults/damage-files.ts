/** Damage to files of a stopped log, as disks and half-finished writes do it. */
import { open, readdir, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import type { Random } from './random.ts';

export type Damage = 'flip' | 'zero' | 'tear';

const BLOCK_BYTES = 512;

export interface Damaged {
  /** Relative to the data directory. */
  readonly file: string;
  readonly what: string;
}

/** What kinds of files a data directory has; a fault is spread over kinds first, so that small files get their share. */
export async function filesByKind(data: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const kinds = new Map<string, string[]>();
  for (const entry of await readdir(data, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.relative(data, path.join(entry.parentPath, entry.name));
    if ((await stat(path.join(data, file))).size === 0) continue;
    const kind = kindOf(file);
    kinds.set(kind, [...(kinds.get(kind) ?? []), file]);
  }
  return new Map([...kinds].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** LevelDB numbers its files; the number does not matter. */
function kindOf(file: string): string {
  return file.replace(/\d{6}/, 'N');
}

export async function damageFile(data: string, file: string, damage: Damage, random: Random): Promise<Damaged> {
  const full = path.join(data, file);
  const { size } = await stat(full);
  switch (damage) {
    case 'flip': {
      const [byte, bit] = [random.below(size), random.below(8)];
      await overwrite(full, byte, (old) => old.map((value) => value ^ (1 << bit)), 1);
      return { file, what: `bit ${bit} of byte ${byte} of ${size} flipped` };
    }
    case 'zero': {
      const start = random.below(Math.ceil(size / BLOCK_BYTES)) * BLOCK_BYTES;
      const length = Math.min(BLOCK_BYTES, size - start);
      await overwrite(full, start, (old) => old.map(() => 0), length);
      return { file, what: `bytes ${start} to ${start + length} of ${size} zeroed` };
    }
    case 'tear': {
      const kept = random.below(size);
      await truncate(full, kept);
      return { file, what: `cut off after ${kept} of ${size} bytes` };
    }
  }
}

async function overwrite(
  file: string,
  start: number,
  change: (old: Uint8Array) => Uint8Array,
  length: number,
): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    const old = new Uint8Array(length);
    await handle.read(old, 0, length, start);
    await handle.write(change(old), 0, length, start);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
