/**
 * npm run bench:search -- [--events N] [--requests N] [--json FILE] [--keep]
 *
 * How long the first page of a search takes over a log of a million events, whatever the filter matches: nothing, one,
 * all, two dense terms that never meet. Over HTTP on loopback, one request after the other, server and client on the same
 * machine; each answer is recorded as an entry before it leaves, as always, so that an fsync is in every figure. Each
 * answer is held against what the filter must give: a fast wrong answer fails.
 */
import { Buffer } from 'node:buffer';
import { writeFile } from 'node:fs/promises';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { Connection } from './lib/connection.ts';
import { Latencies, type LatencySummary } from './lib/latency.ts';
import { dependencyVersions, describeMachine, machineLines } from './lib/machine.ts';
import { startServer } from './lib/server-process.ts';

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '1000000' },
    requests: { type: 'string', default: '300' },
    json: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
const eventCount = Number(values.events);
const requestCount = Number(values.requests);
/** The bound that a first page must keep, at p99. */
const LIMIT_MS = 50;
const PAGE_EVENTS = 100;
const BATCH_EVENTS = 500;
const SENDERS = 4;
/** Requests before the figures: code is compiled, the file cache is warm. */
const WARMUP_REQUESTS = 20;

const DAYS = 150;
const FIRST_DAY_MS = Date.UTC(2026, 0, 1);

/** Event `i`: what a filter can ask of it follows from its number, so that every answer can be checked. */
function eventText(i: number): string {
  const even = i % 2 === 0;
  const day = new Date(FIRST_DAY_MS + Math.floor((i / eventCount) * DAYS) * 86_400_000).toISOString();
  return JSON.stringify({
    event_id: `b${String(i).padStart(12, '0')}`,
    occurred_at: day,
    tenant: even ? 'acme' : 'umbrella',
    actor: { type: 'user', id: i === UNIQUE ? 'u_unique' : `u_${i % 20_000}`, role: 'member' },
    action: ['role.grant', 'role.revoke', 'user.create', 'user.suspend'][i % 4],
    target: { type: even ? 'user' : 'invoice', id: `t_${i % 100_000}` },
    outcome: { result: even ? 'success' : 'denied' },
    authorization: { decision: 'allow', rule: `policy.access.v${i % 7}#owner` },
    ...(i % SPREAD_STEP < SPREADS ? { correlation_id: `spread-${i % SPREAD_STEP}` } : {}),
    context: { granted_role: 'admin', revoked_role: 'admin', request_id: `req_${i}`, note: 'x'.repeat(140) },
  });
}

const UNIQUE = Math.floor(eventCount / 2) + 12_345;
/** Sets of 150 events, equally far apart over the whole log; each request asks for another one, so that little is warm. */
const SPREAD_STEP = Math.max(1, Math.floor(eventCount / 150));
const SPREADS = 50;
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
    results: Math.min(PAGE_EVENTS, Math.floor(eventCount / 20_000)),
  },
  {
    title: 'any of 20 actors, denied',
    query: `${manyActors()} outcome:denied`,
    results: Math.min(PAGE_EVENTS, 20 * Math.floor(eventCount / 20_000)),
  },
  { title: '70 days of occurred_at, one tenant', query: `tenant:acme ${MIDDLE_DAYS}`, results: PAGE_EVENTS },
];

function manyActors(): string {
  return Array.from({ length: 20 }, (_, i) => `actor:u_${2 * i + 1}`).join(' ');
}

const machine = describeMachine(`npm run bench:search -- ${process.argv.slice(2).join(' ')}`.trim());
process.stdout.write(machineLines(machine));

const server = await startServer();
try {
  await fill();
  const measured = await measure();
  process.stdout.write(tableOf(measured));
  if (values.json !== undefined) {
    const versions = dependencyVersions();
    await writeFile(
      values.json,
      `${JSON.stringify({ machine, versions, eventCount, requestCount, measured }, null, 2)}\n`,
    );
  }
  const slow = measured.filter(({ latency }) => latency.p99 >= LIMIT_MS);
  for (const { title, latency } of slow) process.stderr.write(`over ${LIMIT_MS} ms at p99: ${title}: ${latency.p99}\n`);
  if (slow.length > 0) process.exitCode = 1;
} finally {
  await server.stop();
  if (values.keep) process.stdout.write(`kept: ${server.directory}\n`);
  else await server.remove();
}

/** A million events through the front door. */
async function fill(): Promise<void> {
  const startedMs = performance.now();
  let next = 0;
  const sender = async (): Promise<void> => {
    while (next < eventCount) {
      const from = next;
      next = Math.min(eventCount, from + BATCH_EVENTS);
      const lines = Array.from({ length: next - from }, (_, i) => eventText(from + i));
      const response = await fetch(`${server.ready.logUrl}/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${server.ready.producerToken}`, 'content-type': 'application/x-ndjson' },
        body: lines.join('\n'),
      });
      const text = await response.text();
      if (response.status !== 200 || (text.match(/"status":"accepted"/g) ?? []).length !== lines.length) {
        throw new Error(`a batch was not taken: ${response.status} ${text.slice(0, 300)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, sender));
  const { treeSize, residentMiB } = await server.stats();
  const seconds = (performance.now() - startedMs) / 1000;
  process.stdout.write(`${treeSize} entries in ${seconds.toFixed(0)} s; the server holds ${residentMiB} MiB\n\n`);
}

interface Measured {
  readonly title: string;
  readonly query: string;
  readonly results: number;
  readonly latency: LatencySummary;
}

/** The questions take turns, so that a disturbance falls on all of them. */
async function measure(): Promise<readonly Measured[]> {
  const connection = await Connection.open(new URL(server.ready.logUrl));
  const producer = await producerId();
  const rounds = QUESTIONS.map((question) => ({
    question,
    requests: Array.from({ length: SPREADS }, (_, i) =>
      requestOf(question.query.replace('PRODUCER', producer).replace('ROUND', `${i}`)),
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

function requestOf(query: string): Buffer {
  const { pathname, host } = new URL(server.ready.logUrl);
  const search = new URLSearchParams({ limit: `${PAGE_EVENTS}`, ...(query === '' ? {} : { q: query }) });
  return Buffer.from(
    `GET ${pathname}/events?${search} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${server.ready.auditorToken}\r\n\r\n`,
  );
}

/** What entries name as their producer. */
async function producerId(): Promise<string> {
  const url = `${server.ready.logUrl}/export.ndjson?${new URLSearchParams({ q: 'actor:u_unique' })}`;
  const response = await fetch(url, { headers: { authorization: `Bearer ${server.ready.auditorToken}` } });
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
