/**
 * What every family of the conformance runner shares: reading a vector file whose layout is only hoped for, and
 * turning one case into one verdict. A case that asks for something that we have no code for is *not understood*;
 * it never counts as passed.
 */
import { base64Decode, hexDecode, utf8Encode } from '../../proofs/bytes.ts';
import { ProofError } from '../../proofs/errors.ts';

export type Outcome = 'passed' | 'failed' | 'not-understood' | 'either';

export interface Verdict {
  readonly id: string;
  readonly outcome: Outcome;
  /** For `failed`: what was seen. For `either`: what we chose. */
  readonly why: string;
}

/** A JSON object out of a vector file. */
export type Fields = Readonly<Record<string, unknown>>;

export interface VectorFile {
  /** Relative to the folder that the runner was given, with forward slashes. */
  readonly name: string;
  /** Absolute folder of the file, for companions beside it. */
  readonly folder: string;
  readonly content: Fields;
}

/** Judges a file of one folder; undefined for a layout that it does not know. */
export type Family = (file: VectorFile) => Promise<readonly Verdict[]> | undefined;

/** The case asks for something that this project does not do. */
export class NotUnderstood extends Error {}

/** A verifier that answers yes or no said no. */
export class Refusal extends Error {}

/**
 * Runs a case that should be accepted or refused. It is accepted by returning, refused by a ProofError or a Refusal;
 * any other error (a wrong value, a crash) is a failure, whatever was expected. A size above 2^53−1 that is refused as
 * such has passed; a key of a type that we do not support is not understood.
 */
export async function judge(id: string, expect: string, run: () => void | Promise<void>): Promise<Verdict> {
  const seen = await outcomeOf(run);
  if (seen.kind === 'not-understood') return { id, outcome: 'not-understood', why: seen.why };
  if (seen.kind === 'broken') return { id, outcome: 'failed', why: seen.why };
  const why = seen.kind === 'refused' ? `refused: ${seen.why}` : 'accepted';
  if (expect === 'either') return { id, outcome: 'either', why };
  if (seen.why === 'size-too-large') return { id, outcome: 'passed', why };
  if (expect !== 'accept' && expect !== 'reject') return { id, outcome: 'not-understood', why: `expect: ${expect}` };
  if (expect === 'accept' && seen.why === 'unsupported-key-type') return { id, outcome: 'not-understood', why };
  const passed = (seen.kind === 'accepted') === (expect === 'accept');
  return { id, outcome: passed ? 'passed' : 'failed', why };
}

/** Runs a case of which nothing but success is expected. */
export function check(id: string, run: () => void | Promise<void>): Promise<Verdict> {
  return judge(id, 'accept', run);
}

interface Seen {
  readonly kind: 'accepted' | 'refused' | 'broken' | 'not-understood';
  readonly why: string;
}

async function outcomeOf(run: () => void | Promise<void>): Promise<Seen> {
  try {
    await run();
    return { kind: 'accepted', why: '' };
  } catch (error) {
    if (error instanceof NotUnderstood) return { kind: 'not-understood', why: error.message };
    if (error instanceof ProofError) return { kind: 'refused', why: error.code };
    if (error instanceof Refusal) return { kind: 'refused', why: error.message };
    return { kind: 'broken', why: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  }
}

/** Judges the records of one list, one after another: some vectors share a log or a witness. */
export async function judgeAll(
  records: readonly Fields[],
  one: (record: Fields, id: string) => Promise<Verdict>,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const [i, record] of records.entries()) verdicts.push(await one(record, idOf(record, i)));
  return verdicts;
}

function idOf(record: Fields, position: number): string {
  const id = record['id'] ?? record['tcId'] ?? record['number'] ?? record['path'] ?? record['name'];
  return typeof id === 'string' || typeof id === 'number' ? String(id) : `#${position}`;
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The objects of a list; undefined if there is no such list or it holds anything else. */
export function recordsOf(fields: Fields, name: string): readonly Fields[] | undefined {
  const list = fields[name];
  return Array.isArray(list) && list.every(isFields) ? list : undefined;
}

/** Whether there are records and the first of them has all these fields. */
export function haveFields(records: readonly Fields[] | undefined, ...names: readonly string[]): boolean {
  return records?.[0] !== undefined && names.every((name) => records[0]?.[name] !== undefined);
}

export function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === 'string') return value;
  // Widths and types are JSON numbers, sizes are strings; both are spelled in decimal.
  if (typeof value === 'number') return String(value);
  throw new NotUnderstood(`no text field ${name}`);
}

export function fieldsOf(fields: Fields, name: string): Fields {
  const value = fields[name];
  if (isFields(value)) return value;
  throw new NotUnderstood(`no object field ${name}`);
}

export function textsOf(fields: Fields, name: string): readonly string[] {
  const value = fields[name];
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw new NotUnderstood(`no list of texts ${name}`);
}

export function boolOf(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (typeof value === 'boolean') return value;
  throw new NotUnderstood(`no boolean field ${name}`);
}

export function hexOf(fields: Fields, name: string): Uint8Array {
  return hexDecode(textOf(fields, name));
}

export function hashesOf(fields: Fields, name: string): Uint8Array[] {
  return textsOf(fields, name).map(hexDecode);
}

/** A byte string: `text` as UTF-8, else `hex`, else `base64`. */
export function bytesOf(fields: Fields): Uint8Array {
  if (fields['text'] !== undefined) return utf8Encode(textOf(fields, 'text'));
  if (fields['hex'] !== undefined) return hexOf(fields, 'hex');
  return base64Decode(textOf(fields, 'base64'));
}
