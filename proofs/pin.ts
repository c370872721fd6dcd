/**
 * A head that left the building: what someone kept of a log's head, in an e-mail, on paper, in a safe, to hold the log to
 * it years later. Three forms are read here, and all of them survive what mail programs and people do to text:
 *
 *     -----BEGIN COUNTERSIGN HEAD-----                 the signed note in base64 without padding, then the first
 *     bG9jYWxob3N0L2F1ZGl0CjEyMzQKdUYwRTZ...           four bytes of its SHA-256; quoted, indented, wrapped again
 *     -----END COUNTERSIGN HEAD-----
 *
 *     countersign-head:1;ORIGIN;SIZE;ROOT;SIGNATURE;SUM       one line for a QR code (formatPinCode)
 *
 *     a checkpoint as the log serves it                       verbatim
 *
 * A pin is worth what its keeper is: it may be unsigned. What is read here is not verified; verify-pin.ts does that.
 */
import { base64Decode, base64Encode, concatBytes, equalBytes, hexEncode, utf8Decode, utf8Encode } from './bytes.ts';
import { type Checkpoint, formatCheckpointBody, parseCheckpoint, parseCheckpointBody } from './checkpoint.ts';
import { ProofError, recode } from './errors.ts';
import { EMPTY_ROOT, type Hash, sha256 } from './hash.ts';
import { isKeyName, readKeyId } from './key.ts';
import { formatNote, makeSignature, type Note, type NoteSignature } from './note.ts';
import { parseDecimal } from './numbers.ts';

export interface Pin {
  readonly origin: string;
  readonly size: number;
  readonly root: Hash;
  /** Signature lines that were kept with it, by the log and by witnesses; none of them verified. */
  readonly signatures: readonly NoteSignature[];
  /** Text of the note that they sign. */
  readonly body: string;
}

/** 512 KiB: an e-mail with everything that was written below it. */
export const MAX_PIN_CHARACTERS = 524_288;

/**
 * The head in a text: an e-mail, a saved message, the contents of a QR code, a checkpoint file. Throws `invalid-pin` when
 * there is none, when it is damaged, or when there are several that differ; `size-too-large`.
 */
export function parsePin(input: Uint8Array | string): Pin {
  const text = typeof input === 'string' ? input : recode('invalid-pin', () => utf8Decode(input));
  if (text.length > MAX_PIN_CHARACTERS) throw invalid('the text is too long');
  const [pin, ...others] = [...findBlocks(text).map(parseBlock), ...findCodes(text).map(parseCode)];
  if (pin === undefined) return pinOf(recode('invalid-pin', () => parseCheckpoint(text)));
  for (const other of others) {
    if (!sameHead(pin, other)) throw invalid('the text holds several heads: keep only the one that is meant');
  }
  // Of several forms of one head the one with the most signatures says most.
  return others.reduce((best, other) => (other.signatures.length > best.signatures.length ? other : best), pin);
}

/** The block for an e-mail: printable ASCII, at most 64 characters a line. Throws what parsing the note does. */
export function formatPinBlock(note: string): string {
  pinOf(parseCheckpoint(note));
  const bytes = utf8Encode(note);
  const lines = withoutPadding(concatBytes(bytes, checksum(bytes))).match(/.{1,64}/g) ?? [];
  return [`-----${BEGIN.join(' ')}-----`, ...lines, `-----${END.join(' ')}-----`, ''].join('\n');
}

/**
 * The line for a QR code: origin, size, root and, where given, the log's Ed25519 signature; without white space. Throws
 * `invalid-checkpoint` for a head that is none.
 */
export function formatPinCode(head: {
  readonly origin: string;
  readonly size: number;
  readonly root: Hash;
  readonly signature?: NoteSignature;
}): string {
  formatCheckpointBody(head);
  const signature = head.signature?.line.slice(head.signature.line.lastIndexOf(' ') + 1) ?? '';
  const fields = [
    encodeOrigin(head.origin),
    String(head.size),
    withoutPadding(head.root),
    signature.replace(/=+$/, ''),
  ];
  const content = `${CODE_MARKER}${fields.join(';')};`;
  return content + hexEncode(checksum(utf8Encode(content)));
}

/** The pin as a signed note, or undefined if no signature was kept. */
export function pinNote({ body, signatures }: Pin): string | undefined {
  return signatures.length === 0 ? undefined : formatNote({ text: body, signatures });
}

const BEGIN = ['BEGIN', 'COUNTERSIGN', 'HEAD'];
const END = ['END', 'COUNTERSIGN', 'HEAD'];
const CODE_MARKER = 'countersign-head:1;';
const CHECKSUM_BYTES = 4;
/** White space of every kind and the marks with which mail programs quote; nothing of ours has them. */
const QUOTING = '[\\s>|\\u200b\\ufeff]';
/** An origin of 255 bytes, all escaped, and what may wrap it. */
const MAX_FIELD_CHARACTERS = 1_024;
/** Blocks and codes in one text; a thread of mails may quote the same head again and again. */
const MAX_FORMS = 64;

