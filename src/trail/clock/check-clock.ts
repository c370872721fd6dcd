/**
 * The log's clock (T1): asked about at its time sources every few minutes. Each check is an entry, so that the quality of
 * the clock at the time of any event can be read from the log; the offset of the last check goes into each event.
 *
 * `unchecked`     no source is configured, or none was asked yet
 * `synchronised`  the median of the sources is within the limit
 * `offset`        it is not
 * `unsynchronised` no source gave an answer that counts, this time and the time before
 */

import { LOG_ACTOR } from '../finding.ts';
import type { OwnEvent } from '../record.ts';
import type { ClockConfig } from '../watch/config.ts';
import { parseTracking, type RunTracking, runTracking } from './chrony.ts';
import { NTP_PORT, querySntp, type SntpAnswer, SntpError, type SntpOptions } from './sntp.ts';

export const CLOCK_CHECK = 'countersign.clock.check';

export type ClockState = 'unchecked' | 'synchronised' | 'offset' | 'unsynchronised';

export const CLOCK_STATES: readonly ClockState[] = ['unchecked', 'synchronised', 'offset', 'unsynchronised'];

export interface SourceReport {
  readonly source: string;
  readonly offsetUs: number | null;
  readonly delayUs: number | null;
  readonly stratum: number | null;
  readonly error: string | null;
}

export interface ClockReading {
  readonly state: ClockState;
  /** The local clock minus the median of its sources: positive when it is ahead. Null when nothing says so. */
  readonly offsetUs: number | null;
  readonly checkedAtMs: number | null;
  readonly sources: readonly SourceReport[];
}

export const UNCHECKED: ClockReading = { state: 'unchecked', offsetUs: null, checkedAtMs: null, sources: [] };

export interface ClockSources {
  readonly nowMs: () => number;
  readonly query: (host: string, port: number) => Promise<SntpAnswer>;
  readonly tracking: RunTracking;
}

/** Questions to a server in one check: datagrams get lost. */
const TRIES = 3;
const QUERY_TIMEOUT_MS = 2_000;

/** The sources of the real world. */
export function systemSources(options: Partial<SntpOptions> = {}): ClockSources {
  const sntp: SntpOptions = {
    timeoutMs: QUERY_TIMEOUT_MS,
    nowUs: () => Date.now() * 1000,
    elapsedMs: () => performance.now(),
    ...options,
  };
  return { nowMs: Date.now, query: (host, port) => querySntp(host, port, sntp), tracking: runTracking };
}

/** Asks every source once. `before` is the reading of the last check: one check without an answer is no alarm yet. */
export async function checkClock(
  config: ClockConfig,
  sources: ClockSources,
  before: ClockReading = UNCHECKED,
): Promise<ClockReading> {
  const reports = await Promise.all([
    ...config.servers.map((server) => askServer(server, sources)),
    ...(config.chrony ? [askChrony(sources)] : []),
  ]);
  if (reports.length === 0) return UNCHECKED;
  const offsets = reports.flatMap(({ offsetUs }) => (offsetUs === null ? [] : [offsetUs])).sort((a, b) => a - b);
  const offsetUs = median(offsets);
  const reading = { offsetUs, checkedAtMs: sources.nowMs(), sources: reports };
  if (offsetUs !== null) {
    return { ...reading, state: Math.abs(offsetUs) > config.maxOffsetUs ? 'offset' : 'synchronised' };
  }
  const missedBefore = before.offsetUs === null;
  return { ...reading, state: missedBefore ? 'unsynchronised' : before.state };
}

export function clockEvent({ state, offsetUs, sources }: ClockReading): OwnEvent {
  return {
    action: CLOCK_CHECK,
    actor: LOG_ACTOR,
    outcome: { result: state === 'synchronised' ? 'success' : 'failure' },
    context: {
      state,
      offset_us: offsetUs,
      sources: sources.map((one) => ({
        source: one.source,
        offset_us: one.offsetUs,
        delay_us: one.delayUs,
        stratum: one.stratum,
        error: one.error,
      })),
    },
  };
}

async function askServer(server: string, { query }: ClockSources): Promise<SourceReport> {
  const { host, port } = hostAndPort(server);
  let error = '';
  for (let i = 0; i < TRIES; i++) {
    try {
      return { source: server, ...(await query(host, port)), error: null };
    } catch (reason) {
      error = messageOf(reason);
      // A server that answered something else than the time is not asked again: it said what it had to say.
      if (!(reason instanceof SntpError && reason.code === 'timeout')) break;
    }
  }
  return { source: server, offsetUs: null, delayUs: null, stratum: null, error };
}

async function askChrony({ tracking }: ClockSources): Promise<SourceReport> {
  try {
    const { offsetUs, stratum } = parseTracking(await tracking());
    return { source: 'chrony', offsetUs, delayUs: null, stratum, error: null };
  } catch (reason) {
    return { source: 'chrony', offsetUs: null, delayUs: null, stratum: null, error: messageOf(reason) };
  }
}

/** `host`, `host:port`, `[v6]:port` or a bare IPv6 address. */
function hostAndPort(server: string): { readonly host: string; readonly port: number } {
  const [, v6, host, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:]+))(?::([0-9]{1,5}))?$/.exec(server) ?? [];
  return { host: v6 ?? host ?? server, port: port === undefined ? NTP_PORT : Number(port) };
}

/** Of an even number, the one of the two in the middle that is farther from zero: the one that gives reason to look. */
function median(sorted: readonly number[]): number | null {
  const low = sorted[Math.floor((sorted.length - 1) / 2)];
  const high = sorted[Math.floor(sorted.length / 2)];
  if (low === undefined || high === undefined) return null;
  return Math.abs(low) > Math.abs(high) ? low : high;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, 200) : 'failed';
}
