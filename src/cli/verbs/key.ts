/** `countersign key`: which keys a policy trusts and when, and changing them while everything old keeps verifying. */
import path from 'node:path';
import { Command } from 'commander';
import { parseVerifierKey } from '../../../proofs/key.ts';
import { parsePolicy } from '../../../proofs/policy.ts';
import { formatTime, keyLabel, parseTime, type Validity } from '../../../proofs/validity.ts';
import { parseEntries } from '../arguments.ts';
import { DEFAULT_DATA_DIRECTORY } from '../data-dir.ts';
import { CliError } from '../errors.ts';
import { type Io, printResult } from '../io.ts';
import { type Bounds, type Rotation, rotateInPolicy, rotateLog, rotateWitness } from '../rotate-keys.ts';
import { addNetworkOption, readPolicyText, type TargetOptions } from '../target.ts';

interface ListOptions extends TargetOptions {
  readonly json?: boolean;
}

interface RotateOptions {
  readonly data: string;
  readonly name: string;
  readonly overlap?: number;
  readonly untilSize?: number;
  readonly untilTime?: string;
  readonly json?: boolean;
}

interface PolicyOptions {
  readonly newVkey: readonly string[];
  readonly fromSize?: number;
  readonly untilSize?: number;
  readonly fromTime?: string;
  readonly untilTime?: string;
  readonly json?: boolean;
}

export function keyVerb(io: Io): Command {
  const key = new Command('key').description('list the keys of a policy and when they count; change keys (rotate)');
  key.addCommand(
    addNetworkOption(new Command('list').description('every key of a policy, and the range in which it counts'))
      .option('--policy <FILE>', 'trust policy (default: that of the network file)')
      .option('--json', 'print JSON')
      .action((options: ListOptions) => list(io, options)),
  );
  const rotate = new Command('rotate').description('add new keys beside the old ones, and say when the old ones end');
  rotate.addCommand(
    addOverlapOptions(new Command('log').description('new keys for a log of a data directory')).action(
      (options: RotateOptions) => rotateLogKeys(io, options),
    ),
  );
  rotate.addCommand(
    addOverlapOptions(new Command('witness').description('new keys for a witness of a local network'))
      .argument('<WITNESS>', 'its directory below DATA/witnesses, such as w1')
      .option('--until-time <TIME>', 'the old keys end at this time, such as 2026-09-01T00:00:00Z')
      .action((witness: string, options: RotateOptions) => rotateWitnessKeys(io, witness, options)),
  );
  rotate.addCommand(
    new Command('policy')
      .description('take over new keys that a log or a witness announced, in a policy that you pin')
      .argument('<POLICY>', 'policy file; it is replaced')
      .requiredOption('--new-vkey <VKEY>', 'new verifier key; repeatable, all of one log or one witness', collect, [])
      .option('--from-size <SIZE>', 'the new keys count from this tree size on', parseEntries)
      .option('--until-size <SIZE>', 'the old keys end at this tree size', parseEntries)
      .option('--from-time <TIME>', 'the new keys of a witness count from this time on')
      .option('--until-time <TIME>', 'the old keys of a witness end at this time')
      .option('--json', 'print JSON')
      .action((file: string, options: PolicyOptions) => rotatePolicy(io, file, options)),
  );
  key.addCommand(rotate);
  return key;
}

function addOverlapOptions(command: Command): Command {
  return command
    .option('--data <DIR>', 'data directory', DEFAULT_DATA_DIRECTORY)
    .option('--name <NAME>', 'name of the log there', 'audit')
    .option('--overlap <ENTRIES>', 'both keys count for this many entries from now on; 0: none', parseEntries)
    .option('--until-size <SIZE>', 'the old keys end at this tree size', parseEntries)
    .option('--json', 'print JSON');
}

