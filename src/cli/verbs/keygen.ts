/** `countersign keygen`: one signer key in a file of its owner, its verifier key on stdout. */
import path from 'node:path';
import { Argument, Command } from 'commander';
import { formatSignerKey, isKeyName, SIGNATURE_TYPE, type SignatureType, verifierKeyOf } from '../../../proofs/key.ts';
import { CliError } from '../errors.ts';
import { exists, makeDirectory, writeSecret } from '../files.ts';
import { generateSigner } from '../init.ts';
import { type Io, printResult } from '../io.ts';

type Algorithm = 'ed25519' | 'mldsa44';
type Purpose = 'log' | 'witness' | 'producer';

interface KeygenOptions {
  readonly name: string;
  readonly for: string;
  readonly out: string;
  readonly json?: boolean;
}

/** A log's ML-DSA-44 signature has the cosignature's form (C2SP tlog-checkpoint), so both purposes share a type. */
const TYPE: Readonly<Record<Purpose, Readonly<Partial<Record<Algorithm, SignatureType>>>>> = {
  log: { ed25519: SIGNATURE_TYPE.ed25519, mldsa44: SIGNATURE_TYPE.mldsa44Cosignature },
  witness: { ed25519: SIGNATURE_TYPE.ed25519Cosignature, mldsa44: SIGNATURE_TYPE.mldsa44Cosignature },
  producer: { ed25519: SIGNATURE_TYPE.ed25519 },
};

export function keygenVerb(io: Io): Command {
  return new Command('keygen')
    .description('make a signer key: the secret goes to a file (mode 0600), the verifier key is printed')
    .addArgument(new Argument('<algorithm>', 'what kind of key').choices(['ed25519', 'mldsa44']))
    .requiredOption('--name <NAME>', 'name of the key: the origin of a log, the name of a witness or of a producer')
    .requiredOption('--out <FILE>', 'where the secret key goes; an existing file is never replaced')
    .option('--for <PURPOSE>', 'who signs with it: log, witness or producer', 'log')
    .option('--json', 'print JSON')
    .action((algorithm: Algorithm, options: KeygenOptions) => keygen(io, algorithm, options));
}

async function keygen(io: Io, algorithm: Algorithm, options: KeygenOptions): Promise<void> {
  const { for: purpose, name } = options;
  if (!isPurpose(purpose)) throw new CliError('usage', '--for takes log, witness or producer');
  const type = TYPE[purpose][algorithm];
  if (type === undefined) throw new CliError('usage', 'events are signed with Ed25519', 'Use `keygen ed25519`.');
  if (!isKeyName(name)) throw new CliError('usage', 'a key name is not empty and has no space and no plus sign');
  const file = path.resolve(options.out);
  if (await exists(file)) {
    throw new CliError('already-exists', `${file} exists`, 'Choose another --out; a key is never overwritten.');
  }
  const signer = generateSigner(name, type);
  await makeDirectory(path.dirname(file));
  await writeSecret(file, `${formatSignerKey(signer)}\n`);
  const { vkey } = verifierKeyOf(signer);
  printResult(io, options.json, { name, algorithm, type: signer.type, vkey, file }, [vkey]);
  io.err(`secret key written to ${file}; keep it there, and give only the line above to others\n`);
}

function isPurpose(text: string): text is Purpose {
  return text === 'log' || text === 'witness' || text === 'producer';
}
