/** `countersign producer-key`: the keys with which producers sign their events, through the administration routes. */
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { Command } from 'commander';
import { base64Encode } from '../../../proofs/bytes.ts';
import { ProofError } from '../../../proofs/errors.ts';
import { parseVerifierKey, SIGNATURE_TYPE } from '../../../proofs/key.ts';
import { parseAnswer, send, unexpectedAnswer } from '../client.ts';
import { CliError } from '../errors.ts';
import { type Io, printResult } from '../io.ts';
import { addTargetOptions, resolveTarget, type TargetOptions } from '../target.ts';

interface KeyOptions extends TargetOptions {
  readonly json?: boolean;
}

const KeyAnswer = Type.Object({
  id: Type.String(),
  public_key: Type.String(),
  registered_at_index: Type.Integer(),
  revoked_at_index: Type.Union([Type.Integer(), Type.Null()]),
});
const ListAnswer = Type.Object({ keys: Type.Array(KeyAnswer) });

export function producerKeyVerb(io: Io): Command {
  const keys = new Command('producer-key').description('register, list and revoke keys with which producers sign');
  keys.addCommand(
    addTargetOptions(
      new Command('register')
        .description('register a public key; what it signs is verified from that entry on (admin)')
        .argument('<VKEY>', 'the line that `keygen ed25519 --for producer` printed'),
      'admin',
    )
      .option('--json', 'print JSON')
      .action((vkey: string, options: KeyOptions) => registerKey(io, vkey, options)),
  );
  keys.addCommand(
    addTargetOptions(new Command('list').description('list all keys, revoked ones too'), 'auditor')
      .option('--json', 'print JSON')
      .action((options: KeyOptions) => listKeys(io, options)),
  );
  keys.addCommand(
    addTargetOptions(
      new Command('revoke')
        .description('revoke a key, at once and for good (admin)')
        .argument('<ID>', 'key_…, as the list names it'),
      'admin',
    )
      .requiredOption('--reason <TEXT>', 'why; it stands in the entry')
      .option('--json', 'print JSON')
      .action((id: string, options: KeyOptions & { readonly reason: string }) => revokeKey(io, id, options)),
  );
  return keys;
}

async function registerKey(io: Io, vkey: string, options: KeyOptions): Promise<void> {
  const { name, publicKey } = parseKey(vkey);
  const key = await post(io, options, '', { public_key: base64Encode(publicKey), name });
  printResult(io, options.json, key, [`${key.id}  registered at index ${key.registered_at_index}`]);
}

async function listKeys(io: Io, options: KeyOptions): Promise<void> {
  const target = await resolveTarget(io, options, 'auditor');
  const url = `${target.logUrl}/keys`;
  const list = parseAnswer(url, (await send(io, target, url)).text);
  if (!Value.Check(ListAnswer, list)) throw unexpectedAnswer(url, 'it is not a list of keys');
  const lines = list.keys.map(({ id, registered_at_index: from, revoked_at_index: until }) => {
    return `${id}  registered at index ${from}${until === null ? '' : `, revoked at index ${until}`}`;
  });
  printResult(io, options.json, list, lines);
}

async function revokeKey(io: Io, id: string, options: KeyOptions & { readonly reason: string }): Promise<void> {
  const key = await post(io, options, `/${encodeURIComponent(id)}/revocation`, { reason: options.reason });
  printResult(io, options.json, key, [`${key.id}  revoked at index ${key.revoked_at_index}`]);
}

async function post(io: Io, options: KeyOptions, path: string, body: object) {
  const target = await resolveTarget(io, options, 'admin');
  const url = `${target.logUrl}/keys${path}`;
  const headers = { 'content-type': 'application/json' };
  const answer = await send(io, target, url, { method: 'POST', body: JSON.stringify(body), headers });
  const key = parseAnswer(url, answer.text);
  if (Value.Check(KeyAnswer, key)) return key;
  throw unexpectedAnswer(url, 'it is not a producer key');
}

function parseKey(vkey: string): { readonly name: string; readonly publicKey: Uint8Array } {
  try {
    const key = parseVerifierKey(vkey.trim());
    if (key.type === SIGNATURE_TYPE.ed25519) return key;
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
  }
  throw new CliError(
    'usage',
    'that is not the verifier key of a producer',
    'Make one with `countersign keygen ed25519 --for producer --name NAME --out FILE`, and give the line that it prints.',
  );
}
