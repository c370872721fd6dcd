/**
 * One file of evidence, judged in the worker: the verdict by proofs/judge-file.ts as on the command line, and beside it
 * what the page draws, read again out of the same bytes. Whatever cannot be read for drawing is left out of the drawing;
 * the verdict stands without it.
 */
import {
  type BundleFiles,
  CHECKPOINT_FILE,
  EVENTS_FILE,
  linesOf,
  MANIFEST_FILE,
  POPULATION_FILE,
  parseProvenEvent,
} from '../../../proofs/bundle.ts';
import { hexEncode, utf8Encode } from '../../../proofs/bytes.ts';
import type { CardField } from '../../../proofs/card.ts';
import { decodeEntry } from '../../../proofs/entry.ts';
import { type Hash, leafHash, sha256 } from '../../../proofs/hash.ts';
import { createFileJudge, type FileReport } from '../../../proofs/judge-file.ts';
import { parseManifest } from '../../../proofs/manifest.ts';
import type { CheckedEvent } from '../../../proofs/opened-event.ts';
import { parsePopulation } from '../../../proofs/population.ts';
import { parseTlogProof } from '../../../proofs/tlog-proof.ts';
import { type ChosenEvent, EventChooser, isOverride } from './choose-events.ts';
import { drawHead } from './draw-head.ts';
import { inflate } from './inflate.ts';
import type { DrawnHead, EventChoice, Judged, Pins, ShownEvent, ShownField } from './protocol.ts';
import { isOfUse, NOTHING_RELATED, readRelated } from './related.ts';
import { populationProver, type TreePath, treePath } from './tree-path.ts';

export interface EvidenceInput {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly receipt?: Uint8Array;
}

export interface JudgeHooks {
  readonly nowMs: () => number;
  /** Events examined so far, out of how many, if that is known. */
  readonly onProgress: (done: number, total: number | undefined) => void;
}

export function judgeEvidence(evidence: EvidenceInput, pins: Pins, { nowMs, onProgress }: JudgeHooks): Judged {
  const startedMs = nowMs();
  const chooser = new EventChooser();
  const entries: CheckedEvent[] = [];
  let files: BundleFiles | undefined;
  let total: number | undefined;
  let done = 0;
  const judge = createFileJudge(pins, {
    inflate,
    onFiles: (found) => {
      files = found;
      total = expectedEvents(found);
      onProgress(0, total);
    },
    onEvent: (event, result) => {
      chooser.add(event, result);
      onProgress(++done, total);
    },
    onRelated: (event) => {
      if (isOfUse(event)) entries.push(event);
    },
  });
  const report = judge(evidence);
  const durationMs = nowMs() - startedMs;
  const head = attempt(() => headOf(evidence, files, report, pins));
  const proofOf = attempt(() => proverOf(evidence, files, chooser.chosen(), report)) ?? (() => undefined);
  const isRelatedGood = report.claims.some(({ claim, result }) => claim === 'related' && result === 'pass');
  const related = (isRelatedGood ? attempt(() => readRelated(entries)) : undefined) ?? NOTHING_RELATED;
  const shown = chooser.chosen().map((chosen): ShownEvent => {
    const { event } = chosen;
    const [title, rule] = [related.titleOf(event), related.ruleOf(event)];
    const path = head && attempt(() => pathOf(event, proofOf(chosen), head));
    return {
      ...shownEvent(event),
      ...(title !== undefined && { title }),
      ...(rule !== undefined && { rule }),
      ...(path !== undefined && { path }),
    };
  });
  return {
    report,
    bytes: evidence.bytes.length,
    sha256: report.bundle?.sha256 ?? hexEncode(sha256(evidence.bytes)),
    durationMs,
    policySha256: hexEncode(sha256(utf8Encode(pins.policy))),
    ...(pins.at !== undefined && { at: pins.at }),
    events: choiceOf(chooser, [...shown, ...(attempt(() => bareEntry(evidence, report, head)) ?? [])]),
    ...(head !== undefined && { head }),
  };
}

function choiceOf({ total, overrides, denied, failed }: EventChooser, shown: readonly ShownEvent[]): EventChoice {
  return { shown, total: Math.max(total, shown.length), overrides, denied, failed };
}

