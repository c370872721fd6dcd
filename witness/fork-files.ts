/**
 * Fork proofs as files of a directory: one for each pair of heads, never changed, and only what was checked. Whoever finds
 * one there has all that is needed to show it to others: `countersign verify --policy P FILE`.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseCheckpoint } from '../proofs/checkpoint.ts';
import { checkForkProof, type ForkProof, formatForkProof } from '../proofs/fork-proof.ts';
import type { Policy } from '../proofs/policy.ts';
import { writeFileDurably } from './durable-file.ts';
import { originHash } from './logs.ts';

export interface ForkFiles {
  /** Paths, sorted. */
  readonly all: () => readonly string[];
  /** The path of a new file; undefined when this pair of heads has one, or there are too many. Throws what checking throws. */
  readonly keep: (proof: ForkProof) => Promise<string | undefined>;
}

const SUFFIX = '.fork-proof';
/** The first ones say most; a log that forks again and again proves nothing new. */
const MAX_FILES = 64;

export async function openForkFiles(directory: string, policy: Policy, origin: string): Promise<ForkFiles> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const prefix = originHash(origin).slice(0, 16);
  const names = new Set((await readdir(directory)).filter((name) => name.startsWith(prefix) && name.endsWith(SUFFIX)));
  return {
    all: () => [...names].sort().map((name) => join(directory, name)),
    keep: async (proof) => {
      checkForkProof(proof, policy);
      const name = `${prefix}-${nameOf(proof)}${SUFFIX}`;
      if (names.has(name) || names.size >= MAX_FILES) return undefined;
      await writeFileDurably(join(directory, name), formatForkProof(proof));
      names.add(name);
      return join(directory, name);
    },
  };
}

/** The same two heads under other signatures are the same fork. */
function nameOf({ first, second }: ForkProof): string {
  const heads = [first, second].map((note) => parseCheckpoint(note).checkpoint);
  const digest = createHash('sha256')
    .update(heads.map(({ body }) => body).join('\n'), 'utf8')
    .digest('hex');
  return `${heads.map(({ size }) => size).join('-')}-${digest.slice(0, 16)}`;
}
