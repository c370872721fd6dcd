/**
 * Can two heads of one log both be true? For one size their roots say it. For two, the tree of the larger one is asked for
 * its root at the smaller size, from whoever has tiles of it; the answer is a proof, and is checked, so it does not matter
 * who gave it. What comes out is what a fork proof is made of.
 */
import { equalBytes } from '../proofs/bytes.ts';
import { checkConsistency } from '../proofs/check.ts';
import { ProofError } from '../proofs/errors.ts';
import { type ForkProof, makeForkProof, type PrefixEvidence, provePrefix } from '../proofs/fork-proof.ts';
import { tileHashReader } from '../proofs/tile.ts';
import { WitnessError } from './errors.ts';
import type { ClientOptions } from './log-client.ts';
import { cachedTiles } from './mirror-client.ts';
import type { SeenHead } from './monitor-sources.ts';

/** `unknown`: nobody could be found who has the tiles of the larger head. */
export type Comparison =
  | { readonly relation: 'consistent' | 'unknown' }
  | { readonly relation: 'fork'; readonly proof: ForkProof };

/** `tileUrls`: where to look for tiles, best first. */
export async function compareHeads(
  client: ClientOptions,
  tileUrls: readonly string[],
  one: SeenHead,
  other: SeenHead,
): Promise<Comparison> {
  const [smaller, larger] = one.checkpoint.size <= other.checkpoint.size ? [one, other] : [other, one];
  if (smaller.checkpoint.size === larger.checkpoint.size) {
    if (equalBytes(smaller.checkpoint.root, larger.checkpoint.root)) return { relation: 'consistent' };
    return { relation: 'fork', proof: makeForkProof(smaller.note, larger.note) };
  }
  for (const url of tileUrls) {
    const evidence = await evidenceFrom(client, url, smaller, larger);
    if (evidence === undefined) continue;
    if (equalBytes(evidence.prefixRoot, smaller.checkpoint.root)) return { relation: 'consistent' };
    return { relation: 'fork', proof: makeForkProof(smaller.note, larger.note, evidence) };
  }
  return { relation: 'unknown' };
}

/** The root that the larger head's tree has at the smaller size, proven; undefined where these tiles do not prove it. */
async function evidenceFrom(
  client: ClientOptions,
  url: string,
  { checkpoint: smaller }: SeenHead,
  { checkpoint: larger }: SeenHead,
): Promise<PrefixEvidence | undefined> {
  try {
    const read = tileHashReader(cachedTiles(client, url), larger.size);
    const evidence = await provePrefix(smaller.size, larger.size, read);
    const { prefixRoot, proof } = evidence;
    checkConsistency({ from: smaller.size, to: larger.size, fromRoot: prefixRoot, toRoot: larger.root, proof });
    return evidence;
  } catch (error) {
    if (client.signal.aborted) throw error;
    if (error instanceof ProofError || error instanceof WitnessError) return undefined;
    throw error;
  }
}
