/**
 * Numbers for Prometheus. Counters and histograms are fed by the routes; gauges of the logs are read at the moment of a
 * scrape, from the same health report that /healthz gives.
 */
import { Type } from '@sinclair/typebox';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { LogHealth } from '../log/types.ts';
import { respond, SECURITY_HEADERS } from './respond.ts';
import type { AnyServedLog, SiteRoute } from './route.ts';
import { registerWatchMetrics } from './watch-metrics.ts';

export interface HttpMetrics {
  readonly registry: Registry;
  /** A function that counts one answer of this route; made once, called once a request. */
  route(method: string, path: string): (status: number, elapsedMs: number) => void;
  /** One group of events submitted to a log: outcomes, and how long the promise took. */
  submitted(log: string, outcome: SubmitOutcome, eventCount: number): void;
  submitTook(log: string, elapsedMs: number): void;
}

export type SubmitOutcome = 'accepted' | 'duplicate' | 'conflict' | 'refused' | 'overloaded';

const LATENCY_BUCKETS_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60];

/** `withProcess`: also memory, event loop and garbage collection of this process. */
export function createMetrics(
  logs: ReadonlyMap<string, AnyServedLog>,
  options: { withProcess?: boolean } = {},
): HttpMetrics {
  const registry = new Registry();
  if (options.withProcess === true) collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: 'countersign_http_requests_total',
    help: 'Answers by route and status.',
    labelNames: ['method', 'route', 'status'],
    registers: [registry],
  });
  const durations = new Histogram({
    name: 'countersign_http_request_duration_seconds',
    help: 'Time from the first header to the finished answer, by route.',
    labelNames: ['method', 'route'],
    buckets: LATENCY_BUCKETS_SECONDS,
    registers: [registry],
  });
  const events = new Counter({
    name: 'countersign_events_submitted_total',
    help: 'Events by log and by what became of them.',
    labelNames: ['log', 'outcome'],
    registers: [registry],
  });
  const submits = new Histogram({
    name: 'countersign_submit_duration_seconds',
    help: 'Time until events were sequenced, integrated and durable.',
    labelNames: ['log'],
    buckets: LATENCY_BUCKETS_SECONDS,
    registers: [registry],
  });
  registerLogGauges(registry, logs);
  registerWatchMetrics(registry, logs);

  // Looking a label up costs more than counting.
  const outcomeOf = remember((log: string, outcome: SubmitOutcome) => events.labels(log, outcome));
  const tookOf = remember((log: string) => submits.labels(log));

  return {
    registry,
    route(method, path) {
      const label = openApiPath(path);
      const duration = durations.labels(method, label);
      const byStatus = new Map<number, { inc(): void }>();
      return (status, elapsedMs) => {
        let counter = byStatus.get(status);
        if (counter === undefined) {
          counter = requests.labels(method, label, `${status}`);
          byStatus.set(status, counter);
        }
        counter.inc();
        duration.observe(elapsedMs / 1000);
      };
    },
    submitted: (log, outcome, eventCount) => outcomeOf(log, outcome).inc(eventCount),
    submitTook: (log, elapsedMs) => tookOf(log).observe(elapsedMs / 1000),
  };
}

/** The same answer for the same arguments; there are as few of them as logs and outcomes. */
function remember<Args extends readonly string[], T>(make: (...args: Args) => T): (...args: Args) => T {
  const made = new Map<string, T>();
  return (...args) => {
    const name = args.join(' ');
    const known = made.get(name) ?? make(...args);
    made.set(name, known);
    return known;
  };
}

/** Hono's `/:log/events/:id{…}` as OpenAPI and people write it: `/{log}/events/{id}`. */
export function openApiPath(path: string): string {
  return path.replace(/:([a-z]+)(\{[^}]*\})?/g, '{$1}');
}

export const metricsRoute: SiteRoute = {
  method: 'GET',
  path: '/metrics',
  access: 'site',
  description: {
    summary: 'Metrics for Prometheus',
    answers: { 200: { description: 'The Prometheus text format.', content: { 'text/plain': Type.String() } } },
  },
  handle: async ({ services: { metrics } }) =>
    respond(200, await metrics.registry.metrics(), {
      ...SECURITY_HEADERS,
      'content-type': metrics.registry.contentType,
      'cache-control': 'no-store',
    }),
};

