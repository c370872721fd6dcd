/**
 * The manifest of an evidence bundle: RFC 8785 JSON, nothing before or after it.
 *
 *   { "format": "countersign/bundle/v1", "origin": "log.example/audit", "mode": "complete",
 *     "asked": "action:role.* from:2026-01-01", "query": { a filter, see filter.ts }, "scope": null,
 *     "range": { "start": 42, "end": 43 }, "size": 60, "pinned": null,
 *     "counts": { "population": 1, "matched": 1, "withheld": 0, "erased": 0 },
 *     "files": { "checkpoint": { "bytes": 520, "sha256": "<hex>" }, … }, "limits": ["…"] }
 *
 * `asked` is what the auditor wrote, `query` what was answered: with the ends that the scope of the token and the moment of
 * the request give it. `range` is [start, end) of indices and `size` that of the checkpoint. `population` are the entries
 * of the range, `matched` those that answer the query; `withheld` counts the fields of matches that are not shown, `erased`
 * the fields of any event here that are said to be erased. `pinned` is the size of a head that the auditor named, or null.
 * There is a `control` if the question comes from a mapping of controls: { "id": "SOC2:CC7.2", "part": "…", "mapping":
 * "<hex SHA-256 of the mapping file>" }.
 *
 * manifest.sig is a C2SP signed note by the log's Ed25519 key (type 0x01), over this text:
 *
 *     countersign/bundle/v1
 *     log.example/audit
 *     Xo0MTHXGJ4xNCRtZoUBTrsU4h9MGlKTTMzgV4JIgFl8=
 *     (SHA-256 of manifest.json. The text is no checkpoint: its second line is no number.)
 */
import { type BundleShape, contentFiles } from './bundle.ts';
import { base64Encode, equalBytes, hexDecode, hexEncode, utf8Decode, utf8Encode } from './bytes.ts';
import { canonicalJson, type JsonObject, type JsonValue, parseCanonicalJson } from './canonical-json.ts';
import { ProofError, recode } from './errors.ts';
import { isObject } from './fields.ts';
import { type BundleFilter, filterJson, readFilter } from './filter.ts';
import { HASH_BYTES, type Hash, type Hasher, nobleHasher } from './hash.ts';
import type { VerifierKey } from './key.ts';
import { openNote } from './open-note.ts';

export interface FileDigest {
  readonly bytes: number;
  readonly sha256: Hash;
}

export interface BundleManifest extends BundleShape {
  readonly origin: string;
  /** The question in the auditor's words; it decides nothing. */
  readonly asked: string;
  readonly query: BundleFilter;
  /** What the token was allowed to see, as the log describes it; it decides nothing. */
  readonly scope: JsonObject | null;
  readonly range: { readonly start: number; readonly end: number };
  readonly size: number;
  readonly counts: BundleCounts;
  readonly files: ReadonlyMap<string, FileDigest>;
  readonly limits: readonly string[];
  /** The control that the question belongs to, as the asker says; it decides nothing. */
  readonly control?: BundleControl | null;
}

/** One question of one control, by the mapping file that it came from. */
export interface BundleControl {
  readonly id: string;
  readonly part: string;
  /** Hex SHA-256 of the mapping file. */
  readonly mapping: string;
}

/** Of the id and the part of a control. */
export const MAX_CONTROL_CHARACTERS = 200;

export interface BundleCounts {
  readonly population: number;
  readonly matched: number;
  readonly withheld: number;
  readonly erased: number;
}

export const BUNDLE_FORMAT = 'countersign/bundle/v1';
export const MAX_MANIFEST_BYTES: number = 1_048_576;
export const MAX_ASKED_CHARACTERS = 10_000;
const MAX_LIMITS = 20;
const SHA256_HEX = /^[0-9a-f]{64}$/;

export function formatManifest(manifest: BundleManifest): Uint8Array {
  const { origin, mode, asked, query, scope, range, size, pinned, counts, files, limits, control } = manifest;
  const digests = [...files].map(([name, { bytes, sha256 }]) => [name, { bytes, sha256: hexEncode(sha256) }]);
  const json: JsonObject = {
    format: BUNDLE_FORMAT,
    ...{ origin, mode, asked, query: filterJson(query), scope, size, pinned, limits },
    range: { start: range.start, end: range.end },
    counts: { ...counts },
    files: Object.fromEntries(digests),
    ...(control && { control: { ...control } }),
  };
  const bytes = utf8Encode(canonicalJson(json));
  parseManifest(bytes);
  return bytes;
}

