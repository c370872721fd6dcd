/**
 * The verification of an evidence bundle, offline (DESIGN.md, Evidence bundle and Completeness). In go its files and what
 * the verifier pinned beforehand; out comes a verdict that names every claim:
 *
 *   files               exactly the files that a bundle of its kind has
 *   manifest            it can be read, and speaks of this checkpoint
 *   log-signature, witnesses, existed-by, pin      the checkpoint, see judge-head.ts
 *   manifest-signature  the log signed this manifest
 *   digests             every file is the one that the manifest names
 *   population          the entries of the range stand in the tree whole and in order (complete bundles)
 *   range               log times show that the range is the one that was asked for
 *   events              every event is the entry at its index, and opens only what was committed to
 *   completeness        the query, evaluated again for every event of the range (complete bundles)
 *   matches             the query, evaluated again for every event shown (selected bundles)
 *   counts              the manifest counts what is there
 *   related             rules, catalogues, keys and findings are in the tree
 *
 * The policy and the keys inside a bundle are never believed. Never throws, whatever it is given.
 */
import {
  BUNDLE_FILES,
  type BundleFiles,
  CHECKPOINT_FILE,
  CONSISTENCY_FILE,
  contentFiles,
  EVENTS_FILE,
  linesOf,
  MANIFEST_FILE,
  POLICY_FILE,
  POPULATION_FILE,
  parseProvenEvent,
  RELATED_FILE,
  SIGNATURE_FILE,
} from './bundle.ts';
import { equalBytes, utf8Encode } from './bytes.ts';
import { checkInclusion } from './check.ts';
import { ClaimReport, type Conclusion } from './claims.ts';
import { parseConsistency } from './consistency.ts';
import { ProofError } from './errors.ts';
import type { ExistedBy } from './existed-by.ts';
import { type Hasher, nobleHasher } from './hash.ts';
import { type HeadClaimName, type JudgedHead, judgeHead, judgePin, type Pinned } from './judge-head.ts';
import { type BundleManifest, checkManifestSignature, parseManifest } from './manifest.ts';
import { type CheckedEvent, checkOpenedEvent, parseOpenedEvent } from './opened-event.ts';
import { type CheckedCheckpoint, logKeysAt } from './policy.ts';
import { type Population, parsePopulation } from './population.ts';
import { quote } from './quote.ts';
import { Tally } from './tally.ts';
import { checkBundleRange, checkPopulation } from './verify-population.ts';

export type BundleClaimName =
  | HeadClaimName
  | 'files'
  | 'manifest'
  | 'manifest-signature'
  | 'digests'
  | 'population'
  | 'range'
  | 'events'
  | 'completeness'
  | 'matches'
  | 'counts'
  | 'related';

export interface BundleVerdict extends Conclusion<BundleClaimName> {
  /** What the bundle says of itself, once it could be read. It is worth what the verdict is. */
  readonly manifest?: BundleManifest;
  readonly checkpoint?: CheckedCheckpoint;
  readonly existedBy?: ExistedBy;
  /** Events of the range that were examined, of those the matches, and those that cannot be evaluated. */
  readonly examined: number;
  readonly matched: number;
  readonly unevaluated: number;
}

export interface BundleInput extends Pinned {
  readonly files: BundleFiles;
  readonly hasher?: Hasher;
  /** Told of each event that was checked, in index order. Believe it only after the verdict. */
  readonly onEvent?: (event: CheckedEvent, result: 'match' | 'no-match' | 'cannot') => void;
  /** Told of each entry of the log's own that goes with the evidence, in index order. Believe it only after the verdict. */
  readonly onRelated?: (event: CheckedEvent) => void;
}

