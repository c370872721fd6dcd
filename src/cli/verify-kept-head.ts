/**
 * `verify --pin HEAD` without any evidence: the kept head itself is what is verified, against today's checkpoint out of a
 * file (`--consistency`), or fetched when a network or server was named on purpose.
 */
import { readFile } from 'node:fs/promises';
import { ProofError } from '../../proofs/errors.ts';
import type { FileReport } from '../../proofs/judge-file.ts';
import { parsePin } from '../../proofs/pin.ts';
import { type PinVerdict, type VerifyPinInput, verifyPin } from '../../proofs/verify-pin.ts';
import { CliError, messageOf } from './errors.ts';
import { fetchHead } from './fetch-head.ts';
import { type Io, oneLine } from './io.ts';
import { resolveTarget, type TargetOptions } from './target.ts';

export interface KeptHeadOptions extends TargetOptions {
  readonly pin?: string;
  readonly consistency?: string;
}

/** Never throws for what the log answers, or for a log that does not answer: then the verdict is INCOMPLETE. */
export async function verifyKeptHead(io: Io, options: KeptHeadOptions, policy: string): Promise<PinVerdict> {
  const { pin: file, consistency } = options;
  if (file === undefined) {
    throw new CliError('usage', 'nothing to verify', 'Name evidence files, or a kept head with --pin HEAD.');
  }
  const pin = await readNamed(file);
  if (consistency !== undefined) return verifyPin({ pin, policy, update: await readNamed(consistency) });
  const online = options.network !== undefined || options.url !== undefined;
  return verifyPin({ pin, policy, ...(online ? await fetchToday(io, options, pin) : {}) });
}

/** In the shape of every other file that `verify` reports on. */
export function keptHeadReport(
  file: string,
  { verdict, reason, claims, notes, failure, checkpoint }: PinVerdict,
): FileReport {
  return {
    ...{ file, kind: 'checkpoint', verdict, reason, claims, notes },
    ...(failure === undefined ? {} : { failure: { code: failure.code } }),
    ...(checkpoint === undefined
      ? {}
      : {
          checkpoint_size: checkpoint.checkpoint.size,
          witnesses: checkpoint.witnesses.map(({ name }) => name),
        }),
  };
}

async function fetchToday(
  io: Io,
  options: KeptHeadOptions,
  pin: Uint8Array,
): Promise<Pick<VerifyPinInput, 'update' | 'checkpoint'>> {
  try {
    return await fetchHead(io, await resolveTarget(io, options, undefined), parsePin(pin));
  } catch (error) {
    // A kept head that cannot be read is judged like any other; without an answer there is nothing to hold it against.
    if (!(error instanceof ProofError) && !(error instanceof CliError)) throw error;
    io.err(`could not fetch today's head: ${oneLine(error.message)}\n`);
    return {};
  }
}

async function readNamed(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new CliError('unreadable-input', `cannot read ${file}: ${messageOf(error)}`);
  }
}
