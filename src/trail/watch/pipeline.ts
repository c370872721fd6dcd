/**
 * The trail watches itself (S3): a heartbeat that did not come, a head that no quorum cosigned, a clock that is off. All
 * of it is read from the log's own entries, heartbeats and clock checks, so that it can be read again by anyone.
 */

import type { JsonValue } from '../../../proofs/canonical-json.ts';
import { memberAt, textAt } from '../../../proofs/fields.ts';
import { CLOCK_CHECK } from '../clock/check-clock.ts';
import type { Finding, FindingKind } from '../finding.ts';
import { formatTimeUs } from '../time.ts';
import type { Detector } from './detector.ts';
import type { Examined } from './examined.ts';
import { HEARTBEAT } from './heartbeat.ts';
import { flagIn, integerIn, integerOrNullIn, objectIn, textIn } from './state-values.ts';

/** Heartbeats that may be missed before a pause of the log is a finding. */
const MAX_MISSED_HEARTBEATS = 3;
/** How long entries may wait for a quorum. */
const MAX_UNWITNESSED_US = 300_000_000;
const LOG_SUBJECT = { type: 'log', id: 'countersign' };

/** Nothing was recorded for longer than three heartbeats: the log did not run, or took no events. */
export function heartbeatGapDetector(): Detector {
  let intervalUs: number | null = null;
  let lastIndex = 0;
  let lastTimeUs = 0;
  return {
    name: 'heartbeat-gap',
    examine: (event) => {
      const { index, logTimeUs } = event;
      const pauseUs = logTimeUs - lastTimeUs;
      const isGap = intervalUs !== null && pauseUs > MAX_MISSED_HEARTBEATS * intervalUs;
      const findings = isGap ? [heartbeatGapFinding([lastIndex, lastTimeUs], [index, logTimeUs], intervalUs ?? 0)] : [];
      if (event.action === HEARTBEAT) {
        const seconds = memberAt(event.field('context'), 'interval_seconds');
        intervalUs = typeof seconds === 'number' && seconds > 0 ? Math.round(seconds * 1_000_000) : null;
      }
      lastIndex = index;
      lastTimeUs = logTimeUs;
      return findings;
    },
    dueUs: () => null,
    tick: () => [],
    save: () => ({ intervalUs, lastIndex, lastTimeUs }),
    restore: (state) => {
      const saved = objectIn(state, 'heartbeats');
      intervalUs = integerOrNullIn(saved['intervalUs'], 'an interval');
      lastIndex = integerIn(saved['lastIndex'], 'an index');
      lastTimeUs = integerIn(saved['lastTimeUs'], 'a time');
    },
  };
}

type Entry = readonly [index: number, timeUs: number];

function heartbeatGapFinding(
  [firstIndex, firstTimeUs]: Entry,
  [lastIndex, lastTimeUs]: Entry,
  intervalUs: number,
): Finding {
  const seconds = Math.round((lastTimeUs - firstTimeUs) / 1_000_000);
  return {
    kind: 'heartbeat-gap',
    severity: 'high',
    subject: LOG_SUBJECT,
    firstIndex,
    lastIndex,
    firstTimeUs,
    lastTimeUs,
    count: 1,
    message:
      `Nothing was recorded for ${seconds} s, between the entries ${firstIndex} (${formatTimeUs(firstTimeUs)}) and ` +
      `${lastIndex} (${formatTimeUs(lastTimeUs)}), although a heartbeat was due every ${Math.round(intervalUs / 1e6)} s: ` +
      'the log did not run, or took no events.',
    evidence: { pause_seconds: seconds },
  };
}

/** Entries have waited for long for a checkpoint that a quorum cosigned. Said once for each such time. */
export function headNotWitnessedDetector(): Detector {
  let waiting: {
    readonly size: number;
    readonly index: number;
    readonly timeUs: number;
    readonly isReported: boolean;
  } | null = null;
  return {
    name: 'head-not-witnessed',
    examine: (event) => {
      if (event.action !== HEARTBEAT) return [];
      const { index, logTimeUs } = event;
      const context = event.field('context');
      const [treeSize, publishedSize] = [memberAt(context, 'tree_size'), memberAt(context, 'published_size')];
      if (typeof treeSize !== 'number' || typeof publishedSize !== 'number') return [];
      if (waiting !== null && publishedSize >= waiting.size) waiting = null;
      if (waiting === null) {
        if (publishedSize < treeSize) waiting = { size: treeSize, index, timeUs: logTimeUs, isReported: false };
        return [];
      }
      if (waiting.isReported || logTimeUs - waiting.timeUs < MAX_UNWITNESSED_US) return [];
      waiting = { ...waiting, isReported: true };
      return [notWitnessedFinding([waiting.index, waiting.timeUs], [index, logTimeUs], publishedSize)];
    },
    dueUs: () => null,
    tick: () => [],
    save: () => (waiting === null ? null : { ...waiting }),
    restore: (state) => {
      if (state === null) return;
      const { size, index, timeUs, isReported } = objectIn(state, 'a waiting head');
      waiting = {
        size: integerIn(size, 'a size'),
        index: integerIn(index, 'an index'),
        timeUs: integerIn(timeUs, 'a time'),
        isReported: flagIn(isReported, 'a flag'),
      };
    },
  };
}

function notWitnessedFinding(
  [firstIndex, firstTimeUs]: Entry,
  [lastIndex, lastTimeUs]: Entry,
  publishedSize: number,
): Finding {
  const seconds = Math.round((lastTimeUs - firstTimeUs) / 1_000_000);
  return {
    kind: 'head-not-witnessed',
    severity: 'high',
    subject: LOG_SUBJECT,
    firstIndex,
    lastIndex,
    firstTimeUs,
    lastTimeUs,
    count: 1,
    message:
      `For ${seconds} s no checkpoint has been cosigned by a quorum beyond size ${publishedSize}. Entries are durable and ` +
      'get no receipt. See which witnesses are missing: `countersign health`.',
    evidence: { published_size: publishedSize },
  };
}

/** The clock went from well to not well, or from one trouble to the other. */
export function clockDetector(): Detector {
  let last = '';
  return {
    name: 'clock',
    examine: (event) => {
      if (event.action !== CLOCK_CHECK) return [];
      const context = event.field('context');
      const state = textAt(context, 'state') ?? '';
      const changed = state !== last;
      last = state;
      if (!changed || (state !== 'offset' && state !== 'unsynchronised')) return [];
      return [clockFinding(event, state, context)];
    },
    dueUs: () => null,
    tick: () => [],
    save: () => last,
    restore: (state) => {
      last = textIn(state, 'the state of the clock');
    },
  };
}

function clockFinding(event: Examined, state: 'offset' | 'unsynchronised', context: JsonValue | undefined): Finding {
  const { index, logTimeUs } = event;
  const offsetUs = memberAt(context, 'offset_us') ?? null;
  const kind: FindingKind = state === 'offset' ? 'clock-offset' : 'clock-unsynchronised';
  const offsetMs = typeof offsetUs === 'number' ? Math.round(offsetUs / 1000) : 0;
  return {
    kind,
    severity: 'high',
    subject: LOG_SUBJECT,
    firstIndex: index,
    lastIndex: index,
    firstTimeUs: logTimeUs,
    lastTimeUs: logTimeUs,
    count: 1,
    message:
      state === 'offset'
        ? `The clock of the log is ${Math.abs(offsetMs)} ms ${offsetMs > 0 ? 'ahead of' : 'behind'} its time sources.`
        : 'None of the time sources confirms the clock of the log.',
    evidence: { offset_us: offsetUs },
  };
}
