/**
 * The verification of one event, offline, in the order of DESIGN.md ("Verification, in one paragraph"). In go an opened
 * event, its receipt and the policy that the verifier pinned beforehand; out comes a verdict that names every claim:
 *
 *   contents            each opened field is what was committed to, the card is the entry's, `log` is the entry's
 *   receipt             the receipt is for this index and this entry
 *   log-signature       the checkpoint is signed by the log that the policy trusts
 *   witnesses           the policy's quorum has cosigned it
 *   inclusion           the entry is at its index under that checkpoint
 *   producer-signature  the producer signed the submission (if it did, and its key is known)
 *
 * PASS: every claim was checked and holds. FAIL: one is false. INCOMPLETE: one could not be checked, so nothing to
 * check is never PASS. `verifyEvent` never throws, whatever it is given.
 */
import { equalBytes, utf8Decode } from './bytes.ts';
import { checkInclusion } from './check.ts';
import { ClaimReport, type Conclusion } from './claims.ts';
import { verify } from './ed25519.ts';
import { submissionMessage } from './entry.ts';
import { ProofError } from './errors.ts';
import { judgeQuorum } from './judge-head.ts';
import { type CheckedEvent, checkOpenedEvent, type OpenedEvent, parseOpenedEvent } from './opened-event.ts';
import { type CheckedCheckpoint, checkCheckpoint, type Policy, parsePolicy } from './policy.ts';
import { quote } from './quote.ts';
import { parseTlogProof, type TlogProof } from './tlog-proof.ts';

export type ClaimName = 'contents' | 'receipt' | 'log-signature' | 'witnesses' | 'inclusion' | 'producer-signature';

export interface Verdict extends Conclusion<ClaimName> {
  /** Index that the opened event or, failing that, the receipt speaks of. */
  readonly index?: number;
  /** The event, once its contents were checked. It is worth what the verdict is. */
  readonly event?: CheckedEvent;
  /** The checkpoint, once the log's signature was checked. */
  readonly checkpoint?: CheckedCheckpoint;
}

/** All of it untrusted but `policy` and `producerKey`, which the verifier pinned beforehand. */
export interface VerifyEventInput {
  readonly opened: Uint8Array | string;
  /** C2SP tlog-proof. */
  readonly tlogProof?: Uint8Array | string | undefined;
  /** C2SP tlog-policy. */
  readonly policy?: Uint8Array | string | undefined;
  /** The producer's Ed25519 public key, 32 bytes. */
  readonly producerKey?: Uint8Array | undefined;
}

export type EventToVerify = Omit<VerifyEventInput, 'policy'>;

export function verifyEvent(input: VerifyEventInput): Verdict {
  return createEventVerifier(input.policy)(input);
}

/**
 * `verifyEvent` for many events under one policy, which is parsed once. The signatures of a checkpoint are checked
 * once as long as the same checkpoint comes again, which is so for receipts that were fetched together.
 */
export function createEventVerifier(policy: VerifyEventInput['policy']): (input: EventToVerify) => Verdict {
  const judge = rememberLast();
  return (input) => judgeEvent(input, policy, judge);
}

function judgeEvent(
  { opened, tlogProof, producerKey }: EventToVerify,
  policy: VerifyEventInput['policy'],
  judge: JudgeCheckpoint,
): Verdict {
  const report: Report = new ClaimReport(ORDER);

  const parsed = report.attempt('contents', () => parseOpenedEvent(textOf(opened)));
  const event = parsed && report.attempt('contents', () => checkOpenedEvent(parsed));
  if (event !== undefined) judgeContents(report, event);

  const receipt = readReceipt(report, tlogProof);
  const index = parsed?.index ?? receipt?.index;
  if (receipt !== undefined && parsed !== undefined) judgeReceipt(report, receipt, parsed);

  const checkpoint = readCheckpoint(report, receipt, policy, judge);
  if (event !== undefined && receipt !== undefined && checkpoint !== undefined) {
    judgeInclusion(report, event, receipt, checkpoint);
  }
  if (event !== undefined) judgeProducerSignature(report, event, checkpoint, producerKey);
  return {
    ...report.conclude(REQUIRED),
    ...(index !== undefined && { index }),
    ...(event !== undefined && { event }),
    ...(checkpoint !== undefined && { checkpoint }),
  };
}

type Report = ClaimReport<ClaimName>;

/** Without these, whatever else holds, an event was not verified. */
const REQUIRED: readonly ClaimName[] = ['contents', 'receipt', 'log-signature', 'witnesses', 'inclusion'];

