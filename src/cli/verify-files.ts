/**
 * What `verify` was given, file by file, each with its verdict in one shape: bundles, opened events with their receipts,
 * receipts alone, checkpoints and fork proofs. Only the policy, the pin and the time that were given count.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Claim, Conclusion } from '../../proofs/claims.ts';
import { ProofError } from '../../proofs/errors.ts';
import { describeExistedBy, type ExistedBy, existedBy } from '../../proofs/existed-by.ts';
import { describeFilter } from '../../proofs/filter.ts';
import type { BundleManifest } from '../../proofs/manifest.ts';
import type { CheckedEvent } from '../../proofs/opened-event.ts';
import { parsePolicy } from '../../proofs/policy.ts';
import { verifyBundle } from '../../proofs/verify-bundle.ts';
import { createEventVerifier } from '../../proofs/verify-event.ts';
import {
  type FileKind,
  fileKind,
  unreadableBundle,
  verifyCheckpointFile,
  verifyForkFile,
  verifyReceiptFile,
} from '../../proofs/verify-file.ts';
import { readBundleZip } from '../evidence/read-zip.ts';
import { nativeHasher } from '../store/native-hasher.ts';
import { CliError, messageOf, systemCode } from './errors.ts';
import type { EvidencePair } from './evidence-files.ts';

export interface PinnedFiles {
  readonly policyText: string;
  readonly pin?: Uint8Array;
  /** Seconds. */
  readonly at?: number;
}

/** What is said about one file, or one pair of files. */
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
  /** Hex SHA-256 of the file. */
  readonly sha256: string;
}

/** Told of the matches of a bundle, for whoever lists them. */
export type OnMatch = (event: CheckedEvent) => void;

export type FileVerifier = (pair: EvidencePair) => Promise<FileReport>;

export function createFileVerifier(pinned: PinnedFiles, onMatch: OnMatch = () => undefined): FileVerifier {
  const { policyText, pin, at } = pinned;
  const policy = parsePolicy(policyText);
  const judge = createEventVerifier(policyText);
  const beforehand = { policy: policyText, pin, at };
  return async (pair) => {
    const file = await readIfThere(pair.event);
    if (file === undefined) return missing(pair.event, `there is no ${pair.event} beside its receipt`);
    const kind = fileKind(file);
    const report = (conclusion: Conclusion, more: Partial<FileReport> = {}): FileReport => ({
      ...{ file: pair.event, kind, ...more },
      ...reportOf(conclusion),
    });
    switch (kind) {
      case 'bundle':
        return verifyZip(file, beforehand, report, onMatch);
      case 'tlog-proof':
        return report(...headReport(verifyReceiptFile(file, beforehand)));
      case 'fork-proof':
        return report(verifyForkFile(file, beforehand));
      case 'checkpoint':
        return report(...headReport(verifyCheckpointFile(file, beforehand)));
      case 'opened-event': {
        const tlogProof = await readIfThere(pair.receipt);
        const verdict = judge({ opened: file, tlogProof });
        const { index, checkpoint } = verdict;
        const bound = checkpoint && existedBy(policy, checkpoint);
        const head =
          tlogProof !== undefined && (pin ?? at) !== undefined ? verifyReceiptFile(tlogProof, beforehand) : undefined;
        if (verdict.event !== undefined && verdict.verdict === 'PASS') onMatch(verdict.event);
        return report(head === undefined ? verdict : worse(verdict, head), {
          ...(index !== undefined && { index }),
          ...(checkpoint !== undefined && {
            checkpoint_size: checkpoint.checkpoint.size,
            witnesses: checkpoint.witnesses.map(({ name }) => name),
          }),
          ...(bound !== undefined && { existed_by: describeExistedBy(bound) }),
        });
      }
    }
  };
}

type Report = (conclusion: Conclusion, more?: Partial<FileReport>) => FileReport;

function verifyZip(
  file: Uint8Array,
  beforehand: Parameters<typeof verifyReceiptFile>[1],
  report: Report,
  onMatch: OnMatch,
): FileReport {
  let files: ReadonlyMap<string, Uint8Array>;
  try {
    files = readBundleZip(file);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    return report(unreadableBundle(error));
  }
  const verdict = verifyBundle({
    ...{ ...beforehand, files, hasher: nativeHasher },
    onEvent: (event, result) => {
      if (result === 'match') onMatch(event);
    },
  });
  const { manifest, checkpoint, existedBy: bound } = verdict;
  return report(verdict, {
    ...(checkpoint !== undefined && {
      checkpoint_size: checkpoint.checkpoint.size,
      witnesses: checkpoint.witnesses.map(({ name }) => name),
    }),
    ...(bound !== undefined && { existed_by: describeExistedBy(bound) }),
    ...(manifest !== undefined && { bundle: { ...summaryOf(manifest), ...countsOf(verdict), sha256: digestOf(file) } }),
  });
}

function summaryOf({ origin, mode, query, range }: BundleManifest): Omit<BundleSummary, 'sha256' | keyof Counts> {
  const [from, to] = [query.fromUs ?? null, query.toUs ?? null];
  return { origin, mode, query: describeFilter(query), from_us: from, to_us: to, start: range.start, end: range.end };
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
      ...boundOf(bound),
    },
  ];
}

function boundOf(bound: ExistedBy | undefined): Pick<FileReport, 'existed_by'> {
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

function missing(file: string, reason: string): FileReport {
  return { file, kind: 'opened-event', verdict: 'INCOMPLETE', reason, claims: [], notes: [] };
}

function place(details: Readonly<Record<string, string | number>>): { index?: number; field?: string; file?: string } {
  const { index, field, file } = details;
  return {
    ...(typeof index === 'number' ? { index } : {}),
    ...(typeof field === 'string' ? { field } : {}),
    ...(typeof file === 'string' ? { file } : {}),
  };
}

function digestOf(file: Uint8Array): string {
  return createHash('sha256').update(file).digest('hex');
}

async function readIfThere(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new CliError('unreadable-input', `cannot read ${file}: ${messageOf(error)}`);
  }
}
