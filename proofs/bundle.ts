/**
 * The evidence bundle as files by name (DESIGN.md, Evidence bundle). How they travel, as a zip, is a matter of zip.ts.
 *
 *   manifest.json    what was asked and what the bundle holds, with the digest of every other file (manifest.ts)
 *   manifest.sig     a signed note by the log over the digest of manifest.json
 *   checkpoint       a C2SP checkpoint with its cosignatures, under which everything here is proven
 *   events.ndjson    one event a line, by ascending index
 *   related.ndjson   rules, catalogues, keys and findings that go with them, each with its inclusion proof
 *   policy.txt       the log's own policy, to be compared with the pinned one; never believed
 *   README.txt       for people
 *   population       not in selected bundles: the public entries of the range, with one range proof (population.ts)
 *   sample.json      reports of a sample only: what was drawn, and how it follows (sample-report.ts)
 *   consistency      only if the auditor named a head they hold: that the checkpoint extends it (consistency.ts)
 *
 * In a *complete* bundle a line of events.ndjson is an opened event, and there is one for every index of the range: the
 * matches with all fields, the others with the fields that the filter looks at. In a *selected* bundle there are only
 * matches, and each line brings its own proof, as in related.ndjson:
 *
 *   { "event": { an opened event }, "proof": ["<base64 hash>", …] }
 *
 * In the report of a *sample* the drawn events show all fields, the others those that decide whether they are of the
 * population, and of which stratum; where nothing of them decides, only the drawn ones have a line.
 */
import { base64Decode, base64Encode, utf8Decode } from './bytes.ts';
import { canonicalJson, type JsonValue } from './canonical-json.ts';
import { MAX_CARD_FIELDS } from './card.ts';
import { MAX_PROOF_HASHES } from './check.ts';
import { ProofError, recode } from './errors.ts';
import { isObject } from './fields.ts';
import { HASH_BYTES, type Hash } from './hash.ts';
import { MAX_OPENED_EVENT_CHARACTERS, type OpenedEvent, openedEventJson, readOpenedEvent } from './opened-event.ts';
import { parseStrictJson } from './strict-json.ts';

export type BundleMode = 'complete' | 'selected' | 'sample';

export type BundleFiles = ReadonlyMap<string, Uint8Array>;

export const MANIFEST_FILE = 'manifest.json';
export const SIGNATURE_FILE = 'manifest.sig';
export const CHECKPOINT_FILE = 'checkpoint';
export const POPULATION_FILE = 'population';
export const EVENTS_FILE = 'events.ndjson';
export const RELATED_FILE = 'related.ndjson';
export const POLICY_FILE = 'policy.txt';
export const README_FILE = 'README.txt';
export const SAMPLE_FILE = 'sample.json';
export const CONSISTENCY_FILE = 'consistency';

/** What decides which files there are. */
export interface BundleShape {
  readonly mode: BundleMode;
  /** Size of the head that the auditor held and named; null if none. */
  readonly pinned: number | null;
}

/** The files that a manifest has digests of, in the order in which a bundle holds them. */
export function contentFiles({ mode, pinned }: BundleShape): readonly string[] {
  const consistency = pinned === null ? [] : [CONSISTENCY_FILE];
  const population = mode === 'selected' ? [] : [POPULATION_FILE];
  const sample = mode === 'sample' ? [SAMPLE_FILE] : [];
  return [
    ...[CHECKPOINT_FILE, ...consistency, ...population, ...sample, EVENTS_FILE],
    ...[RELATED_FILE, POLICY_FILE, README_FILE],
  ];
}

/** Every name that a bundle can hold. */
export const BUNDLE_FILES: readonly string[] = [
  MANIFEST_FILE,
  SIGNATURE_FILE,
  ...contentFiles({ mode: 'sample', pinned: 0 }),
];

/** An event with the proof that it is in the tree of the bundle's checkpoint; nothing of it checked yet. */
export interface ProvenEvent {
  readonly opened: OpenedEvent;
  readonly proof: readonly Hash[];
}

/** An opened event is within its own bound; base64 of 63 hashes and the frame fit in the rest. */
export const MAX_LINE_BYTES: number = 4 * MAX_OPENED_EVENT_CHARACTERS;
const LINE_BOUNDS = { maxDepth: 6, maxValues: 8 * MAX_CARD_FIELDS + MAX_PROOF_HASHES + 8 };
const NEWLINE = 0x0a;

/** One line of a selected bundle or of related.ndjson, without its newline. */
export function formatProvenEvent({ opened, proof }: ProvenEvent): string {
  return canonicalJson({ event: openedEventJson(opened), proof: proof.map((hash) => base64Encode(hash)) });
}

/** Throws `invalid-bundle`, `invalid-opened-event`, or a code of the JSON parser. */
export function parseProvenEvent(line: string): ProvenEvent {
  const json = parseStrictJson(line, LINE_BOUNDS);
  if (!isObject(json) || Object.keys(json).length !== 2 || !Array.isArray(json['proof'])) {
    throw new ProofError('invalid-bundle', 'a proven event has an event and a proof');
  }
  const proof: readonly JsonValue[] = json['proof'];
  if (proof.length > MAX_PROOF_HASHES) throw new ProofError('invalid-bundle', 'more than 63 hashes');
  return { opened: readOpenedEvent(json['event']), proof: proof.map(readHash) };
}

/** The lines of a file, each of which ends in a newline; none for an empty file. Throws `invalid-bundle`. */
export function* linesOf(file: Uint8Array, name: string): Generator<string> {
  for (let start = 0; start < file.length; ) {
    const end = file.indexOf(NEWLINE, start);
    if (end === -1) throw new ProofError('invalid-bundle', `${name} does not end in a newline: it was cut off`);
    if (end - start > MAX_LINE_BYTES) throw new ProofError('invalid-bundle', `a line of ${name} is too long`);
    yield recode('invalid-bundle', () => utf8Decode(file.subarray(start, end)));
    start = end + 1;
  }
}

function readHash(json: JsonValue): Hash {
  const hash = typeof json === 'string' ? recode('invalid-bundle', () => base64Decode(json)) : undefined;
  if (hash?.length !== HASH_BYTES) throw new ProofError('invalid-bundle', `a hash has ${HASH_BYTES} bytes`);
  return hash;
}
