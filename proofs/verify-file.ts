/**
 * Which kind of file somebody was given, and the verification of those that speak of heads alone: a checkpoint, a receipt
 * without its event, a fork proof. Bundles and opened events have files of their own (verify-bundle.ts, verify-event.ts).
 * Never throws for bad input.
 */
import { utf8Encode } from './bytes.ts';
import { checkInclusion } from './check.ts';
import { ClaimReport, type Conclusion } from './claims.ts';
import type { ProofError } from './errors.ts';
import type { ExistedBy } from './existed-by.ts';
import { checkForkProof, parseForkProof } from './fork-proof.ts';
import { leafHash } from './hash.ts';
import { type HeadClaimName, judgeHead, judgePin, type Pinned } from './judge-head.ts';
import { parsePolicy } from './policy.ts';
import { quote } from './quote.ts';
import { parseTlogProof } from './tlog-proof.ts';
import { looksLikeZip } from './zip.ts';

export type FileKind = 'bundle' | 'opened-event' | 'tlog-proof' | 'fork-proof' | 'checkpoint';

export type FileClaimName = HeadClaimName | 'receipt' | 'inclusion' | 'fork';

export interface FileVerdict extends Conclusion<FileClaimName> {
  readonly size?: number;
  readonly witnesses?: readonly string[];
  readonly existedBy?: ExistedBy;
}

/** By how the file begins; what is nothing else is taken for a checkpoint, and fails as one. */
export function fileKind(bytes: Uint8Array): FileKind {
  if (looksLikeZip(bytes)) return 'bundle';
  const begins = (text: string): boolean => utf8Encode(text).every((byte, i) => bytes[i] === byte);
  if (begins('c2sp.org/tlog-proof')) return 'tlog-proof';
  if (begins('countersign/fork-proof')) return 'fork-proof';
  return bytes[0] === OPEN_BRACE ? 'opened-event' : 'checkpoint';
}

export function verifyCheckpointFile(file: Uint8Array, pinned: Pinned): FileVerdict {
  const report: Report = new ClaimReport(ORDER);
  const head = judgeHead(report, file, pinned);
  if (head !== undefined) judgePin(report, head, pinned, undefined);
  return verdictOf(report, head, pinned, []);
}

/** A receipt alone shows that the entry in its `extra` is in the log, and says nothing about contents. */
export function verifyReceiptFile(file: Uint8Array, pinned: Pinned): FileVerdict {
  const report: Report = new ClaimReport(ORDER);
  const receipt = report.attempt('receipt', () => parseTlogProof(file));
  const head = receipt && judgeHead(report, receipt.checkpoint, pinned);
  if (head !== undefined) judgePin(report, head, pinned, undefined);
  if (receipt !== undefined) report.pass('receipt', `the receipt is for index ${receipt.index}`);
  const entry = receipt?.extra;
  if (receipt !== undefined && entry === undefined) {
    report.incomplete('inclusion', 'the receipt carries no entry, and no event was given');
  } else if (receipt !== undefined && entry !== undefined && head !== undefined) {
    const { index, proof } = receipt;
    const { size, root } = head.checked.checkpoint;
    report.attempt('inclusion', () => {
      checkInclusion({ index, size, leafHash: leafHash(entry), proof, root });
      report.pass('inclusion', `entry ${index} is in the tree of size ${size}`);
    });
    report.note('the contents of the entry were not given; the receipt says nothing about them');
  }
  return verdictOf(report, head, pinned, ['receipt', 'inclusion']);
}

/** PASS means that the proof is good: the log did sign two heads that cannot both be true. */
export function verifyForkFile(file: Uint8Array, { policy, verifiers }: Pinned): FileVerdict {
  const report: Report = new ClaimReport(ORDER);
  if (policy === undefined) report.incomplete('fork', 'no policy was given, so no log is trusted');
  else {
    report.attempt('fork', () => {
      const options = verifiers === undefined ? {} : { verifiers };
      const { kind, origin, first, second, witnessesOfBoth } = checkForkProof(
        parseForkProof(file),
        parsePolicy(policy),
        options,
      );
      const what = kind === 'two-roots' ? 'two roots for one size' : 'two histories';
      const sizes = `sizes ${first.checkpoint.size} and ${second.checkpoint.size}`;
      report.pass('fork', `${quote(origin)} signed ${what} (${sizes}): they cannot both be true`);
      const both = witnessesOfBoth.map(quote).join(', ');
      if (both !== '') report.note(`cosigned both heads: ${both}`);
    });
  }
  return report.conclude(['fork']);
}

type Report = ClaimReport<FileClaimName>;

const OPEN_BRACE = 0x7b;
const ORDER: readonly FileClaimName[] = [
  ...(['receipt', 'log-signature', 'witnesses', 'existed-by', 'pin', 'inclusion', 'fork'] as const),
];

function verdictOf(
  report: Report,
  head: ReturnType<typeof judgeHead>,
  { pin }: Pinned,
  required: readonly FileClaimName[],
): FileVerdict {
  const pinned: readonly FileClaimName[] = pin === undefined ? [] : ['pin'];
  return {
    ...report.conclude(['log-signature', 'witnesses', ...required, ...pinned]),
    ...(head !== undefined && {
      size: head.checked.checkpoint.size,
      witnesses: head.checked.witnesses.map(({ name }) => name),
    }),
    ...(head?.existedBy !== undefined && { existedBy: head.existedBy }),
  };
}

/** What refuses a bundle before there are any files in it, as a verdict like any other. */
export function unreadableBundle(error: ProofError): Conclusion<'files'> {
  const report = new ClaimReport<'files'>(['files']);
  report.fail('files', error);
  return report.conclude(['files']);
}
