/**
 * Where the witness's keys come from: files of its own directory (made on the first start), files or environment
 * variables that the operator names, or an ssh-agent. Key files hold one `PRIVATE+KEY+…` line and are readable by
 * their owner only; a file that others can read is refused, like ssh does.
 */
import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { link, mkdir, open, readdir, readFile, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { base64Encode, concatBytes, utf8Encode } from '../proofs/bytes.ts';
import { formatSignerKey, makeSignerKey, parseSignerKey, type SignerKey } from '../proofs/key.ts';
import { agentCosigner, type Cosigner, localCosigner } from './cosigner.ts';
import { messageOf, WitnessError } from './errors.ts';
import { agentEd25519Keys } from './ssh-agent.ts';

export interface KeySources {
  /** Key files named by the operator. */
  readonly files: readonly string[];
  /** Environment variables that hold a key line. */
  readonly variables: readonly string[];
  /** `fingerprint` (SHA256:…) picks one of several keys of the agent. */
  readonly agent?: { readonly socketPath: string; readonly fingerprint?: string };
}

/** Files in the data directory that are made at the first start, one per key type. */
export const OWN_KEY_FILES = { 4: 'witness-ed25519.key', 6: 'witness-mldsa44.key' } as const;

/** While a key is being changed there is one more file of its type, `witness-ed25519.<anything>.key`; all of them sign. */
const OWN_KEY_FILE = {
  4: /^witness-ed25519(\.[0-9A-Za-z_-]+)?\.key$/,
  6: /^witness-mldsa44(\.[0-9A-Za-z_-]+)?\.key$/,
} as const;
/** Old and new, and some room; each makes a line on every answer. */
const MAX_OWN_KEYS = 8;

const MAX_KEY_FILE_BYTES = 8192;
const SEED_BYTES = 32;

/**
 * The witness's cosigners. Without any source named, the keys of `directory` are read, or two are made under `name`.
 * All keys carry one name; `name`, when given, must be it. Throws `key-missing`, `key-name-differs` and what reading
 * a key throws.
 */
export async function loadCosigners(options: {
  readonly directory: string;
  readonly name: string | undefined;
  readonly sources: KeySources;
  readonly environment: Readonly<Record<string, string | undefined>>;
}): Promise<readonly Cosigner[]> {
  const { directory, sources, environment } = options;
  const signers: SignerKey[] = [];
  for (const file of sources.files) signers.push(await readKeyFile(file));
  for (const variable of sources.variables) signers.push(keyFromVariable(variable, environment));
  if (signers.length === 0 && sources.agent === undefined) signers.push(...(await ownKeys(directory, options.name)));
  const name = options.name ?? signers[0]?.name;
  if (name === undefined) throw new WitnessError('key-missing', 'give the witness a name (--name)');
  const cosigners = signers.map(localCosigner);
  if (sources.agent !== undefined) cosigners.unshift(await fromAgent(sources.agent, name));
  for (const { key } of cosigners) {
    if (key.name !== name) {
      throw new WitnessError('key-name-differs', `a key is that of "${key.name}", not of "${name}"`);
    }
  }
  // Ed25519 first: the line that every client understands leads the answer.
  return cosigners.sort((a, b) => a.key.type - b.key.type);
}

/** Reads a key file. Throws `key-missing`, `key-file-too-open` or `key-invalid`, never with the file's contents. */
export async function readKeyFile(path: string): Promise<SignerKey> {
  let text: string;
  try {
    const { mode, size } = await stat(path);
    if ((mode & (constants.S_IRWXG | constants.S_IRWXO)) !== 0) {
      throw new WitnessError('key-file-too-open', `others may read ${path}: chmod 600 it, or make a new key`);
    }
    if (size > MAX_KEY_FILE_BYTES) throw new WitnessError('key-invalid', `${path} is not a key file`);
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof WitnessError) throw error;
    throw new WitnessError('key-missing', `cannot read the key file ${path}: ${messageOf(error)}`);
  }
  return parseKey(text.trimEnd(), path);
}

