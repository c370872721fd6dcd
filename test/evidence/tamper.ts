/** Ways to change a bundle: with the log's key at hand, which signs whatever manifest comes out, or without it. */
import { BUNDLE_FILES, MANIFEST_FILE, SIGNATURE_FILE } from '../../proofs/bundle.ts';
import { hexEncode, utf8Decode, utf8Encode } from '../../proofs/bytes.ts';
import { canonicalJson, type JsonObject, type JsonValue } from '../../proofs/canonical-json.ts';
import { sha256 } from '../../proofs/hash.ts';
import { type Files, signManifest } from './world.ts';

export type Json = { [member: string]: JsonValue };

export interface Change {
  /** Text of a file to its new text. */
  readonly text?: Readonly<Record<string, (text: string) => string>>;
  readonly manifest?: (manifest: Json) => JsonValue;
  /** The manifest's bytes at last, after everything else. */
  readonly manifestText?: (text: string) => string;
  /** The insider: digests are made to fit and the log signs. Otherwise the manifest stays as it was, but for `manifest`. */
  readonly resign?: boolean;
}

export function change(good: Files, { text = {}, manifest, manifestText, resign = false }: Change): Files {
  const files = new Map(good);
  for (const [name, edit] of Object.entries(text)) files.set(name, utf8Encode(edit(textOf(files, name))));
  let json: JsonValue = JSON.parse(textOf(files, MANIFEST_FILE));
  if (resign) json = withDigests(asObject(json), files);
  if (manifest !== undefined) json = manifest({ ...asObject(json) });
  const plain = canonicalJson(json);
  files.set(MANIFEST_FILE, utf8Encode(manifestText === undefined ? plain : manifestText(plain)));
  return resign ? signManifest(files) : files;
}

/** The insider's change of the lines of one file. */
export function lines(good: Files, name: string, edit: (lines: string[]) => string[], more: Change = {}): Files {
  const onText = (text: string): string =>
    edit(text.split('\n').slice(0, -1))
      .map((line) => `${line}\n`)
      .join('');
  return change(good, { resign: true, ...more, text: { [name]: onText, ...more.text } });
}

/** The insider's change of one line of JSON. */
export function jsonLine(good: Files, name: string, at: number, edit: (json: Json) => void, more: Change = {}): Files {
  return lines(
    good,
    name,
    (all) =>
      all.map((line, i) => {
        if (i !== at) return line;
        const json = asObject(JSON.parse(line));
        edit(json);
        return canonicalJson(json);
      }),
    more,
  );
}

export function without(files: Files, name: string): Files {
  return new Map([...files].filter(([other]) => other !== name));
}

export function textOf(files: ReadonlyMap<string, Uint8Array>, name: string): string {
  return utf8Decode(files.get(name) ?? new Uint8Array(0));
}

export function asObject(value: JsonValue | undefined): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('no object');
  return value as JsonObject as Json;
}

/** Another character in the place of this one, which stays base64. */
export function flipCharacter(text: string, at: number): string {
  const other = text[at] === 'A' ? 'B' : 'A';
  return text.slice(0, at) + other + text.slice(at + 1);
}

function withDigests(manifest: Json, files: Files): Json {
  const digests = BUNDLE_FILES.filter((name) => name !== MANIFEST_FILE && name !== SIGNATURE_FILE && files.has(name));
  const named = digests.map((name) => {
    const file = files.get(name) ?? new Uint8Array(0);
    return [name, { bytes: file.length, sha256: hexEncode(sha256(file)) }];
  });
  return { ...manifest, files: Object.fromEntries(named) };
}
