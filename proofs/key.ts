/**
 * Keys as one line of text (C2SP signed-note, "Verifier keys"): a name, a 32-bit key id and the key itself.
 *
 *     example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k
 *     PRIVATE+KEY+EnochRoot+af0cfe78+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
 *
 * The id is SHA-256(name ‖ 0x0A ‖ type ‖ public key)[:4]. Three signature types are known here; keys of any other type
 * are refused with `unsupported-key-type`, and signatures by them are unknown signatures, which openers ignore.
 */
import { base64Decode, base64Encode, concatBytes, equalBytes, hexDecode, hexEncode, utf8Encode } from './bytes.ts';
import * as ed25519 from './ed25519.ts';
import { ProofError } from './errors.ts';
import { sha256 } from './hash.ts';
import * as mldsa44 from './mldsa44.ts';

/** 1: Ed25519 over the note text. 4: Ed25519 cosignature. 6: ML-DSA-44 cosignature (C2SP tlog-cosignature). */
export type SignatureType = 1 | 4 | 6;

/** The names of the three types, for code that makes keys. */
export const SIGNATURE_TYPE: { readonly ed25519: 1; readonly ed25519Cosignature: 4; readonly mldsa44Cosignature: 6 } = {
  ed25519: 1,
  ed25519Cosignature: 4,
  mldsa44Cosignature: 6,
};

export interface VerifierKey {
  readonly name: string;
  /** Unsigned 32-bit number. */
  readonly keyId: number;
  readonly type: SignatureType;
  readonly publicKey: Uint8Array;
  /** The key as its line of text. */
  readonly vkey: string;
}

export interface SignerKey {
  readonly name: string;
  readonly keyId: number;
  readonly type: SignatureType;
  /** The 32-byte seed. */
  readonly secret: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** Bound of a key line; an ML-DSA-44 key with the longest name has about 2,100 characters. */
export const MAX_KEY_CHARACTERS = 4096;

/** The signed message of an ML-DSA-44 cosignature has one length byte for the cosigner's name. */
export const MAX_COSIGNER_NAME_BYTES = 255;

const SEED_BYTES = 32;
const KEY_ID_BYTES = 4;
const PRIVATE_PREFIX = 'PRIVATE+KEY+';

/**
 * Parses `name+id+base64(type ‖ public key)`. Throws `invalid-key` for a malformed line or an id that is not the
 * key's, `unsupported-key-type`, and `bad-public-key` for an Ed25519 key of small order or in a second encoding.
 */
export function parseVerifierKey(vkey: string): VerifierKey {
  const { name, keyId, type, material } = parseKeyLine(vkey);
  checkPublicKey(type, material);
  if (keyIdOf(name, type, material) !== keyId) throw new ProofError('invalid-key', 'the key id is not that of the key');
  const key = makeVerifierKey(name, type, material);
  if (key.vkey !== vkey) throw new ProofError('invalid-key', 'the verifier key is not in its one encoding');
  return key;
}

export function formatVerifierKey(key: {
  readonly name: string;
  readonly type: SignatureType;
  readonly publicKey: Uint8Array;
}): string {
  return formatKeyLine(key.name, keyIdOf(key.name, key.type, key.publicKey), key.type, key.publicKey);
}

/** A verifier key from its parts. Throws `invalid-key` for a bad name, `bad-public-key` for a bad key. */
export function makeVerifierKey(name: string, type: SignatureType, publicKey: Uint8Array): VerifierKey {
  checkKeyName(name);
  checkNameLength(name, type);
  checkPublicKey(type, publicKey);
  const keyId = keyIdOf(name, type, publicKey);
  return { name, keyId, type, publicKey, vkey: formatKeyLine(name, keyId, type, publicKey) };
}

/** Parses `PRIVATE+KEY+name+id+base64(type ‖ 32-byte seed)`. Throws `invalid-key` or `unsupported-key-type`. */
export function parseSignerKey(skey: string): SignerKey {
  if (!skey.startsWith(PRIVATE_PREFIX)) throw new ProofError('invalid-key', 'a signer key begins with PRIVATE+KEY+');
  const { name, keyId, type, material } = parseKeyLine(skey.slice(PRIVATE_PREFIX.length));
  if (material.length !== SEED_BYTES)
    throw new ProofError('invalid-key', `a signer key's seed has ${SEED_BYTES} bytes`);
  const key = makeSignerKey(name, type, material);
  if (key.keyId !== keyId) throw new ProofError('invalid-key', 'the key id is not that of the key');
  return key;
}

/** The secret line. Whoever holds it can sign: it goes to a file of its owner or nowhere. */
export function formatSignerKey(key: SignerKey): string {
  return PRIVATE_PREFIX + formatKeyLine(key.name, key.keyId, key.type, key.secret);
}

/** A signer key from a 32-byte seed, which the caller draws at random. */
export function makeSignerKey(name: string, type: SignatureType, seed: Uint8Array): SignerKey {
  checkKeyName(name);
  checkNameLength(name, type);
  const publicKey = type === 6 ? mldsa44.publicKeyOf(seed) : ed25519.publicKeyOf(seed);
  return { name, keyId: keyIdOf(name, type, publicKey), type, secret: seed, publicKey };
}

export function verifierKeyOf(signer: SignerKey): VerifierKey {
  return makeVerifierKey(signer.name, signer.type, signer.publicKey);
}

/** The key id: the first four bytes, big-endian, of SHA-256(name ‖ 0x0A ‖ type ‖ public key). */
export function keyIdOf(name: string, type: SignatureType, publicKey: Uint8Array): number {
  const digest = sha256(concatBytes(utf8Encode(name), Uint8Array.of(0x0a, type), publicKey));
  return readKeyId(digest);
}

/** Same name, same id and same public key: the same key. Equal names and ids alone can be made to collide. */
export function sameKey(a: VerifierKey, b: VerifierKey): boolean {
  return a.name === b.name && a.keyId === b.keyId && a.type === b.type && equalBytes(a.publicKey, b.publicKey);
}

/** Key names are not empty and hold no Unicode space, no plus and no control character. */
export function isKeyName(name: string): boolean {
  return name.length > 0 && name.isWellFormed() && !/[\p{White_Space}+]/u.test(name) && !hasControlCharacter(name);
}

/** ASCII control characters, those below U+0020, which no part of a note may hold (newlines aside). */
export function hasControlCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 0x20) return true;
  return false;
}

