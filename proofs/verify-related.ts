/**
 * What goes with the events of a bundle: the log's own entries on rules, catalogues, keys and findings. Each is proven to
 * be in the tree. That none is left out can be shown for the range of a complete bundle, where every entry of the log's
 * own shows its action; which of the earlier ones are there is the log's choice, and the report says so.
 */
import { linesOf, RELATED_FILE } from './bundle.ts';
import type { BundleReport, BundleWork } from './bundle-claims.ts';
import { checkProven, wrongPlace } from './check-proven.ts';
import { ProofError } from './errors.ts';
import { textAt } from './fields.ts';
import type { CheckedEvent } from './opened-event.ts';
import { isRelated, OWN_ACTION_PREFIX, OWN_PRODUCER } from './own-entries.ts';
import type { ProducerKeyRing } from './producer-keys.ts';
import { nameSome } from './quote.ts';
import { MAX_NAMED_EVENTS } from './tally.ts';

/** The entries of the log's own in the range, as the events show them. */
export class OwnTally {
  /** Indices of those that have to be among the related entries. */
  readonly related: number[] = [];
  hidden = 0;
  readonly #named: string[] = [];

  add({ index, entry, event }: CheckedEvent): void {
    if (entry.producerId !== OWN_PRODUCER) return;
    const action = textAt(event, 'action');
    if (action !== undefined) {
      if (isRelated(action)) this.related.push(index);
      return;
    }
    this.hidden++;
    if (this.#named.length < MAX_NAMED_EVENTS) this.#named.push(`${index}`);
  }

  describeHidden(): string {
    return nameSome(this.#named, this.hidden);
  }
}

export interface ReadRelatedInput extends Pick<BundleWork, 'files' | 'head' | 'hasher'> {
  readonly report: BundleReport;
  /** Told of keys. */
  readonly keys: ProducerKeyRing;
  readonly onRelated?: ((event: CheckedEvent) => void) | undefined;
}

/** The indices of the related entries, each of which was proven; undefined, and a failed claim, if one could not be. */
export function readRelated(input: ReadRelatedInput): ReadonlySet<number> | undefined {
  const { report, files, head, hasher, keys, onRelated } = input;
  return report.attempt('related', () => {
    const indices = new Set<number>();
    let last = -1;
    for (const line of linesOf(files.get(RELATED_FILE) ?? new Uint8Array(0), RELATED_FILE)) {
      const related = checkProven(line, head.checked, hasher);
      const { index, entry, event } = related;
      if (index <= last) throw wrongPlace(index, undefined);
      last = index;
      if (entry.producerId !== OWN_PRODUCER || textAt(event, 'action')?.startsWith(OWN_ACTION_PREFIX) !== true) {
        throw new ProofError('unexpected-event', `event ${index} is none of the log's own`, { index });
      }
      indices.add(index);
      keys.apply(related);
      onRelated?.(related);
    }
    return indices;
  });
}

/** Call it when all events were examined. */
export function judgeRelated({ report, manifest, own }: BundleWork, indices: ReadonlySet<number>): void {
  const { mode, range } = manifest;
  if (mode !== 'complete') {
    report.pass('related', `${indices.size} entries of the log's own are in the tree; which of them is its choice`);
    return;
  }
  const missing = own.related.find((index) => !indices.has(index));
  if (missing !== undefined) {
    const message = `entry ${missing} of the range, which is the log's own and belongs beside the events, is missing`;
    report.fail('related', new ProofError('missing-event', message, { index: missing }));
  } else if (own.hidden > 0) {
    report.incomplete('related', `these entries of the log's own do not show their action: ${own.describeHidden()}`);
  } else {
    const before = [...indices].filter((index) => index < range.start).length;
    const earlier = range.start === 0 ? '' : `; ${before} earlier ones are in the tree, which of them is its choice`;
    const sentence = `all ${own.related.length} rules, catalogues, keys and findings of the log's own in the range are shown`;
    report.pass('related', sentence + earlier);
    if (range.start > 0) report.note(EARLIER_NOTE);
  }
}

const EARLIER_NOTE =
  'that no rule, catalogue or key from before the range is left out is the word of the log; a complete answer to ' +
  'action:countersign.* from its beginning proves it';
