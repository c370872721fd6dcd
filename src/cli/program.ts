/**
 * The command line as a whole: every verb, the exit codes, and the one place where an error becomes text. `main.ts`
 * runs it for a process, tests run it with an Io of their own.
 */
import { Command, CommanderError } from 'commander';
import { ProofError } from '../../proofs/errors.ts';
import { CliError, EXIT, type ExitCode, messageOf } from './errors.ts';
import type { Io } from './io.ts';
import { catalogueVerb } from './verbs/catalogue.ts';
import { checkpointVerb } from './verbs/checkpoint.ts';
import { controlsVerb } from './verbs/controls.ts';
import { eventVerb } from './verbs/event.ts';
import { evidenceVerb } from './verbs/evidence.ts';
import { exportVerb } from './verbs/export.ts';
import { findingsVerb } from './verbs/findings.ts';
import { fsckVerb } from './verbs/fsck.ts';
import { headVerb } from './verbs/head.ts';
import { healthVerb } from './verbs/health.ts';
import { importVerb } from './verbs/import.ts';
import { initVerb } from './verbs/init.ts';
import { keyVerb } from './verbs/key.ts';
import { keygenVerb } from './verbs/keygen.ts';
import { mirrorVerb } from './verbs/mirror.ts';
import { monitorVerb } from './verbs/monitor.ts';
import { producerKeyVerb } from './verbs/producer-key.ts';
import { proofVerb } from './verbs/proof.ts';
import { recoverVerb } from './verbs/recover.ts';
import { redactVerb } from './verbs/redact.ts';
import { repairVerb } from './verbs/repair.ts';
import { restoreVerb } from './verbs/restore.ts';
import { reviewVerb } from './verbs/review.ts';
import { rulesVerb } from './verbs/rules.ts';
import { sampleVerb } from './verbs/sample.ts';
import { searchVerb } from './verbs/search.ts';
import { serveVerb } from './verbs/serve.ts';
import { submitVerb } from './verbs/submit.ts';
import { tokenVerb } from './verbs/token.ts';
import { upVerb } from './verbs/up.ts';
import { verifyVerb } from './verbs/verify.ts';
import { witnessVerb } from './verbs/witness.ts';

type MakeIo = (exitWith: Io['exitWith']) => Io;

const EXIT_CODES_HELP = `
Exit codes:
  0  done                 verify: PASS
  1  refused or false     verify: FAIL
  2  wrong usage, unreadable input, or not finished in time     verify: INCOMPLETE
  3  the log did not answer; sending the same again is safe
`;

/** In the order of `--help`: run a network, write, read, verify, look after it. */
const VERBS: readonly ((io: Io) => Command)[] = [
  ...[upVerb, serveVerb, witnessVerb, mirrorVerb, monitorVerb],
  ...[submitVerb, importVerb],
  ...[
    searchVerb,
    exportVerb,
    eventVerb,
    proofVerb,
    evidenceVerb,
    sampleVerb,
    reviewVerb,
    verifyVerb,
    checkpointVerb,
    headVerb,
  ],
  ...[catalogueVerb, rulesVerb, controlsVerb, redactVerb],
  ...[
    findingsVerb,
    healthVerb,
    tokenVerb,
    initVerb,
    keyVerb,
    keygenVerb,
    producerKeyVerb,
    fsckVerb,
    repairVerb,
    recoverVerb,
    restoreVerb,
  ],
];

/** Runs one command line, without program and script name. Returns the exit code; never throws, never exits. */
export function runProgram(args: readonly string[], makeIo: MakeIo): Promise<ExitCode> {
  const work = async (io: Io): Promise<void> => void (await buildProgram(io).parseAsync([...args], { from: 'user' }));
  return runAndReport(makeIo, work, args.includes('--json'));
}

/** Does some work, prints what goes wrong, and returns the exit code that it means. */
export async function runAndReport(
  makeIo: MakeIo,
  work: (io: Io) => Promise<void>,
  json: boolean = false,
): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.done;
  const io = makeIo((code) => {
    exitCode = code;
  });
  try {
    await work(io);
    return exitCode;
  } catch (error) {
    return reportError(io, error, json);
  }
}

function buildProgram(io: Io): Command {
  const program = new Command('countersign')
    .description('An audit trail that its own operator cannot rewrite.')
    .addHelpText('after', EXIT_CODES_HELP)
    .enablePositionalOptions()
    .showHelpAfterError('(see --help)');
  for (const verb of VERBS) program.addCommand(verb(io));
  for (const command of [program, ...program.commands]) prepare(command, io);
  return program;
}

function prepare(command: Command, io: Io): void {
  command.exitOverride().configureOutput({ writeOut: io.out, writeErr: io.err });
  for (const child of command.commands) prepare(child, io);
}

function reportError(io: Io, error: unknown, json: boolean): ExitCode {
  // Commander has printed its own message, and --help is no error.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.incomplete;
  const { code, message, advice, exitCode } = describe(error);
  io.err(`countersign: ${message}\n${advice.map((line) => `  ${line}\n`).join('')}`);
  if (json) io.out(`${JSON.stringify({ error: { code, message, advice } })}\n`);
  return exitCode;
}

function describe(error: unknown): { code: string; message: string; advice: readonly string[]; exitCode: ExitCode } {
  if (error instanceof CliError) return error;
  if (error instanceof ProofError) {
    return { code: error.code, message: error.message, advice: [], exitCode: EXIT.incomplete };
  }
  return { code: 'unexpected', message: messageOf(error), advice: [], exitCode: EXIT.incomplete };
}
