/**
 * The monitor of one log: looks at the log, its witnesses and its mirrors, round by round, and believes none of them.
 *
 *     observe all -> place every head against the newest verified one -> read and hash the entries -> judge -> report
 *
 * Every head that the log signed must be the head of one history. Two that are not make a fork proof, which is written
 * before it is reported. What cannot be verified *yet* (a witness that is ahead of the log, a log that does not answer) is
 * remembered and reported apart; it never counts as good.
 */
import { join } from 'node:path';
import { ProofError } from '../proofs/errors.ts';
import type { Policy } from '../proofs/policy.ts';
import { messageOf, WitnessError } from './errors.ts';
import { type ForkFiles, openForkFiles } from './fork-files.ts';
import type { ClientOptions } from './log-client.ts';
import { compareHeads } from './monitor-compare.ts';
import { EntriesDiffer, verifyEntries } from './monitor-entries.ts';
import { judgeRound, type Problem } from './monitor-judge.ts';
import {
  type MirrorAddress,
  mergeLines,
  type Observation,
  observe,
  readHead,
  type SeenHead,
  type Source,
  type SourceKind,
  sourcesOf,
} from './monitor-sources.ts';
import {
  emptyState,
  loadMonitorState,
  MAX_UNPLACED,
  type MonitorState,
  saveMonitorState,
  type Unplaced,
} from './monitor-state.ts';

export interface MonitorOptions {
  /** Holds `monitor.json` and `forks/`. */
  readonly directory: string;
  readonly policy: Policy;
  readonly origin: string;
  /** Without a slash at the end. */
  readonly logUrl: string;
  readonly mirrors: readonly MirrorAddress[];
  readonly client: ClientOptions;
  /** Milliseconds since the Unix epoch. */
  readonly clock: () => number;
  readonly maxLagMs: number;
  readonly maxStillMs: number;
}

export interface RoundReport {
  readonly atMs: number;
  /** Size of the newest head that was verified, and how many entries were read and hashed. */
  readonly headSize: number;
  readonly entriesVerified: number;
  readonly problems: readonly Problem[];
  /** What could not be checked in this round, in words. With anything here the round proves nothing good. */
  readonly unchecked: readonly string[];
  readonly sources: readonly { readonly name: string; readonly size: number | null }[];
}

export interface Monitor {
  readonly sources: readonly Source[];
  readonly round: () => Promise<RoundReport>;
}

/** Whose heads are placed first: those of the log, in the order of their sizes. */
const RANK: readonly SourceKind[] = ['checkpoint', 'head', 'mirror', 'witness'];
/** State is written at least this often while a long log is read. */
const ENTRIES_PER_SAVE = 65_536;

/** Throws `state-corrupt` for a damaged state file, `config-invalid` for the directory of another log. */
export async function openMonitor(options: MonitorOptions): Promise<Monitor> {
  const { directory, origin, policy, clock } = options;
  const forks = await openForkFiles(join(directory, 'forks'), policy, origin);
  const path = join(directory, 'monitor.json');
  let state = (await loadMonitorState(path)) ?? emptyState(origin, clock());
  if (state.origin !== origin) {
    throw new WitnessError('config-invalid', `${directory} is that of the monitor of "${state.origin}"`);
  }
  const sources = sourcesOf(options);
  return {
    sources,
    round: async () => {
      const round = new Round(options, forks, state, (next) => saveMonitorState(path, next));
      const { report, next } = await round.run(sources);
      state = next;
      await saveMonitorState(path, state);
      return report;
    },
  };
}

/** One round: collects what is found; the state before it stays as it was. */
class Round {
  readonly #options: MonitorOptions;
  readonly #forks: ForkFiles;
  readonly #save: (state: MonitorState) => Promise<void>;
  readonly #nowMs: number;
  readonly #unchecked: string[] = [];
  readonly #problems: Problem[] = [];
  #state: MonitorState;
  #trusted: SeenHead | undefined;
  #unplaced: Unplaced[] = [];

  constructor(
    options: MonitorOptions,
    forks: ForkFiles,
    state: MonitorState,
    save: (state: MonitorState) => Promise<void>,
  ) {
    this.#options = options;
    this.#forks = forks;
    this.#state = state;
    this.#save = save;
    this.#nowMs = options.clock();
  }

