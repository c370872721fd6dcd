/**
 * From what an auditor asks to what a bundle answers: the mode, the filter that the verifier will evaluate again, and the
 * ends of the range. The request itself is an entry; its log time is the latest end there can be, so that behind every
 * range stands an entry that shows where it ends.
 */
import type { BundleMode } from '../../proofs/bundle.ts';
import type { JsonObject } from '../../proofs/canonical-json.ts';
import { BUNDLE_FILTER_NAMES, type BundleFilter, type BundleFilterName } from '../../proofs/filter.ts';
import type { BundleControl } from '../../proofs/manifest.ts';
import { MAX_POPULATION } from '../../proofs/population.ts';
import type { SampleCommit, SampleReveal } from '../../proofs/sample-entries.ts';
import type { Log } from '../log/types.ts';
import { type EventQuery, formatQuery } from '../trail/query.ts';
import { checkWithinScope, conditionsOf, type Scope } from '../trail/scope.ts';
import { EvidenceError } from './error.ts';

/** Samples have a plan of their own (sample-plan.ts). */
export type AnswerMode = Exclude<BundleMode, 'sample'>;

/** What is asked for. */
export interface EvidenceRequest {
  readonly query: EventQuery;
  /** What the holder of the token may see. */
  readonly scope: Scope | null;
  /** Undefined: complete where the scope allows it. */
  readonly mode?: AnswerMode | undefined;
  /** Size of a head that the auditor holds. */
  readonly pinned?: number | undefined;
  /** The control of a mapping that the question comes from. */
  readonly control?: BundleControl | null | undefined;
}

/** What the report of a sample has beyond a complete answer. */
export interface SampleToShow {
  readonly actorId: string;
  readonly commitIndex: number;
  readonly commit: SampleCommit;
  readonly revealIndex: number;
  readonly reveal: SampleReveal;
}

/** What will be answered, once the request is an entry. */
export interface EvidencePlan {
  readonly mode: BundleMode;
  readonly asked: string;
  readonly filter: BundleFilter;
  readonly query: EventQuery;
  readonly scope: Scope | null;
  /** Indices, half-open. */
  readonly range: { readonly start: number; readonly end: number };
  readonly pinned: number | null;
  readonly control: BundleControl | null;
  /** In mode `sample`, and only there. */
  readonly sample?: SampleToShow;
}

/** The mode of the answer, before anything is recorded. Throws EvidenceError, or OutOfScope. */
export function modeOf({ query, scope, mode, pinned }: EvidenceRequest, log: Pick<Log, 'signedSize'>): AnswerMode {
  checkWithinScope(query, scope);
  if (pinned !== undefined && pinned > log.signedSize()) {
    throw new EvidenceError('pinned-too-large', `The log has signed no head of size ${pinned}.`);
  }
  const hidesOthers = scope !== null && Object.keys(scope).some((name) => name !== 'from' && name !== 'to');
  if (mode === 'complete' && hidesOthers) {
    throw new EvidenceError(
      'complete-needs-scope',
      'A complete answer shows the filter fields of every event of the range, which the scope of this token does not ' +
        'cover. Ask with "mode": "selected", or for a token whose scope is a range of time.',
    );
  }
  return mode ?? (hidesOthers ? 'selected' : 'complete');
}

/** `requestedAtUs` is the log time of the request's own entry. Throws EvidenceError `range-too-large`. */
export async function planEvidence(
  log: Pick<Log, 'indexAtTime'>,
  request: EvidenceRequest,
  mode: BundleMode,
  requestedAtUs: number,
): Promise<EvidencePlan> {
  const { query, scope, pinned, control } = request;
  const window = conditionsOf(query, scope);
  const toUs = Math.min(window.toUs ?? requestedAtUs, requestedAtUs);
  const fromUs = window.fromUs === undefined ? undefined : Math.min(window.fromUs, toUs);
  const start = fromUs === undefined ? 0 : await log.indexAtTime(fromUs);
  const end = await log.indexAtTime(toUs);
  if (mode === 'complete' && end - start > MAX_POPULATION - 2) {
    throw new EvidenceError(
      'range-too-large',
      `The range has ${end - start} events, and a complete bundle at most ${MAX_POPULATION - 2}: ask for parts of it.`,
    );
  }
  const { occurred } = query;
  const filter: BundleFilter = {
    filters: filtersOf(query),
    toUs,
    ...(fromUs !== undefined && { fromUs }),
    ...(occurred !== undefined && { occurred }),
  };
  return {
    mode,
    asked: formatQuery(query),
    filter,
    query,
    scope,
    range: { start, end },
    pinned: pinned ?? null,
    control: control ?? null,
  };
}

/** The scope as the manifest shows it. */
export function scopeJson(scope: Scope | null): JsonObject | null {
  return scope === null ? null : Object.fromEntries(Object.entries(scope));
}

function filtersOf({ filters }: EventQuery): ReadonlyMap<BundleFilterName, readonly string[]> {
  return new Map(
    BUNDLE_FILTER_NAMES.flatMap((name): (readonly [BundleFilterName, readonly string[]])[] => {
      const values = filters.get(name);
      return values === undefined ? [] : [[name, [...new Set(values)].sort()]];
    }),
  );
}
