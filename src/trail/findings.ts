/**
 * The list of findings: which were raised, which of them a person has acknowledged. It is derived from the log's own
 * entries and nothing else, so that it can be derived again by anyone, and is the same after any restart.
 */
import { textAt } from '../../proofs/fields.ts';
import { ACKNOWLEDGE_FINDING, RAISE_FINDING } from '../../proofs/own-entries.ts';
import type { Log } from '../log/types.ts';
import { type FindingKind, type RaisedFinding, raisedFinding, type Severity } from './finding.ts';
import { followOwnEvents, type OwnEntry, ownEntriesAt } from './own-events.ts';
import { type OwnEvent, OwnEventConflict, type Recorder } from './record.ts';

export interface Acknowledgement {
  readonly index: number;
  readonly timeUs: number;
  /** Who acknowledged it: the id of a token or of a person, null if it was erased. */
  readonly actorId: string | null;
  readonly reason: string;
}

export interface ListedFinding extends RaisedFinding {
  /** Null while it is open. */
  readonly acknowledgement: Acknowledgement | null;
}

export interface FindingQuery {
  readonly state?: 'open' | 'acknowledged';
  readonly kind?: FindingKind;
  readonly severity?: Severity;
  /** Only findings that were raised before this index; the next page after `next`. */
  readonly before?: number;
  readonly limit: number;
}

export interface FindingPage {
  /** Newest first. */
  readonly findings: readonly ListedFinding[];
  /** False if there is more: at `next`, or, when that is null, further back in the log than this list reaches. */
  readonly complete: boolean;
  readonly next: number | null;
}

export interface FindingTotal {
  readonly kind: FindingKind;
  readonly severity: Severity;
  readonly raised: number;
  readonly open: number;
}

export type FindingErrorCode = 'unknown-finding' | 'already-acknowledged';

export class FindingError extends Error {
  readonly code: FindingErrorCode;

  constructor(code: FindingErrorCode, message: string) {
    super(message);
    this.name = 'FindingError';
    this.code = code;
  }
}

export interface FindingList {
  page(query: FindingQuery): Promise<FindingPage>;
  /** Throws FindingError `unknown-finding`. */
  find(id: string): Promise<ListedFinding>;
  /** Durable when it resolves. Throws FindingError; a finding is acknowledged once. */
  acknowledge(id: string, by: { readonly actor: OwnEvent['actor']; readonly reason: string }): Promise<ListedFinding>;
  /** How many there are, by kind and severity. */
  totals(): readonly FindingTotal[];
  openCount(): number;
  close(): Promise<void>;
}

export interface FindingListOptions {
  readonly log: Log;
  readonly recorder: Recorder;
  /** Told of each finding once, in order, first those that are there already. Must not throw. */
  readonly onRaised?: (finding: RaisedFinding) => void;
  readonly maxListed?: number;
}

/** Findings that are listed; older ones stay in the log and are found by searching it. */
export const MAX_LISTED_FINDINGS = 100_000;
/** Forgotten together, so that forgetting costs little. */
const FORGET_COUNT = 1_000;

interface ListRecord {
  readonly id: string;
  readonly index: number;
  readonly kind: FindingKind;
  readonly severity: Severity;
  acknowledgedAt: number | null;
}

export function openFindingList(options: FindingListOptions): FindingList {
  return new LogFindings(options);
}

class LogFindings implements FindingList {
  readonly #log: Log;
  readonly #recorder: Recorder;
  readonly #onRaised: (finding: RaisedFinding) => void;
  readonly #maxListed: number;
  /** In the order of the log. */
  #records: ListRecord[] = [];
  readonly #byId = new Map<string, ListRecord>();
  readonly #totals = new Map<string, FindingTotal>();
  #hasForgotten = false;
  #openCount = 0;
  /** Resolves when what was in the log at the start has been read, with how to stop following it. */
  readonly #ready: Promise<() => void>;

  constructor({ log, recorder, onRaised = () => undefined, maxListed = MAX_LISTED_FINDINGS }: FindingListOptions) {
    this.#log = log;
    this.#recorder = recorder;
    this.#onRaised = onRaised;
    this.#maxListed = maxListed;
    this.#ready = followOwnEvents(log, [RAISE_FINDING, ACKNOWLEDGE_FINDING], (entry) => this.#apply(entry));
    // Whoever asks for the list gets the error; nobody else has to.
    this.#ready.catch(() => undefined);
  }