/** For the progress bar alone: what the manifest says, which nobody has checked yet. */
function expectedEvents(files: BundleFiles): number | undefined {
  const file = files.get(MANIFEST_FILE);
  const manifest = file && attempt(() => parseManifest(file));
  if (manifest === undefined) return undefined;
  const { mode, range, counts } = manifest;
  return mode === 'complete' ? range.end - range.start : counts.matched;
}

function headOf(
  { bytes, receipt }: EvidenceInput,
  files: BundleFiles | undefined,
  { kind, claims }: FileReport,
  pins: Pins,
): DrawnHead | undefined {
  if (!claims.some(({ claim, result }) => claim === 'log-signature' && result === 'pass')) return undefined;
  switch (kind) {
    case 'bundle':
      return drawHead(pins, files?.get(CHECKPOINT_FILE));
    case 'opened-event':
      return drawHead(pins, receipt && parseTlogProof(receipt).checkpoint);
    case 'tlog-proof':
      return drawHead(pins, parseTlogProof(bytes).checkpoint);
    case 'checkpoint':
      return drawHead(pins, bytes);
    default:
      return undefined;
  }
}

type ProofOf = (chosen: ChosenEvent) => readonly Hash[] | undefined;

/** Where the inclusion proof of an event is: in its receipt, in its line, or in the population's. */
function proverOf(
  { receipt }: EvidenceInput,
  files: BundleFiles | undefined,
  chosen: readonly ChosenEvent[],
  { kind, checkpoint_size: size }: FileReport,
): ProofOf | undefined {
  if (kind === 'opened-event' && receipt !== undefined) {
    const { proof } = parseTlogProof(receipt);
    return () => proof;
  }
  const population = files?.get(POPULATION_FILE);
  if (population !== undefined && size !== undefined && chosen.length > 0) {
    const prove = populationProver(parsePopulation(population), size);
    return ({ event }) => prove(event.index);
  }
  const events = files?.get(EVENTS_FILE);
  if (events === undefined) return undefined;
  const wanted = new Set(chosen.map(({ position }) => position));
  const proofs = new Map<number, readonly Hash[]>();
  let position = 0;
  for (const line of linesOf(events, EVENTS_FILE)) {
    if (wanted.has(position)) proofs.set(position, parseProvenEvent(line).proof);
    position++;
  }
  return (one) => proofs.get(one.position);
}

function pathOf(
  { index, leafHash: leaf }: CheckedEvent,
  proof: readonly Hash[] | undefined,
  head: DrawnHead,
): TreePath | undefined {
  return proof && treePath({ index, leaf, proof, size: head.size, root: head.root });
}

function shownEvent(checked: CheckedEvent): Omit<ShownEvent, 'title' | 'rule' | 'path'> {
  const { index, entry, event, leafHash: leaf } = checked;
  return {
    index,
    logTimeUs: entry.logTime,
    producerId: entry.producerId,
    producerSeq: entry.producerSeq,
    isOverride: isOverride(checked),
    event,
    fields: fieldsOf(checked),
    cardHash: entry.cardHash,
    leafHash: leaf,
  };
}

function fieldsOf({ card, fields, withheld, erased }: CheckedEvent): readonly ShownField[] {
  const ids = [...card.map(([id]: CardField) => id), 'log'];
  return ids.map((id): ShownField => {
    const value = fields.get(id);
    if (value !== undefined) return { id, state: 'shown', value };
    return { id, state: erased.includes(id) || !withheld.includes(id) ? 'erased' : 'withheld' };
  });
}

/** A receipt alone holds an entry, whose contents nobody showed. */
function bareEntry(
  { bytes }: EvidenceInput,
  { kind, verdict }: FileReport,
  head: DrawnHead | undefined,
): readonly ShownEvent[] {
  if (kind !== 'tlog-proof' || verdict !== 'PASS' || head === undefined) return [];
  const { index, extra, proof } = parseTlogProof(bytes);
  if (extra === undefined) return [];
  const { logTime, producerId, producerSeq, cardHash } = decodeEntry(extra);
  const leaf = leafHash(extra);
  const path = treePath({ index, leaf, proof, size: head.size, root: head.root });
  const event = { index, logTimeUs: logTime, producerId, producerSeq, isOverride: false, event: {}, fields: [] };
  return [{ ...event, cardHash, leafHash: leaf, ...(path !== undefined && { path }) }];
}

function attempt<T>(step: () => T): T | undefined {
  try {
    return step();
  } catch {
    return undefined;
  }
}
