/**
 * A kept head under a policy. It is what its keeper says; signatures that were kept with it add who else said so at the
 * time. One by a key that the policy trusts has to be good, or the text was damaged or forged; without one the head is
 * worth what its keeper is, which is said and refuses nothing.
 */
import { formatSeconds } from './existed-by.ts';
import { type Pin, parsePin, pinNote } from './pin.ts';
import { type CheckOptions, checkCheckpoint, logKeysAt, type Policy } from './policy.ts';
import { quote } from './quote.ts';

export interface CheckedPin {
  readonly pin: Pin;
  /** Who vouches for it, as words that go on from "a head of n entries". */
  readonly vouched: string;
  /** Present where no signature of the log could be checked. */
  readonly note?: string;
}

/** Throws what `parsePin` does, and what `checkCheckpoint` does for a bad signature by a key of the policy. */
export function checkPin(policy: Policy, input: Uint8Array | string, options: CheckOptions = {}): CheckedPin {
  const pin = parsePin(input);
  const note = pinNote(pin);
  const known = logKeysAt(policy, pin.origin, pin.size);
  const isKnown = pin.signatures.some((line) =>
    known.some(({ name, keyId }) => name === line.name && keyId === line.keyId),
  );
  if (note === undefined || !isKnown) {
    const why = note === undefined ? 'it was kept without a signature' : 'no key of the policy signed it';
    return { pin, vouched: '', note: `the kept head is worth what its keeper is: ${why}` };
  }
  const { witnesses } = checkCheckpoint(policy, note, { ...options, quorum: 'report' });
  const by = witnesses.map(({ name, timestamp }) => `${quote(name)} on ${formatSeconds(timestamp)}`);
  return { pin, vouched: `, signed by the log${by.length === 0 ? '' : `, cosigned by ${by.join(', ')}`}` };
}
