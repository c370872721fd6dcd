/**
 * Mass export (S6): one principal took out more within a window than the configuration calls usual, counted in events or
 * in the records that they say they held. Reported when the threshold is crossed, once a window.
 */

import type { JsonValue } from '../../../proofs/canonical-json.ts';
import { memberAt } from '../../../proofs/fields.ts';
import type { Finding } from '../finding.ts';
import type { WatchConfig } from './config.ts';
import type { Detector } from './detector.ts';
import { type Examined, outcomeOf, principalOf } from './examined.ts';
import { matcher } from './patterns.ts';
import { subjectOfKey } from './privilege.ts';
import { flagIn, integersIn, listIn, textIn } from './state-values.ts';

/** Principals that are counted at one time; beyond it the oldest count is dropped. */
const MAX_PRINCIPALS = 10_000;

interface Count {
  readonly firstIndex: number;
  readonly firstTimeUs: number;
  events: number;
  records: number;
  isReported: boolean;
}

export type MassExportConfig = Pick<WatchConfig, 'massExport' | 'windowUs'>;

export function massExportDetector(config: MassExportConfig): Detector {
  return new MassExport(config);
}

class MassExport implements Detector {
  readonly name = 'mass-export';
  readonly #config: WatchConfig['massExport'];
  readonly #windowUs: number;
  readonly #isExport: (action: string) => boolean;
  /** In the order of their first events. */
  readonly #counts = new Map<string, Count>();

  constructor({ massExport, windowUs }: MassExportConfig) {
    this.#config = massExport;
    this.#windowUs = windowUs;
    this.#isExport = matcher(massExport.actions);
  }

  /** Windows are closed at the next export of anybody; none of them has anything to say by itself. */
  dueUs(): number | null {
    return null;
  }

  tick(): readonly Finding[] {
    return [];
  }

  examine(event: Examined): readonly Finding[] {
    if (!this.#isExport(event.action) || outcomeOf(event) === 'denied') return [];
    const key = principalOf(event)?.key ?? '';
    this.#closeWindows(event.logTimeUs);
    const count = this.#counts.get(key) ?? this.#startCount(key, event);
    count.events += 1;
    count.records = Math.min(Number.MAX_SAFE_INTEGER, count.records + this.#recordsOf(event));
    const isMass = count.events >= this.#config.events || count.records >= this.#config.records;
    if (!isMass || count.isReported) return [];
    count.isReported = true;
    return [this.#finding(key, count, event)];
  }

  save(): JsonValue {
    return [...this.#counts].map(([key, { firstIndex, firstTimeUs, events, records, isReported }]) => {
      return [key, [firstIndex, firstTimeUs, events, records], isReported];
    });
  }

  restore(state: JsonValue): void {
    for (const item of listIn(state, 'counts')) {
      const [key, numbers, isReported] = listIn(item, 'a count');
      const [firstIndex = 0, firstTimeUs = 0, events = 0, records = 0] = integersIn(numbers, 4, 'a count');
      const count = { firstIndex, firstTimeUs, events, records, isReported: flagIn(isReported, 'a flag') };
      this.#counts.set(textIn(key, 'a key'), count);
    }
  }

  #closeWindows(logTimeUs: number): void {
    for (const [key, { firstTimeUs }] of this.#counts) {
      if (firstTimeUs + this.#windowUs > logTimeUs) break;
      this.#counts.delete(key);
    }
  }

  #startCount(key: string, { index, logTimeUs }: Examined): Count {
    if (this.#counts.size >= MAX_PRINCIPALS) {
      const [oldest] = this.#counts.keys();
      if (oldest !== undefined) this.#counts.delete(oldest);
    }
    const count = { firstIndex: index, firstTimeUs: logTimeUs, events: 0, records: 0, isReported: false };
    this.#counts.set(key, count);
    return count;
  }

  #recordsOf(event: Examined): number {
    const context = event.field('context');
    for (const name of this.#config.recordMembers) {
      const value = memberAt(context, name);
      if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
    }
    return 0;
  }

  #finding(key: string, { firstIndex, firstTimeUs, events, records }: Count, { index, logTimeUs }: Examined): Finding {
    const seconds = Math.round((logTimeUs - firstTimeUs) / 1_000_000);
    return {
      kind: 'mass-export',
      severity: 'high',
      subject: subjectOfKey(key),
      firstIndex,
      lastIndex: index,
      firstTimeUs,
      lastTimeUs: logTimeUs,
      count: events,
      message: `One principal exported ${events} times within ${seconds} s, ${records} records by its own count.`,
      evidence: { events, records, threshold_events: this.#config.events, threshold_records: this.#config.records },
      discriminator: key,
    };
  }
}
