/**
 * Changes keys on disk: makes the new secret, writes the policy that says when it counts, and only then puts the secret
 * where the next start finds it. A crash in between leaves a `.key.new` file and a policy that names a key which does not
 * sign yet: the old key goes on, and renaming the file finishes the change. Running processes are not touched.
 */
import { readdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { formatSignerKey, parseSignerKey, type SignerKey, type VerifierKey, verifierKeyOf } from '../../proofs/key.ts';
import { parsePolicy } from '../../proofs/policy.ts';
import { keyLabel, type Validity } from '../../proofs/validity.ts';
import { readGuard } from '../log/guard.ts';
import { dataPaths, logPaths } from './data-dir.ts';
import { CliError } from './errors.ts';
import { exists, readInput, syncDirectory, writeFileAtomic, writeSecret } from './files.ts';
import { generateSigner, loadLog } from './init.ts';
import {
  type ChangedPolicy,
  changeLogKeys,
  changeWitnessKeys,
  type KeyChange,
  rewritePolicy,
} from './rotate-policy.ts';

/** When the new keys begin and the old ones end, as asked for; sizes are counted from the newest signed head. */
export interface Overlap {
  /** Entries for which both keys count; or the size at which the old one ends. */
  readonly entries?: number | undefined;
  readonly untilSize?: number | undefined;
  /** Seconds since the epoch; for witnesses only. */
  readonly untilTime?: number | undefined;
}

export interface Rotation {
  readonly retired: readonly VerifierKey[];
  readonly added: readonly VerifierKey[];
  readonly from: Pick<Validity, 'fromSize' | 'fromTime'>;
  readonly until: Pick<Validity, 'untilSize' | 'untilTime'>;
  /** Secret key files that were made. */
  readonly keyFiles: readonly string[];
  readonly policyFiles: readonly string[];
}

const WITNESS_KEY = /^witness-(ed25519|mldsa44)(?:\.[0-9A-Za-z_-]+)?\.key$/;

/** New keys of every type for the log; it signs with old and new from its next start. */
export async function rotateLog(data: string, name: string, overlap: Overlap): Promise<Rotation> {
  const paths = logPaths(data, name);
  const { config, signers } = await loadLog(paths);
  const signedSize = await sizeOfGuard(path.join(paths.directory, 'guard'));
  const bounds = chooseBounds(overlap, signedSize, undefined);
  const fresh = typesOf(signers).map((type) => generateSigner(config.origin, type));
  const keysDirectory = path.dirname(paths.secret);
  const fileOf = (signer: SignerKey): string =>
    path.join(keysDirectory, `${signer.type === 6 ? 'mldsa44' : 'ed25519'}.${idOf(signer)}.key`);
  return change(fresh, fileOf, await policyFiles(data, paths.policy), bounds, (policy, keyChange) =>
    changeLogKeys(policy, config.origin, keyChange),
  );
}

/** New keys of every type for a witness of a local network, in DATA/witnesses/NAME. */
export async function rotateWitness(
  data: string,
  log: string,
  witness: string,
  overlap: Overlap,
  nowMs: number,
): Promise<Rotation> {
  const directory = path.join(dataPaths(data).witnesses, witness);
  const signers = await readWitnessKeys(directory);
  const { name } = signers[0];
  const paths = logPaths(data, log);
  const signedSize = await sizeOfGuard(path.join(paths.directory, 'guard'));
  const bounds = chooseBounds(overlap, signedSize, Math.floor(nowMs / 1000));
  const fresh = typesOf(signers).map((type) => generateSigner(name, type));
  const fileOf = (signer: SignerKey): string =>
    path.join(directory, `witness-${signer.type === 6 ? 'mldsa44' : 'ed25519'}.${idOf(signer)}.key`);
  return change(fresh, fileOf, await policyFiles(data, paths.policy), bounds, (policy, keyChange) =>
    changeWitnessKeys(policy, name, keyChange),
  );
}

/** The policy file of someone who pins it, changed for new keys that others announced; no secret is involved. */
export async function rotateInPolicy(file: string, newKeys: readonly VerifierKey[], bounds: Bounds): Promise<Rotation> {
  const [first, ...others] = newKeys;
  if (first === undefined || others.some(({ name }) => name !== first.name)) {
    throw new CliError('usage', 'the new keys are those of one log or of one witness', 'Change one after the other.');
  }
  const text = await readInput(file, 'the policy');
  const keyChange = { newKeys, ...bounds };
  const policy = parsePolicy(text);
  const isLog = policy.logs.some(({ key }) => key.name === first.name);
  const { policy: changed, retired } = isLog
    ? changeLogKeys(policy, first.name, keyChange)
    : changeWitnessKeys(policy, first.name, keyChange);
  await writeFileAtomic(file, rewritePolicy(text, changed));
  return { retired, added: newKeys, ...bounds, keyFiles: [], policyFiles: [file] };
}

export type Bounds = Pick<KeyChange, 'from' | 'until'>;

async function change(
  fresh: readonly SignerKey[],
  fileOf: (signer: SignerKey) => string,
  files: readonly string[],
  bounds: Bounds,
  changePolicy: (policy: ReturnType<typeof parsePolicy>, keyChange: KeyChange) => ChangedPolicy,
): Promise<Rotation> {
  const added = fresh.map(verifierKeyOf);
  const texts = await Promise.all(files.map((file) => readInput(file, 'the policy')));
  const changed = texts.map((text) => changePolicy(parsePolicy(text), { newKeys: added, ...bounds }));
  const rewritten = changed.map(({ policy }, index) => rewritePolicy(texts[index] ?? '', policy));
  // Nothing was written so far: what cannot be done has failed by now.
  const keyFiles = fresh.map(fileOf);
  for (const [index, signer] of fresh.entries()) {
    await writeSecret(`${keyFiles[index]}.new`, `${formatSignerKey(signer)}\n`);
  }
  for (const [index, text] of rewritten.entries()) await writeFileAtomic(files[index] ?? '', text);
  for (const file of keyFiles) await rename(`${file}.new`, file);
  for (const directory of new Set(keyFiles.map((file) => path.dirname(file)))) await syncDirectory(directory);
  return { retired: changed[0]?.retired ?? [], added, ...bounds, keyFiles, policyFiles: files };
}

/** `signedSize` was signed by the old key alone, so the new one begins right after it. */
function chooseBounds(overlap: Overlap, signedSize: number, nowSeconds: number | undefined): Bounds {
  const { entries, untilSize, untilTime } = overlap;
  if ([entries, untilSize, untilTime].filter((bound) => bound !== undefined).length !== 1) {
    throw new CliError(
      'usage',
      'say when the old key ends',
      `One of --overlap ENTRIES, --until-size SIZE${nowSeconds === undefined ? '' : ', --until-time TIME'}.`,
    );
  }
  if (untilTime !== undefined) {
    const fromTime = nowSeconds ?? 0;
    if (untilTime < fromTime) throw new CliError('usage', '--until-time is in the past');
    return { from: { fromTime }, until: { untilTime } };
  }
  const fromSize = signedSize + 1;
  const end = untilSize ?? fromSize + (entries ?? 0);
  if (end < fromSize) {
    throw new CliError(
      'refused',
      `the log has signed a head of size ${signedSize} with the old key, so that key cannot end at ${end}`,
      `--until-size takes ${fromSize} or more; ${fromSize} means that the keys do not overlap.`,
    );
  }
  return { from: { fromSize }, until: { untilSize: end } };
}

async function sizeOfGuard(file: string): Promise<number> {
  return (await readGuard(file))?.size ?? 0;
}

/** The log's own copy, and the one of the local network, if it is the same policy. */
async function policyFiles(data: string, own: string): Promise<readonly string[]> {
  const shared = dataPaths(data).policy;
  return (await exists(shared)) ? [own, shared] : [own];
}

async function readWitnessKeys(directory: string): Promise<readonly [SignerKey, ...SignerKey[]]> {
  const names = await readdir(directory).catch(() => []);
  const files = names.filter((name) => WITNESS_KEY.test(name)).sort();
  const signers: SignerKey[] = [];
  for (const file of files) {
    signers.push(parseSignerKey((await readInput(path.join(directory, file), 'the key')).trim()));
  }
  const [first, ...others] = signers;
  if (first === undefined) {
    throw new CliError(
      'unreadable-input',
      `there is no witness key in ${directory}`,
      'A witness elsewhere changes its key itself; `countersign key rotate policy` then takes the new key over.',
    );
  }
  return [first, ...others];
}

function typesOf(signers: readonly SignerKey[]): readonly SignerKey['type'][] {
  return [...new Set(signers.map(({ type }) => type))];
}

function idOf(signer: SignerKey): string {
  return keyLabel(signer).slice(-8);
}