export function verifyBundle(input: BundleInput): BundleVerdict {
  const { files, hasher = nobleHasher } = input;
  const report: Report = new ClaimReport(ORDER);
  const tally = new Tally();
  const manifest = readManifest(report, files);
  const checkpoint = files.get(CHECKPOINT_FILE);
  const head = checkpoint && judgeHead(report, checkpoint, input);
  if (head !== undefined) {
    const consistency = files.get(CONSISTENCY_FILE);
    judgePin(report, head, input, consistency && (() => parseConsistency(consistency)));
  }
  if (manifest !== undefined) {
    judgeDigests(report, files, manifest, hasher);
    if (head !== undefined) judgeContents({ ...input, report, manifest, head, hasher, tally });
  }
  comparePolicies(report, files, input);
  const selected = manifest?.mode === 'selected';
  const pinned: readonly BundleClaimName[] = input.pin === undefined ? [] : ['pin'];
  const conclusion = report.conclude([...REQUIRED, ...(selected ? SELECTED : COMPLETE), ...pinned]);
  return {
    ...conclusion,
    ...(selected && conclusion.verdict === 'PASS' && { reason: SELECTED_REASON }),
    ...(manifest !== undefined && { manifest }),
    ...(head !== undefined && { checkpoint: head.checked }),
    ...(head?.existedBy !== undefined && { existedBy: head.existedBy }),
    examined: tally.examined,
    matched: tally.matched,
    unevaluated: tally.unevaluated,
  };
}

type Report = ClaimReport<BundleClaimName>;

const REQUIRED: readonly BundleClaimName[] = [
  ...(['files', 'manifest', 'log-signature', 'witnesses', 'manifest-signature', 'digests'] as const),
  ...(['range', 'events', 'counts', 'related'] as const),
];
const COMPLETE: readonly BundleClaimName[] = ['population', 'completeness'];
const SELECTED: readonly BundleClaimName[] = ['matches'];
const ORDER: readonly BundleClaimName[] = [
  ...(['files', 'manifest', 'log-signature', 'witnesses', 'existed-by', 'pin', 'manifest-signature'] as const),
  ...(['digests', 'population', 'range', 'events', 'completeness', 'matches', 'counts', 'related'] as const),
];
const SELECTED_REASON = 'every claim holds; this is a selection, and says nothing about what it leaves out';

interface Work {
  readonly report: Report;
  readonly files: BundleFiles;
  readonly manifest: BundleManifest;
  readonly head: JudgedHead;
  readonly hasher: Hasher;
  readonly tally: Tally;
  readonly onEvent?: BundleInput['onEvent'];
  readonly onRelated?: BundleInput['onRelated'];
}

function readManifest(report: Report, files: BundleFiles): BundleManifest | undefined {
  const strange = [...files.keys()].find((name) => !BUNDLE_FILES.includes(name));
  if (strange !== undefined) report.fail('files', unexpectedFile(strange));
  const file = files.get(MANIFEST_FILE);
  if (file === undefined) {
    report.fail('files', missingFile(MANIFEST_FILE));
    return undefined;
  }
  const manifest = report.attempt('manifest', () => parseManifest(file));
  if (manifest === undefined) return undefined;
  const expected = [MANIFEST_FILE, SIGNATURE_FILE, ...contentFiles(manifest)];
  const missing = expected.find((name) => !files.has(name));
  const extra = [...files.keys()].find((name) => !expected.includes(name));
  if (missing !== undefined) report.fail('files', missingFile(missing));
  else if (extra !== undefined) report.fail('files', unexpectedFile(extra));
  else report.pass('files', `${expected.length} files, none missing and none too many`);
  return manifest;
}

function judgeDigests(report: Report, files: BundleFiles, manifest: BundleManifest, hasher: Hasher): void {
  report.attempt('digests', () => {
    for (const [name, { bytes, sha256 }] of manifest.files) {
      const file = files.get(name);
      if (file === undefined) throw missingFile(name);
      if (file.length !== bytes || !equalBytes(hasher.sha256(file), sha256)) {
        throw new ProofError('digest-mismatch', `${name} is not the file that the manifest names`, { file: name });
      }
    }
    report.pass('digests', `${manifest.files.size} files are those that the manifest names`);
  });
}

