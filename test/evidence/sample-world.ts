/**
 * Samples in the corpus's log, and their reports: an auditor commits in entries 35 and 37, the head of size 40 goes into the
 * seed, entry 41 opens the nonce of the second commit. Everything can be told otherwise, so that attacks are one change each.
 */
import {
  CHECKPOINT_FILE,
  contentFiles,
  EVENTS_FILE,
  formatProvenEvent,
  MANIFEST_FILE,
  POPULATION_FILE,
  RELATED_FILE,
  SAMPLE_FILE,
} from '../../proofs/bundle.ts';
import { hexDecode, utf8Encode } from '../../proofs/bytes.ts';
import { LIMITS } from '../../proofs/claims.ts';
import { evaluateFilter } from '../../proofs/filter.ts';
import { type Hash, sha256 } from '../../proofs/hash.ts';
import { formatManifest } from '../../proofs/manifest.ts';
import { formatOpenedEvent } from '../../proofs/opened-event.ts';
import { RELATED_SO_FAR } from '../../proofs/own-entries.ts';
import { formatPopulationEntry, formatPopulationHead } from '../../proofs/population.ts';
import { proveConsistency, proveInclusion } from '../../proofs/prove.ts';
import { proveRange } from '../../proofs/range.ts';
import { nonceHash, sampleSeed } from '../../proofs/sample-draw.ts';
import {
  COMMIT_SAMPLE,
  REVEAL_SAMPLE,
  type SampleCommit,
  type SampleReveal,
  sampleCommitJson,
  sampleRevealJson,
} from '../../proofs/sample-entries.ts';
import {
  decidingFieldIds,
  drawSample,
  type Members,
  opensOnlyDrawn,
  stratumOf,
} from '../../proofs/sample-population.ts';
import { type DrawnStratum, formatSampleReport, type SampleReport } from '../../proofs/sample-report.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import { populationRun } from '../../proofs/verify-population.ts';
import { memoryReader } from '../support/tree.ts';
import {
  digestsOf,
  type Files,
  headOf,
  makeWorld,
  ORIGIN,
  openEvent,
  POLICY,
  START_US,
  signManifest,
  timeOf,
  type World,
  type WorldEvent,
} from './world.ts';
import { eventAt, type HappenedEvent } from './world-events.ts';

export const SAMPLE_SIZE = 46;
export const FIRST_COMMIT = 35;
export const COMMIT = 37;
export const HEAD = 40;
export const REVEAL = 41;
/** Before round 1000 of drand's quicknet, which the vectors have. */
export const DRAND_START_US = 1_692_806_000_000_000;
export const DRAND_ROUND = 1_000;
export const DRAND_SIGNATURE: Uint8Array = hexDecode(
  'b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39',
);
export const NONCE: Hash = sha256(utf8Encode('nonce of the auditor'));
const OPERATOR_NONCE: Hash = sha256(utf8Encode('nonce of the operator'));

const SAMPLE_ACTIONS: readonly string[] = [COMMIT_SAMPLE, REVEAL_SAMPLE];

/** What is told otherwise than an honest log and an honest auditor would. */
export interface SampleStory {
  readonly startUs?: number;
  readonly commit?: Partial<SampleCommit>;
  readonly reveal?: Partial<SampleReveal>;
  readonly revealedBy?: string;
  readonly revealAt?: number;
  /** Fields of events that are not shown, and those that were erased. */
  readonly withheld?: ReadonlyMap<number, readonly string[]>;
  readonly erased?: ReadonlyMap<number, readonly string[]>;
  /** Entries that are not shown beside the events. */
  readonly unrelated?: ReadonlySet<number>;
  /** Index range of the report; the query's time follows from it. */
  readonly range?: SampleCommit['range'];
  readonly headSize?: number;
  /** What goes into the seed. */
  readonly nonce?: Uint8Array;
  readonly operatorNonce?: Uint8Array;
  readonly head?: Partial<SampleReport['head']>;
  readonly drawn?: (drawn: readonly DrawnStratum[]) => readonly DrawnStratum[];
  readonly beacon?: Uint8Array;
}

