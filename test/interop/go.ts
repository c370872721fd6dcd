/** Runs Go: whether there is one, `go test` with a count of its tests, `go run` with its output. */
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface GoTally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** What failed tests printed. */
  readonly output: readonly string[];
}

const MODULE = import.meta.dirname;
/** Compiling for the first time takes a minute on a small machine. */
const GO_TIMEOUT_MS = 10 * 60_000;

/** The version of Go, or undefined where there is none. */
export function goVersion(): string | undefined {
  const { status, stdout } = spawnSync('go', ['env', 'GOVERSION'], { cwd: MODULE, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** Runs the tests that match the pattern; a test counts where it has no tests within. Throws if nothing could be run. */
export async function goTest(
  pattern: string,
  environment: Readonly<Record<string, string>>,
  count = 1,
): Promise<GoTally> {
  const child = spawn('go', ['test', '-json', `-count=${count}`, '-timeout', '5m', '-run', pattern, '.'], {
    cwd: MODULE,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: GO_TIMEOUT_MS,
  });
  const output = new Map<string, string[]>();
  const ended: { test: string; action: string }[] = [];
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += String(chunk);
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const event = parseEvent(line);
    said += event.Test === undefined ? (event.Output ?? line) : '';
    const test = event.Test ?? '';
    if (event.Output !== undefined) output.set(test, [...(output.get(test) ?? []), event.Output.trimEnd()]);
    if (test !== '' && ['pass', 'fail', 'skip'].includes(event.Action)) ended.push({ test, action: event.Action });
  }
  const code = await exitOf(child);
  if (ended.length === 0) throw new Error(`go test ran nothing (exit code ${code}): ${said.trim()}`);
  const leaves = ended.filter(({ test }) => !ended.some((other) => other.test.startsWith(`${test}/`)));
  const inAction = (action: string): string[] => leaves.filter((one) => one.action === action).map(({ test }) => test);
  const failed = inAction('fail');
  // A failure between subtests belongs to their parent, and must not get lost.
  const failures = code !== 0 && failed.length === 0 ? ended.filter(({ action }) => action === 'fail') : [];
  return {
    passed: inAction('pass').length,
    failed: failed.length + failures.length + (code !== 0 && failed.length + failures.length === 0 ? 1 : 0),
    skipped: inAction('skip').length,
    output: [...new Set([...failed, ...failures.map(({ test }) => test)])].flatMap((test) => output.get(test) ?? []),
  };
}

/** What a command of the module prints. Throws if it fails. */
export async function goRun(command: string, args: readonly string[] = []): Promise<string> {
  const child = spawn('go', ['run', command, ...args], {
    cwd: MODULE,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: GO_TIMEOUT_MS,
  });
  let out = '';
  let said = '';
  child.stdout.on('data', (chunk) => {
    out += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    said += String(chunk);
  });
  const code = await exitOf(child);
  if (code !== 0) throw new Error(`go run ${command} failed (exit code ${code}): ${said.trim()}`);
  return out;
}

interface GoEvent {
  readonly Action: string;
  readonly Test?: string;
  readonly Output?: string;
}

/** One line of `go test -json`; what the build prints is not JSON. */
function parseEvent(line: string): GoEvent {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { Action: 'output', Output: `${line}\n` };
  }
  const event = typeof value === 'object' && value !== null ? { ...value } : {};
  const text = (name: 'Action' | 'Test' | 'Output'): string | undefined => {
    const member: unknown = name in event ? Reflect.get(event, name) : undefined;
    return typeof member === 'string' ? member : undefined;
  };
  const [test, output] = [text('Test'), text('Output')];
  return {
    Action: text('Action') ?? 'output',
    ...(test === undefined ? {} : { Test: test }),
    ...(output === undefined ? {} : { Output: output }),
  };
}

function exitOf(child: ReturnType<typeof spawn>): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    if (child.exitCode !== null) resolve(child.exitCode);
    else child.once('close', (code) => resolve(code));
  });
}
