/**
 * Child processes: this program's own verbs and the witness, started with the same interpreter and loader as the
 * running process, so that a checkout (.ts through tsx) and an installation (.js) behave alike.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile, rename } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CliError, systemCode } from './errors.ts';

export interface RunningProcess {
  readonly name: string;
  readonly pid: number;
  /** The one JSON line that it printed when it was ready. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** Resolves when it has ended, with what ended it. */
  readonly ended: Promise<string>;
  /** Asks it to stop and waits; kills it after STOP_TIMEOUT_MS. */
  readonly stop: () => Promise<void>;
}

/** A log drains for up to 5 s and requests in flight for up to 10 s; this is more than both. */
const STOP_TIMEOUT_MS = 20_000;
const READY_TIMEOUT_MS = 30_000;
const TAIL_CHARACTERS = 2_000;

/** What a person types to run this program, in a checkout and when it is installed. */
export function ownName(): string {
  return import.meta.url.endsWith('.ts') ? 'npm run -s countersign --' : 'countersign';
}

/** The command line that runs a file of this program, such as `./main` or `../../witness/main`. */
export function ownCommand(
  sibling: string,
  args: readonly string[],
  nodeOptions: readonly string[] = [HEAP_LIMIT],
): readonly string[] {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const file = fileURLToPath(new URL(`${sibling}${extension}`, import.meta.url));
  return [process.execPath, ...nodeOptions, ...portableExecArgv(process.execArgv), file, ...args];
}

/**
 * V8 lets a heap grow to four times what is in use where the machine has memory for it, and to less than twice below a
 * limit: a busy log holds some 150 MiB less, and needs a tenth of this. Options of the person who started come later and win.
 */
const HEAP_LIMIT = '--max-old-space-size=1024';

/**
 * Of a process that serves logs: new objects have 16 MiB of room from the start. In the few MiB that V8 begins with, and
 * comes back to, an event that is on its way is copied again and again; a busy log has a tenth more events a second.
 */
export const LOG_NODE_OPTIONS: readonly string[] = [HEAP_LIMIT, '--max-semi-space-size=16', '--min-semi-space-size=16'];

/**
 * Starts a command and waits for its ready line. What it says goes to `outputFile`, the run
 * before to `outputFile.1`. It gets a process group of its
 * own: Ctrl-C in a terminal reaches the one that started it, which then stops it in order.
 */
export async function startProcess(
  name: string,
  command: readonly string[],
  outputFile: string,
): Promise<RunningProcess> {
  const [program = '', ...args] = command;
  await keepPrevious(outputFile);
  const output = await open(outputFile, 'w', 0o600);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', output.fd], detached: true });
  await output.close();
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
  });
  const stop = () => stopChild(child, ended);
  try {
    const ready = await readyLine(child, ended);
    if (child.pid === undefined) throw new Error('it has no process id');
    return { name, pid: child.pid, ready, ended, stop };
  } catch (error) {
    await stop();
    const tail = (await readFile(outputFile, 'utf8')).slice(-TAIL_CHARACTERS).trim();
    throw new CliError(
      'child-failed',
      `${name} did not start: ${error instanceof Error ? error.message : String(error)}`,
      ...(tail === '' ? [] : [`It said: ${tail}`]),
      `Its output is in ${outputFile}; to run it alone: ${shellWords(command)}`,
    );
  }
}

/** The command as it can be pasted into a shell. */
export function shellWords(command: readonly string[]): string {
  return command
    .map((word) => (/^[A-Za-z0-9_/.:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
}

/** Whether a process of this id exists. Ids are reused: this alone does not say that it is ours. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** `--import tsx` is looked up from the working directory; as a URL it means the same from everywhere. */
function portableExecArgv(execArgv: readonly string[]): readonly string[] {
  return execArgv.map((word, index) => {
    const isModule = execArgv[index - 1] === '--import' && /^[a-z@]/i.test(word) && !URL.canParse(word);
    return isModule ? import.meta.resolve(word) : word;
  });
}

async function readyLine(child: ChildProcess, ended: Promise<string>): Promise<Readonly<Record<string, unknown>>> {
  const { stdout } = child;
  if (stdout === null) throw new Error('it has no standard output');
  const lines = createInterface({ input: stdout });
  let timer: NodeJS.Timeout | undefined;
  const line = await Promise.race([
    new Promise<string>((resolve) => lines.once('line', resolve)),
    ended.then((reason) => Promise.reject(new Error(`it ended with ${reason}`))),
    new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not ready after ${READY_TIMEOUT_MS} ms`)), READY_TIMEOUT_MS);
    }),
  ]).finally(() => clearTimeout(timer));
  // Whatever follows is of no interest, but a full pipe would stop the process.
  lines.on('line', () => undefined);
  const value: unknown = JSON.parse(line);
  if (typeof value !== 'object' || value === null) throw new Error('its first line is not a JSON object');
  return { ...value };
}

/** The output of the run before is what one wants to read after a crash; older ones make room. */
async function keepPrevious(outputFile: string): Promise<void> {
  await rename(outputFile, `${outputFile}.1`).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error;
  });
}

async function stopChild(child: ChildProcess, ended: Promise<string>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}
