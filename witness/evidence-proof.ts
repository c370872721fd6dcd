/**
 * From a witness's evidence to a fork proof (proofs/fork-proof.ts), which others can check without knowing this witness.
 * Only conclusive evidence becomes one; a suspicion may have an innocent cause.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { base64Decode } from '../proofs/bytes.ts';
import { type ForkProof, formatForkProof, makeForkProof } from '../proofs/fork-proof.ts';
import { writeFileDurably } from './durable-file.ts';
import { type Evidence, headsOf } from './evidence.ts';

/** Undefined for what is not conclusive. */
export function forkProofOf(evidence: Evidence): ForkProof | undefined {
  const { held, offered, conclusive, proof, prefix_root } = evidence;
  if (!conclusive) return undefined;
  const heads = headsOf(evidence);
  if (heads.held.size === heads.offered.size) return makeForkProof(held, offered);
  if (proof === undefined || prefix_root === undefined) return undefined;
  return makeForkProof(held, offered, { prefixRoot: base64Decode(prefix_root), proof: proof.map(base64Decode) });
}

/** Writes a file for each piece of conclusive evidence; the paths. */
export async function writeForkProofs(directory: string, all: readonly Evidence[]): Promise<readonly string[]> {
  await mkdir(directory, { recursive: true });
  const paths: string[] = [];
  for (const [i, evidence] of all.entries()) {
    const proof = forkProofOf(evidence);
    if (proof === undefined) continue;
    const path = join(directory, `${i + 1}-${evidence.kind}.fork-proof`);
    await writeFileDurably(path, formatForkProof(proof));
    paths.push(path);
  }
  return paths;
}
