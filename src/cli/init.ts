/**
 * Creates the directory of one log: its name and origin, its keys, its secret. The directory appears by one rename, so
 * it is there with everything in it or not at all; an existing one is never touched, because a log that lost its keys
 * cannot be the same log again.
 */
import { randomBytes } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { hexDecode, hexEncode } from '../../proofs/bytes.ts';
import { sha256 } from '../../proofs/hash.ts';
import {
  formatSignerKey,
  isKeyName,
  makeSignerKey,
  parseSignerKey,
  SIGNATURE_TYPE,
  type SignerKey,
  verifierKeyOf,
} from '../../proofs/key.ts';
import { type LogPaths, logPaths, logPathsIn } from './data-dir.ts';
import { CliError, messageOf } from './errors.ts';
import {
  exists,
  makeDirectory,
  readIfExists,
  readInput,
  syncDirectory,
  writeFileAtomic,
  writeSecret,
} from './files.ts';

/** A log of audit events, or one of opaque bytes. */
export type LogConfig = AuditLogConfig | RawLogConfig;

export interface AuditLogConfig {
  readonly name: string;
  readonly origin: string;
  readonly kind: 'audit';
}

export interface RawLogConfig {
  readonly name: string;
  readonly origin: string;
  readonly kind: 'raw';
  /** Anyone may add; otherwise only holders of a producer token. */
  readonly open: boolean;
  /** The same bytes get the same index, for ever. */
  readonly deduplicate: boolean;
}

/** Who a log is. Its keys can be changed, one overlapping the other (rotate-keys.ts); the rest stays for its life. */
export interface LogIdentity {
  readonly config: LogConfig;
  /** Ed25519 first, then ML-DSA-44, all under the name that is the origin; two, and more while keys are changed. */
  readonly signers: readonly SignerKey[];
  readonly secret: Uint8Array;
  /** The verifier keys of the signers, in the same order. */
  readonly vkeys: readonly string[];
}

const SEED_BYTES = 32;
const SECRET_BYTES = 32;
const SECRET_CHECK_DIGITS = 16;
const SECRET_FORM = /^([0-9a-f]{64})(?:\.([0-9a-f]{16}))?\n?$/;

/** `ed25519.key`, and `ed25519.<key id>.key` for a key that came later. */
const SIGNER_FILE = /^(ed25519|mldsa44)(?:\.[0-9a-f]{8})?\.key$/;

/** A log's name is the first segment of its URLs. */
const LOG_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

const NAMES = { name: Type.String({ pattern: LOG_NAME.source }), origin: Type.String() };
const ConfigSchema = Type.Union([
  Type.Object({ ...NAMES, kind: Type.Literal('audit') }, { additionalProperties: false }),
  Type.Object(
    { ...NAMES, kind: Type.Literal('raw'), open: Type.Boolean(), deduplicate: Type.Boolean() },
    { additionalProperties: false },
  ),
]);

/** Creates DATA/logs/NAME. Throws CliError `usage` for a bad name or origin, `already-exists`. */
export async function createLog(data: string, config: LogConfig): Promise<LogIdentity> {
  const { name, origin } = config;
  checkNames(name, origin);
  const paths = logPaths(data, name);
  if (await exists(paths.directory)) {
    throw new CliError(
      'already-exists',
      `there is a log at ${paths.directory} already`,
      'Choose another --name, or another --data directory. A log keeps its keys and its history for ever.',
    );
  }
  const building = logPathsIn(`${paths.directory}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await writeLog(building, config);
    await rename(building.directory, paths.directory);
  } catch (error) {
    await rm(building.directory, { recursive: true, force: true });
    throw error;
  }
  await syncDirectory(path.dirname(paths.directory));
  return loadLog(paths);
}

/** The log of the directory, or undefined if there is none. */
export async function loadLogIfExists(data: string, name: string): Promise<LogIdentity | undefined> {
  const paths = logPaths(data, name);
  return (await readIfExists(paths.config)) === undefined ? undefined : loadLog(paths);
}

/** The name of a log for ever, also where its keys are lost. Throws CliError `unreadable-input` that names the file. */
export async function readOrigin(paths: LogPaths): Promise<string> {
  return (await readConfig(paths)).origin;
}

/** Reads and checks a log directory. Throws CliError `unreadable-input` that names the file, ProofError for a bad key. */
export async function loadLog(paths: LogPaths): Promise<LogIdentity> {
  const config = await readConfig(paths);
  const signers = await readSigners(path.dirname(paths.ed25519Key), config.origin);
  const secret = parseSecret(await readInput(paths.secret, 'the secret of the log'), paths.secret);
  return { config, signers, secret, vkeys: signers.map((signer) => verifierKeyOf(signer).vkey) };
}

/** With another secret the log would not know again what it has: a single changed bit has to be seen. */
function formatSecret(secret: Uint8Array): string {
  return `${hexEncode(secret)}.${checksumOf(secret)}\n`;
}

/** Also reads secrets of before there was a checksum. */
function parseSecret(text: string, file: string): Uint8Array {
  const [, hex = '', checksum] = SECRET_FORM.exec(text) ?? [];
  const secret = hexDecode(hex);
  if (secret.length === SECRET_BYTES && (checksum === undefined || checksum === checksumOf(secret))) return secret;
  throw new CliError(
    'unreadable-input',
    `${file} is damaged: it does not hold ${SECRET_BYTES} bytes in hexadecimal and their checksum`,
    'Put back a copy of this very file. With a new secret the log could not recognise events that it has.',
  );
}

function checksumOf(secret: Uint8Array): string {
  return hexEncode(sha256(secret)).slice(0, SECRET_CHECK_DIGITS);
}

/** A fresh key from the operating system's randomness. */
export function generateSigner(name: string, type: SignerKey['type']): SignerKey {
  return makeSignerKey(name, type, randomBytes(SEED_BYTES));
}

function checkNames(name: string, origin: string): void {
  if (!LOG_NAME.test(name)) {
    throw new CliError('usage', `"${name}" cannot be a log's name`, 'Use lower-case letters, digits and hyphens.');
  }
  if (!isKeyName(origin) || origin.includes('://')) {
    throw new CliError(
      'usage',
      `"${origin}" cannot be an origin`,
      'An origin is a URL without its scheme that nobody else uses, such as log.example.com/audit.',
    );
  }
}

