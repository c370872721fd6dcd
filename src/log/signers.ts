/**
 * Which of its keys the log signs a head with: those that the policy calls valid at that tree size. While a key is being
 * changed these are the old one and the new one; the policy, which a verifier pins, is the only place that says when.
 */
import { type SignerKey, sameKey, verifierKeyOf } from '../../proofs/key.ts';
import { logKeysAt, type Policy } from '../../proofs/policy.ts';
import { LogError } from './types.ts';

/** Throws LogError `wrong-origin` for a key that the policy does not name as one of this log. */
export function checkSigners(signers: readonly SignerKey[], policy: Policy, origin: string): void {
  const keys = signers.map(verifierKeyOf);
  const strange = keys.find((key) => key.name !== origin || !policy.logs.some((log) => log.key.vkey === key.vkey));
  if (strange === undefined && keys.length > 0) return;
  throw new LogError(
    'wrong-origin',
    `the key ${strange?.name ?? '(none)'} is not a log key of the policy for ${origin}: add its log line to the policy, or use the right key`,
  );
}

/**
 * The signers of a head of this size. Throws LogError `no-valid-key` when there is none that makes a signature which
 * every client of C2SP checkpoints understands (Ed25519, type 0x01).
 */
export function signersAt(
  signers: readonly SignerKey[],
  policy: Policy,
  origin: string,
  size: number,
): readonly SignerKey[] {
  const valid = logKeysAt(policy, origin, size);
  const chosen = signers.filter((signer) => valid.some((key) => sameKey(key, verifierKeyOf(signer))));
  if (chosen.some(({ type }) => type === 1)) return chosen;
  throw new LogError(
    'no-valid-key',
    `the policy calls no Ed25519 key that this log has valid at size ${size}: nothing is signed. Add a new key with ` +
      '`countersign key rotate log`, or correct the "#countersign: valid" lines of the policy, and start the log again.',
    { size },
  );
}