/** Makes a key and writes it, readable by its owner only. Throws `key-invalid` when the file exists. */
export async function createKeyFile(path: string, name: string, type: 4 | 6): Promise<SignerKey> {
  const signer = makeKey(name, type);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // Written beside and linked, so that a crash leaves no half a key and an existing key is never overwritten.
  const draft = `${path}.new`;
  try {
    const file = await open(draft, 'w', 0o600);
    await file.writeFile(`${formatSignerKey(signer)}\n`);
    await file.sync();
    await file.close();
    await link(draft, path);
    await unlink(draft);
    await syncDirectory(dirname(path));
  } catch (error) {
    throw new WitnessError('key-invalid', `cannot make the key file ${path}: ${messageOf(error)}`);
  }
  return signer;
}

/** fsync of a directory, so that a rename in it survives a power loss. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  await directory.sync();
  await directory.close();
}

/** The fingerprint of an Ed25519 key as `ssh-add -l` prints it: SHA256:base64 without padding. */
export function sshFingerprint(publicKey: Uint8Array): string {
  const field = (bytes: Uint8Array): Uint8Array => concatBytes(Uint8Array.of(0, 0, 0, bytes.length), bytes);
  const blob = concatBytes(field(utf8Encode('ssh-ed25519')), field(publicKey));
  return `SHA256:${base64Encode(createHash('sha256').update(blob).digest()).replace(/=+$/, '')}`;
}

async function ownKeys(directory: string, name: string | undefined): Promise<readonly SignerKey[]> {
  const files = await filesOf(directory);
  const keys: SignerKey[] = [];
  for (const type of [4, 6] as const) {
    const found = files.filter((file) => OWN_KEY_FILE[type].test(file));
    for (const file of found) {
      const key = await readKeyFile(join(directory, file));
      if (key.type !== type) throw new WitnessError('key-invalid', `${file} holds a key of type ${key.type}`);
      keys.push(key);
    }
    if (found.length === 0) {
      const known = keys[0]?.name ?? name;
      if (known === undefined) throw new WitnessError('key-missing', 'the first start needs a name (--name)');
      keys.push(await createKeyFile(join(directory, OWN_KEY_FILES[type]), known, type));
    }
  }
  if (keys.length > MAX_OWN_KEYS) {
    throw new WitnessError(
      'key-invalid',
      `more than ${MAX_OWN_KEYS} keys: remove the files of those that were retired`,
    );
  }
  return keys;
}

async function filesOf(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw new WitnessError('key-missing', `cannot look for keys in ${directory}: ${messageOf(error)}`);
  }
}

function makeKey(name: string, type: 4 | 6): SignerKey {
  try {
    return makeSignerKey(name, type, new Uint8Array(randomBytes(SEED_BYTES)));
  } catch (error) {
    throw new WitnessError('key-invalid', `cannot make a key named "${name}": ${messageOf(error)}`);
  }
}

function keyFromVariable(variable: string, environment: Readonly<Record<string, string | undefined>>): SignerKey {
  const text = environment[variable];
  if (text === undefined || text === '') throw new WitnessError('key-missing', `the variable ${variable} is not set`);
  return parseKey(text.trimEnd(), `the variable ${variable}`);
}

function parseKey(text: string, where: string): SignerKey {
  try {
    const signer = parseSignerKey(text);
    if (signer.type !== 1) return signer;
  } catch {
    // The reason could quote the secret; where it was is enough.
  }
  throw new WitnessError('key-invalid', `${where} holds no PRIVATE+KEY+ line of an Ed25519 or ML-DSA-44 cosigner`);
}

async function fromAgent(agent: { socketPath: string; fingerprint?: string }, name: string): Promise<Cosigner> {
  const { socketPath, fingerprint } = agent;
  if (fingerprint === undefined) return agentCosigner({ socketPath }, name, undefined);
  const keys = await agentEd25519Keys({ socketPath });
  const wanted = keys.find((key) => sshFingerprint(key) === fingerprint);
  if (wanted === undefined) throw new WitnessError('agent-key-missing', `the ssh agent does not hold ${fingerprint}`);
  return agentCosigner({ socketPath }, name, wanted);
}
