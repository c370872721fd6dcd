/**
 * Events that belong together (E12): those of one user action join by `correlation_id`, within a tenant. A start without
 * an outcome, or an outcome without a start, is a finding once the time for the other has passed; so is a producer that
 * sends more events for one action than its budget.
 *
 * An event is a start or an outcome by `context.phase` ("start", "outcome"), or by the last word of its action
 * (`payment.started`). One that is neither only counts towards the budget.
 */

import { hash } from 'node:crypto';
import type { JsonValue } from '../../../proofs/canonical-json.ts';
import { textAt } from '../../../proofs/fields.ts';
import type { Finding } from '../finding.ts';
import type { WatchConfig } from './config.ts';
import { type Detector, earlier } from './detector.ts';
import { Episodes, type Report } from './episodes.ts';
import type { Examined } from './examined.ts';
import { flagIn, integerIn, integersIn, listIn, objectIn, textIn } from './state-values.ts';

/** Actions that wait for their other half, and actions that are only counted; beyond it the oldest is let go. */
const MAX_WAITING = 10_000;
const MAX_COUNTED = 10_000;
const MAX_PRODUCERS = 10_000;
/** Producers that take part in one action. */
const MAX_PARTNERS = 8;
/** Longer ids are remembered by their hash: what is saved has a bound. */
const MAX_KEY_CHARACTERS = 100;

interface UserAction {
  readonly producerId: string;
  /** The event since which it has waited for its other half, or has been complete. */
  index: number;
  timeUs: number;
  isStarted: boolean;
  isEnded: boolean;
  /** Events of each producer. */
  readonly counts: Map<string, number>;
}

export type CorrelationConfig = Pick<WatchConfig, 'correlation' | 'windowUs'>;

export interface CorrelationDetector extends Detector {
  /** Actions that were let go unjudged because too many were waiting at one time. */
  readonly letGoCount: number;
}

export function correlationDetector(config: CorrelationConfig): CorrelationDetector {
  return new JoinedEvents(config);
}

class JoinedEvents implements CorrelationDetector {
  readonly name = 'correlation';
  readonly #config: CorrelationConfig['correlation'];
  readonly #phaseOfWord: ReadonlyMap<string, 'start' | 'outcome'>;
  /** One half is there, the other one is not. Both maps are in the order of `timeUs`. */
  readonly #waiting = new Map<string, UserAction>();
  /** Nothing is missing, or nothing is expected: remembered for the budget. */
  readonly #counted = new Map<string, UserAction>();
  readonly #starts: Episodes;
  readonly #outcomes: Episodes;
  readonly #overBudget: Episodes;
  #letGoCount = 0;
  /** Undefined after anything that may have changed it: it is asked for at each event, and most have no correlation id. */
  #dueUs: number | null | undefined;

