/**
 * `sample.json`, the file that makes a bundle the report of a sample: RFC 8785 JSON, nothing before or after it.
 *
 *   { "format": "countersign/sample/v1", "commit": 41, "reveal": 44,
 *     "head": { "size": 43, "root": "<base64>", "proof": ["<base64>", …] }, "seed": "<base64>",
 *     "strata": [ { "name": null, "population": 29, "drawn": [17, 5, 30] } ] }
 *
 * `commit` and `reveal` are indices of entries in related.ndjson. `head` is the tree whose root went into the seed, with the
 * RFC 6962 proof that the checkpoint extends it. `drawn` are indices of events in the order in which they were drawn. Without
 * strata there is one, whose name is null; otherwise they are sorted by name, and "" is for events that do not have the
 * member. All of it but the proof follows from the entries: whoever verifies computes it again.
 */
import { base64Decode, base64Encode, utf8Decode, utf8Encode } from './bytes.ts';
import { canonicalJson, type JsonObject, type JsonValue, parseCanonicalJson } from './canonical-json.ts';
import { MAX_PROOF_HASHES } from './check.ts';
import { ProofError, recode } from './errors.ts';
import { isObject } from './fields.ts';
import { HASH_BYTES, type Hash } from './hash.ts';

export interface SampleReport {
  readonly commit: number;
  readonly reveal: number;
  readonly head: { readonly size: number; readonly root: Hash; readonly proof: readonly Hash[] };
  readonly seed: Hash;
  readonly strata: readonly DrawnStratum[];
}

export interface DrawnStratum {
  readonly name: string | null;
  readonly population: number;
  /** Indices of events, in the order of the draw. */
  readonly drawn: readonly number[];
}

export const MAX_SAMPLE_BYTES: number = 16 * 1_048_576;

export function formatSampleReport({ commit, reveal, head, seed, strata }: SampleReport): Uint8Array {
  const { size, root, proof } = head;
  const json: JsonObject = {
    ...{ format: FORMAT, commit, reveal, seed: base64Encode(seed) },
    head: { size, root: base64Encode(root), proof: proof.map((hash) => base64Encode(hash)) },
    strata: strata.map(({ name, population, drawn }) => ({ name, population, drawn })),
  };
  return utf8Encode(canonicalJson(json));
}

/** Nothing is verified. Throws `invalid-sample`. */
export function parseSampleReport(file: Uint8Array): SampleReport {
  if (file.length > MAX_SAMPLE_BYTES) throw invalid('it is too long');
  const json = recode('invalid-sample', () => parseCanonicalJson(utf8Decode(file)));
  const { format, commit, reveal, head, seed, strata } = members(json, MEMBERS);
  if (format !== FORMAT) throw invalid(`its format is not ${FORMAT}`);
  const { size, root, proof } = members(head, ['proof', 'root', 'size']);
  if (!Array.isArray(proof) || proof.length > MAX_PROOF_HASHES) throw invalid('the proof is no list of hashes');
  if (!Array.isArray(strata)) throw invalid('strata is no list');
  return {
    commit: count(commit),
    reveal: count(reveal),
    head: { size: count(size), root: hash(root), proof: proof.map(hash) },
    seed: hash(seed),
    strata: strata.map((stratum: JsonValue): DrawnStratum => {
      const { name, population, drawn } = members(stratum, ['drawn', 'name', 'population']);
      if (name !== null && typeof name !== 'string') throw invalid('the name of a stratum is no text');
      if (!Array.isArray(drawn)) throw invalid('drawn is no list of indices');
      return { name, population: count(population), drawn: drawn.map(count) };
    }),
  };
}

const FORMAT = 'countersign/sample/v1';
const MEMBERS = ['commit', 'format', 'head', 'reveal', 'seed', 'strata'];

function members(json: JsonValue | undefined, names: readonly string[]): JsonObject {
  if (!isObject(json) || Object.keys(json).join() !== names.join()) throw invalid(`it has not the members ${names}`);
  return json;
}

function hash(json: JsonValue | undefined): Hash {
  const bytes = typeof json === 'string' ? recode('invalid-sample', () => base64Decode(json)) : undefined;
  if (bytes?.length !== HASH_BYTES) throw invalid(`a hash has ${HASH_BYTES} bytes`);
  return bytes;
}

function count(json: JsonValue | undefined): number {
  if (typeof json !== 'number' || !Number.isSafeInteger(json) || json < 0) throw invalid('a number is not a count');
  return json;
}

function invalid(what: string): ProofError {
  return new ProofError('invalid-sample', `sample.json: ${what}`);
}
