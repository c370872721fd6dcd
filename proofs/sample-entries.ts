/**
 * The two entries of a sample, as members of their events' `context`, to be read back by whoever draws or verifies.
 *
 *   countersign.sample.commit    `sample`: { "format": "countersign/sample-commit/v1",
 *     "nonce_hash": "<base64>", "operator_nonce": "<base64>",     of the auditor's nonce; the operator's own
 *     "query": { a filter, see filter.ts }, "range": { "start": 4, "end": 33 },
 *     "design": { see sample-size.ts }, "strata": "class" or null, "delay": 1,
 *     "drand_round": 27946612 or null, "number": 0, "previous": null }
 *   countersign.sample.reveal    `sample`: { "format": "countersign/sample-reveal/v1",
 *     "commit": 41, "nonce": "<base64>", "drand_signature": "<base64>" or null }
 *
 * The population is what of `range` answers `query`. The head that goes into the seed is the one of tree size
 * commit index + 1 + `delay`: one size has one root, so nobody chooses among heads. `number` counts the commits by the
 * same actor before this one, and `previous` is the index of the last of them.
 */
import { base64Decode, base64Encode } from './bytes.ts';
import type { JsonObject, JsonValue } from './canonical-json.ts';
import { DRAND_SIGNATURE_BYTES } from './drand.ts';
import { ProofError } from './errors.ts';
import { isObject } from './fields.ts';
import { BUNDLE_FILTER_NAMES, type BundleFilter, type BundleFilterName, filterJson, readFilter } from './filter.ts';
import { HASH_BYTES, type Hash } from './hash.ts';
import { NONCE_BYTES } from './sample-draw.ts';
import { designJson, readDesign, type SampleDesign } from './sample-size.ts';

export const COMMIT_SAMPLE = 'countersign.sample.commit';
export const REVEAL_SAMPLE = 'countersign.sample.reveal';

export interface SampleCommit {
  readonly nonceHash: Hash;
  readonly operatorNonce: Uint8Array;
  readonly query: BundleFilter;
  /** Indices, half-open; all of them before the commit. */
  readonly range: { readonly start: number; readonly end: number };
  readonly design: SampleDesign;
  /** The member by whose values the population is divided. */
  readonly strata: BundleFilterName | null;
  /** Entries between the commit and the end of the head that goes into the seed. */
  readonly delay: number;
  readonly drandRound: number | null;
  readonly number: number;
  readonly previous: number | null;
}

export interface SampleReveal {
  /** Index of the commit. */
  readonly commit: number;
  readonly nonce: Uint8Array;
  readonly drandSignature: Uint8Array | null;
}

export const MAX_DELAY = 10_000;

/** Size of the tree whose root goes into the seed. */
export function headSizeOf(commitIndex: number, delay: number): number {
  return commitIndex + 1 + delay;
}

export function sampleCommitJson(commit: SampleCommit): JsonObject {
  const { nonceHash, operatorNonce, query, range, design, strata, delay, drandRound, number, previous } = commit;
  return {
    format: COMMIT_FORMAT,
    nonce_hash: base64Encode(nonceHash),
    operator_nonce: base64Encode(operatorNonce),
    query: filterJson(query),
    range: { start: range.start, end: range.end },
    design: designJson(design),
    ...{ strata, delay, drand_round: drandRound, number, previous },
  };
}

/** Reads the commit out of an event. Throws `invalid-sample`, or `invalid-filter`. */
export function readSampleCommit(event: JsonObject): SampleCommit {
  const json = sampleMember(event, COMMIT_SAMPLE, COMMIT_FORMAT, COMMIT_MEMBERS);
  const range = isObject(json['range']) ? json['range'] : {};
  const [start, end] = [count(range['start']), count(range['end'])];
  if (start > end || Object.keys(range).length !== 2) throw invalid('range is no range');
  const { strata, drand_round: round, previous } = json;
  const stratum = BUNDLE_FILTER_NAMES.find((name) => name === strata);
  if (strata !== null && (stratum === undefined || !isStratum(stratum))) throw invalid('strata is none that is known');
  const delay = count(json['delay']);
  if (delay > MAX_DELAY) throw invalid(`delay is at most ${MAX_DELAY}`);
  if (round === 0) throw invalid('a drand round is 1 or more');
  return {
    nonceHash: bytes(json['nonce_hash'], HASH_BYTES),
    operatorNonce: bytes(json['operator_nonce'], NONCE_BYTES),
    query: readFilter(json['query']),
    range: { start, end },
    design: readDesign(json['design']),
    strata: stratum ?? null,
    delay,
    drandRound: round === null ? null : count(round),
    number: count(json['number']),
    previous: previous === null ? null : count(previous),
  };
}

export function sampleRevealJson({ commit, nonce, drandSignature }: SampleReveal): JsonObject {
  return {
    format: REVEAL_FORMAT,
    commit,
    nonce: base64Encode(nonce),
    drand_signature: drandSignature === null ? null : base64Encode(drandSignature),
  };
}

/** Reads the reveal out of an event. Throws `invalid-sample`. */
export function readSampleReveal(event: JsonObject): SampleReveal {
  const json = sampleMember(event, REVEAL_SAMPLE, REVEAL_FORMAT, REVEAL_MEMBERS);
  const { drand_signature: signature } = json;
  return {
    commit: count(json['commit']),
    nonce: bytes(json['nonce'], NONCE_BYTES),
    drandSignature: signature === null ? null : bytes(signature, DRAND_SIGNATURE_BYTES),
  };
}

/** By what a population can be divided: a member with a text of its own for each event. */
export function isStratum(name: BundleFilterName): boolean {
  return name !== 'break_glass' && name !== 'producer';
}

const COMMIT_FORMAT = 'countersign/sample-commit/v1';
const REVEAL_FORMAT = 'countersign/sample-reveal/v1';
const COMMIT_MEMBERS = [
  ...['format', 'nonce_hash', 'operator_nonce', 'query', 'range', 'design'],
  ...['strata', 'delay', 'drand_round', 'number', 'previous'],
];
const REVEAL_MEMBERS = ['format', 'commit', 'nonce', 'drand_signature'];

function sampleMember(event: JsonObject, action: string, format: string, names: readonly string[]): JsonObject {
  if (event['action'] !== action) throw invalid(`the event is no ${action}`);
  const { context } = event;
  const json = isObject(context) ? context['sample'] : undefined;
  if (!isObject(json)) throw invalid('the event says nothing about a sample');
  if (json['format'] !== format) throw invalid(`the format is not ${format}`);
  if (Object.keys(json).length !== names.length || !names.every((name) => Object.hasOwn(json, name))) {
    throw invalid('a member is missing, or not known');
  }
  return json;
}

function bytes(json: JsonValue | undefined, length: number): Uint8Array {
  const decoded = typeof json === 'string' ? decode(json) : undefined;
  if (decoded?.length !== length) throw invalid(`a value is not base64 of ${length} bytes`);
  return decoded;
}

function decode(text: string): Uint8Array | undefined {
  try {
    return base64Decode(text);
  } catch {
    return undefined;
  }
}

function count(json: JsonValue | undefined): number {
  if (typeof json !== 'number' || !Number.isSafeInteger(json) || json < 0) throw invalid('a number is not a count');
  return json;
}

function invalid(what: string): ProofError {
  return new ProofError('invalid-sample', `sample: ${what}`);
}
