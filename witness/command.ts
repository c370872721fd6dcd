/**
 * What the commands of this folder share: the witness, the mirror and the monitor each are a process. Standard output is
 * for programs, everything else goes to standard error, and no secret goes anywhere.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pino, { type Logger } from 'pino';
import { messageOf, WitnessError } from './errors.ts';
import { type Evidence, headsOf, listEvidence } from './evidence.ts';
import { writeForkProofs } from './evidence-proof.ts';

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
const MAX_STOP_MS = 20_000;

export function stderrLogger(): Logger {
  return pino({ level: process.env['LOG_LEVEL'] ?? 'info' }, pino.destination({ fd: 2, sync: true }));
}

/** The first SIGTERM or SIGINT stops cleanly; a second one finds no handler and ends the process at once. */
export function stopSignal(logger: Logger): Promise<void> {
  return new Promise((resolve) => {
    const stop = (signal: NodeJS.Signals): void => {
      process.off('SIGTERM', stop);
      process.off('SIGINT', stop);
      logger.info({ signal }, 'stopping');
      // What follows is bounded by itself; this is for what nobody thought of. A kill at any moment is safe.
      setTimeout(() => process.exit(EXIT_FAILED), MAX_STOP_MS).unref();
      resolve();
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
}

/** The `evidence` command of a witness or a mirror. */
export async function showEvidence(flags: {
  readonly data: string;
  readonly json?: true;
  readonly forkProofs?: string;
}): Promise<void> {
  const all = await listEvidence(join(flags.data, 'evidence'));
  if (flags.forkProofs === undefined) printEvidence(all, flags.json === true);
  else for (const path of await writeForkProofs(flags.forkProofs, all)) print(path);
}

function printEvidence(all: readonly Evidence[], json: boolean): void {
  for (const evidence of all) {
    const { held, offered } = headsOf(evidence);
    const certainty = evidence.conclusive ? 'conclusive' : 'suspicion';
    const sizes = `held size ${held.size}, offered size ${offered.size}`;
    const line = `${evidence.seen_at}  ${evidence.kind}  ${certainty}  ${evidence.origin}  ${sizes}  via ${evidence.via}`;
    print(json ? JSON.stringify(evidence) : line);
  }
  if (all.length === 0 && !json) process.stderr.write('No misbehaviour was seen.\n');
}

/** The text of a file that the operator named. Throws `config-invalid`. */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new WitnessError('config-invalid', `cannot read ${path}: ${messageOf(error)}`);
  }
}

/** For options that may be given again. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Runs a command; what it throws becomes a line on standard error and an exit code. */
export function runCommand(main: () => Promise<void>): void {
  main().catch((error: unknown) => {
    const code = error instanceof WitnessError ? ` (${error.code})` : '';
    process.stderr.write(`${messageOf(error)}${code}\n`);
    process.exitCode = error instanceof WitnessError && error.code === 'config-invalid' ? EXIT_USAGE : EXIT_FAILED;
  });
}
