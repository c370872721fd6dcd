/**
 * npm run bench:search -- [--events N] [--requests N] [--data DIR] [--profile DIR] [--json FILE]
 *
 * How long the first page of a search takes over a log of a million events, whatever the filter matches: nothing, one,
 * all, two dense terms that never meet. Over HTTP on loopback, one request after the other, server and client on the same
 * machine; each answer is recorded as an entry before it leaves, as always, so that an fsync is in every figure. Each
 * answer is held against what the filter must give: a fast wrong answer fails.
 *
 * Also how long a server takes to start on that log, after it was closed and after SIGKILL, and what it holds in memory
 * before and after the questions. With --data the log is kept, and used again by the next run.
 */
import { Buffer } from 'node:buffer';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { Connection } from './lib/connection.ts';
import { Latencies, type LatencySummary } from './lib/latency.ts';
import { dependencyVersions, describeMachine, machineLines } from './lib/machine.ts';
import { eventsOfActor, SPREADS } from './lib/search-events.ts';
import { type ServerProcess, type ServerReady, type ServerStats, startServer } from './lib/server-process.ts';

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '1000000' },
    requests: { type: 'string', default: '300' },
    data: { type: 'string' },
    profile: { type: 'string' },
    json: { type: 'string' },
  },
});
const eventCount = Number(values.events);
const requestCount = Number(values.requests);
/** The bound that a first page must keep, at p99. */
const LIMIT_MS = 50;
const PAGE_EVENTS = 100;
/** Requests before the figures: code is compiled, the file cache is warm. */
const WARMUP_REQUESTS = 20;
/** 70 of the 150 days that the events say they occurred on. */
const MIDDLE_DAYS = 'occurred_from:2026-02-10 occurred_to:2026-04-20';

interface Question {
  readonly title: string;
  readonly query: string;
  /** Events in the first page. */
  readonly results: number;
}

const QUESTIONS: readonly Question[] = [
  { title: 'nothing: an actor who is not there', query: 'actor:nobody', results: 0 },
  { title: 'nothing: two dense terms that never meet', query: 'tenant:acme outcome:denied', results: 0 },
  {
    title: 'nothing: three dense terms that never meet',
    query: 'tenant:acme target_type:invoice action:role.*',
    results: 0,
  },
  { title: 'one event', query: 'actor:u_unique', results: 1 },
  {
    title: 'one event, with dense terms',
    query: 'actor:u_unique action:role.* action:user.* from:2026-01-01',
    results: 1,
  },
  { title: '100 of 150 events, spread over the whole log', query: 'correlation:spread-ROUND', results: PAGE_EVENTS },
  { title: 'every event', query: '', results: PAGE_EVENTS },
  { title: 'every event, by a term that all carry', query: 'producer:PRODUCER', results: PAGE_EVENTS },
  { title: 'every event, by its class', query: 'class:access', results: PAGE_EVENTS },
  { title: 'half of all, by the beginning of the action', query: 'action:role.*', results: PAGE_EVENTS },
  {
    title: 'one actor among 20,000',
    query: 'actor:u_777',
    results: Math.min(PAGE_EVENTS, eventsOfActor(777, eventCount)),
  },
  {
    title: 'any of 20 actors, denied',
    query: `${manyActors()} outcome:denied`,
    results: Math.min(PAGE_EVENTS, 20 * eventsOfActor(1, eventCount)),
  },
  { title: 'nothing: any of 20 actors, who never succeed', query: `${manyActors()} outcome:success`, results: 0 },
  { title: '70 days of occurred_at, one tenant', query: `tenant:acme ${MIDDLE_DAYS}`, results: PAGE_EVENTS },
];

function manyActors(): string {
  return Array.from({ length: 20 }, (_, i) => `actor:u_${2 * i + 1}`).join(' ');
}

const machine = describeMachine(`npm run bench:search -- ${process.argv.slice(2).join(' ')}`.trim());
process.stdout.write(machineLines(machine));

const directory = values.data ?? (await mkdtemp(join(tmpdir(), 'countersign-search-')));
let server: ServerProcess | undefined;
try {
  await mkdir(directory, { recursive: true });
  if (!(await readdir(directory)).includes('logs')) await fill();
  const execArgv = values.profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', values.profile];
  const closed = await start(execArgv);
  server = closed.server;
  const measured = await measure(server);
  const after = await server.stats();
  process.stdout.write(`the server holds ${after.residentMiB} MiB, of which ${after.fileMiB} of files\n\n`);
  process.stdout.write(tableOf(measured));
  await (values.profile === undefined ? server.kill() : server.stop());
  const killed = await start([]);
  server = killed.server;
  const starts = { afterCloseMs: closed.ms, afterKillMs: killed.ms };
  if (values.json !== undefined) {
    const versions = dependencyVersions();
    const memory = { atStart: closed.stats, after };
    const result = { machine, versions, eventCount, requestCount, measured, starts, memory };
    await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
  }
  // Of fewer requests the slowest would be judged, and not the 99th of a hundred.
  const slow = requestCount < 100 ? [] : measured.filter(({ latency }) => latency.p99 >= LIMIT_MS);
  for (const { title, latency } of slow) process.stderr.write(`over ${LIMIT_MS} ms at p99: ${title}: ${latency.p99}\n`);
  if (slow.length > 0) process.exitCode = 1;
} finally {
  await server?.stop();
  if (values.data === undefined) await rm(directory, { recursive: true, force: true });
}

