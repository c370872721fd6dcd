/**
 * Verbs that are programs of their own (the witness, the mirror, the monitor): started as a child with all arguments, and
 * with the terminal. Their code base is apart from this one, so that what checks the log shares no code with the log.
 */
import { spawn } from 'node:child_process';
import { Command } from 'commander';
import { CliError, EXIT } from './errors.ts';
import type { Io } from './io.ts';
import { ownCommand } from './processes.ts';

export interface Program {
  readonly verb: string;
  readonly description: string;
  /** What the arguments may be, for the help text. */
  readonly usage: string;
  /** Its main file, beside this one: `../../witness/main`. */
  readonly file: string;
}

export function programVerb(io: Io, program: Program): Command {
  return new Command(program.verb)
    .description(program.description)
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .argument('[ARGS...]', program.usage)
    .action((args: readonly string[]) => passOn(io, program, args));
}

async function passOn(io: Io, { verb, file }: Program, args: readonly string[]): Promise<void> {
  const [program = '', ...rest] = ownCommand(file, args);
  const child = spawn(program, rest, { stdio: 'inherit' });
  const passSignal = (signal: NodeJS.Signals): void => void child.kill(signal);
  // In a terminal the child gets Ctrl-C itself; a second SIGINT would cut its orderly end short.
  const ignore = (): void => undefined;
  process.on('SIGTERM', passSignal);
  process.on('SIGINT', ignore);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', resolve);
    });
    if (code === null) throw new CliError('child-failed', `the ${verb} was ended by ${child.signalCode}`);
    if (code !== 0) io.exitWith(code === EXIT.incomplete ? EXIT.incomplete : EXIT.failed);
  } finally {
    process.off('SIGTERM', passSignal);
    process.off('SIGINT', ignore);
  }
}