  async page({ state, kind, severity, before = Number.MAX_SAFE_INTEGER, limit }: FindingQuery): Promise<FindingPage> {
    await this.#ready;
    const matches = (one: ListRecord): boolean =>
      one.index < before &&
      (kind === undefined || one.kind === kind) &&
      (severity === undefined || one.severity === severity) &&
      (state === undefined || (one.acknowledgedAt === null) === (state === 'open'));
    const found: ListRecord[] = [];
    for (let i = this.#records.length - 1; i >= 0 && found.length <= limit; i--) {
      const one = this.#records[i];
      if (one !== undefined && matches(one)) found.push(one);
    }
    const listed = found.slice(0, limit);
    const hasMore = found.length > limit;
    return {
      findings: await this.#read(listed),
      complete: !hasMore && !this.#hasForgotten,
      next: hasMore ? (listed.at(-1)?.index ?? null) : null,
    };
  }

  async find(id: string): Promise<ListedFinding> {
    await this.#ready;
    const known = this.#byId.get(id);
    const [finding] = known === undefined ? [] : await this.#read([known]);
    if (finding === undefined) throw new FindingError('unknown-finding', 'There is no finding of this id in the list.');
    return finding;
  }

  async acknowledge(id: string, by: Parameters<FindingList['acknowledge']>[1]): Promise<ListedFinding> {
    const finding = await this.find(id);
    if (finding.acknowledgement !== null) throw alreadyAcknowledged(finding.acknowledgement.index);
    try {
      // The id is the same whoever does it: of two people at one time, the log answers one that it was done.
      await this.#recorder.record({
        event_id: `acknowledge.${id}`,
        action: ACKNOWLEDGE_FINDING,
        actor: by.actor,
        target: { type: 'finding', id },
        outcome: { result: 'success' },
        reason: by.reason,
        context: { kind: finding.kind, severity: finding.severity, finding_index: finding.index },
      });
    } catch (error) {
      throw error instanceof OwnEventConflict ? alreadyAcknowledged(error.index) : error;
    }
    return this.find(id);
  }

  totals(): readonly FindingTotal[] {
    return [...this.#totals.values()];
  }

  openCount(): number {
    return this.#openCount;
  }

  async close(): Promise<void> {
    const stop = await this.#ready.catch(() => () => undefined);
    stop();
  }

  /** On the write path for new entries: quick, and throws nothing. */
  #apply(entry: OwnEntry): void {
    if (textAt(entry.event, 'action') === ACKNOWLEDGE_FINDING) {
      const known = this.#byId.get(textAt(entry.event, 'target', 'id') ?? '');
      if (known === undefined || known.acknowledgedAt !== null) return;
      known.acknowledgedAt = entry.index;
      this.#count(known, 0, -1);
      return;
    }
    const finding = raisedFinding(entry);
    if (finding === undefined || this.#byId.has(finding.id)) return;
    const { id, index, kind, severity } = finding;
    const record: ListRecord = { id, index, kind, severity, acknowledgedAt: null };
    this.#records.push(record);
    this.#byId.set(id, record);
    this.#count(record, 1, 1);
    if (this.#records.length > this.#maxListed + FORGET_COUNT) this.#forget();
    this.#onRaised(finding);
  }

  #count({ kind, severity }: ListRecord, raised: number, open: number): void {
    const key = `${kind} ${severity}`;
    const total = this.#totals.get(key) ?? { kind, severity, raised: 0, open: 0 };
    this.#totals.set(key, { ...total, raised: total.raised + raised, open: total.open + open });
    this.#openCount += open;
  }

  #forget(): void {
    for (const { id } of this.#records.slice(0, FORGET_COUNT)) this.#byId.delete(id);
    this.#records = this.#records.slice(FORGET_COUNT);
    this.#hasForgotten = true;
  }

  /** What the log says about these findings; one whose contents were erased is left out. */
  async #read(records: readonly ListRecord[]): Promise<readonly ListedFinding[]> {
    const acknowledgedAt = records.flatMap((one) => one.acknowledgedAt ?? []);
    const indices = [...records.map(({ index }) => index), ...acknowledgedAt].sort((a, b) => a - b);
    const entries = new Map((await ownEntriesAt(this.#log, indices)).map((entry) => [entry.index, entry]));
    return records.flatMap(({ index, acknowledgedAt: at }) => {
      const raised = entries.get(index);
      const finding = raised === undefined ? undefined : raisedFinding(raised);
      if (finding === undefined) return [];
      const acknowledged = at === null ? undefined : entries.get(at);
      return [{ ...finding, acknowledgement: acknowledged === undefined ? null : acknowledgementOf(acknowledged) }];
    });
  }
}

function acknowledgementOf({ index, logTime, event }: OwnEntry): Acknowledgement {
  return {
    index,
    timeUs: logTime,
    actorId: textAt(event, 'actor', 'id') ?? null,
    reason: textAt(event, 'reason') ?? '',
  };
}

function alreadyAcknowledged(index: number): FindingError {
  return new FindingError('already-acknowledged', `This finding was acknowledged before, by entry ${index}.`);
}
