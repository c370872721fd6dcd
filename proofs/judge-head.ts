/**
 * What every verification begins with: the checkpoint under the pinned policy, as claims.
 *
 *   log-signature  it is signed by the log that the policy trusts
 *   witnesses      the policy's quorum has cosigned it; with `at`, by that moment
 *   existed-by     the earliest moment by which the quorum had cosigned it
 *   pin            it extends, or is, the head that the verifier pinned
 */
import { equalBytes } from './bytes.ts';
import { checkConsistency } from './check.ts';
import { checkPin } from './check-pin.ts';
import type { ConsistencyFile } from './consistency.ts';
import type { VerifyOptions } from './cosignature.ts';
import { ProofError } from './errors.ts';
import { describeExistedBy, type ExistedBy, existedBy, formatSeconds } from './existed-by.ts';
import type { Pin } from './pin.ts';
import {
  type CheckedCheckpoint,
  type CheckOptions,
  checkCheckpoint,
  NO_QUORUM,
  type Policy,
  parsePolicy,
  quorumSatisfied,
} from './policy.ts';
import { quote } from './quote.ts';

export type HeadClaimName = 'log-signature' | 'witnesses' | 'existed-by' | 'pin';

/** Where claims about a head go; a ClaimReport whose names include these. */
export interface HeadClaims {
  pass(claim: HeadClaimName, detail: string): void;
  incomplete(claim: HeadClaimName, detail: string): void;
  fail(claim: HeadClaimName, error: ProofError): void;
  note(text: string): void;
  attempt<T>(claim: HeadClaimName, step: () => T): T | undefined;
}

/** What the verifier brings along. All of it was pinned beforehand; a file's own policy or keys are never among it. */
export interface Pinned {
  /** C2SP tlog-policy. */
  readonly policy?: Uint8Array | string | undefined;
  /** A head that the verifier kept: a checkpoint, or any other form that pin.ts reads. */
  readonly pin?: Uint8Array | string | undefined;
  /** Seconds since the Unix epoch: cosignatures that were made later do not count. */
  readonly at?: number | undefined;
  readonly verifiers?: VerifyOptions['verifiers'] | undefined;
}

export interface JudgedHead {
  readonly policy: Policy;
  readonly checked: CheckedCheckpoint;
  readonly existedBy: ExistedBy | undefined;
}

/** The head, once the log's signature was checked; the other claims are in the report. */
export function judgeHead(report: HeadClaims, note: Uint8Array | string, pinned: Pinned): JudgedHead | undefined {
  if (pinned.policy === undefined) {
    report.incomplete('log-signature', 'no policy was given, so no log and no witness is trusted');
    report.incomplete('witnesses', 'no policy was given');
    return undefined;
  }
  const file = pinned.policy;
  const policy = report.attempt('log-signature', () => parsePolicy(file));
  if (policy === undefined) return undefined;
  const all = report.attempt('log-signature', () => checkCheckpoint(policy, note, options(pinned)));
  if (all === undefined) return undefined;
  const checked = asOf(policy, all, pinned.at);
  const { origin, size } = checked.checkpoint;
  report.pass('log-signature', `checkpoint of ${quote(origin)}, size ${size}, is signed by the log`);
  judgeQuorum(report, policy, checked, pinned.at);
  return { policy, checked, existedBy: judgeTime(report, policy, checked) };
}

/** That the head is, or extends, the pinned one. `consistency` is the file that came with it, if any. */
export function judgePin(
  report: HeadClaims,
  { policy, checked }: JudgedHead,
  pinned: Pinned,
  consistency: (() => ConsistencyFile) | undefined,
): void {
  const { pin } = pinned;
  if (pin === undefined) return;
  const held = report.attempt('pin', () => checkPin(policy, pin, options(pinned)));
  if (held === undefined) return;
  if (held.note !== undefined) report.note(held.note);
  const [from, to] = [held.pin, checked.checkpoint];
  const mismatch = (what: string): ProofError =>
    new ProofError('pin-mismatch', what, { pinned: from.size, size: to.size });
  report.attempt('pin', () => {
    if (from.origin !== to.origin) throw mismatch('the pinned head is one of another log');
    if (from.size > to.size) {
      const detail = `the checkpoint (size ${to.size}) is older than the pinned head (size ${from.size}); what came between is not in it`;
      report.incomplete('pin', detail);
    } else if (from.size === to.size) {
      if (!equalBytes(from.root, to.root))
        throw mismatch(`two heads of size ${to.size} have two roots: the log forked`);
      report.pass('pin', `the checkpoint is the pinned head of size ${from.size}`);
    } else {
      judgeExtension(report, { from, to }, consistency?.());
    }
  });
}

function judgeExtension(
  report: HeadClaims,
  { from, to }: { readonly from: Pin; readonly to: CheckedCheckpoint['checkpoint'] },
  file: ConsistencyFile | undefined,
): void {
  if (file === undefined || file.from !== from.size || file.to !== to.size) {
    report.incomplete(
      'pin',
      `no proof that the checkpoint (size ${to.size}) extends the pinned head (size ${from.size})`,
    );
    return;
  }
  checkConsistency({ from: from.size, to: to.size, fromRoot: from.root, toRoot: to.root, proof: file.proof });
  report.pass('pin', `the checkpoint (size ${to.size}) extends the pinned head (size ${from.size})`);
}

/** The checkpoint as it could be seen at that moment. */
function asOf(policy: Policy, checked: CheckedCheckpoint, at: number | undefined): CheckedCheckpoint {
  if (at === undefined) return checked;
  const witnesses = checked.witnesses.filter(({ timestamp }) => timestamp > 0 && timestamp <= at);
  return { ...checked, witnesses, quorum: quorumSatisfied(policy, new Set(witnesses.map(({ name }) => name))) };
}

/** The one claim of `judgeQuorum`. */
export interface QuorumClaims {
  pass(claim: 'witnesses', detail: string): void;
  fail(claim: 'witnesses', error: ProofError): void;
}

export function judgeQuorum(
  report: QuorumClaims,
  policy: Policy,
  { quorum, witnesses }: CheckedCheckpoint,
  at?: number,
): void {
  const names = witnesses.map(({ name }) => quote(name)).join(', ');
  const then = at === undefined ? '' : ` by ${formatSeconds(at)}`;
  if (!quorum) {
    const by = witnesses.length === 0 ? 'no witness of the policy cosigned' : `only cosigned by ${names}`;
    report.fail('witnesses', new ProofError('quorum-not-met', `the quorum of the policy is not met${then}: ${by}`));
  } else if (policy.quorum === NO_QUORUM) {
    report.pass('witnesses', 'the policy asks for no witness');
  } else {
    report.pass('witnesses', `cosigned by ${names}${then}, which the policy accepts`);
  }
}

function judgeTime(report: HeadClaims, policy: Policy, checked: CheckedCheckpoint): ExistedBy | undefined {
  if (!checked.quorum) return undefined;
  const bound = existedBy(policy, checked);
  if (bound !== undefined) report.pass('existed-by', describeExistedBy(bound));
  else if (policy.quorum === NO_QUORUM) report.note('the policy asks for no witness, so nothing bounds the time');
  else report.incomplete('existed-by', 'the witnesses of the quorum gave no time');
  return bound;
}

function options({ verifiers }: Pinned): CheckOptions {
  return { quorum: 'report', ...(verifiers !== undefined && { verifiers }) };
}