/** The big-endian unsigned number in the first four bytes. */
export function readKeyId(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, KEY_ID_BYTES).getUint32(0);
}

export function keyIdBytes(keyId: number): Uint8Array {
  const bytes = new Uint8Array(KEY_ID_BYTES);
  new DataView(bytes.buffer).setUint32(0, keyId);
  return bytes;
}

interface KeyLine {
  readonly name: string;
  readonly keyId: number;
  readonly type: SignatureType;
  readonly material: Uint8Array;
}

/** `name+8 hex digits+base64`: the base64 may hold plus signs, the name may not. */
function parseKeyLine(line: string): KeyLine {
  if (line.length > MAX_KEY_CHARACTERS) throw new ProofError('invalid-key', 'the key is too long');
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(line);
  const [, name = '', id = '', base64 = ''] = match ?? [];
  if (match === null) throw new ProofError('invalid-key', 'a key is name+id+base64');
  checkKeyName(name);
  const bytes = decodeMaterial(base64);
  const type = checkType(bytes[0] ?? 0);
  checkNameLength(name, type);
  return { name, keyId: readKeyId(hexDecode(id)), type, material: bytes.subarray(1) };
}

function formatKeyLine(name: string, keyId: number, type: SignatureType, material: Uint8Array): string {
  return `${name}+${hexEncode(keyIdBytes(keyId))}+${base64Encode(concatBytes(Uint8Array.of(type), material))}`;
}

function decodeMaterial(base64: string): Uint8Array {
  try {
    return base64Decode(base64);
  } catch {
    throw new ProofError('invalid-key', 'the key is not strict base64');
  }
}

function checkType(type: number): SignatureType {
  if (type === 1 || type === 4 || type === 6) return type;
  throw new ProofError('unsupported-key-type', `signature type ${type} is not supported`, { type });
}

function checkPublicKey(type: SignatureType, publicKey: Uint8Array): void {
  if (type !== 6) {
    ed25519.checkPublicKey(publicKey);
  } else if (publicKey.length !== mldsa44.MLDSA44_PUBLIC_KEY_BYTES) {
    throw new ProofError('bad-public-key', `an ML-DSA-44 public key has ${mldsa44.MLDSA44_PUBLIC_KEY_BYTES} bytes`);
  }
}

function checkKeyName(name: string): void {
  if (!isKeyName(name))
    throw new ProofError('invalid-key', 'a key name is not empty and has no space, plus or control');
}

function checkNameLength(name: string, type: SignatureType): void {
  if (type === 6 && utf8Encode(name).length > MAX_COSIGNER_NAME_BYTES) {
    throw new ProofError('invalid-key', `the name of an ML-DSA-44 key has at most ${MAX_COSIGNER_NAME_BYTES} bytes`);
  }
}
