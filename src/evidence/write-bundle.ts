/**
 * Writing an evidence bundle: its files one after the other, then the manifest over their digests, the log's signature
 * over that, and the zip. Events are read, shown and forgotten a few at a time; what grows with the range is on disk.
 *
 * Everything is proven under one published checkpoint that covers the request's own entry. A crash leaves files in a
 * directory that the next start removes.
 */
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import {
  CHECKPOINT_FILE,
  CONSISTENCY_FILE,
  contentFiles,
  EVENTS_FILE,
  formatProvenEvent,
  MANIFEST_FILE,
  POLICY_FILE,
  POPULATION_FILE,
  README_FILE,
  RELATED_FILE,
  SAMPLE_FILE,
  SIGNATURE_FILE,
} from '../../proofs/bundle.ts';
import { utf8Decode } from '../../proofs/bytes.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { LIMITS } from '../../proofs/claims.ts';
import { formatConsistency } from '../../proofs/consistency.ts';
import type { Hasher } from '../../proofs/hash.ts';
import { type BundleManifest, type FileDigest, formatManifest, manifestText } from '../../proofs/manifest.ts';
import { formatOpenedEvent, type OpenedEvent } from '../../proofs/opened-event.ts';
import { RELATED_IN_RANGE, RELATED_SO_FAR } from '../../proofs/own-entries.ts';
import { formatPopulationEntry, formatPopulationHead } from '../../proofs/population.ts';
import type { HashReader } from '../../proofs/prove.ts';
import { proveRange } from '../../proofs/range.ts';
import { tileHashReader } from '../../proofs/tile.ts';
import { populationRun } from '../../proofs/verify-population.ts';
import type { Log, StoredEvent } from '../log/types.ts';
import { openAnswer } from '../trail/search.ts';
import { writeDigestFile } from './digest-file.ts';
import { openFields, showEvent } from './open-fields.ts';
import { type EvidencePlan, scopeJson } from './plan.ts';
import { eventsAt, eventsIn } from './read-events.ts';
import { readmeText } from './readme.ts';
import { drawFromLog, samplesOf, sampleText, writeDrawn } from './write-sample.ts';
import { type WrittenZip, writeZip } from './write-zip.ts';

export interface BundleJob {
  readonly log: Log;
  readonly plan: EvidencePlan;
  /** The published checkpoint under which everything is proven. */
  readonly checkpoint: string;
  /** Signs the manifest's text with a key of the log that is valid at that size; a signed note. */
  readonly sign: (text: string, size: number) => string;
  readonly hasher: Hasher;
  /** For the files on their way; must not exist, and is gone afterwards. */
  readonly scratch: string;
  /** The zip; must not exist. */
  readonly target: string;
  readonly onProgress: (done: number, total: number) => void;
  readonly signal: AbortSignal;
}

export interface WrittenBundle extends WrittenZip {
  readonly manifest: BundleManifest;
}

/** Matches that are looked up in the search index at once. */
const SEARCH_EVENTS = 1_024;

export async function writeBundle(job: BundleJob): Promise<WrittenBundle> {
  await mkdir(job.scratch, { recursive: true, mode: 0o700 });
  try {
    const manifest = await writeFiles(job);
    const names = [MANIFEST_FILE, SIGNATURE_FILE, ...contentFiles(manifest)];
    return { manifest, ...(await writeZip(job.scratch, names, job.target)) };
  } finally {
    await rm(job.scratch, { recursive: true, force: true });
  }
}

async function writeFiles(job: BundleJob): Promise<BundleManifest> {
  const { log, plan, checkpoint, hasher } = job;
  const { mode, asked, filter: query, range, pinned, control } = plan;
  const { origin, size } = parseCheckpoint(checkpoint).checkpoint;
  const files = new Map<string, FileDigest>();
  const write = async (name: string, fill: Parameters<typeof writeDigestFile>[1]): Promise<void> => {
    files.set(name, await writeDigestFile(path.join(job.scratch, name), fill));
  };
  const writeText = (name: string, text: string): Promise<void> => write(name, (out) => out(text));

  await writeText(CHECKPOINT_FILE, checkpoint);
  if (pinned !== null) {
    const proof = await log.consistencyProof(pinned, size);
    await writeText(CONSISTENCY_FILE, formatConsistency({ from: pinned, to: size, proof }));
  }
  const counts = { population: range.end - range.start, matched: 0, withheld: 0, erased: 0 };
  const count = ({ withheld, erased }: OpenedEvent, isMatch: boolean): void => {
    if (isMatch) {
      counts.matched++;
      counts.withheld += withheld.length;
    }
    counts.erased += erased.length;
  };
  if (mode === 'complete') {
    // Both files on one way through the log.
    await write(POPULATION_FILE, (population) =>
      write(EVENTS_FILE, (events) => writeComplete(job, size, { population, events }, count)),
    );
  } else if (plan.sample === undefined) {
    await write(EVENTS_FILE, (out) => writeSelected(job, size, out, count));
  } else {
    await write(POPULATION_FILE, (out) => writePopulation(job, size, out));
    const { commit } = plan.sample;
    const drawn = await drawFromLog(job, plan.sample, size);
    await writeText(SAMPLE_FILE, sampleText(drawn));
    await write(EVENTS_FILE, (out) => writeDrawn(job, commit, drawn, out, count));
    counts.matched = drawn.matched;
  }
  await write(RELATED_FILE, (out) => writeRelated(job, size, out));
  await writeText(POLICY_FILE, log.policyText);
  await writeText(README_FILE, readmeText({ origin, mode, query, range, size, counts, control }));

  const scope = scopeJson(plan.scope);
  const manifest = { origin, mode, asked, query, scope, range, size, pinned, counts, files, limits: LIMITS, control };
  const bytes = formatManifest(manifest);
  const written = (name: string, text: string) => writeDigestFile(path.join(job.scratch, name), (out) => out(text));
  await written(MANIFEST_FILE, utf8Decode(bytes));
  await written(SIGNATURE_FILE, job.sign(manifestText(origin, bytes, hasher), size));
  return manifest;
}

