/**
 * Stage `cosign`: collects the witnesses' cosignatures on the heads that this log signed. Only lines that verify under
 * a key of the policy are kept; anything else in a submission is ignored and never stored.
 */
import type { Checkpoint } from '../../proofs/checkpoint.ts';
import { parseCheckpoint, verifyCheckpoint } from '../../proofs/checkpoint.ts';
import { type VerifyOptions, verifyCosignature } from '../../proofs/cosignature.ts';
import { ProofError } from '../../proofs/errors.ts';
import type { Note, NoteSignature } from '../../proofs/note.ts';
import { countsAt, logKeysAt, type Policy, quorumSatisfied } from '../../proofs/policy.ts';
import { nativeVerify } from '../events/native-ed25519.ts';
import type { SignedHead } from './sign.ts';
import { LogError } from './types.ts';

/** Signed heads for which cosignatures are still taken; older ones have been overtaken. */
const MAX_OPEN_HEADS = 64;
/** Seconds by which a witness's clock may run ahead of ours. */
const MAX_FUTURE_SECONDS = 300;
/** The platform accepts a subset of what a verifier will (native-ed25519.ts), in a fifteenth of the time. */
const ADMITTING: VerifyOptions = { verifiers: { ed25519: nativeVerify } };

export interface CosignedHead {
  readonly head: SignedHead;
  /** Verified lines by the witness's name in the policy, in order of arrival. */
  readonly lines: ReadonlyMap<string, NoteSignature>;
}

export interface WitnessSeen {
  readonly size: number;
  readonly atMs: number;
}

export class Cosigner {
  readonly #policy: Policy;
  readonly #origin: string;
  readonly #nowMs: () => number;
  /** By note text, oldest first. */
  readonly #open = new Map<string, { head: SignedHead; lines: Map<string, NoteSignature> }>();
  readonly #seen = new Map<string, WitnessSeen>();

  constructor(options: { policy: Policy; origin: string; nowMs: () => number }) {
    this.#policy = options.policy;
    this.#origin = options.origin;
    this.#nowMs = options.nowMs;
  }

  /** Takes a freshly signed head; from now on cosignatures for it are accepted. */
  open(head: SignedHead): CosignedHead {
    const cosigned = { head, lines: new Map<string, NoteSignature>() };
    this.#open.set(head.checkpoint.body, cosigned);
    if (this.#open.size > MAX_OPEN_HEADS) {
      const oldest = this.#open.keys().next();
      if (oldest.done !== true) this.#open.delete(oldest.value);
    }
    return cosigned;
  }

  lastSeen(witness: string): WitnessSeen | undefined {
    return this.#seen.get(witness);
  }

  /**
   * Adds what verifies. Throws LogError `invalid-cosignatures` for what is no checkpoint of this log or carries no
   * cosignature of the policy, and `unknown-head` for a head that is not open; the caller looks at that head itself.
   */
  add(bytes: Uint8Array): { readonly accepted: number; readonly cosigned: CosignedHead; readonly quorum: boolean } {
    const { checkpoint, note } = readCheckpoint(bytes);
    if (checkpoint.origin !== this.#origin) {
      throw new LogError('invalid-cosignatures', 'the checkpoint is that of another log');
    }
    const open = this.#open.get(checkpoint.body);
    if (open === undefined) {
      throw new LogError('unknown-head', `no open head of size ${checkpoint.size} with this root`, {
        size: checkpoint.size,
      });
    }
    const { known, fresh } = this.#verifiedLines(checkpoint, note, open.lines);
    if (known + fresh.length === 0) {
      throw new LogError('invalid-cosignatures', "no line is a valid cosignature by a witness of this log's policy");
    }
    for (const { name, line } of fresh) {
      open.lines.set(name, line);
      this.#seen.set(name, { size: checkpoint.size, atMs: this.#nowMs() });
    }
    const accepted = fresh.length;
    return { accepted, cosigned: open, quorum: quorumSatisfied(this.#policy, new Set(open.lines.keys())) };
  }

  /** The checkpoint, if the keys that this log has or had signed it: what a set-back database is found out by. */
  signedByThisLog(bytes: Uint8Array): Checkpoint | undefined {
    try {
      const { size } = parseCheckpoint(bytes).checkpoint;
      return verifyCheckpoint(bytes, logKeysAt(this.#policy, this.#origin, size), this.#origin).checkpoint;
    } catch (error) {
      if (error instanceof ProofError) return undefined;
      throw error;
    }
  }

  /** Lines that are new and verify, and how many witnesses sent one that was here already. One line a witness counts. */
  #verifiedLines(
    checkpoint: Checkpoint,
    note: Note,
    have: ReadonlyMap<string, NoteSignature>,
  ): { readonly known: number; readonly fresh: readonly { readonly name: string; readonly line: NoteSignature }[] } {
    const latest = Math.floor(this.#nowMs() / 1000) + MAX_FUTURE_SECONDS;
    const fresh: { name: string; line: NoteSignature }[] = [];
    let known = 0;
    for (const witness of this.#policy.witnesses) {
      const { name, key } = witness;
      const line = note.signatures.find((one) => one.name === key.name && one.keyId === key.keyId);
      if (line === undefined) continue;
      if (have.has(name)) {
        known += 1;
        continue;
      }
      try {
        const { timestamp } = verifyCosignature(checkpoint, line, key, ADMITTING);
        const counts = countsAt(witness, checkpoint.size, timestamp);
        if (counts && timestamp > 0 && timestamp <= latest) fresh.push({ name, line });
      } catch (error) {
        if (!(error instanceof ProofError)) throw error;
      }
    }
    return { known, fresh };
  }
}

function readCheckpoint(bytes: Uint8Array): { readonly checkpoint: Checkpoint; readonly note: Note } {
  try {
    return parseCheckpoint(bytes);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    throw new LogError('invalid-cosignatures', `not a checkpoint: ${error.message}`);
  }
}