async function list(io: Io, options: ListOptions): Promise<void> {
  const { file, text } = await readPolicyText(io, options);
  const { logs, witnesses } = parsePolicy(text);
  const rows = [
    ...logs.map(({ key, validity }) => ({ role: 'log', name: key.name, key, validity })),
    ...witnesses.map(({ name, key, validity }) => ({ role: 'witness', name, key, validity })),
  ];
  const result = rows.map(({ role, name, key, validity }) => ({
    role,
    name,
    key: keyLabel(key),
    type: key.type,
    valid: describeValidity(validity),
    vkey: key.vkey,
  }));
  printResult(
    io,
    options.json,
    { policy: file, keys: result },
    result.map(({ role, name, key, type, valid }) => `${role.padEnd(8)} ${name}  ${key}  type ${type}  ${valid}`),
  );
}

async function rotateLogKeys(io: Io, options: RotateOptions): Promise<void> {
  const rotation = await rotateLog(options.data, options.name, overlapOf(options));
  report(io, options.json, rotation, [
    'Start the log again: it signs with the old and the new keys until the old ones end.',
    'Tell the operators of the witnesses the new log keys before that, or they will not know who signed.',
  ]);
}

async function rotateWitnessKeys(io: Io, witness: string, options: RotateOptions): Promise<void> {
  const rotation = await rotateWitness(options.data, options.name, witness, overlapOf(options), io.nowMs());
  report(io, options.json, rotation, ['Start the witness and the log again: the witness signs with both keys.']);
}

async function rotatePolicy(io: Io, file: string, options: PolicyOptions): Promise<void> {
  const keys = options.newVkey.map((vkey) => parseVerifierKey(vkey));
  report(io, options.json, await rotateInPolicy(path.resolve(file), keys, boundsOf(options)), []);
}

function overlapOf({ overlap, untilSize, untilTime }: RotateOptions): Parameters<typeof rotateLog>[2] {
  return { entries: overlap, untilSize, untilTime: untilTime === undefined ? undefined : parseTime(untilTime) };
}

function boundsOf({ fromSize, untilSize, fromTime, untilTime }: PolicyOptions): Bounds {
  if (untilSize === undefined && untilTime === undefined) {
    throw new CliError(
      'usage',
      'say when the old keys end',
      'One of --until-size SIZE and --until-time TIME, or both.',
    );
  }
  return {
    from: {
      ...(fromSize === undefined ? {} : { fromSize }),
      ...(fromTime === undefined ? {} : { fromTime: parseTime(fromTime) }),
    },
    until: {
      ...(untilSize === undefined ? {} : { untilSize }),
      ...(untilTime === undefined ? {} : { untilTime: parseTime(untilTime) }),
    },
  };
}

function report(io: Io, json: boolean | undefined, rotation: Rotation, next: readonly string[]): void {
  const { retired, added, from, until, keyFiles, policyFiles } = rotation;
  const lines = [
    ...retired.map((key) => `old  ${keyLabel(key)}  counts ${describeValidity(until)}`),
    ...added.map((key) => `new  ${keyLabel(key)}  counts ${describeValidity(from)}`),
    ...added.map(({ vkey }) => `vkey ${vkey}`),
    ...keyFiles.map((file) => `secret ${file}`),
    ...policyFiles.map((file) => `policy ${file}`),
  ];
  const result = {
    retired: retired.map(keyLabel),
    added: added.map(({ vkey }) => vkey),
    from: describeValidity(from),
    until: describeValidity(until),
    key_files: keyFiles,
    policy_files: policyFiles,
  };
  printResult(io, json, result, lines);
  for (const line of next) io.err(`${line}\n`);
  if (next.length > 0)
    io.err('Give the policy to everyone who verifies; what verified before verifies under it, too.\n');
}

function describeValidity(validity: Validity = {}): string {
  const { fromSize, untilSize, fromTime, untilTime } = validity;
  const bounds = [
    fromSize === undefined ? '' : `from size ${fromSize}`,
    untilSize === undefined ? '' : `until size ${untilSize}`,
    fromTime === undefined ? '' : `from ${formatTime(fromTime)}`,
    untilTime === undefined ? '' : `until ${formatTime(untilTime)}`,
  ].filter((bound) => bound !== '');
  return bounds.join(' ') || 'always';
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
