/**
 * The verification of a head that someone kept, years later: does today's log still hold what that head covered?
 *
 *   pin            the kept head is readable; signatures that were kept with it are good
 *   log-signature  today's checkpoint is signed by the log that the policy trusts
 *   witnesses      the policy's quorum has cosigned it
 *   existed-by     the moment by which it had
 *   consistency    today's checkpoint is the kept head, or extends it
 *
 * PASS: every claim was checked and holds. FAIL: one is false. INCOMPLETE: one could not be checked. Never throws.
 */
import { equalBytes } from './bytes.ts';
import { checkConsistency } from './check.ts';
import { checkPin } from './check-pin.ts';
import type { Checkpoint } from './checkpoint.ts';
import { ClaimReport, type Conclusion } from './claims.ts';
import { ProofError } from './errors.ts';
import { type HeadUpdate, parseHeadUpdate } from './head-update.ts';
import { judgeHead } from './judge-head.ts';
import { type Pin, parsePin } from './pin.ts';
import type { CheckedCheckpoint, Policy } from './policy.ts';
import { quote } from './quote.ts';

export type PinClaimName = 'pin' | 'log-signature' | 'witnesses' | 'existed-by' | 'consistency';

export interface VerifyPinInput {
  /** The kept head, in any form that pin.ts reads. Trusted as far as its keeper is. */
  readonly pin: Uint8Array | string;
  /** C2SP tlog-policy, trusted. */
  readonly policy?: Uint8Array | string | undefined;
  /** A later checkpoint with its proof (head-update.ts), untrusted. */
  readonly update?: Uint8Array | string | undefined;
  /** Today's checkpoint alone: enough where it is the kept head, or shows fewer entries than that. Untrusted. */
  readonly checkpoint?: Uint8Array | string | undefined;
}

export interface PinVerdict extends Conclusion<PinClaimName> {
  readonly pin?: Pin;
  /** Today's checkpoint, once the log's signature was checked. */
  readonly checkpoint?: CheckedCheckpoint;
}

export function verifyPin(input: VerifyPinInput): PinVerdict {
  const report: Report = new ClaimReport(ORDER);
  const pin = report.attempt('pin', () => parsePin(input.pin));
  const update = readUpdate(report, input);
  const today = update?.checkpoint ?? input.checkpoint;
  const head = today === undefined ? undefined : judgeHead(report, today, { policy: input.policy });
  if (today === undefined) report.incomplete('log-signature', 'no checkpoint of today was given');
  if (pin !== undefined && head !== undefined) judgeKept(report, input.pin, head.policy);
  else if (pin !== undefined) report.incomplete('pin', 'its signatures were not checked');
  if (pin !== undefined && head !== undefined) judgeConsistency(report, pin, head.checked.checkpoint, update);
  return {
    ...report.conclude(REQUIRED),
    ...(pin !== undefined && { pin }),
    ...(head !== undefined && { checkpoint: head.checked }),
  };
}

type Report = ClaimReport<PinClaimName>;

const ORDER: readonly PinClaimName[] = ['pin', 'log-signature', 'witnesses', 'existed-by', 'consistency'];
const REQUIRED: readonly PinClaimName[] = ['pin', 'log-signature', 'witnesses', 'consistency'];

function readUpdate(report: Report, { update }: VerifyPinInput): HeadUpdate | undefined {
  return update === undefined ? undefined : report.attempt('consistency', () => parseHeadUpdate(update));
}

function judgeKept(report: Report, input: Uint8Array | string, policy: Policy): void {
  report.attempt('pin', () => {
    const { pin, vouched, note } = checkPin(policy, input);
    if (note !== undefined) report.note(note);
    report.pass('pin', `the kept head of ${quote(pin.origin)} covers ${pin.size} entries${vouched}`);
  });
}

function judgeConsistency(report: Report, pin: Pin, today: Checkpoint, update: HeadUpdate | undefined): void {
  report.attempt('consistency', () => {
    if (today.origin !== pin.origin) throw mismatch(pin, today, 'the checkpoint of today is one of another log');
    if (today.size === pin.size) {
      if (!equalBytes(today.root, pin.root)) {
        throw mismatch(pin, today, `two heads of size ${pin.size} have two roots: the log's history was replaced`);
      }
      report.pass('consistency', `the checkpoint of today is the kept head of size ${pin.size}`);
    } else if (update === undefined && today.size < pin.size) {
      const lost = `the log shows ${today.size} entries, the kept head covered ${pin.size}: it lost or hides what came between`;
      throw mismatch(pin, today, lost);
    } else if (update === undefined || update.consistency.from !== pin.size) {
      const other = update === undefined ? 'there is no proof' : `the proof begins at size ${update.consistency.from}`;
      report.incomplete('consistency', `${other}, and the kept head has size ${pin.size}`);
    } else {
      const { proof } = update.consistency;
      checkConsistency({ from: pin.size, to: today.size, fromRoot: pin.root, toRoot: today.root, proof });
      report.pass(
        'consistency',
        `the ${pin.size} entries of the kept head are the first of today's ${today.size}, unchanged and complete`,
      );
    }
  });
}

function mismatch(pin: Pin, today: Checkpoint, what: string): ProofError {
  return new ProofError('pin-mismatch', what, { pinned: pin.size, size: today.size });
}
