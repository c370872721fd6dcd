/**
 * Heartbeats (S3): an entry every minute that says the trail is alive and how it is. In a quiet hour they are also the
 * clock of the watch, because detectors know no time but that of the log.
 */
import type { ClockReading } from '../clock/check-clock.ts';
import { LOG_ACTOR } from '../finding.ts';
import type { OwnEvent } from '../record.ts';

export const HEARTBEAT = 'countersign.heartbeat';

export interface Pulse {
  readonly intervalMs: number;
  readonly treeSize: number;
  readonly signedSize: number;
  readonly publishedSize: number;
  readonly queuedEvents: number;
  /** Entries that the watch has examined. */
  readonly examinedSize: number;
  readonly producerCount: number;
  readonly openFindings: number;
  readonly clock: ClockReading;
}

export function heartbeatEvent(pulse: Pulse): OwnEvent {
  return {
    action: HEARTBEAT,
    actor: LOG_ACTOR,
    outcome: { result: 'success' },
    context: {
      interval_seconds: pulse.intervalMs / 1000,
      tree_size: pulse.treeSize,
      signed_size: pulse.signedSize,
      published_size: pulse.publishedSize,
      queued_events: pulse.queuedEvents,
      examined_size: pulse.examinedSize,
      producers: pulse.producerCount,
      open_findings: pulse.openFindings,
      clock_state: pulse.clock.state,
      clock_offset_us: pulse.clock.offsetUs,
    },
  };
}
