/**
 * Any file of evidence, with its verdict in one shape: bundles, opened events with their receipts, receipts alone,
 * checkpoints and fork proofs. This is where the command line and the browser meet, so that the two cannot disagree.
 * Only the policy, the pin and the time that were given count. Never throws for bad input.
 */
import type { BundleFiles } from './bundle.ts';
import { hexEncode } from './bytes.ts';
import type { Claim, Conclusion } from './claims.ts';
import { ProofError } from './errors.ts';
import { describeExistedBy, type ExistedBy, existedBy } from './existed-by.ts';
import { describeFilter } from './filter.ts';
import { type Hasher, nobleHasher } from './hash.ts';
import type { Pinned } from './judge-head.ts';
import type { BundleControl, BundleManifest } from './manifest.ts';
import { type CheckedCheckpoint, parsePolicy } from './policy.ts';
import { type BundleInput, verifyBundle } from './verify-bundle.ts';
import { createEventVerifier } from './verify-event.ts';
import {
  type FileKind,
  fileKind,
  unreadableBundle,
  verifyCheckpointFile,
  verifyForkFile,
  verifyReceiptFile,
} from './verify-file.ts';
import { type Inflate, readZip } from './zip.ts';

/** One file, or an opened event with its receipt. */
export interface EvidenceFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly receipt?: Uint8Array | undefined;
}

/** What is said about it. */
export interface FileReport {
  readonly file: string;
  readonly kind: FileKind;
  readonly verdict: Conclusion['verdict'];
  readonly reason: string;
  readonly index?: number;
  readonly failure?: {
    readonly code: string;
    readonly index?: number;
    readonly field?: string;
    readonly file?: string;
  };
  readonly claims: readonly Claim[];
  readonly notes: readonly string[];
  readonly checkpoint_size?: number;
  readonly witnesses?: readonly string[];
  readonly existed_by?: string;
  readonly bundle?: BundleSummary;
}

export interface BundleSummary {
  readonly origin: string;
  readonly mode: string;
  readonly query: string;
  readonly from_us: number | null;
  readonly to_us: number | null;
  readonly start: number;
  readonly end: number;
  readonly examined: number;
  readonly matched: number;
  readonly unevaluated: number;
  /** The control that the question was asked for, as the asker said. */
  readonly control?: BundleControl;
  /** Hex SHA-256 of the file. */
  readonly sha256: string;
}

/** What the platform has, and who listens. */
export interface JudgeOptions {
  readonly inflate: Inflate;
  readonly hasher?: Hasher;
  /** For opened events alone: the Ed25519 public key of their producer, which the verifier pinned. Bundles bring theirs. */
  readonly producerKey?: Uint8Array | undefined;
  /** Told of the files of a bundle before they are verified. */
  readonly onFiles?: (files: BundleFiles) => void;
  /** Told of the events of a bundle, and of an opened event that passed. Believe it only after the verdict. */
  readonly onEvent?: NonNullable<BundleInput['onEvent']>;
  /** Told of the log's own entries that go with a bundle. Believe it only after the verdict. */
  readonly onRelated?: NonNullable<BundleInput['onRelated']>;
}

export type FileJudge = (evidence: EvidenceFile) => FileReport;

/** Throws what `parsePolicy` does: a policy that is none is a mistake of whoever verifies, and no fault of the evidence. */
export function createFileJudge(pinned: Pinned & { readonly policy: string }, options: JudgeOptions): FileJudge {
  const policy = parsePolicy(pinned.policy);
  const judgeEvent = createEventVerifier(pinned.policy);
  return ({ name, bytes, receipt }) => {
    const kind = fileKind(bytes);
    const report: Report = (conclusion, more = {}) => ({ ...{ file: name, kind, ...more }, ...reportOf(conclusion) });
    switch (kind) {
      case 'bundle':
        return judgeZip(bytes, pinned, options, report);
      case 'tlog-proof':
        return report(...headReport(verifyReceiptFile(bytes, pinned)));
      case 'fork-proof':
        return report(verifyForkFile(bytes, pinned));
      case 'checkpoint':
        return report(...headReport(verifyCheckpointFile(bytes, pinned)));
      case 'opened-event': {
        const verdict = judgeEvent({ opened: bytes, tlogProof: receipt, producerKey: options.producerKey });
        const { index, checkpoint, event } = verdict;
        const bound = checkpoint && existedBy(policy, checkpoint);
        const head =
          receipt !== undefined && (pinned.pin ?? pinned.at) !== undefined
            ? verifyReceiptFile(receipt, pinned)
            : undefined;
        if (event !== undefined && verdict.verdict === 'PASS') options.onEvent?.(event, 'match');
        return report(head === undefined ? verdict : worse(verdict, head), {
          ...(index !== undefined && { index }),
          ...checkpointReport(checkpoint),
          ...boundReport(bound),
        });
      }
    }
  };
}