/** Made by a server of its own, so that what it holds afterwards is not measured. */
async function fill(): Promise<void> {
  const startedMs = performance.now();
  const filler = await startServer({ directory, fillEvents: eventCount });
  const { treeSize, residentMiB, fileMiB } = await filler.stats();
  await filler.stop();
  const seconds = (performance.now() - startedMs) / 1000;
  process.stdout.write(
    `made: ${treeSize} entries in ${seconds.toFixed(0)} s; then held ${residentMiB} MiB, of which ${fileMiB} of files\n`,
  );
}

/** Until it answers, from the moment at which the process is asked for. */
async function start(execArgv: readonly string[]): Promise<{ server: ServerProcess; ms: number; stats: ServerStats }> {
  const startedMs = performance.now();
  const started = await startServer({ directory, execArgv });
  const ms = Math.round(performance.now() - startedMs);
  const stats = await started.stats();
  const { treeSize, residentMiB, fileMiB } = stats;
  process.stdout.write(
    `started in ${ms} ms on ${treeSize} entries; holds ${residentMiB} MiB, of which ${fileMiB} of files\n`,
  );
  return { server: started, ms, stats };
}

interface Measured {
  readonly title: string;
  readonly query: string;
  readonly results: number;
  readonly latency: LatencySummary;
}

/** The questions take turns, so that a disturbance falls on all of them. */
async function measure({ ready }: ServerProcess): Promise<readonly Measured[]> {
  const connection = await Connection.open(new URL(ready.logUrl));
  const producer = await producerId(ready);
  const rounds = QUESTIONS.map((question) => ({
    question,
    requests: Array.from({ length: SPREADS }, (_, i) =>
      requestOf(ready, question.query.replace('PRODUCER', producer).replace('ROUND', `${i}`)),
    ),
    latencies: new Latencies(),
  }));
  for (let round = 0; round < WARMUP_REQUESTS + requestCount; round++) {
    for (const { question, requests, latencies } of rounds) {
      const request = requests[round % requests.length] ?? Buffer.alloc(0);
      const startedMs = performance.now();
      const { status, body } = await connection.request(request);
      const elapsedMs = performance.now() - startedMs;
      if (round >= WARMUP_REQUESTS) latencies.add(elapsedMs);
      const { events }: { events?: readonly unknown[] } = status === 200 ? JSON.parse(body.toString()) : {};
      if (events?.length !== question.results) {
        throw new Error(`${question.title}: ${status}, ${events?.length} events instead of ${question.results}`);
      }
    }
  }
  connection.close();
  return rounds.map(({ question, latencies }) => ({ ...question, latency: latencies.summary() }));
}

function requestOf({ logUrl, auditorToken }: ServerReady, query: string): Buffer {
  const { pathname, host } = new URL(logUrl);
  const search = new URLSearchParams({ limit: `${PAGE_EVENTS}`, ...(query === '' ? {} : { q: query }) });
  return Buffer.from(
    `GET ${pathname}/events?${search} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${auditorToken}\r\n\r\n`,
  );
}

/** What entries name as their producer. */
async function producerId({ logUrl, auditorToken }: ServerReady): Promise<string> {
  const url = `${logUrl}/export.ndjson?${new URLSearchParams({ q: 'actor:u_unique' })}`;
  const response = await fetch(url, { headers: { authorization: `Bearer ${auditorToken}` } });
  const [line = ''] = (await response.text()).split('\n');
  const { producer }: { producer?: unknown } = JSON.parse(line);
  return String(producer);
}

function tableOf(measured: readonly Measured[]): string {
  const rows = measured.map(({ title, query, results, latency: { p50, p99, max } }) => {
    const shown = query === '' ? '' : `\`${query.length > 60 ? `${query.slice(0, 57)}…` : query}\``;
    return `| ${title} | ${shown} | ${results} | ${p50.toFixed(1)} | ${p99.toFixed(1)} | ${max.toFixed(1)} |`;
  });
  const head = ['| what it matches | question | in the page | p50 ms | p99 ms | max ms |', '|---|---|---|---|---|---|'];
  return `${[...head, ...rows].join('\n')}\n`;
}