function judgeContents(work: Work): void {
  const { report, files, manifest, head, hasher } = work;
  const { origin, size } = head.checked.checkpoint;
  report.attempt('manifest', () => {
    if (manifest.origin !== origin || manifest.size !== size) {
      const message = `the manifest is about ${quote(manifest.origin)}, size ${manifest.size}, the checkpoint about another`;
      throw new ProofError('invalid-bundle', message, { size: manifest.size });
    }
    report.pass('manifest', `${manifest.mode} answer over [${manifest.range.start}, ${manifest.range.end})`);
  });
  report.attempt('manifest-signature', () => {
    const [file, signature] = [files.get(MANIFEST_FILE), files.get(SIGNATURE_FILE)];
    if (file === undefined || signature === undefined) throw missingFile(SIGNATURE_FILE);
    checkManifestSignature({ manifest: file, signature, origin }, logKeysAt(head.policy, origin, size), hasher);
    report.pass('manifest-signature', `the manifest is signed by ${quote(origin)}`);
  });
  if (manifest.size !== size) return;
  const judged = manifest.mode === 'complete' ? judgeComplete(work) : judgeSelected(work);
  if (judged) judgeCounts(work);
  judgeRelated(work);
}

/** True if every event could be read and counted. */
function judgeComplete(work: Work): boolean {
  const { report, files, manifest, head, hasher, tally } = work;
  const file = files.get(POPULATION_FILE);
  const population = file && report.attempt('population', () => parsePopulation(file));
  if (population === undefined) return false;
  report.attempt('population', () => {
    checkPopulation(population, manifest, head.checked.checkpoint, hasher);
    const { start, end } = manifest.range;
    if (population.count === 0) report.incomplete('population', 'the tree is empty: there is nothing to check');
    else
      report.pass('population', `the ${end - start} entries of [${start}, ${end}) are in the tree, whole and in order`);
  });
  report.attempt('range', () => {
    const open = checkBundleRange(population, manifest);
    if (open === undefined) report.pass('range', 'its neighbours lie outside of the time that was asked for');
    else report.incomplete('range', open);
  });
  if (report.attempt('events', () => examineAll(work, population)) !== true) return false;
  const { examined, matched } = tally;
  const sentence = `all ${examined} events of the range were examined; ${matched} match`;
  if (tally.unevaluated === 0) report.pass('completeness', sentence);
  else report.incomplete('completeness', `${sentence}; complete except these: ${tally.describeUnevaluated()}`);
  return true;
}

function examineAll(work: Work, population: Population): boolean {
  const { report, files, manifest, hasher } = work;
  const { start, end } = manifest.range;
  const lines = linesOf(files.get(EVENTS_FILE) ?? new Uint8Array(0), EVENTS_FILE);
  let index = population.start;
  for (const entry of population.entries()) {
    const inRange = start <= index && index < end;
    if (inRange) {
      const { value: line, done } = lines.next();
      if (done === true) throw new ProofError('missing-event', `event ${index} is missing`, { index });
      const opened = parseOpenedEvent(line);
      if (opened.index !== index) throw wrongPlace(opened.index, index);
      if (!equalBytes(opened.entry, entry)) {
        throw new ProofError('entry-mismatch', `event ${index} is not the entry at its index`, { index });
      }
      tellEvent(work, checkOpenedEvent(opened, hasher));
    }
    index++;
  }
  if (work.tally.examined !== end - start) throw new ProofError('missing-event', 'events of the range are missing');
  const beyond = lines.next();
  if (beyond.done !== true) throw wrongPlace(parseOpenedEvent(beyond.value).index, undefined);
  report.pass('events', `${end - start} events are the entries of the range, and show what was committed to`);
  return true;
}

