/**
 * Bytes and their text forms, one accepted spelling each: strict UTF-8, RFC 4648 §4 base64 with canonical padding,
 * lowercase hex. Everything above this file compares and hashes the bytes it was given.
 */
import { ProofError } from './errors.ts';

// The only two platform objects that proofs/ uses; browsers, Node, Deno and workers all have them.
declare const TextEncoder: new () => {
  encode(text: string): Uint8Array;
  encodeInto(text: string, into: Uint8Array): { readonly written: number };
};
declare const TextDecoder: new (
  label: string,
  options: { fatal: boolean; ignoreBOM: boolean },
) => { decode(bytes: Uint8Array): string };

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 bytes of a well-formed string. A lone surrogate has no UTF-8 form and is refused with `invalid-utf8`. */
export function utf8Encode(text: string): Uint8Array {
  if (!text.isWellFormed()) throw new ProofError('invalid-utf8', 'the text contains a lone surrogate');
  return encoder.encode(text);
}

/**
 * Writes the UTF-8 bytes of a text at `offset`, where three bytes a UTF-16 unit have room, and returns how many they are.
 * Unlike `utf8Encode` it does not refuse a lone surrogate: exactly if the answer is the text's length, the text is ASCII.
 */
export function utf8EncodeInto(text: string, into: Uint8Array, offset: number): number {
  return encoder.encodeInto(text, into.subarray(offset)).written;
}

/** The string that these UTF-8 bytes spell, a byte order mark kept as a character. Throws `invalid-utf8`. */
export function utf8Decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new ProofError('invalid-utf8', 'the bytes are not valid UTF-8');
  }
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** Equality of public values. Secrets are compared in src/ and witness/ with the platform's constant-time function. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0;
}

/** Lexicographic order of bytes; a prefix sorts first. Negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

const HEX = '0123456789abcdef';

export function hexEncode(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes) out += HEX.charAt(byte >> 4) + HEX.charAt(byte & 15);
  return out;
}

/** Bytes of lowercase hex of even length. Throws `invalid-hex`. */
export function hexDecode(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) throw new ProofError('invalid-hex', 'not lowercase hex');
  const out = new Uint8Array(text.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return out;
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const BASE64_VALUE: Int8Array = new Int8Array(128).fill(-1);
for (let i = 0; i < BASE64.length; i++) BASE64_VALUE[BASE64.charCodeAt(i)] = i;

/** RFC 4648 §4 base64 with padding. */
export function base64Encode(bytes: Uint8Array): string {
  let out = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const a = bytes[i] ?? 0;
    const b = bytes[i + 1] ?? 0;
    const c = bytes[i + 2] ?? 0;
    out += BASE64.charAt(a >> 2) + BASE64.charAt(((a & 3) << 4) | (b >> 4));
    out += i + 1 < bytes.length ? BASE64.charAt(((b & 15) << 2) | (c >> 6)) : '=';
    out += i + 2 < bytes.length ? BASE64.charAt(c & 63) : '=';
  }
  return out;
}

/**
 * Bytes of RFC 4648 §4 base64. Padding is required and the bits under it must be zero (§3.5), so that no two texts
 * decode to the same bytes. Throws `invalid-base64`.
 */
export function base64Decode(text: string): Uint8Array {
  if (text.length % 4 !== 0) throw new ProofError('invalid-base64', 'base64 length is not a multiple of four');
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const digits = text.length - padding;
  const out = new Uint8Array((text.length / 4) * 3 - padding);
  let bits = 0;
  let held = 0;
  let offset = 0;
  for (let i = 0; i < digits; i++) {
    const value = BASE64_VALUE[text.charCodeAt(i)] ?? -1;
    if (value < 0) throw new ProofError('invalid-base64', 'a character is outside the base64 alphabet');
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out[offset++] = (held >> bits) & 0xff;
    }
  }
  if ((held & ((1 << bits) - 1)) !== 0)
    throw new ProofError('invalid-base64', 'the bits under the padding are not zero');
  return out;
}
