/**
 * Transcripts for detectors: entries in short form, findings out. Each transcript is played twice, once in one go and
 * once with the state saved and taken up again after every entry; both have to come to the same.
 */
import { expect } from 'vitest';
import { canonicalJson, type JsonValue } from '../../proofs/canonical-json.ts';
import type { Finding } from '../../src/trail/finding.ts';
import type { Detector } from '../../src/trail/watch/detector.ts';
import { type Examined, examineDurable } from '../../src/trail/watch/examined.ts';
import { HEARTBEAT } from '../../src/trail/watch/heartbeat.ts';
import { preparedEvent } from './test-log.ts';

/** 2026-01-08T14:00:00Z, a Thursday. */
export const T0_US = 1_767_880_800_000_000;

export interface Line {
  /** Seconds since T0. */
  readonly at: number;
  readonly producer?: string;
  readonly seq?: number;
  /** Seconds by which `occurred_at` differs from log time. */
  readonly skew?: number;
  readonly event?: { readonly [member: string]: JsonValue };
}

/** The entries of a transcript, from index 0. */
export function entries(lines: readonly Line[]): readonly Examined[] {
  return lines.map(({ at, producer = 'tok_a', seq = null, skew = 0, event = {} }, index) => {
    const logTime = T0_US + Math.round(at * 1_000_000);
    const content = { actor: { type: 'user', id: 'u_1' }, outcome: { result: 'success' }, ...event };
    const prepared = preparedEvent(`e${index}`, content, producer);
    const occurredAtUs = logTime + Math.round(skew * 1_000_000);
    return examineDurable({
      index,
      logTime,
      leafHash: new Uint8Array(32),
      event: { ...prepared, producerSeq: seq, occurredAtUs },
    });
  });
}

export function beat(at: number, context: { readonly [member: string]: JsonValue } = {}): Line {
  return { at, producer: 'countersign', event: { action: HEARTBEAT, context: { interval_seconds: 60, ...context } } };
}

/** What a detector finds in a transcript; `make` makes it anew. */
export function findings(make: () => Detector, lines: readonly Line[]): readonly Finding[] {
  const whole = play(make, lines, false);
  const interrupted = play(make, lines, true);
  expect(interrupted, 'the same with the state saved and restored after every entry').toEqual(whole);
  return whole;
}

function play(make: () => Detector, lines: readonly Line[], interrupted: boolean): readonly Finding[] {
  let detector = make();
  const found: Finding[] = [];
  for (const event of entries(lines)) {
    const due = detector.dueUs();
    if (due !== null && due <= event.logTimeUs) found.push(...detector.tick(event.logTimeUs));
    found.push(...detector.examine(event));
    if (!interrupted) continue;
    const state = canonicalJson(detector.save());
    detector = make();
    detector.restore(JSON.parse(state));
  }
  return found;
}

/** A finding in short: kind, range of entries, evidence. */
export function brief({ kind, firstIndex, lastIndex, evidence }: Finding): readonly unknown[] {
  return [kind, firstIndex, lastIndex, evidence];
}