  constructor({ correlation, windowUs }: CorrelationConfig) {
    this.#config = correlation;
    this.#phaseOfWord = new Map([
      ...correlation.startWords.map((word) => [word, 'start'] as const),
      ...correlation.outcomeWords.map((word) => [word, 'outcome'] as const),
    ]);
    const options = { windowUs, maxEpisodes: MAX_PRODUCERS, reportFirst: true };
    this.#starts = new Episodes(options);
    this.#outcomes = new Episodes(options);
    this.#overBudget = new Episodes(options);
  }

  get letGoCount(): number {
    return this.#letGoCount;
  }

  dueUs(): number | null {
    if (this.#dueUs === undefined) {
      const windows = earlier(this.#starts.dueUs, earlier(this.#outcomes.dueUs, this.#overBudget.dueUs));
      this.#dueUs = earlier(windows, earlier(this.#endOf(this.#waiting), this.#endOf(this.#counted)));
    }
    return this.#dueUs;
  }

  examine(event: Examined): readonly Finding[] {
    const correlationId = event.isOwn ? undefined : event.textOf('correlation_id');
    if (correlationId === undefined) return [];
    this.#dueUs = undefined;
    const key = keyOf(event.textOf('tenant'), correlationId);
    const action = this.#waiting.get(key) ?? this.#counted.get(key) ?? newAction(event);
    const phase = this.#phaseOf(event);
    if (phase === 'start') action.isStarted = true;
    if (phase === 'outcome') action.isEnded = true;
    this.#place(key, action, event);
    const count = (action.counts.get(event.producerId) ?? 0) + 1;
    if (action.counts.size < MAX_PARTNERS || count > 1) action.counts.set(event.producerId, count);
    if (count <= this.#config.budget) return [];
    return this.#overBudget.note(event.producerId, event, count).map((report) => this.#budgetFinding(report));
  }

  tick(logTimeUs: number): readonly Finding[] {
    this.#dueUs = undefined;
    const findings = [
      ...this.#starts.tick(logTimeUs).map((report) => this.#halfFinding('unaccompanied-start', report)),
      ...this.#outcomes.tick(logTimeUs).map((report) => this.#halfFinding('unaccompanied-outcome', report)),
      ...this.#overBudget.tick(logTimeUs).map((report) => this.#budgetFinding(report)),
    ];
    for (const actions of [this.#waiting, this.#counted]) {
      for (const [key, action] of actions) {
        if (action.timeUs + this.#config.timeoutUs > logTimeUs) break;
        actions.delete(key);
        if (action.isStarted !== action.isEnded) findings.push(...this.#unaccompanied(action));
      }
    }
    return findings;
  }

  save(): JsonValue {
    const saved = (actions: ReadonlyMap<string, UserAction>): JsonValue =>
      [...actions].map(([key, { producerId, index, timeUs, isStarted, isEnded, counts }]) => {
        return [key, producerId, [index, timeUs], isStarted, isEnded, [...counts].map((one) => [...one])];
      });
    return {
      waiting: saved(this.#waiting),
      counted: saved(this.#counted),
      starts: this.#starts.save(),
      outcomes: this.#outcomes.save(),
      overBudget: this.#overBudget.save(),
      letGoCount: this.#letGoCount,
    };
  }

  restore(state: JsonValue): void {
    this.#dueUs = undefined;
    const { waiting, counted, starts, outcomes, overBudget, letGoCount } = objectIn(state, 'correlation');
    for (const [actions, list] of [
      [this.#waiting, waiting],
      [this.#counted, counted],
    ] as const) {
      for (const item of listIn(list, 'actions')) {
        const [key, action] = restoredAction(item);
        actions.set(key, action);
      }
    }
    this.#starts.restore(starts ?? null);
    this.#outcomes.restore(outcomes ?? null);
    this.#overBudget.restore(overBudget ?? null);
    this.#letGoCount = integerIn(letGoCount, 'a count');
  }

  #phaseOf(event: Examined): 'start' | 'outcome' | undefined {
    const hasPhase = event.textOf('context')?.includes('"phase"') === true;
    const phase = hasPhase ? textAt(event.field('context'), 'phase') : undefined;
    if (phase === 'start' || phase === 'outcome') return phase;
    return this.#phaseOfWord.get(event.action.slice(event.action.lastIndexOf('.') + 1));
  }

  /** Puts an action where it belongs now. */
  #place(key: string, action: UserAction, { index, logTimeUs }: Examined): void {
    const [home, bound] =
      action.isStarted === action.isEnded ? [this.#counted, MAX_COUNTED] : [this.#waiting, MAX_WAITING];
    const other = home === this.#waiting ? this.#counted : this.#waiting;
    other.delete(key);
    if (home.has(key)) return;
    if (home.size >= bound) {
      const [oldest] = home.keys();
      if (oldest !== undefined) home.delete(oldest);
      if (home === this.#waiting) this.#letGoCount += 1;
    }
    action.index = index;
    action.timeUs = logTimeUs;
    home.set(key, action);
  }

  #endOf(actions: ReadonlyMap<string, UserAction>): number | null {
    const [oldest] = actions.values();
    return oldest === undefined ? null : oldest.timeUs + this.#config.timeoutUs;
  }

  #unaccompanied({ producerId, isStarted, index, timeUs: logTimeUs }: UserAction): readonly Finding[] {
    const [episodes, kind] = isStarted
      ? ([this.#starts, 'unaccompanied-start'] as const)
      : ([this.#outcomes, 'unaccompanied-outcome'] as const);
    return episodes.note(producerId, { index, logTimeUs }).map((report) => this.#halfFinding(kind, report));
  }

  #halfFinding(kind: 'unaccompanied-start' | 'unaccompanied-outcome', report: Report): Finding {
    const [half, other] = kind === 'unaccompanied-start' ? ['start', 'outcome'] : ['outcome', 'start'];
    const seconds = Math.round(this.#config.timeoutUs / 1_000_000);
    const { isFirst, firstIndex, count } = report;
    const what = isFirst
      ? `Entry ${firstIndex} is the ${half} of a user action`
      : `${count} more entries are ${half}s of user actions`;
    return {
      ...findingHead(report),
      kind,
      severity: 'medium',
      message: `${what} without ${other}: none with the same correlation_id came within ${seconds} s.`,
      evidence: { missing: other, within_seconds: seconds },
    };
  }

  #budgetFinding(report: Report): Finding {
    const { budget } = this.#config;
    const { isFirst, firstIndex, count, most } = report;
    const what = isFirst
      ? `Entry ${firstIndex} is event number ${most} of this producer for one user action.`
      : `${count} more events of this producer were beyond the budget, up to number ${most} for one user action.`;
    return {
      ...findingHead(report),
      kind: 'event-budget-exceeded',
      severity: 'low',
      message: `${what} The budget is ${budget}.`,
      evidence: { budget, highest_number: most },
    };
  }
}

/** Both are JSON texts, so that nothing in them can be taken for the space between them. */
function keyOf(tenant: string | undefined, correlationId: string): string {
  const key = `${tenant ?? ''} ${correlationId}`;
  return key.length <= MAX_KEY_CHARACTERS ? key : `sha256:${hash('sha256', key, 'base64')}`;
}

function newAction({ producerId, index, logTimeUs }: Examined): UserAction {
  return {
    producerId,
    index,
    timeUs: logTimeUs,
    isStarted: false,
    isEnded: false,
    counts: new Map(),
  };
}

function restoredAction(item: JsonValue): [string, UserAction] {
  const [key, producerId, numbers, isStarted, isEnded, counts] = listIn(item, 'an action');
  const [index = 0, timeUs = 0] = integersIn(numbers, 2, 'an action');
  const action: UserAction = {
    producerId: textIn(producerId, 'a producer'),
    index,
    timeUs,
    isStarted: flagIn(isStarted, 'a flag'),
    isEnded: flagIn(isEnded, 'a flag'),
    counts: new Map(
      listIn(counts, 'counts').map((pair) => {
        const [id, count] = listIn(pair, 'a count');
        return [textIn(id, 'a producer'), integerIn(count, 'a count')];
      }),
    ),
  };
  return [textIn(key, 'a key'), action];
}

function findingHead({ key, firstIndex, lastIndex, firstTimeUs, lastTimeUs, count }: Report) {
  return { subject: { type: 'producer', id: key }, firstIndex, lastIndex, firstTimeUs, lastTimeUs, count };
}
