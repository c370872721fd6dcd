/**
 * Signed notes (C2SP signed-note): a text, a blank line, signature lines.
 *
 *     This is an example message.
 *
 *     — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
 *
 * This file takes notes apart and puts them together; whether a signature is good is judged in `cosignature.ts`, and
 * `open-note.ts` opens a note with a set of known keys. Nothing read here is trusted before that.
 */
import { base64Decode, base64Encode, concatBytes, utf8Decode, utf8Encode } from './bytes.ts';
import { sign } from './ed25519.ts';
import { ProofError } from './errors.ts';
import { hasControlCharacter, isKeyName, keyIdBytes, readKeyId, type SignerKey } from './key.ts';

export interface NoteSignature {
  readonly name: string;
  /** Unsigned 32-bit number. */
  readonly keyId: number;
  /** The signature without the four bytes of the key id; at least one byte. */
  readonly signature: Uint8Array;
  /** The whole line without its newline. */
  readonly line: string;
}

export interface Note {
  /** Ends in a newline; may hold blank lines. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** 1 MiB. Sixteen ML-DSA-44 signatures need about 52 KB. */
export const MAX_NOTE_BYTES = 1_048_576;

/** The specification asks for at least 16. */
export const MAX_SIGNATURES = 100;

const LINE_START = '\u2014 ';

/**
 * Takes a note apart at its last blank line. Throws `note-too-large`, `invalid-utf8`, or `invalid-note` for anything
 * that is not in the one encoding of a note.
 */
export function parseNote(bytes: Uint8Array | string): Note {
  const whole = noteText(bytes);
  checkNoteText(whole);
  const split = whole.lastIndexOf('\n\n');
  if (split < 0) throw new ProofError('invalid-note', 'no blank line before the signatures');
  return { text: whole.slice(0, split + 1), signatures: parseSignatureLines(whole.slice(split + 2)) };
}

/** The inverse of `parseNote`. Throws `invalid-note` if these parts are not those of a note. */
export function formatNote(note: Note): string {
  const whole = `${note.text}\n${formatSignatureLines(note.signatures)}`;
  const parsed = parseNote(whole);
  if (parsed.text !== note.text) throw new ProofError('invalid-note', 'the text of the note does not end in a newline');
  return whole;
}

/** Signature lines as a witness answers them: one or more, each with its newline. Throws `invalid-note`. */
export function parseSignatureLines(text: string): readonly NoteSignature[] {
  if (text.length > MAX_NOTE_BYTES) throw new ProofError('note-too-large', 'the signature lines are too long');
  if (!text.endsWith('\n')) throw new ProofError('invalid-note', 'no signature, or the last line has no newline');
  const lines = text.slice(0, -1).split('\n', MAX_SIGNATURES + 1);
  if (lines.length > MAX_SIGNATURES) throw new ProofError('note-too-large', `more than ${MAX_SIGNATURES} signatures`);
  return lines.map(parseSignatureLine);
}

export function formatSignatureLines(signatures: readonly NoteSignature[]): string {
  return signatures.map((signature) => `${signature.line}\n`).join('');
}

/** A signature line from its parts: em dash, space, name, space, base64(key id ‖ signature). */
export function makeSignature(name: string, keyId: number, signature: Uint8Array): NoteSignature {
  const line = `${LINE_START}${name} ${base64Encode(concatBytes(keyIdBytes(keyId), signature))}`;
  return { name, keyId, signature, line };
}

/** Signs the text with an Ed25519 key of type 0x01. Other types sign checkpoints: see `cosign`. */
export function signNote(text: string, signer: SignerKey): NoteSignature {
  if (signer.type !== 1) throw new ProofError('unsupported-key-type', 'only keys of type 1 sign arbitrary notes');
  if (!text.endsWith('\n')) throw new ProofError('invalid-note', 'the text of a note ends in a newline');
  checkNoteText(text);
  return makeSignature(signer.name, signer.keyId, sign(utf8Encode(text), signer.secret));
}

function noteText(bytes: Uint8Array | string): string {
  // No UTF-8 text has fewer bytes than a string has UTF-16 units.
  if (bytes.length > MAX_NOTE_BYTES)
    throw new ProofError('note-too-large', `a note has at most ${MAX_NOTE_BYTES} bytes`);
  if (typeof bytes !== 'string') return utf8Decode(bytes);
  if (utf8Encode(bytes).length > MAX_NOTE_BYTES) {
    throw new ProofError('note-too-large', `a note has at most ${MAX_NOTE_BYTES} bytes`);
  }
  return bytes;
}

function checkNoteText(text: string): void {
  if (hasControlCharacter(text.replaceAll('\n', ''))) {
    throw new ProofError('invalid-note', 'a note holds no control character but newline');
  }
}

function parseSignatureLine(line: string): NoteSignature {
  const [dash, name, base64, ...rest] = line.split(' ');
  if (dash !== LINE_START.trimEnd() || name === undefined || base64 === undefined || rest.length > 0) {
    throw new ProofError('invalid-note', 'a signature line is an em dash, a key name and base64');
  }
  if (!isKeyName(name)) throw new ProofError('invalid-note', 'the key name of a signature line is not valid');
  const bytes = decodeSignature(base64);
  if (bytes.length < 5) throw new ProofError('invalid-note', 'a signature has at least one byte after the key id');
  const signature = makeSignature(name, readKeyId(bytes), bytes.subarray(4));
  if (signature.line !== line) throw new ProofError('invalid-note', 'the signature line is not in its one encoding');
  return signature;
}

function decodeSignature(base64: string): Uint8Array {
  try {
    return base64Decode(base64);
  } catch {
    throw new ProofError('invalid-note', 'a signature is not strict base64');
  }
}
