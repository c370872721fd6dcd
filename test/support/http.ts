/**
 * A served log to test against: a real listener on a free port and the real log on a store in memory, with a fixed clock,
 * fixed randomness and counted request ids. What such a server answers can be written down byte by byte.
 */

import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JsonObject, parseCanonicalJson } from '../../proofs/canonical-json.ts';
import { joinFields } from '../../proofs/fields.ts';
import { OWN_PRODUCER } from '../../proofs/own-entries.ts';
import type { PrepareContext } from '../../src/events/types.ts';
import { openEvidenceDesk } from '../../src/evidence/desk.ts';
import { openReviews } from '../../src/evidence/reviews.ts';
import { openSamples } from '../../src/evidence/samples.ts';
import { type AppOptions, createApp } from '../../src/http/app.ts';
import type { AnyServedLog, ServedLog } from '../../src/http/route.ts';
import { type RunningServer, serveApp } from '../../src/http/server.ts';
import { LOG_FIELD } from '../../src/log/disclosure.ts';
import type { OpenLogOptions } from '../../src/log/options.ts';
import type { Log } from '../../src/log/types.ts';
import { openMemoryStore } from '../../src/store/memory.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import { memoryTokenStore, type TokenStore } from '../../src/trail/access.ts';
import type { ReviewSchedule } from '../../src/trail/review-schedule.ts';
import { openTrail, type Trail } from '../../src/trail/trail.ts';
import { cosignHead, openTestLog, type TestKeys, until } from './test-log.ts';

/** 2026-01-08T14:32:07Z: every log time in these tests is this second plus a few microseconds. */
export const START_US = 1_767_882_727_000_000;

export interface TestServer extends RunningServer {
  readonly log: Log;
  readonly keys: TestKeys;
  readonly tokens: TokenStore;
  readonly trail: Trail;
  readonly producer: string;
  readonly auditor: string;
  readonly admin: string;
  /** What the server wrote to its own log. */
  readonly logged: readonly object[];
  /** Cosigns until everything that is stored is published. */
  publish(): Promise<void>;
  /** Closes the server and the log, and removes what they wrote. */
  stop(): Promise<void>;
}

export interface TestServerOptions {
  /** Reviews that are due. */
  readonly reviews?: readonly ReviewSchedule[];
  readonly app?: Partial<AppOptions>;
  readonly log?: Partial<OpenLogOptions> & { readonly keys?: TestKeys };
  /** What else is served beside the log and its trail. */
  readonly served?: Partial<ServedLog>;
  /** Further logs of the same server, by name. */
  readonly beside?: ReadonlyMap<string, AnyServedLog>;
  /** The clock of tokens and of the trail; that of the log stands still. */
  readonly nowMs?: () => number;
}

/** Serves one log, named `test`, for the time of the work. */
export async function withServer<T>(
  work: (server: TestServer) => Promise<T>,
  options: TestServerOptions = {},
): Promise<T> {
  const server = await startServer(options);
  try {
    return await work(server);
  } finally {
    await server.stop();
  }
}

