/**
 * npm run bench:evidence -- [--sizes 1000,10000,100000] [--browser] [--json FILE]
 *
 * What evidence costs: from the request to the verdict by the command line, as an auditor runs it, against a network of a
 * log and three witnesses in processes of their own; then verification alone, in a process whose heap is bounded to 1 GiB,
 * for 1,000, 10,000 and 100,000 matches; the same in the browser verifier, where a Chromium is on the machine (--browser);
 * and bytes per match and per event that is none. Every verdict has to be PASS with
 * the right counts: a fast wrong answer fails.
 *
 * Events are those of DESIGN.md without the rule, which nobody published: a finding for each of them would be evidence, too.
 * They have about 560 bytes, and one in a hundred is a `role.revoke`. The log's own entries are in the range as well.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { describeMachine, machineLines } from './lib/machine.ts';
import { CLI, type NetworkProcess, startNetwork } from './lib/network-process.ts';
import { type BrowserRun, verifyInBrowser } from './lib/verify-in-browser.ts';

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '1000,10000,100000' },
    browser: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
/** Ascending: the same log grows from one to the next. */
const SIZES: readonly number[] = values.sizes.split(',').map(Number);
/** The bound for a range of 10,000 events, from request to verdict. */
const LIMIT_SECONDS = 10;
const LIMITED_SIZE = 10_000;
/** Everything, one in a hundred, and nothing: what a match weighs, and what an event that is none. */
const QUESTIONS = ['', 'action:role.revoke', 'actor:nobody'];
const HEAP_MIB = 1_024;
const BATCH_EVENTS = 500;
const VERIFY_ONCE = fileURLToPath(new URL('../dist/bench/lib/verify-once.js', import.meta.url));
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;
const run = promisify(execFile);

interface Row {
  readonly question: string;
  readonly range: number;
  readonly matched: number;
  readonly requestToVerdictSeconds: number;
  readonly bundleBytes: number;
  readonly verifySeconds: number;
  readonly peakMiB: number;
  readonly browser?: BrowserRun;
}

