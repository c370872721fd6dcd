/**
 * `npm run test:evidence`: makes the corpus, has every verifier judge it, and prints one line for each file. The command
 * line and the browser share the verifier and nothing around it (zip, page, worker); the one in Python shares no code with
 * them. A difference in verdict or deciding claim fails the run.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createFileVerifier } from '../../src/cli/verify-files.ts';
import { parseTimeUs } from '../../src/events/time.ts';
import { openBrowserVerifier, verifyInPage } from '../support/browser-verifier.ts';
import type { CorpusFile, Expected } from './corpus.ts';
import { corpus, writeCorpus } from './make-corpus.ts';
import { POLICY } from './world.ts';

interface Judged {
  readonly verdict: string;
  readonly claim?: string | undefined;
  readonly code?: string | undefined;
}

const VERIFIER = fileURLToPath(new URL('../interop/verify_corpus.py', import.meta.url));
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

const directory = await mkdtemp(path.join(tmpdir(), 'countersign-evidence-'));
try {
  const files = await corpus();
  await writeCorpus(directory, files);
  const inPython = judgeInPython(directory);
  const inBrowser = await judgeInBrowser(directory, files);
  let wrong = 0;
  for (const file of files) {
    const [one, two, three] = [await judge(file), inBrowser.get(file.name), inPython.get(file.name)];
    const { expect, python = expect } = file;
    const agrees = (judged: Judged | undefined, { verdict, claim, code }: Expected, hasCode: boolean): boolean =>
      judged?.verdict === verdict &&
      (claim === undefined || judged.claim === claim) &&
      (!hasCode || code === undefined || judged.code === code);
    const isRight = agrees(one, expect, true) && agrees(two, expect, true) && agrees(three, python, false);
    if (!isRight) wrong++;
    const reason = [one.claim, one.code].filter((part) => part !== undefined).join('/');
    const verdicts = [one, two, three].map((judged) => (judged?.verdict ?? 'missing').padEnd(11));
    const row = [...verdicts, file.name.padEnd(58), reason];
    console.log(`${isRight ? '  ' : '! '}${row.join(' ')}`);
  }
  const good = files.filter(({ expect }) => expect.verdict === 'PASS').length;
  console.log(
    `${good} good files, ${files.length - good} attacks; columns: command line, browser, Python. ${wrong} not as expected.`,
  );
  process.exitCode = wrong === 0 ? 0 : 1;
} finally {
  await rm(directory, { recursive: true, force: true });
}

async function judge({ name, suffix, pin, at }: CorpusFile): Promise<Judged> {
  const verify = createFileVerifier({
    policyText: POLICY,
    ...(pin !== undefined && { pin: new TextEncoder().encode(pin) }),
    ...(at !== undefined && { at: Math.floor((parseTimeUs(at) ?? 0) / 1_000_000) }),
  });
  const event = path.join(directory, `${name}${suffix}`);
  const { verdict, claims, failure } = await verify({ event, receipt: path.join(directory, `${name}.tlog-proof`) });
  const decisive = claims.find(({ result }) => result === (verdict === 'FAIL' ? 'fail' : 'incomplete'));
  return { verdict, claim: decisive?.claim, code: failure?.code };
}

/** One page for all of them. What was pinned belongs to one file, so those go in one by one, and the others together. */
async function judgeInBrowser(
  corpusDirectory: string,
  all: readonly CorpusFile[],
): Promise<ReadonlyMap<string, Judged>> {
  const opened = await openBrowserVerifier();
  try {
    const judged = new Map<string, Judged>();
    const pathsOf = ({ name, suffix, receipt }: CorpusFile): readonly string[] =>
      [`${name}${suffix}`, ...(receipt === undefined ? [] : [`${name}.tlog-proof`])].map((file) =>
        path.join(corpusDirectory, file),
      );
    const take = async (some: readonly CorpusFile[], { pin, at }: Pick<CorpusFile, 'pin' | 'at'>): Promise<void> => {
      const names = new Map(some.map(({ name, suffix }) => [`${name}${suffix}`, name]));
      const input = { policy: POLICY, files: some.flatMap(pathsOf), pin, at };
      for (const verdict of await verifyInPage(opened, input)) judged.set(names.get(verdict.file) ?? '', verdict);
    };
    const isPlain = ({ pin, at }: CorpusFile): boolean => pin === undefined && at === undefined;
    await take(all.filter(isPlain), {});
    for (const one of all.filter((file) => !isPlain(file))) await take([one], one);
    if (opened.requests.length > 0) throw new Error(`the page asked for ${opened.requests.join(', ')}`);
    return judged;
  } finally {
    await opened.close();
  }
}

function judgeInPython(corpusDirectory: string): ReadonlyMap<string, Judged> {
  const python = pythonWithEd25519(corpusDirectory);
  const options = { encoding: 'utf8', maxBuffer: MAX_OUTPUT_BYTES } as const;
  const text = execFileSync(python, [VERIFIER, corpusDirectory], options);
  const rows: (Judged & { readonly name: string })[] = text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
  return new Map(rows.map((row) => [row.name, row]));
}

/** A Python that has `cryptography`; otherwise one in a fresh environment, where pip installs it. */
function pythonWithEd25519(scratch: string): string {
  const system = process.env['PYTHON'] ?? 'python3';
  try {
    execFileSync(system, ['-c', 'import cryptography'], { stdio: 'ignore' });
    return system;
  } catch {
    const venv = path.join(scratch, 'venv');
    const python = path.join(venv, 'bin', 'python');
    if (!existsSync(python)) execFileSync(system, ['-m', 'venv', venv], { stdio: 'inherit' });
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', 'cryptography==48.0.0'], { stdio: 'inherit' });
    return python;
  }
}
