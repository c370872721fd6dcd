/** `countersign witness`: the witness program, which is a process and a code base of its own. Passes everything on. */
import { spawn } from 'node:child_process';
import { Command } from 'commander';
import { CliError, EXIT } from '../errors.ts';
import type { Io } from '../io.ts';
import { ownCommand } from '../processes.ts';

export function witnessVerb(io: Io): Command {
  return new Command('witness')
    .description('run a witness, or read its evidence: all arguments go to the witness program (witness --help)')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .argument('[ARGS...]', 'run, evidence, keygen and their options')
    .action((args: readonly string[]) => runWitness(io, args));
}

async function runWitness(io: Io, args: readonly string[]): Promise<void> {
  const [program = '', ...rest] = ownCommand('../../witness/main', args);
  const child = spawn(program, rest, { stdio: 'inherit' });
  const passOn = (signal: NodeJS.Signals): void => void child.kill(signal);
  // In a terminal the child gets Ctrl-C itself; a second SIGINT would cut its orderly end short.
  const ignore = (): void => undefined;
  process.on('SIGTERM', passOn);
  process.on('SIGINT', ignore);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', resolve);
    });
    if (code === null) throw new CliError('child-failed', `the witness was ended by ${child.signalCode}`);
    if (code !== 0) io.exitWith(code === EXIT.incomplete ? EXIT.incomplete : EXIT.failed);
  } finally {
    process.off('SIGTERM', passOn);
    process.off('SIGINT', ignore);
  }
}