const machine = describeMachine(`npm run bench:evidence -- ${process.argv.slice(2).join(' ')}`.trim());
process.stdout.write(machineLines(machine));
const directory = await mkdtemp(path.join(tmpdir(), 'countersign-evidence-bench-'));
let network: NetworkProcess | undefined;
try {
  network = await startNetwork(path.join(directory, 'network'));
  const rows: Row[] = [];
  let submitted = 0;
  for (const size of SIZES) {
    const end = await submit(network, submitted, size);
    submitted = size;
    for (const query of size === LIMITED_SIZE ? QUESTIONS : ['']) rows.push(await measure(network, query, end));
  }
  process.stdout.write(tableOf(rows));
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ machine, rows }, null, 2)}\n`);
  const limited = rows.filter(({ range }) => range >= LIMITED_SIZE && range < 2 * LIMITED_SIZE);
  for (const { question, requestToVerdictSeconds } of limited) {
    if (requestToVerdictSeconds < LIMIT_SECONDS) continue;
    process.stderr.write(`over ${LIMIT_SECONDS} s: ${question}\n`);
    process.exitCode = 1;
  }
} finally {
  await network?.stop();
  await rm(directory, { recursive: true, force: true });
}

/** The events from one number to another; answers with the moment after the last. */
async function submit({ network }: NetworkProcess, from: number, to: number): Promise<string> {
  const { log_url: logUrl, tokens } = network;
  const token = (await readFile(tokens.producer, 'utf8')).trim();
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' };
  let last = '';
  for (let first = from; first < to; first += BATCH_EVENTS) {
    const lines = Array.from({ length: Math.min(BATCH_EVENTS, to - first) }, (_, i) =>
      JSON.stringify(event(first + i)),
    );
    const answer = await fetch(`${logUrl}/events`, { method: 'POST', headers, body: lines.join('\n') });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(text.slice(0, 500));
    last = text.trim().split('\n').at(-1) ?? '';
  }
  const { log_time: time }: { readonly log_time?: unknown } = JSON.parse(last);
  if (typeof time !== 'string') throw new Error(`no log time: ${last}`);
  return new Date(Math.floor(Date.parse(time)) + 1).toISOString();
}

async function measure({ file: networkFile, network }: NetworkProcess, query: string, to: string): Promise<Row> {
  const file = path.join(directory, 'bundle.zip');
  const asked = ['evidence', ...(query === '' ? [] : [query]), '--to', to, '--network', networkFile];
  const startedMs = performance.now();
  const { stdout } = await run(process.execPath, [CLI, ...asked, '--out', file, '--show', '0', '--json'], {
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  const requestToVerdictSeconds = (performance.now() - startedMs) / 1_000;
  const told: Readonly<Record<string, unknown>> = JSON.parse(stdout);
  const { verdict, start, end, matched } = told;
  if (verdict !== 'PASS' || typeof start !== 'number' || typeof end !== 'number' || typeof matched !== 'number') {
    throw new Error(`not verified: ${stdout.slice(0, 2_000)}`);
  }
  const once = await run(process.execPath, [`--max-old-space-size=${HEAP_MIB}`, VERIFY_ONCE, file, network.policy]);
  const { seconds, peakMiB, examined }: Readonly<Record<string, number>> = JSON.parse(once.stdout);
  if (examined !== end - start || seconds === undefined || peakMiB === undefined) throw new Error(once.stdout);
  const bundleBytes = (await stat(file)).size;
  const browser = values.browser ? await verifyInBrowser(file, await readFile(network.policy, 'utf8')) : undefined;
  if (browser !== undefined && browser.verdict !== 'PASS')
    throw new Error(`not verified in the browser: ${browser.verdict}`);
  const question = query === '' ? 'everything' : query;
  const row = {
    question,
    range: end - start,
    matched,
    requestToVerdictSeconds,
    bundleBytes,
    verifySeconds: seconds,
    peakMiB,
    ...(browser !== undefined && { browser }),
  };
  process.stderr.write(`${JSON.stringify(row)}\n`);
  return row;
}

function event(i: number): object {
  return {
    event_id: `evidence-${String(i).padStart(8, '0')}`,
    occurred_at: new Date().toISOString(),
    tenant: 'acme',
    actor: {
      ...{ type: 'user', id: `u_${i % 2_000}`, role: 'admin', session: `s_${i}` },
      auth: { method: 'sso', provider: 'okta' },
      delegation: [{ type: 'service', id: 'svc-support' }],
    },
    action: i % 100 === 0 ? 'role.revoke' : 'role.grant',
    target: { type: 'user', id: `u_${(i * 7) % 5_000}` },
    outcome: { result: 'success' },
    authorization: { decision: 'allow', ticket: 'CHG-1204' },
    reason: 'on-call rotation',
    changes: [{ path: '/roles', before: ['member'], after: ['member', 'admin'] }],
    context: { ip: '203.0.113.40', request_id: `req_${i}`, granted_role: 'admin' },
  };
}

function tableOf(rows: readonly Row[]): string {
  const head =
    '| question | events of the range | matches | request to verdict, s | zip, bytes | per event of the range | verify alone, s | events/s | peak memory, MiB | in the browser, s | events/s | peak memory, MiB |';
  const lines = rows.map((row) => {
    const { question, range, matched, requestToVerdictSeconds, bundleBytes, verifySeconds, peakMiB, browser } = row;
    const cells = [
      ...[question, range, matched, requestToVerdictSeconds.toFixed(1), bundleBytes, Math.round(bundleBytes / range)],
      ...[verifySeconds.toFixed(2), Math.round(range / verifySeconds), peakMiB],
      ...(browser === undefined ? ['', '', ''] : browserCells(range, browser)),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return `${head}\n|${'---|'.repeat(12)}\n${lines.join('\n')}\n`;
}

function browserCells(range: number, { verifyMs, peakBytes }: BrowserRun): readonly (string | number)[] {
  return [(verifyMs / 1_000).toFixed(2), Math.round((1_000 * range) / verifyMs), Math.round(peakBytes / 1024 / 1024)];
}