export interface ToldSample {
  readonly world: World;
  readonly files: Files;
  readonly drawn: readonly DrawnStratum[];
}

export async function tellSample(story: SampleStory = {}): Promise<ToldSample> {
  const { startUs = START_US, erased = new Map(), withheld = new Map() } = story;
  const commit = commitOf(story, startUs);
  const world = sampleWorld(story, commit, startUs);
  const range = story.range ?? commit.range;
  const query = { ...commit.query, fromUs: timeOf(range.start, startUs), toUs: timeOf(range.end, startUs) };
  const seed = seedOf(story, commit, world);
  const inRange = world.events.slice(range.start, range.end);
  const { matched, members } = membersOf(commit, query, range, inRange, story);
  const honest = drawSample(commit, seed, members);
  const drawn = story.drawn?.(honest) ?? honest;
  const shown = new Set(drawn.flatMap((stratum) => stratum.drawn));
  const counts = { population: inRange.length, matched, withheld: 0, erased: 0 };
  const lines: string[] = [];
  for (const event of inRange) {
    const isDrawn = shown.has(event.index);
    if (opensOnlyDrawn(commit) && !isDrawn) continue;
    const [gone, hidden]: (readonly string[])[] = [erased.get(event.index) ?? [], withheld.get(event.index) ?? []];
    const all = [...event.openings.keys()].filter((id) => !(hidden ?? []).includes(id));
    const only = isDrawn ? all : decidingFieldIds(commit, event.commitments).filter((id) => all.includes(id));
    const opened = openEvent(event, { only, erased: gone ?? [] });
    if (isDrawn) counts.withheld += opened.withheld.length;
    counts.erased += opened.erased.length;
    lines.push(`${formatOpenedEvent(opened)}\n`);
  }
  const files = await filesOf(world, range, lines, await reportOf(story, world, seed, drawn), story.unrelated);
  const manifest = formatManifest({
    ...{
      origin: ORIGIN,
      mode: 'sample',
      asked: 'a sample',
      query,
      scope: null,
      range,
      size: SAMPLE_SIZE,
      pinned: null,
    },
    ...{ counts, files: digestsOf(files, contentFiles({ mode: 'sample', pinned: null })), limits: LIMITS },
  });
  return { world, files: signManifest(new Map([[MANIFEST_FILE, manifest], ...files])), drawn };
}

/** The commit that entry 37 is: five of the grants in [4, 33), by class if the story says so. */
export function commitOf({ commit = {} }: SampleStory, startUs: number): SampleCommit {
  const range = commit.range ?? { start: 4, end: 33 };
  return {
    ...{ nonceHash: nonceHash(NONCE), operatorNonce: OPERATOR_NONCE, range },
    query: {
      filters: new Map([['action', ['role.grant']]]),
      fromUs: timeOf(range.start, startUs),
      toUs: timeOf(range.end, startUs),
    },
    ...{ design: { kind: 'size', size: 5 }, strata: null, delay: HEAD - COMMIT - 1 },
    ...{ drandRound: null, number: 1, previous: FIRST_COMMIT },
    ...commit,
  };
}

function sampleWorld(story: SampleStory, commit: SampleCommit, startUs: number): World {
  const reveal: SampleReveal = { commit: COMMIT, nonce: NONCE, drandSignature: null, ...story.reveal };
  const first = { ...commit, nonceHash: nonceHash(OPERATOR_NONCE), number: 0, previous: null };
  const happened = new Map<number, HappenedEvent>([
    [FIRST_COMMIT, sampleEvent(FIRST_COMMIT, COMMIT_SAMPLE, 'tok_auditor', sampleCommitJson(first))],
    [COMMIT, sampleEvent(COMMIT, COMMIT_SAMPLE, 'tok_auditor', sampleCommitJson(commit))],
  ]);
  const at = story.revealAt ?? REVEAL;
  happened.set(at, sampleEvent(at, REVEAL_SAMPLE, story.revealedBy ?? 'tok_auditor', sampleRevealJson(reveal)));
  return makeWorld(SAMPLE_SIZE, { happened, startUs });
}