type Out = (text: string) => Promise<void>;
type Count = (opened: OpenedEvent, isMatch: boolean) => void;

/** Only the population, for a sample. */
async function writePopulation(job: BundleJob, size: number, out: Out): Promise<void> {
  for await (const _stored of throughPopulation(job, size, out));
}

async function writeComplete(
  job: BundleJob,
  size: number,
  { population, events }: { readonly population: Out; readonly events: Out },
  count: Count,
): Promise<void> {
  const { start, end } = job.plan.range;
  for await (const stored of throughPopulation(job, size, population)) {
    if (stored.index < start || stored.index >= end) continue;
    const { opened, result } = showEvent(job.plan.filter, stored);
    count(opened, result === 'match');
    await events(`${formatOpenedEvent(opened)}\n`);
    job.onProgress(stored.index - start + 1, end - start);
  }
}

/** The events of the range and its neighbours, each after its entry was written. */
async function* throughPopulation(job: BundleJob, size: number, out: Out): AsyncGenerator<StoredEvent> {
  const { start, end } = populationRun({ range: job.plan.range, size });
  const proof = await proveRange(start, end, size, readerOf(job, size));
  await out(formatPopulationHead({ start, count: end - start, proof }));
  for await (const stored of eventsIn(job, start, end)) {
    await out(formatPopulationEntry(stored.entry));
    yield stored;
  }
}

async function writeSelected(job: BundleJob, size: number, out: Out, count: Count): Promise<void> {
  const { plan, log } = job;
  const { start, end } = plan.range;
  const answer = await openAnswer(log, { query: plan.query, scope: plan.scope }, end);
  for (let next = start; next < end; ) {
    const page = await answer.page(next, SEARCH_EVENTS);
    for await (const stored of eventsAt(job, page.indices)) {
      // The index knows what an event was found by once; what it still shows of that decides what can be proven.
      const { opened, result } = showEvent(plan.filter, stored);
      if (result === 'no-match') continue;
      count(opened, result === 'match');
      await out(`${formatProvenEvent({ opened, proof: await log.inclusionProof(stored.index, size) })}\n`);
      job.onProgress(stored.index - start + 1, end - start);
    }
    if (page.complete) break;
    next = page.next;
  }
}

/** The log's own entries that go with the evidence, as far as the token may see them. */
async function writeRelated(job: BundleJob, size: number, out: Out): Promise<void> {
  const { log, plan } = job;
  const { start, end } = plan.range;
  const indices = new Set<number>();
  const collect = async (actions: readonly string[], from: number): Promise<void> => {
    const query = { filters: new Map([['action', actions] as const]) };
    const answer = await openAnswer(log, { query, scope: plan.scope }, end);
    for (let next = from; next < end; ) {
      const page = await answer.page(next, SEARCH_EVENTS);
      for (const index of page.indices) indices.add(index);
      if (page.complete) break;
      next = page.next;
    }
  };
  await collect(RELATED_SO_FAR, 0);
  await collect(RELATED_IN_RANGE, start);
  // An auditor's own samples, however the scope of the token looks by now: the verifier counts them.
  if (plan.sample !== undefined) for (const index of await samplesOf(job, plan.sample, size)) indices.add(index);
  for await (const stored of eventsAt(
    job,
    [...indices].sort((a, b) => a - b),
  )) {
    const proof = await log.inclusionProof(stored.index, size);
    await out(`${formatProvenEvent({ opened: openFields(stored), proof })}\n`);
  }
}

function readerOf({ log, hasher }: BundleJob, size: number): HashReader {
  return tileHashReader(
    async (coordinates) => {
      const tile = await log.tile(coordinates);
      if (tile === undefined) throw new Error(`the log has no tile ${coordinates.level}/${coordinates.index}`);
      return tile;
    },
    size,
    hasher,
  );
}
