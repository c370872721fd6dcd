/**
 * The logs that this witness knows, by origin. Which keys a log has comes from the operator's configuration, or from
 * a log list that the operator subscribed to; a list can add logs and nothing else (log-lists.ts).
 */
import { createHash } from 'node:crypto';
import { utf8Encode } from '../proofs/bytes.ts';
import { verifyLogSignatures } from '../proofs/checkpoint.ts';
import type { VerifyOptions } from '../proofs/cosignature.ts';
import { ProofError } from '../proofs/errors.ts';
import type { VerifierKey } from '../proofs/key.ts';
import type { NoteSignature } from '../proofs/note.ts';
import { WitnessError } from './errors.ts';
import { Refused } from './reply.ts';
import type { UnverifiedHead } from './request.ts';

export interface KnownLog {
  readonly origin: string;
  /** All trusted; a log may sign with several (Ed25519 and ML-DSA-44, or while it changes keys). */
  readonly keys: readonly VerifierKey[];
  /** Where the log is polled, without a slash at the end. Without it the log has to come to us. */
  readonly url?: string;
  /** Queries per day that the log may make; without it the witness's own limit holds. */
  readonly queriesPerDay?: number;
}

/** A head that its log signed. `signatures` are the lines that verified; all others are dropped here. */
export interface JudgedHead extends UnverifiedHead {
  readonly signatures: readonly NoteSignature[];
}

/** The signed message of an ML-DSA-44 cosignature has one length byte for the origin. */
const MAX_ORIGIN_BYTES = 255;
const MAX_LOGS = 100_000;

export class LogBook {
  readonly #byOrigin = new Map<string, KnownLog>();
  readonly #byHash = new Map<string, KnownLog>();

  constructor(logs: readonly KnownLog[]) {
    for (const log of logs) {
      if (!this.add(log)) throw new WitnessError('config-invalid', `the log "${log.origin}" is named twice`);
    }
  }

  get(origin: string): KnownLog | undefined {
    return this.#byOrigin.get(origin);
  }

  byHash(originHash: string): KnownLog | undefined {
    return this.#byHash.get(originHash);
  }

  all(): readonly KnownLog[] {
    return [...this.#byOrigin.values()];
  }

  /** False when the origin is known already: a log's keys are never changed while the witness runs. */
  add(log: KnownLog): boolean {
    if (this.#byOrigin.has(log.origin)) return false;
    if (log.keys.length === 0) throw new WitnessError('config-invalid', `the log "${log.origin}" has no key`);
    if (log.origin === '' || utf8Encode(log.origin).length > MAX_ORIGIN_BYTES) {
      throw new WitnessError('config-invalid', `an origin has 1 to ${MAX_ORIGIN_BYTES} bytes`);
    }
    if (this.#byOrigin.size >= MAX_LOGS) throw new WitnessError('config-invalid', `more than ${MAX_LOGS} logs`);
    this.#byOrigin.set(log.origin, log);
    this.#byHash.set(originHash(log.origin), log);
    return true;
  }
}

/** Lowercase hexadecimal SHA-256 of the origin: the log's name in the monitoring path and in our files. */
export function originHash(origin: string): string {
  return createHash('sha256').update(origin, 'utf8').digest('hex');
}

/**
 * The log's own verdict on a head: Refused `not-signed` without a good signature by a trusted key, `bad-signature`
 * when any line of a trusted key is bad, even beside a good one (C2SP tlog-witness, 403).
 */
export function judgeHead(log: KnownLog, head: UnverifiedHead, options: VerifyOptions): JudgedHead {
  if (head.strayBits === true) throw new Refused('bad-signature', 'a signature line is not in its one encoding');
  let signedBy: readonly VerifierKey[];
  try {
    signedBy = verifyLogSignatures(head.checkpoint, head.note, log.keys, options);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    throw new Refused(error.code === 'no-log-signature' ? 'not-signed' : 'bad-signature', error.message);
  }
  const signatures = head.note.signatures.filter((line) =>
    signedBy.some((key) => key.name === line.name && key.keyId === line.keyId),
  );
  return { ...head, signatures };
}