function sampleEvent(
  index: number,
  action: string,
  actor: string,
  sample: ReturnType<typeof sampleCommitJson>,
): HappenedEvent {
  return {
    ...eventAt(index),
    ...{ action, actor: { type: 'token', id: actor, role: 'auditor' }, target: { type: 'log', id: ORIGIN } },
    context: { sample },
  };
}

function seedOf(story: SampleStory, commit: SampleCommit, world: World): Hash {
  const { headSize = HEAD, nonce = story.reveal?.nonce ?? NONCE, operatorNonce = commit.operatorNonce } = story;
  const signature = story.reveal?.drandSignature ?? undefined;
  return sampleSeed({
    commitLeaf: world.leaves[COMMIT] ?? new Uint8Array(0),
    headRoot: rootOfHashes(world.leaves.slice(0, headSize)),
    ...{ auditorNonce: nonce, operatorNonce, beacon: story.beacon ?? (signature && sha256(signature)) },
  });
}

function membersOf(
  commit: SampleCommit,
  query: SampleCommit['query'],
  range: SampleCommit['range'],
  events: readonly WorldEvent[],
  { withheld, erased }: SampleStory,
): { readonly matched: number; readonly members: Members } {
  if (opensOnlyDrawn(commit)) return { matched: events.length, members: { kind: 'range', ...range } };
  const byStratum = new Map<string | null, number[]>();
  let matched = 0;
  for (const { index, producerId, commitments: card, values } of events) {
    const hidden = [...(withheld?.get(index) ?? []), ...(erased?.get(index) ?? [])];
    const fields = new Map([...values].filter(([id]) => !hidden.includes(id)));
    const event = { producerId, card, fields };
    if (evaluateFilter(query, event).result !== 'match') continue;
    const stratum = stratumOf(commit.strata, event);
    if ('hiddenIn' in stratum) continue;
    matched++;
    byStratum.set(stratum.name, [...(byStratum.get(stratum.name) ?? []), index]);
  }
  return { matched, members: { kind: 'listed', byStratum } };
}

async function reportOf(
  { headSize = HEAD, head, revealAt = REVEAL }: SampleStory,
  world: World,
  seed: Hash,
  strata: readonly DrawnStratum[],
): Promise<SampleReport> {
  const proof = await proveConsistency(headSize, SAMPLE_SIZE, memoryReader(world.leaves));
  const root = rootOfHashes(world.leaves.slice(0, headSize));
  return { commit: COMMIT, reveal: revealAt, head: { size: headSize, root, proof, ...head }, seed, strata };
}

async function filesOf(
  world: World,
  range: SampleCommit['range'],
  lines: readonly string[],
  report: SampleReport,
  unrelated: ReadonlySet<number> = new Set(),
): Promise<Files> {
  const read = memoryReader(world.leaves);
  const run = populationRun({ range, size: SAMPLE_SIZE });
  const proof = await proveRange(run.start, run.end, SAMPLE_SIZE, read);
  const population = formatPopulationHead({ start: run.start, count: run.end - run.start, proof });
  const entries = world.events.slice(run.start, run.end).map(({ entry }) => formatPopulationEntry(entry));
  const related: string[] = [];
  for (const event of world.events) {
    const action = String(event.values.get('action'));
    const belongs = SAMPLE_ACTIONS.includes(action) || (event.index < range.end && RELATED_SO_FAR.includes(action));
    if (!belongs || unrelated.has(event.index)) continue;
    const inclusion = await proveInclusion(event.index, SAMPLE_SIZE, read);
    related.push(`${formatProvenEvent({ opened: openEvent(event), proof: inclusion })}\n`);
  }
  const texts: readonly (readonly [string, string])[] = [
    [CHECKPOINT_FILE, headOf(world, SAMPLE_SIZE)],
    [POPULATION_FILE, population + entries.join('')],
    [EVENTS_FILE, lines.join('')],
    [RELATED_FILE, related.join('')],
    ['policy.txt', POLICY],
    ['README.txt', 'a sample\n'],
  ];
  const files: Files = new Map(texts.map(([name, text]) => [name, utf8Encode(text)]));
  return files.set(SAMPLE_FILE, formatSampleReport(report));
}