async function writeLog(paths: LogPaths, config: LogConfig): Promise<void> {
  await makeDirectory(path.dirname(paths.secret));
  await writeSecret(paths.ed25519Key, `${formatSignerKey(generateSigner(config.origin, SIGNATURE_TYPE.ed25519))}\n`);
  await writeSecret(
    paths.mldsa44Key,
    `${formatSignerKey(generateSigner(config.origin, SIGNATURE_TYPE.mldsa44Cosignature))}\n`,
  );
  await writeSecret(paths.secret, formatSecret(randomBytes(SECRET_BYTES)));
  await writeFileAtomic(paths.config, `${JSON.stringify(config, null, 2)}\n`);
}

async function readConfig(paths: LogPaths): Promise<LogConfig> {
  const text = await readInput(paths.config, 'the configuration of the log');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CliError('unreadable-input', `${paths.config} is not JSON`);
  }
  if (!Value.Check(ConfigSchema, value)) {
    throw new CliError(
      'unreadable-input',
      `${paths.config} must hold exactly name, origin and kind "audit"; or name, origin, kind "raw", open and deduplicate`,
    );
  }
  if (value.name !== path.basename(paths.directory)) {
    throw new CliError('unreadable-input', `${paths.config} names the log "${value.name}", and its directory does not`);
  }
  return value;
}

/** Every signer key of the directory: one file of each type, and more while keys are being changed. */
async function readSigners(directory: string, origin: string): Promise<readonly SignerKey[]> {
  const files = await readdir(directory).catch((error: unknown) => {
    throw new CliError('unreadable-input', `cannot read the keys of the log: ${messageOf(error)}`);
  });
  const signers: SignerKey[] = [];
  for (const [algorithm, type] of [
    ['ed25519', SIGNATURE_TYPE.ed25519],
    ['mldsa44', SIGNATURE_TYPE.mldsa44Cosignature],
  ] as const) {
    const found = files.filter((file) => SIGNER_FILE.exec(file)?.[1] === algorithm).sort();
    if (found.length === 0) {
      const missing = path.join(directory, `${algorithm}.key`);
      throw new CliError('unreadable-input', `cannot read the key ${missing}: there is no such file`);
    }
    for (const file of found) signers.push(await readSigner(path.join(directory, file), type, origin));
  }
  return signers;
}

async function readSigner(file: string, type: SignerKey['type'], origin: string): Promise<SignerKey> {
  const signer = parseKeyFile((await readInput(file, 'the key')).trim(), file);
  if (signer.type !== type || signer.name !== origin) {
    throw new CliError('unreadable-input', `${file} is not a key of type ${type} for the origin ${origin}`);
  }
  return signer;
}

function parseKeyFile(text: string, file: string): SignerKey {
  try {
    return parseSignerKey(text);
  } catch (error) {
    throw new CliError(
      'unreadable-input',
      `${file} is no signer key: ${messageOf(error)}`,
      'Put back a copy of this very file. Whoever pinned the policy knows the log by this key.',
    );
  }
}