type GaugeValue = (health: LogHealth, log: AnyServedLog) => number;

const LOG_GAUGES: readonly (readonly [name: string, help: string, value: GaugeValue])[] = [
  [
    'countersign_log_healthy',
    '1 if a fresh checkpoint with a quorum is published.',
    (health) => Number(health.healthy),
  ],
  ['countersign_log_accepting', '1 if events are taken.', (health) => Number(health.accepting)],
  ['countersign_log_signing', '1 if heads are signed.', (health) => Number(health.signing.state === 'signing')],
  ['countersign_log_tree_size', 'Events that are durable and integrated.', (health) => health.treeSize],
  ['countersign_log_signed_size', 'Size of the newest signed head.', (health) => health.signedSize],
  ['countersign_log_published_size', 'Size of the newest published checkpoint.', (health) => health.publishedSize],
  ['countersign_log_queued_events', 'Events that wait to become durable.', (health) => health.queuedEvents],
  [
    'countersign_log_head_signed_timestamp_seconds',
    'When the newest head was signed; 0 if none was.',
    (health) => (health.headSignedAtMs ?? 0) / 1000,
  ],
  [
    'countersign_log_published_timestamp_seconds',
    'When the newest checkpoint was published; 0 if none was.',
    (health) => (health.publishedAtMs ?? 0) / 1000,
  ],
  [
    'countersign_scrub_examined_entries',
    'Entries that the present pass of the scrubber has examined.',
    (health) => health.scrub.examined,
  ],
  [
    'countersign_scrub_last_pass_timestamp_seconds',
    'When the scrubber last came to the end of the log; 0 if it never did.',
    (health) => (health.scrub.lastPass?.endedAtMs ?? 0) / 1000,
  ],
  [
    'countersign_scrub_last_pass_entries',
    'Entries that its last whole pass examined.',
    (health) => health.scrub.lastPass?.size ?? 0,
  ],
  [
    'countersign_scrub_damaged_entries',
    'Entries with damage in what is stored of them; none of it is served.',
    (health) => health.scrub.damagedIndices.length,
  ],
];

type WitnessHealth = LogHealth['witnesses'][number];

/** A value of null is not reported: the log does not push to a witness without URL. */
const WITNESS_GAUGES: readonly (readonly [name: string, help: string, value: (one: WitnessHealth) => number | null])[] =
  [
    [
      'countersign_witness_cosigned_size',
      'Largest size of this log that the witness has cosigned; 0 if none.',
      ({ cosignedSize }) => cosignedSize ?? 0,
    ],
    [
      'countersign_witness_cosigned_timestamp_seconds',
      'When its newest cosignature arrived; 0 if none did.',
      ({ cosignedAtMs }) => (cosignedAtMs ?? 0) / 1000,
    ],
    [
      'countersign_witness_push_requests',
      'Requests made to it since the start, to push heads.',
      ({ push }) => push?.requests ?? null,
    ],
    [
      'countersign_witness_push_failures',
      'Heads that could not be pushed to it since the start.',
      ({ push }) => push?.failures ?? null,
    ],
    [
      'countersign_witness_push_latency_seconds',
      'How long its last answer took.',
      ({ push }) => (push?.latencyMs === null || push === null ? null : push.latencyMs / 1000),
    ],
  ];

function registerLogGauges(registry: Registry, logs: ReadonlyMap<string, AnyServedLog>): void {
  for (const [name, help, value] of LOG_GAUGES) {
    new Gauge({
      name,
      help,
      labelNames: ['log'],
      registers: [registry],
      collect() {
        for (const [logName, served] of logs) this.labels(logName).set(value(served.log.health(), served));
      },
    });
  }
  for (const [name, help, value] of WITNESS_GAUGES) {
    new Gauge({
      name,
      help,
      labelNames: ['log', 'witness'],
      registers: [registry],
      collect() {
        for (const [logName, served] of logs) {
          for (const witness of served.log.health().witnesses) {
            const number = value(witness);
            if (number !== null) this.labels(logName, witness.name).set(number);
          }
        }
      },
    });
  }
}