function judgeContents(report: Report, { index, card, fields, withheld, erased }: CheckedEvent): void {
  const opened = card.filter(([id]) => fields.has(id)).length;
  if (withheld.length > 0) report.note(`withheld: ${withheld.map(quote).join(', ')}`);
  if (erased.length > 0) report.note(`erased, as the sender says: ${erased.map(quote).join(', ')}`);
  if (opened === 0) {
    report.incomplete('contents', `no field of event ${index} is opened`);
    return;
  }
  const missing = withheld.length + erased.length;
  const rest = missing === 0 ? '' : `, ${missing} not shown`;
  report.pass('contents', `${opened} of ${card.length} fields are what event ${index} committed to${rest}`);
}

function readReceipt(report: Report, tlogProof: VerifyEventInput['tlogProof']): TlogProof | undefined {
  if (tlogProof !== undefined) return report.attempt('receipt', () => parseTlogProof(tlogProof));
  report.incomplete('receipt', 'no receipt was given');
  return undefined;
}

function judgeReceipt(report: Report, receipt: TlogProof, { index, entry }: OpenedEvent): void {
  report.attempt('receipt', () => {
    if (receipt.index !== index) {
      const message = `the receipt is for index ${receipt.index}, the event says ${index}`;
      throw new ProofError('entry-mismatch', message, { index });
    }
    if (receipt.extra !== undefined && !equalBytes(receipt.extra, entry)) {
      throw new ProofError('entry-mismatch', `the receipt holds another entry than event ${index}`, { index });
    }
    report.pass('receipt', `the receipt is for event ${index}`);
  });
}

function readCheckpoint(
  report: Report,
  receipt: TlogProof | undefined,
  policyFile: VerifyEventInput['policy'],
  judge: JudgeCheckpoint,
): CheckedCheckpoint | undefined {
  if (policyFile === undefined) {
    report.incomplete('log-signature', 'no policy was given, so no log and no witness is trusted');
    report.incomplete('witnesses', 'no policy was given');
    return undefined;
  }
  const policy = report.attempt('log-signature', () => judge.policy(policyFile));
  if (policy === undefined || receipt === undefined) return undefined;
  const checked = report.attempt('log-signature', () => judge.checkpoint(policy, receipt.checkpoint));
  if (checked === undefined) return undefined;
  const { origin, size } = checked.checkpoint;
  report.pass('log-signature', `checkpoint of ${quote(origin)}, size ${size}, is signed by the log`);
  judgeQuorum(report, policy, checked);
  return checked;
}

interface JudgeCheckpoint {
  readonly policy: (file: Uint8Array | string) => Policy;
  readonly checkpoint: (policy: Policy, note: string) => CheckedCheckpoint;
}

/** Remembers the policy and the last checkpoint that was good; what throws is judged again. */
function rememberLast(): JudgeCheckpoint {
  let policy: Policy | undefined;
  let last: { readonly note: string; readonly checked: CheckedCheckpoint } | undefined;
  return {
    policy: (file) => {
      policy ??= parsePolicy(file);
      return policy;
    },
    checkpoint: (under, note) => {
      if (last?.note !== note) last = { note, checked: checkCheckpoint(under, note, { quorum: 'report' }) };
      return last.checked;
    },
  };
}

function judgeInclusion(
  report: Report,
  event: CheckedEvent,
  receipt: TlogProof,
  { checkpoint }: CheckedCheckpoint,
): void {
  const { index, leafHash } = event;
  const { size, root } = checkpoint;
  report.attempt('inclusion', () => {
    try {
      checkInclusion({ index: receipt.index, size, leafHash, proof: receipt.proof, root });
    } catch (error) {
      if (!(error instanceof ProofError)) throw error;
      throw new ProofError(error.code, `event ${index} is not in the tree: ${error.message}`, { index });
    }
    report.pass('inclusion', `event ${index} is in the tree of size ${size}`);
  });
}

function judgeProducerSignature(
  report: Report,
  { entry, index }: CheckedEvent,
  checked: CheckedCheckpoint | undefined,
  producerKey: Uint8Array | undefined,
): void {
  const { producerId, producerSeq, cardHash, signature } = entry;
  if (signature === null) {
    if (producerKey !== undefined) report.incomplete('producer-signature', `event ${index} carries no signature`);
    return;
  }
  if (producerKey === undefined) {
    report.note('the producer signed the event; its key was not given');
    return;
  }
  if (checked === undefined) {
    report.incomplete('producer-signature', 'needs the origin of a trusted checkpoint');
    return;
  }
  report.attempt('producer-signature', () => {
    const message = submissionMessage(checked.checkpoint.origin, producerId, producerSeq, cardHash);
    if (!verify(message, signature, producerKey)) {
      throw new ProofError('bad-signature', `the producer's signature of event ${index} does not verify`, { index });
    }
    report.pass('producer-signature', `producer ${quote(producerId)} signed event ${index}`);
  });
}

const ORDER: readonly ClaimName[] = [...REQUIRED, 'producer-signature'];

function textOf(file: Uint8Array | string): string {
  return typeof file === 'string' ? file : utf8Decode(file);
}