function judgeSelected(work: Work): boolean {
  const { report, files, manifest, head, hasher, tally } = work;
  const { query, range } = manifest;
  let last = -1;
  const read = report.attempt('events', () => {
    for (const line of linesOf(files.get(EVENTS_FILE) ?? new Uint8Array(0), EVENTS_FILE)) {
      const event = checkProven(line, head.checked, hasher);
      const { index, entry } = event;
      if (index <= last) throw wrongPlace(index, undefined);
      last = index;
      const [from, to] = [query.fromUs ?? 0, query.toUs ?? Number.POSITIVE_INFINITY];
      if (index < range.start || index >= range.end || entry.logTime < from || entry.logTime >= to) {
        throw new ProofError('range-mismatch', `event ${index} lies outside of the range that was asked for`, {
          index,
        });
      }
      tellEvent(work, event);
    }
    return true;
  });
  if (read !== true) return false;
  if (tally.examined === 0) {
    report.incomplete('events', 'no event is shown, so there is nothing to check');
    report.incomplete('range', 'no event is shown');
    report.incomplete('matches', 'no event is shown');
    return true;
  }
  report.pass('events', `${tally.examined} events are in the tree, and show what was committed to`);
  report.pass('range', 'every event lies in the range and the time that were asked for');
  if (tally.strange !== undefined) {
    const message = `event ${tally.strange} does not answer the query`;
    report.fail('matches', new ProofError('filter-mismatch', message, { index: tally.strange }));
  } else if (tally.unevaluated > 0) {
    report.incomplete('matches', `these cannot be shown to answer the query: ${tally.describeUnevaluated()}`);
  } else report.pass('matches', `all ${tally.examined} events shown answer the query; others may, too`);
  return true;
}

function judgeCounts({ report, manifest, tally }: Work): void {
  const { counts } = manifest;
  const wrong = (['matched', 'withheld', 'erased'] as const).find((name) => counts[name] !== tally[name]);
  if (wrong === undefined) {
    const { matched, withheld, erased } = counts;
    report.pass('counts', `${matched} matched, ${withheld} fields of theirs withheld, ${erased} fields erased`);
    for (const text of tally.describeMissing()) report.note(text);
    return;
  }
  const message = `the manifest counts ${counts[wrong]} as ${wrong}, there are ${tally[wrong]}`;
  report.fail('counts', new ProofError('count-mismatch', message, { counted: counts[wrong], found: tally[wrong] }));
}

/** Entries of the log's own that go with the evidence. Which of them there are is the log's choice. */
function judgeRelated({ report, files, head, hasher, onRelated }: Work): void {
  let last = -1;
  let count = 0;
  report.attempt('related', () => {
    for (const line of linesOf(files.get(RELATED_FILE) ?? new Uint8Array(0), RELATED_FILE)) {
      const related = checkProven(line, head.checked, hasher);
      const { index, event } = related;
      if (index <= last) throw wrongPlace(index, undefined);
      last = index;
      count++;
      const action = event['action'];
      if (typeof action !== 'string' || !action.startsWith('countersign.')) {
        throw new ProofError('unexpected-event', `event ${index} is none of the log's own`, { index });
      }
      onRelated?.(related);
    }
    report.pass('related', `${count} entries on rules, catalogues, keys and findings are in the tree`);
  });
}

function checkProven(line: string, { checkpoint }: CheckedCheckpoint, hasher: Hasher): CheckedEvent {
  const { opened, proof } = parseProvenEvent(line);
  const event = checkOpenedEvent(opened, hasher);
  const { index, leafHash } = event;
  try {
    checkInclusion({ index, size: checkpoint.size, leafHash, proof, root: checkpoint.root }, hasher);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    throw new ProofError(error.code, `event ${index} is not in the tree: ${error.message}`, { index });
  }
  return event;
}

function tellEvent({ manifest, tally, onEvent }: Work, event: CheckedEvent): void {
  const result = tally.add(manifest.query, event);
  onEvent?.(event, result);
}

function comparePolicies(report: Report, files: BundleFiles, { policy }: Pinned): void {
  const inside = files.get(POLICY_FILE);
  if (inside === undefined || policy === undefined) return;
  const pinned = typeof policy === 'string' ? utf8Encode(policy) : policy;
  if (!equalBytes(inside, pinned)) report.note('policy.txt of the bundle is not the pinned policy; it was not used');
}

function wrongPlace(index: number, expected: number | undefined): ProofError {
  if (expected !== undefined && index > expected) {
    return new ProofError('missing-event', `event ${expected} is missing: event ${index} comes next`, {
      index: expected,
    });
  }
  return new ProofError('unexpected-event', `event ${index} stands twice, out of order, or outside the range`, {
    index,
  });
}

function missingFile(name: string): ProofError {
  return new ProofError('missing-file', `${name} is missing`, { file: name });
}

function unexpectedFile(name: string): ProofError {
  return new ProofError('unexpected-file', `${quote(name)} is no file of such a bundle`, { file: name });
}