/** Serves one log, named `test`, until `stop`. */
export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-http-'));
  const { log, keys } = await openTestLog(directory, {
    openStore: async () => openMemoryStore(),
    nowUs: () => START_US,
    ...options.log,
  });
  const nowMs = options.nowMs ?? (() => START_US / 1000);
  const tokens = memoryTokenStore({ randomBytes: countedBytes('token'), nowMs });
  const { token: producer } = await tokens.create({ role: 'producer', name: 'billing' });
  const { token: auditor } = await tokens.create({ role: 'auditor', name: 'ACME audit' });
  const { token: admin } = await tokens.create({ role: 'admin', name: 'operations' });
  const logged: object[] = [];
  let requests = 0;
  const contexts = testContexts();
  let ownEvents = 0;
  let bundles = 0;
  const trail = await openTrail({
    log,
    prepareContext: contexts,
    nowMs,
    newId: () => `own-${++ownEvents}`,
  });
  const evidence = await openEvidenceDesk({
    ...{ log, trail, nowMs, hasher: nativeHasher, signers: keys.signers },
    directory: join(directory, 'evidence'),
    newId: () => `bundle-${++bundles}`,
  });
  const samples = await openSamples({ log, trail, nowMs, randomBytes: countedBytes('operator') });
  const reviews = await openReviews({ log, trail, samples, schedules: options.reviews ?? [] });
  const app = createApp({
    logs: new Map<string, AnyServedLog>([
      ...(options.beside ?? []),
      [
        'test',
        {
          log,
          tokens,
          prepareContext: contexts,
          trail,
          evidence,
          samples,
          reviews,
          ...options.served,
        } satisfies ServedLog,
      ],
    ]),
    logger: { error: (details) => void logged.push(details) },
    nowMs: () => START_US / 1000,
    newRequestId: () => `00000000-0000-4000-8000-${String(++requests).padStart(12, '0')}`,
    ...options.app,
  });
  const server = await serveApp(app, { limits: { closeGraceMs: 1_000, ...options.app?.limits } });
  return {
    ...server,
    log,
    keys,
    tokens,
    trail,
    producer,
    auditor,
    admin,
    logged,
    publish: () => publishAt(log, keys, options.log?.nowUs?.() ?? START_US),
    stop: async () => {
      await server.close();
      await evidence.close();
      reviews.close();
      samples.close();
      await trail.close();
      await log.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function publishAt(log: Log, keys: TestKeys, nowUs: number): Promise<void> {
  await until(() => log.head() !== undefined && log.signedSize() === log.treeSize(), 'a head over all events');
  await cosignHead(log, keys.witnesses, Math.floor(nowUs / 1_000_000));
}

/** Preparation with fixed randomness, so that hashes are the same in every run. */
export function testContexts(): (producerId: string) => PrepareContext {
  const randomBytes = countedBytes('event');
  return (producerId) => ({
    producerId,
    macKeys: { raw: new Uint8Array(32).fill(1), content: new Uint8Array(32).fill(2) },
    randomBytes,
    separatePaths: () => [],
    redact: (event) => event,
    catalogueVersion: null,
    redactionVersion: null,
    clockOffsetUs: null,
  });
}

/** Different bytes at each call and the same ones in each run. */
function countedBytes(label: string): (byteCount: number) => Uint8Array {
  let calls = 0;
  return (byteCount) => {
    const made = createHash('shake256', { outputLength: byteCount }).update(`${label} ${++calls}`);
    return new Uint8Array(made.digest());
  };
}

/** What the log recorded by itself from this index on, in order; what producers sent is left out. */
export async function ownEntries(log: Log, from = 0): Promise<readonly JsonObject[]> {
  const indices = Array.from({ length: log.treeSize() - from }, (_, i) => from + i);
  const stored = await log.eventsAt(indices);
  return stored
    .filter(({ producerId }) => producerId === OWN_PRODUCER)
    .map(({ fields }) =>
      joinFields(
        fields.flatMap(({ id, opening }) =>
          id === LOG_FIELD || opening === undefined ? [] : [[id, parseCanonicalJson(opening.value)] as const],
        ),
      ),
    );
}

/** How many events of producers the log has. */
export async function producerEvents(log: Log): Promise<number> {
  return log.treeSize() - (await ownEntries(log)).length;
}

/** A valid event of the smallest kind, with changes. */
export function testEvent(eventId: string, changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    event_id: eventId,
    occurred_at: '2026-01-08T14:32:06.5Z',
    actor: { type: 'user', id: 'u_8842' },
    action: 'role.grant',
    target: { type: 'user', id: 'u_9013' },
    outcome: { result: 'success' },
    authorization: { decision: 'allow', rule: 'policy.access.grant.v3#owner' },
    ...changes,
  };
}

export interface TestRequest {
  readonly method?: string;
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** Sent as JSON. */
  readonly json?: unknown;
}

export interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; asserted by the test that reads it. */
  readonly json: () => Readonly<Record<string, unknown>>;
}

export async function ask(server: RunningServer, path: string, request: TestRequest = {}): Promise<TestAnswer> {
  const body = request.json === undefined ? request.body : JSON.stringify(request.json);
  const response = await fetch(`${server.url}${path}`, {
    method: request.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      ...(request.token === undefined ? {} : { authorization: `Bearer ${request.token}` }),
      ...(request.json === undefined ? {} : { 'content-type': 'application/json' }),
      ...request.headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) };
}

/** Sends bytes as they are and returns all that comes back until the server closes the connection. */
export function askRaw(server: RunningServer, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(server.port, server.host, () => socket.write(text));
    let answer = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk) => {
      answer += String(chunk);
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', (error) => (answer === '' ? reject(error) : resolve(answer)));
  });
}
