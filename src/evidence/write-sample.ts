/**
 * What the report of a sample has in place of a complete answer: the events that decide who is of the population, those drawn
 * of them whole, and `sample.json`. Everything is drawn again from the entries, each time: a sample gives the same events.
 */
import { utf8Decode } from '../../proofs/bytes.ts';
import { parseCanonicalJson } from '../../proofs/canonical-json.ts';
import { drandRandomness } from '../../proofs/drand.ts';
import { evaluateFilter, type FilteredEvent } from '../../proofs/filter.ts';
import type { Hash } from '../../proofs/hash.ts';
import { formatOpenedEvent, type OpenedEvent } from '../../proofs/opened-event.ts';
import { sampleSeed } from '../../proofs/sample-draw.ts';
import { COMMIT_SAMPLE, headSizeOf, REVEAL_SAMPLE, type SampleCommit } from '../../proofs/sample-entries.ts';
import {
  decidingFieldIds,
  drawSample,
  type Members,
  opensOnlyDrawn,
  stratumOf,
} from '../../proofs/sample-population.ts';
import { formatSampleReport, type SampleReport } from '../../proofs/sample-report.ts';
import type { Log, StoredEvent } from '../log/types.ts';
import { openAnswer } from '../trail/search.ts';
import { cardOf, openFields } from './open-fields.ts';
import type { SampleToShow } from './plan.ts';
import { type EventSource, eventsAt, eventsIn } from './read-events.ts';

/** A sample that was drawn. */
export interface DrawnSample {
  readonly report: SampleReport;
  /** Events of the population. */
  readonly matched: number;
  readonly drawn: ReadonlySet<number>;
}

interface Source extends EventSource {
  readonly log: Log;
}

/** Reads the whole range once, unless nothing of its events decides. `size` is that of the checkpoint. */
export async function drawFromLog(source: Source, sample: SampleToShow, size: number): Promise<DrawnSample> {
  const { log } = source;
  const { commitIndex, commit, revealIndex } = sample;
  const headSize = headSizeOf(commitIndex, commit.delay);
  const root = await log.rootAt(headSize);
  const seed = await seedInLog(log, sample);
  const strata = drawSample(commit, seed, await membersOf(source, commit));
  const proof = await log.consistencyProof(headSize, size);
  return {
    report: { commit: commitIndex, reveal: revealIndex, head: { size: headSize, root, proof }, seed, strata },
    matched: strata.reduce((sum, { population }) => sum + population, 0),
    drawn: new Set(strata.flatMap(({ drawn }) => drawn)),
  };
}

/** The seed of a sample whose nonce is open. */
export async function seedInLog(
  log: Pick<Log, 'leafHashAt' | 'rootAt'>,
  { commitIndex, commit, reveal }: Pick<SampleToShow, 'commitIndex' | 'commit' | 'reveal'>,
): Promise<Hash> {
  const { drandRound, operatorNonce, delay } = commit;
  const { drandSignature, nonce } = reveal;
  return sampleSeed({
    commitLeaf: await log.leafHashAt(commitIndex),
    headRoot: await log.rootAt(headSizeOf(commitIndex, delay)),
    ...{ auditorNonce: nonce, operatorNonce },
    ...(drandRound !== null && drandSignature !== null && { beacon: drandRandomness(drandRound, drandSignature) }),
  });
}

export function sampleText({ report }: DrawnSample): string {
  return utf8Decode(formatSampleReport(report));
}

type Out = (text: string) => Promise<void>;
type Count = (opened: OpenedEvent, isDrawn: boolean) => void;
type OnProgress = (done: number, total: number) => void;

/** The lines of events.ndjson; `count` is told of each. */
export async function writeDrawn(
  source: Source & { readonly onProgress: OnProgress },
  commit: SampleCommit,
  { drawn }: DrawnSample,
  out: Out,
  count: Count,
): Promise<void> {
  const { start, end } = commit.range;
  const events = opensOnlyDrawn(commit)
    ? eventsAt(
        source,
        [...drawn].sort((a, b) => a - b),
      )
    : eventsIn(source, start, end);
  for await (const stored of events) {
    const isDrawn = drawn.has(stored.index);
    const deciding = isDrawn ? undefined : new Set(decidingFieldIds(commit, cardOf(stored)));
    const opened = openFields(stored, deciding);
    count(opened, isDrawn);
    await out(`${formatOpenedEvent(opened)}\n`);
    source.onProgress(stored.index - start + 1, end - start);
  }
}

/** Indices of every commit and every opening by this auditor. */
export async function samplesOf(
  { log }: Pick<Source, 'log'>,
  { actorId }: SampleToShow,
  size: number,
): Promise<readonly number[]> {
  const filters = new Map([
    ['action', [COMMIT_SAMPLE, REVEAL_SAMPLE]],
    ['actor', [actorId]],
  ] as const);
  const answer = await openAnswer(log, { query: { filters }, scope: null }, size);
  const indices: number[] = [];
  for (let next = 0; next < size; ) {
    const page = await answer.page(next, PAGE_ENTRIES);
    indices.push(...page.indices);
    if (page.complete) break;
    next = page.next;
  }
  return indices;
}

const PAGE_ENTRIES = 1_024;

/** Who is of the population, and of which stratum, as far as the events still show it. */
async function membersOf(source: Source, commit: SampleCommit): Promise<Members> {
  const { query, range, strata } = commit;
  if (opensOnlyDrawn(commit)) return { kind: 'range', ...range };
  const byStratum = new Map<string | null, number[]>();
  for await (const stored of eventsIn(source, range.start, range.end)) {
    const event = filtered(stored);
    if (evaluateFilter(query, event).result !== 'match') continue;
    const stratum = stratumOf(strata, event);
    if ('hiddenIn' in stratum) continue;
    const members = byStratum.get(stratum.name);
    if (members === undefined) byStratum.set(stratum.name, [stored.index]);
    else members.push(stored.index);
  }
  return { kind: 'listed', byStratum };
}

function filtered(stored: StoredEvent): FilteredEvent {
  const { producerId, fields, contentsLost } = stored;
  const opened = fields.flatMap(({ id, opening }) =>
    opening === undefined ? [] : [[id, parseCanonicalJson(opening.value)] as const],
  );
  return { producerId, card: cardOf(stored), fields: new Map(opened), ...(contentsLost && { contentsLost }) };
}
