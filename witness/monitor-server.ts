/** What a running monitor shows: `/metrics` for Prometheus, `/healthz` with the last round (503 while there are problems). */
import { Hono } from 'hono';
import { Counter, Gauge, Registry } from 'prom-client';
import type { RoundReport } from './monitor.ts';
import { type ListenOptions, serveApp, type WitnessServer } from './server.ts';

export interface MonitorMetrics {
  readonly rounded: (report: RoundReport) => void;
  readonly roundFailed: () => void;
  readonly webhook: (delivered: boolean) => void;
  readonly text: () => Promise<string>;
  readonly contentType: string;
}

const REQUEST_TIMEOUT_MS = 30_000;

export function createMonitorMetrics(): MonitorMetrics {
  const registers = [new Registry()];
  const rounds = new Counter({
    name: 'countersign_monitor_rounds_total',
    help: 'Rounds, by how they ended: good, problems, unchecked or failed',
    labelNames: ['outcome'],
    registers,
  });
  const headSize = new Gauge({
    name: 'countersign_monitor_head_size',
    help: 'Size of the newest head whose history was verified',
    registers,
  });
  const entries = new Gauge({
    name: 'countersign_monitor_entries_verified',
    help: 'Entries that were read and hashed',
    registers,
  });
  const sources = new Gauge({
    name: 'countersign_monitor_source_size',
    help: 'Size of the head that a source shows',
    labelNames: ['source'],
    registers,
  });
  const problems = new Gauge({
    name: 'countersign_monitor_problems',
    help: 'Problems at present, by kind; of "fork", the fork proofs that are held',
    labelNames: ['code'],
    registers,
  });
  const unchecked = new Gauge({
    name: 'countersign_monitor_unchecked',
    help: 'Things that could not be checked in the last round',
    registers,
  });
  const webhooks = new Counter({
    name: 'countersign_monitor_webhooks_total',
    help: 'Alerts posted, by whether they were delivered',
    labelNames: ['delivered'],
    registers,
  });
  const [registry] = registers;
  return {
    rounded: (report) => {
      const outcome = report.problems.length > 0 ? 'problems' : report.unchecked.length > 0 ? 'unchecked' : 'good';
      rounds.inc({ outcome });
      headSize.set(report.headSize);
      entries.set(report.entriesVerified);
      unchecked.set(report.unchecked.length);
      for (const { name, size } of report.sources) if (size !== null) sources.set({ source: name }, size);
      problems.reset();
      for (const { code } of report.problems) problems.inc({ code });
    },
    roundFailed: () => rounds.inc({ outcome: 'failed' }),
    webhook: (delivered) => webhooks.inc({ delivered: String(delivered) }),
    text: async () => (await registry?.metrics()) ?? '',
    contentType: Registry.PROMETHEUS_CONTENT_TYPE,
  };
}

/** Throws `config-invalid` when the address cannot be had. */
export function serveMonitor(
  metrics: MonitorMetrics,
  lastRound: () => RoundReport | undefined,
  listen: ListenOptions,
): Promise<WitnessServer> {
  const app = new Hono();
  app.get('/metrics', async (c) => c.body(await metrics.text(), 200, { 'content-type': metrics.contentType }));
  app.get('/healthz', (c) => {
    const report = lastRound();
    const healthy = report !== undefined && report.problems.length === 0;
    return c.json({ healthy, last_round: report ?? null }, healthy ? 200 : 503);
  });
  app.notFound((c) => c.text('there is nothing here\n', 404));
  return serveApp(app, listen, REQUEST_TIMEOUT_MS);
}
