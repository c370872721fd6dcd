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
import { verify } from './ed25519.ts';
import { submissionMessage } from './entry.ts';
import { type ErrorDetails, ProofError, type ProofErrorCode } from './errors.ts';
import { type CheckedEvent, checkOpenedEvent, type OpenedEvent, parseOpenedEvent } from './opened-event.ts';
import { type CheckedCheckpoint, checkCheckpoint, NO_QUORUM, type Policy, parsePolicy } from './policy.ts';
import { quote } from './quote.ts';
import { parseTlogProof, type TlogProof } from './tlog-proof.ts';

export type ClaimName = 'contents' | 'receipt' | 'log-signature' | 'witnesses' | 'inclusion' | 'producer-signature';

export interface Claim {
  readonly claim: ClaimName;
  readonly result: 'pass' | 'fail' | 'incomplete';
  /** One sentence for a reader; names from the input are quoted and escaped. */
  readonly detail: string;
}

export interface Verdict {
  readonly verdict: 'PASS' | 'FAIL' | 'INCOMPLETE';
  /** Why, in one line: the first claim that does not hold, or that could not be checked. */
  readonly reason: string;
  readonly claims: readonly Claim[];
  /** Stated by the input and proved by nothing here. */
  readonly notes: readonly string[];
  /** Index that the opened event or, failing that, the receipt speaks of. */
  readonly index?: number;
  /** The first failure, for programs: its code, and where it has them, `index` and `field`. */
  readonly failure?: { readonly code: ProofErrorCode; readonly details: ErrorDetails };
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

/** What no verdict can say, to be printed with every one (REQUIREMENTS, limits). */
export const LIMITS: readonly string[] = [
  'Nothing proves an event that was never submitted; sequence numbers show gaps between submitted events only.',
  'Erasure cannot recall a copy that was already handed over.',
  'A quorum of witnesses that collude can hide a fork.',
];

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
  const report = new Report();

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
  return report.verdict({ index, event, checkpoint });
}

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

function judgeQuorum(report: Report, policy: Policy, { quorum, witnesses }: CheckedCheckpoint): void {
  const names = witnesses.map(({ name }) => quote(name)).join(', ');
  if (!quorum) {
    const by = witnesses.length === 0 ? 'no witness of the policy cosigned' : `only cosigned by ${names}`;
    report.fail('witnesses', new ProofError('quorum-not-met', `the quorum of the policy is not met: ${by}`));
  } else if (policy.quorum === NO_QUORUM) {
    report.pass('witnesses', 'the policy asks for no witness');
  } else {
    report.pass('witnesses', `cosigned by ${names}, which the policy accepts`);
  }
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

/** Collects claims. The first result that is not a pass decides a claim for good. */
class Report {
  readonly #claims = new Map<ClaimName, Claim>();
  readonly #notes: string[] = [];
  #failure: { readonly code: ProofErrorCode; readonly details: ErrorDetails } | undefined;

  pass(claim: ClaimName, detail: string): void {
    this.#record({ claim, result: 'pass', detail });
  }

  incomplete(claim: ClaimName, detail: string): void {
    this.#record({ claim, result: 'incomplete', detail });
  }

  fail(claim: ClaimName, error: ProofError): void {
    this.#failure ??= { code: error.code, details: error.details };
    this.#record({ claim, result: 'fail', detail: error.message });
  }

  note(text: string): void {
    this.#notes.push(text);
  }

  /** The value of a step, or undefined and a failed claim. Whatever a step throws, the input is what it failed on. */
  attempt<T>(claim: ClaimName, step: () => T): T | undefined {
    try {
      return step();
    } catch (error) {
      this.fail(claim, error instanceof ProofError ? error : new ProofError('invalid-argument', String(error)));
      return undefined;
    }
  }

  verdict(known: {
    readonly index: number | undefined;
    readonly event: CheckedEvent | undefined;
    readonly checkpoint: CheckedCheckpoint | undefined;
  }): Verdict {
    for (const claim of REQUIRED) if (!this.#claims.has(claim)) this.incomplete(claim, 'could not be checked');
    const claims = [...this.#claims.values()].sort((a, b) => ORDER.indexOf(a.claim) - ORDER.indexOf(b.claim));
    const failed = claims.find(({ result }) => result === 'fail');
    const open = claims.find(({ result }) => result === 'incomplete');
    const decisive = failed ?? open;
    return {
      verdict: failed !== undefined ? 'FAIL' : open !== undefined ? 'INCOMPLETE' : 'PASS',
      reason: decisive === undefined ? 'every claim was checked and holds' : `${decisive.claim}: ${decisive.detail}`,
      claims,
      notes: this.#notes,
      ...(known.index !== undefined && { index: known.index }),
      ...(this.#failure !== undefined && { failure: this.#failure }),
      ...(known.event !== undefined && { event: known.event }),
      ...(known.checkpoint !== undefined && { checkpoint: known.checkpoint }),
    };
  }

  #record(claim: Claim): void {
    const before = this.#claims.get(claim.claim);
    if (before === undefined || before.result === 'pass') this.#claims.set(claim.claim, claim);
  }
}

const ORDER: readonly ClaimName[] = [...REQUIRED, 'producer-signature'];

function textOf(file: Uint8Array | string): string {
  return typeof file === 'string' ? file : utf8Decode(file);
}