function findBlocks(text: string): readonly string[] {
  const marker = (words: readonly string[]): string => `-----${words.join(`${QUOTING}+`)}-----`;
  const blocks = [...text.matchAll(new RegExp(`${marker(BEGIN)}([^-]*)${marker(END)}`, 'g'))];
  const begun = [...text.matchAll(new RegExp(marker(BEGIN), 'g'))];
  if (begun.length > blocks.length) throw invalid('the block has no end, or something stands in it that is no base64');
  return bounded(blocks.map(([, content = '']) => content));
}

/** From the marker to the eight digits of the sum, over whatever wrapped the line. */
function findCodes(text: string): readonly string[] {
  const marker = [...CODE_MARKER].join(`${QUOTING}*`);
  const pattern = `${marker}(?:[^;]{0,${MAX_FIELD_CHARACTERS}};){4}(?:${QUOTING}*[0-9a-f]){${2 * CHECKSUM_BYTES}}`;
  return bounded([...text.matchAll(new RegExp(pattern, 'g'))].map(([code]) => code));
}

function bounded(forms: readonly string[]): readonly string[] {
  if (forms.length > MAX_FORMS) throw invalid(`the text holds more than ${MAX_FORMS} heads`);
  return forms.map((form) => form.replace(new RegExp(QUOTING, 'g'), ''));
}

function parseBlock(base64: string): Pin {
  const bytes = withPadding(base64, 'the block');
  const split = Math.max(0, bytes.length - CHECKSUM_BYTES);
  if (!equalBytes(checksum(bytes.subarray(0, split)), bytes.subarray(split))) {
    throw invalid('the block is damaged: its check sum is not that of its contents');
  }
  return pinOf(recode('invalid-pin', () => parseCheckpoint(bytes.subarray(0, split))));
}

function parseCode(code: string): Pin {
  const end = code.lastIndexOf(';') + 1;
  if (hexEncode(checksum(utf8Encode(code.slice(0, end)))) !== code.slice(end)) {
    throw invalid('the line is damaged: its check sum is not that of its contents');
  }
  const [origin = '', size = '', root = '', signature = ''] = code.slice(CODE_MARKER.length).split(';');
  const body = recode('invalid-pin', () =>
    formatCheckpointBody({
      origin: decodeOrigin(origin),
      size: parseDecimal(size, 'the size'),
      root: withPadding(root, 'the root'),
    }),
  );
  const checkpoint = recode('invalid-pin', () => parseCheckpointBody(body));
  return pinOf({ checkpoint, note: { text: body, signatures: signatureOf(checkpoint.origin, signature) } });
}

function signatureOf(origin: string, base64: string): readonly NoteSignature[] {
  if (base64 === '') return [];
  const bytes = withPadding(base64, 'the signature');
  if (bytes.length < 5 || !isKeyName(origin)) throw invalid('the signature is none of this origin');
  return [makeSignature(origin, readKeyId(bytes), bytes.subarray(4))];
}

function pinOf({ checkpoint, note }: { readonly checkpoint: Checkpoint; readonly note: Note }): Pin {
  const { origin, size, root, body } = checkpoint;
  if (size === 0 && !equalBytes(root, EMPTY_ROOT)) throw invalid('the root of an empty tree is another');
  return { origin, size, root, signatures: note.signatures, body };
}

function sameHead(a: Pin, b: Pin): boolean {
  return a.origin === b.origin && a.size === b.size && equalBytes(a.root, b.root);
}

function checksum(bytes: Uint8Array): Uint8Array {
  return sha256(bytes).subarray(0, CHECKSUM_BYTES);
}

/** Padding is left out: an equals sign is the one character of base64 that mail programs change (quoted-printable). */
function withoutPadding(bytes: Uint8Array): string {
  return base64Encode(bytes).replace(/=+$/, '');
}

function withPadding(base64: string, what: string): Uint8Array {
  const padding = '='.repeat((4 - (base64.length % 4)) % 4);
  try {
    if (!base64.includes('=')) return base64Decode(base64 + padding);
  } catch {
    // Said below.
  }
  throw invalid(`${what} is not base64 without padding`);
}

/** Everything but letters, digits and the common marks of a URL without scheme, as %XX of its UTF-8. */
function encodeOrigin(origin: string): string {
  if (!origin.isWellFormed()) throw new ProofError('invalid-checkpoint', 'the origin is not well-formed text');
  return origin.replace(/[^A-Za-z0-9._~/:@-]/gu, (character) =>
    [...utf8Encode(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

function decodeOrigin(text: string): string {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const escaped = text[i] === '%';
    bytes.push(escaped ? Number.parseInt(text.slice(i + 1, i + 3), 16) : text.charCodeAt(i));
    if (escaped) i += 2;
  }
  const origin = recode('invalid-pin', () => utf8Decode(Uint8Array.from(bytes)));
  if (encodeOrigin(origin) !== text) throw invalid('the origin is not in its one encoding');
  return origin;
}

function invalid(message: string): ProofError {
  return new ProofError('invalid-pin', message);
}