/** Reads a manifest strictly. Throws `invalid-bundle`, or `invalid-filter`. */
export function parseManifest(file: Uint8Array): BundleManifest {
  if (file.length > MAX_MANIFEST_BYTES) throw invalid('it is too long');
  const json = recode('invalid-bundle', () => parseCanonicalJson(utf8Decode(file)));
  const manifest = members(json, MEMBERS, 'the manifest', ['control']);
  if (manifest['format'] !== BUNDLE_FORMAT) throw invalid(`its format is not ${BUNDLE_FORMAT}`);
  const { mode, origin, asked, scope, limits } = manifest;
  if (mode !== 'complete' && mode !== 'selected' && mode !== 'sample') throw invalid('mode is none that is known');
  if (typeof origin !== 'string' || typeof asked !== 'string' || asked.length > MAX_ASKED_CHARACTERS) {
    throw invalid('origin or asked is not a text');
  }
  if (scope !== null && !isObject(scope)) throw invalid('scope is an object or null');
  const range = members(manifest['range'], ['start', 'end'], 'range');
  const counts = members(manifest['counts'], ['population', 'matched', 'withheld', 'erased'], 'counts');
  const [start, end, size] = [count(range['start']), count(range['end']), count(manifest['size'])];
  const pinned = manifest['pinned'] === null ? null : count(manifest['pinned']);
  if (pinned !== null && pinned > size) throw invalid(`a tree of size ${size} does not extend one of size ${pinned}`);
  if (start > end || end > size) throw invalid(`[${start}, ${end}) is no range of a tree of size ${size}`);
  if (!Array.isArray(limits) || limits.length > MAX_LIMITS || !limits.every((limit) => typeof limit === 'string')) {
    throw invalid('limits is not a list of texts');
  }
  const population = count(counts['population']);
  if (population !== end - start) throw invalid(`a range of ${end - start} entries is said to have ${population}`);
  return {
    ...{ origin, mode, asked, scope, size, pinned, limits },
    query: readFilter(manifest['query']),
    range: { start, end },
    counts: {
      population,
      matched: count(counts['matched']),
      withheld: count(counts['withheld']),
      erased: count(counts['erased']),
    },
    files: readDigests(manifest['files'], contentFiles({ mode, pinned })),
    control: readControl(manifest['control']),
  };
}

/** The text that the log signs. */
export function manifestText(origin: string, manifest: Uint8Array, hasher: Hasher = nobleHasher): string {
  return `${BUNDLE_FORMAT}\n${origin}\n${base64Encode(hasher.sha256(manifest))}\n`;
}

/**
 * That one of these keys, which are the log's, signed this manifest. Throws `digest-mismatch` for a signature of another
 * manifest, and what `openNote` does: `invalid-signature` if no known key signed, `bad-signature`.
 */
export function checkManifestSignature(
  input: { readonly manifest: Uint8Array; readonly signature: Uint8Array; readonly origin: string },
  keys: readonly VerifierKey[],
  hasher: Hasher = nobleHasher,
): void {
  const known = keys.filter(({ type }) => type === 1);
  const { text } = openNote(input.signature, known);
  if (!equalBytes(utf8Encode(text), utf8Encode(manifestText(input.origin, input.manifest, hasher)))) {
    throw new ProofError('digest-mismatch', 'manifest.sig is a signature of another manifest');
  }
}

const MEMBERS = [
  ...['format', 'origin', 'mode', 'asked', 'query', 'scope'],
  ...['range', 'size', 'pinned', 'counts', 'files', 'limits'],
] as const;

function readControl(json: JsonValue | undefined): BundleControl | null {
  if (json === undefined) return null;
  const { id, part, mapping } = members(json, ['id', 'part', 'mapping'], 'control');
  const isShort = (text: JsonValue | undefined): text is string =>
    typeof text === 'string' && text !== '' && text.length <= MAX_CONTROL_CHARACTERS;
  if (!isShort(id) || !isShort(part)) throw invalid('a control has an id and a part');
  if (typeof mapping !== 'string' || !SHA256_HEX.test(mapping)) throw invalid('the mapping of a control is no SHA-256');
  return { id, part, mapping };
}

function readDigests(json: JsonValue | undefined, names: readonly string[]): ReadonlyMap<string, FileDigest> {
  const files = members(json, names, 'files');
  return new Map(
    names.map((name): [string, FileDigest] => {
      const { bytes, sha256 } = members(files[name], ['bytes', 'sha256'], 'a digest');
      const digest = typeof sha256 === 'string' ? recode('invalid-bundle', () => hexDecode(sha256)) : undefined;
      if (digest?.length !== HASH_BYTES) throw invalid('a digest is not SHA-256 in hex');
      return [name, { bytes: count(bytes), sha256: digest }];
    }),
  );
}

/** The members of an object that has exactly these. */
function members(
  json: JsonValue | undefined,
  names: readonly string[],
  what: string,
  optional: readonly string[] = [],
): { readonly [name: string]: JsonValue | undefined } {
  if (!isObject(json)) throw invalid(`${what} is not an object`);
  const missing = names.find((name) => !Object.hasOwn(json, name));
  if (missing !== undefined) throw invalid(`${what} has no ${missing}`);
  const isKnown = (name: string): boolean => names.includes(name) || optional.includes(name);
  if (!Object.keys(json).every(isKnown)) throw invalid(`${what} has a member that is not known`);
  return json;
}

function count(json: JsonValue | undefined): number {
  if (typeof json !== 'number' || !Number.isSafeInteger(json) || json < 0) throw invalid('a number is not a count');
  return json;
}

function invalid(what: string): ProofError {
  return new ProofError('invalid-bundle', `manifest: ${what}`);
}