  async run(sources: readonly Source[]): Promise<{ readonly report: RoundReport; readonly next: MonitorState }> {
    const { client, policy, origin } = this.#options;
    const observations = await Promise.all(sources.map((source) => observe(client, policy, origin, source)));
    this.#trusted = this.#remembered(sources);
    const before = this.#trusted?.checkpoint.size;
    const heads = this.#headsOf(observations, sources);
    await this.#compareEqualSizes(heads);
    for (const head of heads) await this.#place(head, sources);
    const size = this.#trusted?.checkpoint.size;
    const headSinceMs = size === before ? this.#state.headSinceMs : this.#nowMs;
    this.#update({ headSinceMs, unplaced: this.#oldestUnplaced() });
    await this.#readEntries();
    const judged = judgeRound({
      nowMs: this.#nowMs,
      limits: this.#options,
      state: this.#state,
      observations,
      forkFiles: this.#forks.all(),
    });
    return {
      report: {
        atMs: this.#nowMs,
        headSize: size ?? 0,
        entriesVerified: this.#state.entries.size,
        problems: [...this.#problems, ...judged.problems],
        unchecked: [...this.#unchecked, ...judged.unchecked],
        sources: observations.map((one) => ({
          name: one.source.name,
          size: one.kind === 'head' ? one.head.checkpoint.size : null,
        })),
      },
      next: { ...this.#state, ...judged.next },
    };
  }

  #remembered(sources: readonly Source[]): SeenHead | undefined {
    const { head } = this.#state;
    const [log] = sources;
    if (head === undefined || log === undefined) return undefined;
    try {
      return readHead(this.#options.policy, log, head);
    } catch (error) {
      throw new WitnessError(
        'config-invalid',
        `the policy does not trust the head that was verified before (${messageOf(error)}): use the policy of then, with ` +
          'the new keys added, or another directory',
      );
    }
  }

  /** The log's own heads first, smaller before larger, and what earlier rounds could not place. */
  #headsOf(observations: readonly Observation[], sources: readonly Source[]): readonly SeenHead[] {
    const heads = observations.flatMap((one) => (one.kind === 'head' ? [one.head] : []));
    const seen = new Set(heads.map(labelOf));
    for (const { source: name, note } of this.#state.unplaced) {
      const source = sources.find((one) => one.name === name);
      const head = source === undefined ? undefined : this.#reread(source, note);
      if (head !== undefined && !seen.has(labelOf(head))) heads.push(head);
    }
    const rank = ({ source: { kind } }: SeenHead): number => RANK.indexOf(kind);
    return mergeLines(heads).sort((a, b) => rank(a) - rank(b) || a.checkpoint.size - b.checkpoint.size);
  }

  /** A head that was seen before; undefined when the policy does not trust its key any more. */
  #reread(source: Source, note: string): SeenHead | undefined {
    try {
      return readHead(this.#options.policy, source, note);
    } catch (error) {
      if (error instanceof ProofError) return undefined;
      throw error;
    }
  }

  /** Two roots of one size need nobody's tiles. */
  async #compareEqualSizes(heads: readonly SeenHead[]): Promise<void> {
    for (const [i, one] of heads.entries()) {
      for (const other of heads.slice(i + 1)) {
        if (one.checkpoint.size === other.checkpoint.size) await this.#compare(one, other, []);
      }
    }
  }

  /** Holds one head against the newest verified one, which it becomes if it extends it. */
  async #place(head: SeenHead, sources: readonly Source[]): Promise<void> {
    const trusted = this.#trusted;
    const { source, checkpoint } = head;
    if (trusted === undefined) {
      if (source.tilesUrl === undefined) this.#keepUnplaced(head);
      else this.#trust(head);
      return;
    }
    const tileUrls = new Set(
      [source.tilesUrl, ...sources.map(({ tilesUrl }) => tilesUrl)].filter((url) => url !== undefined),
    );
    const relation = await this.#compare(trusted, head, [...tileUrls]);
    if (relation === 'unknown') this.#keepUnplaced(head);
    if (relation === 'consistent' && checkpoint.size > trusted.checkpoint.size) this.#trust(head);
  }

  async #compare(
    one: SeenHead,
    other: SeenHead,
    tileUrls: readonly string[],
  ): Promise<'consistent' | 'fork' | 'unknown'> {
    const comparison = await compareHeads(this.#options.client, tileUrls, one, other);
    if (comparison.relation === 'fork') await this.#forks.keep(comparison.proof);
    return comparison.relation;
  }

  #oldestUnplaced(): readonly Unplaced[] {
    return this.#unplaced.sort((a, b) => a.sinceMs - b.sinceMs).slice(0, MAX_UNPLACED);
  }

  #trust(head: SeenHead): void {
    this.#trusted = head;
    this.#update({ head: head.note });
  }

  #keepUnplaced(head: SeenHead): void {
    const { source, note, checkpoint } = head;
    // A witness signs the same head again and again; it is as old as when it was first seen.
    const known = this.#state.unplaced.find(
      (one) => one.source === source.name && one.note.startsWith(checkpoint.body),
    );
    this.#unplaced.push(known ?? { source: source.name, note, sinceMs: this.#nowMs });
    this.#unchecked.push(`${source.name}: its head of size ${checkpoint.size} could not be compared with the log's`);
  }

  async #readEntries(): Promise<void> {
    const head = this.#trusted?.checkpoint;
    if (head === undefined || head.size === this.#state.entries.size) return;
    const { client, logUrl } = this.#options;
    let saved = this.#state.entries.size;
    try {
      const entries = await verifyEntries(client, logUrl, head, this.#state.entries, async (range) => {
        this.#update({ entries: range });
        if (range.size < saved + ENTRIES_PER_SAVE) return;
        saved = range.size;
        await this.#save(this.#state);
      });
      this.#update({ entries });
    } catch (error) {
      if (client.signal.aborted) throw error;
      if (error instanceof EntriesDiffer) {
        this.#problems.push({ code: 'entries-differ', source: 'log', detail: error.message });
      } else if (error instanceof WitnessError && error.code !== 'state-corrupt') {
        this.#unchecked.push(`entries from ${this.#state.entries.size} on could not be read: ${messageOf(error)}`);
      } else {
        throw error;
      }
    }
  }

  #update(changes: Partial<MonitorState>): void {
    this.#state = { ...this.#state, ...changes };
  }
}

function labelOf({ source, checkpoint }: SeenHead): string {
  return `${source.name}\n${checkpoint.body}`;
}
