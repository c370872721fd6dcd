#!/usr/bin/env node
/**
 * The monitor's command. Exit codes with --once: 0 everything was checked and is good, 1 there is a problem, 2 something
 * could not be checked (nothing checked is never good), or wrong usage. Without --once it runs until SIGTERM.
 */
import { mkdir } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { Command } from 'commander';
import type { Logger } from 'pino';
import { collect, EXIT_FAILED, EXIT_USAGE, print, readText, runCommand, stderrLogger, stopSignal } from './command.ts';
import { messageOf } from './errors.ts';
import { type Monitor, openMonitor, type RoundReport } from './monitor.ts';
import { type Alert, Alerts } from './monitor-alerts.ts';
import { type MonitorConfig, type MonitorFlags, readMonitorConfig } from './monitor-config.ts';
import { createMonitorMetrics, serveMonitor } from './monitor-server.ts';

async function main(): Promise<void> {
  const program = new Command('countersign-monitor')
    .description(
      'Follows one log, its witnesses and its mirrors, verifies everything, and turns a disagreement into proof.',
    )
    .showHelpAfterError()
    .requiredOption(
      '--policy <file>',
      'the policy that is trusted: the keys of the log and of its witnesses, their URLs',
    )
    .requiredOption('--data <dir>', "directory of the monitor's state and of the fork proofs; one for each log")
    .option('--origin <origin>', 'which log of the policy, if it has several')
    .option('--log-url <url>', 'where the log is, if the policy does not say')
    .option('--witness-url <name=url>', "where a witness's monitoring endpoint is, if not in the policy", collect, [])
    .option('--mirror <url vkey>', 'a mirror: monitoring URL, and its key unless it is in the policy', collect, [])
    .option('--once', 'one round, then exit: 0 good, 1 a problem, 2 something could not be checked')
    .option('--json', 'JSON lines on standard output instead of text')
    .option('--poll-ms <ms>', 'pause between two rounds (default: 5000)')
    .option('--max-lag-ms <ms>', 'how long a witness may be behind, or not answer (default: 60000)')
    .option('--max-still-ms <ms>', 'how long the head may stand still, 0 for ever (default: 3600000)')
    .option('--webhook <url>', 'post each alert there as JSON; repeatable', collect, [])
    .option('--listen <host:port>', 'serve /metrics and /healthz there')
    .action(async (flags: MonitorFlags & { readonly policy: string; readonly once?: true; readonly json?: true }) => {
      const config = readMonitorConfig(flags, await readText(flags.policy));
      await run(config, { once: flags.once === true, json: flags.json === true });
    });
  await program.parseAsync();
}

interface Mode {
  readonly once: boolean;
  readonly json: boolean;
}

async function run(config: MonitorConfig, mode: Mode): Promise<void> {
  const logger = stderrLogger();
  await mkdir(config.directory, { recursive: true, mode: 0o700 });
  const abort = new AbortController();
  const client = { fetch: globalThis.fetch, timeoutMs: config.timeoutMs, signal: abort.signal };
  const monitor = await openMonitor({ ...config, client, clock: Date.now });
  const metrics = createMonitorMetrics();
  const { origin, webhooks } = config;
  const onAlert = (alert: Alert): void => print(mode.json ? JSON.stringify(alert) : alertText(alert));
  const alerts = new Alerts({ origin, webhooks, client, logger, onAlert, onWebhook: metrics.webhook });
  if (mode.once) {
    const report = await monitor.round();
    alerts.update(report);
    await alerts.settle();
    printRound(report, origin, mode);
    process.exitCode = report.problems.length > 0 ? EXIT_FAILED : report.unchecked.length > 0 ? EXIT_USAGE : 0;
    return;
  }
  let last: RoundReport | undefined;
  const server = config.listen === undefined ? undefined : await serveMonitor(metrics, () => last, config.listen);
  const { sources } = monitor;
  print(JSON.stringify({ ready: true, url: server?.url ?? null, origin, sources: sources.map(({ name }) => name) }));
  const rounds = repeat(monitor, config.pollMs, abort.signal, logger, (report) => {
    if (report === undefined) {
      metrics.roundFailed();
      return;
    }
    last = report;
    metrics.rounded(report);
    alerts.update(report);
    if (mode.json) printRound(report, origin, mode);
  });
  await stopSignal(logger);
  abort.abort();
  await rounds;
  await alerts.settle();
  await server?.close();
}

/** Rounds until the end. A round that fails (a full disk) is reported and tried again; it never counts as good. */
async function repeat(
  monitor: Monitor,
  pollMs: number,
  signal: AbortSignal,
  logger: Logger,
  onRound: (report: RoundReport | undefined) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      onRound(await monitor.round());
    } catch (error) {
      if (signal.aborted) return;
      logger.error({ error: messageOf(error) }, 'a round failed');
      onRound(undefined);
    }
    await pause(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

function printRound(report: RoundReport, origin: string, { json }: Mode): void {
  const { atMs, headSize, entriesVerified, problems, unchecked, sources } = report;
  const time = new Date(atMs).toISOString();
  if (json) {
    const ok = problems.length === 0 && unchecked.length === 0;
    const sizes = { head_size: headSize, entries_verified: entriesVerified };
    print(JSON.stringify({ event: 'round', time, origin, ok, ...sizes, problems, unchecked, sources }));
    return;
  }
  print(`${time}  ${origin}: head ${headSize}, ${entriesVerified} entries verified, ${problems.length} problems`);
  for (const what of unchecked) print(`  not checked: ${what}`);
}

function alertText({ event, time, origin, problem }: Alert): string {
  return `${time}  ${event.toUpperCase()}  ${problem.code}  ${origin}  ${problem.source}: ${problem.detail}`;
}

runCommand(main);
