/** `countersign checkpoint`: the newest published checkpoint, checked under the policy. */
import { Command } from 'commander';
import { parsePolicy } from '../../../proofs/policy.ts';
import { readCheckpoint } from '../await-checkpoint.ts';
import { CliError } from '../errors.ts';
import { type Io, printResult } from '../io.ts';
import { addTargetOptions, readPolicyText, resolveTarget, type TargetOptions } from '../target.ts';

interface CheckpointOptions extends TargetOptions {
  readonly json?: boolean;
}

export function checkpointVerb(io: Io): Command {
  return addTargetOptions(
    new Command('checkpoint').description('print the newest published checkpoint, verified under the policy'),
    undefined,
  )
    .option('--policy <FILE>', 'trust policy (default: that of the network file)')
    .option('--json', 'print JSON')
    .action((options: CheckpointOptions) => printCheckpoint(io, options));
}

async function printCheckpoint(io: Io, options: CheckpointOptions): Promise<void> {
  const target = await resolveTarget(io, options, undefined);
  const policy = await readPolicyText(io, options);
  const published = await readCheckpoint(io, target, parsePolicy(policy.text));
  if (published === undefined) {
    throw new CliError(
      'not-found',
      'no checkpoint was published yet',
      `The quorum of witnesses has not cosigned a head: ${target.baseUrl}/healthz says why.`,
    );
  }
  const { note, origin, size, witnesses } = published;
  printResult(io, options.json, { origin, size, witnesses, checkpoint: note, policy: policy.file }, [note.trimEnd()]);
  io.err(`verified under ${policy.file}: ${size} entries, cosigned by ${(witnesses ?? []).join(', ') || 'nobody'}\n`);
}