/** Of several files: PASS only if there are any, and every one passed. */
export function overallVerdict(reports: readonly Pick<FileReport, 'verdict'>[]): FileReport['verdict'] {
  if (reports.some(({ verdict }) => verdict === 'FAIL')) return 'FAIL';
  return reports.length > 0 && reports.every(({ verdict }) => verdict === 'PASS') ? 'PASS' : 'INCOMPLETE';
}

type Report = (conclusion: Conclusion, more?: Partial<FileReport>) => FileReport;

function judgeZip(zip: Uint8Array, pinned: Pinned, options: JudgeOptions, report: Report): FileReport {
  const { inflate, hasher = nobleHasher, onFiles, onEvent, onRelated } = options;
  let files: BundleFiles;
  try {
    files = readZip(zip, inflate);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    return report(unreadableBundle(error));
  }
  onFiles?.(files);
  const verdict = verifyBundle({
    ...{ ...pinned, files, hasher },
    ...(onEvent !== undefined && { onEvent }),
    ...(onRelated !== undefined && { onRelated }),
  });
  const { manifest, checkpoint, existedBy: bound } = verdict;
  const sha256 = hexEncode(hasher.sha256(zip));
  return report(verdict, {
    ...checkpointReport(checkpoint),
    ...boundReport(bound),
    ...(manifest !== undefined && { bundle: { ...summaryOf(manifest), ...countsOf(verdict), sha256 } }),
  });
}

function summaryOf(manifest: BundleManifest): Omit<BundleSummary, 'sha256' | keyof Counts> {
  const { origin, mode, query, range, control } = manifest;
  const [from, to] = [query.fromUs ?? null, query.toUs ?? null];
  const { start, end } = range;
  const about = { origin, mode, query: describeFilter(query), from_us: from, to_us: to, start, end };
  return { ...about, ...(control && { control }) };
}

type Counts = Pick<BundleSummary, 'examined' | 'matched' | 'unevaluated'>;

function countsOf({ examined, matched, unevaluated }: Counts): Counts {
  return { examined, matched, unevaluated };
}

function headReport(verdict: ReturnType<typeof verifyReceiptFile>): [Conclusion, Partial<FileReport>] {
  const { size, witnesses, existedBy: bound } = verdict;
  return [
    verdict,
    {
      ...(size !== undefined && { checkpoint_size: size }),
      ...(witnesses !== undefined && { witnesses }),
      ...boundReport(bound),
    },
  ];
}

function checkpointReport(checked: CheckedCheckpoint | undefined): Partial<FileReport> {
  if (checked === undefined) return {};
  return { checkpoint_size: checked.checkpoint.size, witnesses: checked.witnesses.map(({ name }) => name) };
}

function boundReport(bound: ExistedBy | undefined): Pick<FileReport, 'existed_by'> {
  return bound === undefined ? {} : { existed_by: describeExistedBy(bound) };
}

/** Both together: the claims of the second that the first has not, and of those that both have, the worse. */
function worse(first: Conclusion, second: Conclusion): Conclusion {
  const order = ['FAIL', 'INCOMPLETE', 'PASS'];
  const lead = order.indexOf(second.verdict) < order.indexOf(first.verdict) ? second : first;
  const claims = [...first.claims];
  for (const claim of second.claims) {
    const at = claims.findIndex((one) => one.claim === claim.claim);
    if (at === -1) claims.push(claim);
    else if (claims[at]?.result === 'pass') claims[at] = claim;
  }
  const failure = first.failure ?? second.failure;
  const { verdict, reason } = lead;
  return { verdict, reason, claims, notes: first.notes, ...(failure !== undefined && { failure }) };
}

function reportOf({ verdict, reason, failure, claims, notes }: Conclusion): Omit<FileReport, 'file' | 'kind'> {
  return {
    ...{ verdict, reason, claims, notes },
    ...(failure === undefined ? {} : { failure: { code: failure.code, ...place(failure.details) } }),
  };
}

function place(details: Readonly<Record<string, string | number>>): { index?: number; field?: string; file?: string } {
  const { index, field, file } = details;
  return {
    ...(typeof index === 'number' ? { index } : {}),
    ...(typeof field === 'string' ? { field } : {}),
    ...(typeof file === 'string' ? { file } : {}),
  };
}
