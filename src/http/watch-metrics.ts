/** Numbers of the watch over each log, read at the moment of a scrape. */
import { Counter, Gauge, type Registry } from 'prom-client';
import { CLOCK_STATES } from '../trail/clock/check-clock.ts';
import type { Watch, WatchStatus } from '../trail/watch/watch.ts';
import { type AnyServedLog, isRaw } from './route.ts';

type Watched = readonly (readonly [log: string, watch: Watch])[];

const GAUGES: readonly (readonly [name: string, help: string, value: (status: WatchStatus) => number])[] = [
  ['countersign_watch_examined_size', 'Entries below this were examined.', (status) => status.examinedSize],
  ['countersign_watch_lag_entries', 'Entries that wait to be examined.', (status) => status.lag],
  ['countersign_watch_producers', 'Producers that the watch listens to.', (status) => status.producerCount],
  [
    'countersign_watch_unjudged_actions',
    'User actions let go unjudged because too many were open at one time.',
    (status) => status.unjudgedActions,
  ],
  [
    'countersign_heartbeat_timestamp_seconds',
    'When the last heartbeat was recorded; 0 if none was since the start.',
    (status) => (status.lastBeatMs ?? 0) / 1000,
  ],
  [
    'countersign_clock_checked_timestamp_seconds',
    'When the clock was last checked; 0 if it never was.',
    (status) => (status.clock.checkedAtMs ?? 0) / 1000,
  ],
  ['countersign_alerts_waiting', 'Findings that wait to be delivered.', (status) => status.alerts?.waiting ?? 0],
];

export function registerWatchMetrics(registry: Registry, logs: ReadonlyMap<string, AnyServedLog>): void {
  const watched = (): Watched =>
    [...logs].flatMap(([name, served]) =>
      isRaw(served) || served.watch === undefined ? [] : [[name, served.watch] as const],
    );
  for (const [name, help, value] of GAUGES) {
    new Gauge({
      name,
      help,
      labelNames: ['log'],
      registers: [registry],
      collect() {
        for (const [log, watch] of watched()) this.labels(log).set(value(watch.status()));
      },
    });
  }
  registerFindings(registry, watched);
  registerClock(registry, watched);
  registerAlerts(registry, watched);
}

function registerFindings(registry: Registry, watched: () => Watched): void {
  const labelNames = ['log', 'kind', 'severity'] as const;
  new Counter({
    name: 'countersign_findings_total',
    help: 'Findings that were raised in this log, by kind and severity.',
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const [log, watch] of watched()) {
        for (const { kind, severity, raised } of watch.findings.totals()) this.labels(log, kind, severity).inc(raised);
      }
    },
  });
  new Gauge({
    name: 'countersign_findings_open',
    help: 'Findings that nobody has acknowledged, by kind and severity.',
    labelNames,
    registers: [registry],
    collect() {
      for (const [log, watch] of watched()) {
        for (const { kind, severity, open } of watch.findings.totals()) this.labels(log, kind, severity).set(open);
      }
    },
  });
}

function registerClock(registry: Registry, watched: () => Watched): void {
  new Gauge({
    name: 'countersign_clock_offset_seconds',
    help: 'How far the clock is ahead of its time sources; absent while nothing says so.',
    labelNames: ['log'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [log, watch] of watched()) {
        const { offsetUs } = watch.clock();
        if (offsetUs !== null) this.labels(log).set(offsetUs / 1_000_000);
      }
    },
  });
  new Gauge({
    name: 'countersign_clock_state',
    help: '1 for the state that the clock is in, 0 for the others.',
    labelNames: ['log', 'state'],
    registers: [registry],
    collect() {
      for (const [log, watch] of watched()) {
        for (const state of CLOCK_STATES) this.labels(log, state).set(Number(watch.clock().state === state));
      }
    },
  });
}

function registerAlerts(registry: Registry, watched: () => Watched): void {
  new Counter({
    name: 'countersign_alerts_total',
    help: 'Alerts of this process, by what became of them.',
    labelNames: ['log', 'outcome'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [log, watch] of watched()) {
        const counts = watch.status().alerts;
        if (counts === null) continue;
        this.labels(log, 'delivered').inc(counts.delivered);
        this.labels(log, 'given_up').inc(counts.givenUp);
      }
    },
  });
}
