/**
 * The heart of the witness: may this head follow the one that we hold? Whoever brings it (add-checkpoint.ts) and
 * whoever fetches it (follow.ts) comes through here.
 *
 *     judge (pure)  ->  record, fsynced  ->  sign
 *
 * One head at a time per log. The judgement follows C2SP tlog-witness in its order: old size against the checkpoint
 * (400), against what we hold (409), then the roots and the proof (422).
 */
import { equalBytes } from '../proofs/bytes.ts';
import { checkConsistency, climb, MAX_PROOF_HASHES } from '../proofs/check.ts';
import type { Checkpoint } from '../proofs/checkpoint.ts';
import { cosignedMessage, makeCosignature, readTimestamp } from '../proofs/cosignature.ts';
import { ProofError } from '../proofs/errors.ts';
import { EMPTY_ROOT, type Hash, nobleHasher } from '../proofs/hash.ts';
import type { VerifierKey } from '../proofs/key.ts';
import type { NoteSignature } from '../proofs/note.ts';
import type { Cosigner } from './cosigner.ts';
import { messageOf, WitnessError } from './errors.ts';
import { type Evidence, type Finding, makeEvidence } from './evidence.ts';
import type { HeadRecord } from './head-record.ts';
import type { JudgedHead } from './logs.ts';
import type { WitnessParts } from './parts.ts';
import { Refused } from './reply.ts';

export interface Claim {
  /** The size that the proof starts from. */
  readonly oldSize: number;
  readonly proof: readonly Hash[];
  /** Root of the offered tree at the old size, if the caller worked it out (follow.ts can, from tiles). */
  readonly prefixRoot?: Hash;
}

/**
 * Judges, records and cosigns a head whose log signature was verified. Returns our signature lines. Throws Refused,
 * or WitnessError when the record could not be written; then no signature was made. `admit` is asked last, before
 * anything is written, and may refuse.
 */
export function cosignHead(
  parts: WitnessParts,
  head: JudgedHead,
  claim: Claim,
  via: Evidence['via'],
  admit: (held: Checkpoint | undefined) => void = () => {},
): Promise<HeadRecord> {
  const { state, clock, metrics, logger } = parts;
  const { origin, size } = head.checkpoint;
  return state.exclusively(origin, async () => {
    const next = await recordHead(parts, head, claim, via, admit);
    const timestamp = Math.floor(clock() / 1000);
    // The same head in the same second has the same signatures: who asks again and again costs us nothing.
    if (parts.cosigners.every(({ key }) => timeOfLine(next, key) === timestamp)) return next;
    const signatures = await sign(parts, next.checkpoint, timestamp);
    metrics.cosigned(origin, size);
    logger.debug({ origin, size, via }, 'cosigned');
    return state.keepCosignatures(next, signatures);
  });
}

/**
 * The first two of the three steps: judges and records a head, durably, and signs nothing. A mirror vouches for a head
 * only once it has all of its entries. To be called within `state.exclusively`.
 */
export async function recordHead(
  parts: WitnessParts,
  head: JudgedHead,
  claim: Claim,
  via: Evidence['via'],
  admit: (held: Checkpoint | undefined) => void = () => {},
): Promise<HeadRecord> {
  const { state, clock, metrics } = parts;
  const held = await state.head(head.checkpoint.origin);
  const { refused, finding } = judge(held?.checkpoint, head.checkpoint, claim);
  if (finding !== undefined && held !== undefined) {
    await keepEvidence(parts, makeEvidence({ ...finding, held, offered: head, via, nowMs: clock() }));
  }
  if (refused !== undefined) throw refused;
  admit(held?.checkpoint);

  const next = recordOf(held, head);
  // A head that is held already is on the disk already; a newer one is written, fsynced, and only then signed.
  if (next !== held) await metrics.timePersist(() => state.advance(held, next));
  return next;
}

/**
 * The head that is held, with our lines. After a crash between the record and the signature, or with other keys than
 * before, there are none; they are made here, over the same head.
 */
export async function cosignedHead(parts: WitnessParts, origin: string): Promise<HeadRecord | undefined> {
  const { state, clock, cosigners } = parts;
  const isCosigned = (record: HeadRecord): boolean =>
    cosigners.some(({ key }) => timeOfLine(record, key) !== undefined);
  const present = await state.head(origin);
  if (present === undefined || isCosigned(present)) return present;
  return state.exclusively(origin, async () => {
    const held = await state.head(origin);
    if (held === undefined || isCosigned(held)) return held;
    return state.keepCosignatures(held, await sign(parts, held.checkpoint, Math.floor(clock() / 1000)));
  });
}

/** Evidence that cannot be written is reported and does not change the answer, which is a refusal already. */
export async function keepEvidence({ evidence, metrics, logger }: WitnessParts, found: Evidence): Promise<void> {
  const { kind, conclusive, origin } = found;
  try {
    if (!(await evidence.keep(found))) return;
    metrics.evidenceKept(kind, conclusive);
    logger.warn({ origin, kind, conclusive }, 'kept evidence of misbehaviour');
  } catch (error) {
    logger.error({ origin, kind, error: messageOf(error) }, 'could not keep evidence');
  }
}

interface Judgement {
  readonly refused?: Refused;
  readonly finding?: Pick<Finding, 'kind' | 'proof' | 'prefixRoot'>;
}

/** Pure. `held` undefined: this witness never cosigned a checkpoint of the log. */
export function judge(held: Checkpoint | undefined, offered: Checkpoint, claim: Claim): Judgement {
  const { oldSize, proof } = claim;
  const heldSize = held?.size ?? 0;
  const otherRoot = held !== undefined && offered.size === held.size && !equalBytes(offered.root, held.root);
  // Two signed roots for one size are evidence whatever else is wrong with the request.
  const finding = otherRoot ? { finding: { kind: 'two-roots' as const } } : {};
  if (oldSize > offered.size) {
    return { ...finding, refused: new Refused('old-above-size', 'the old size is above the size of the checkpoint') };
  }
  if (oldSize !== heldSize) {
    return { ...finding, refused: new Refused('old-differs', 'the old size is not the one held', heldSize) };
  }
  if (offered.size === 0 && !equalBytes(offered.root, EMPTY_ROOT)) {
    return { ...finding, refused: new Refused('bad-empty-root', 'a tree of size 0 has the root of the empty tree') };
  }
  if (oldSize === 0 && proof.length > 0) {
    return { ...finding, refused: new Refused('proof-from-zero', 'there is no proof from size 0') };
  }
  if (otherRoot) return { ...finding, refused: new Refused('other-root', 'another root is held for this size') };
  if (held === undefined || oldSize === 0) return {};
  return judgeProof(held, offered, claim);
}

function judgeProof(held: Checkpoint, offered: Checkpoint, { proof, prefixRoot }: Claim): Judgement {
  const consistent = (fromRoot: Hash): boolean => {
    try {
      checkConsistency({ from: held.size, to: offered.size, fromRoot, toRoot: offered.root, proof });
      return true;
    } catch (error) {
      if (error instanceof ProofError) return false;
      throw error;
    }
  };
  if (consistent(held.root)) return {};
  const refused = new Refused('bad-proof', 'the consistency proof does not verify');
  // A proof of the wrong shape says something about whoever sent it, and nothing about the log.
  if (held.size === offered.size || proof.length > MAX_PROOF_HASHES) return { refused };
  const climbed = climb({ start: 0, end: held.size, size: offered.size, hash: held.root, proof }, nobleHasher);
  if (climbed === undefined) return { refused };
  const shown = [prefixRoot, climbed.part].find((root) => root !== undefined && !equalBytes(root, held.root));
  const conclusive = shown !== undefined && consistent(shown);
  return { refused, finding: { kind: 'failed-consistency', proof, ...(conclusive ? { prefixRoot: shown } : {}) } };
}

/**
 * The record that this head makes. The same checkpoint again is the record that is held, unless it brings a line of
 * the log that was missing; lines of other notes are not mixed, as extension lines may differ.
 */
function recordOf(held: HeadRecord | undefined, { checkpoint, signatures }: JudgedHead): HeadRecord {
  if (held === undefined || held.checkpoint.body !== checkpoint.body) {
    return { checkpoint, logSignatures: signatures, cosignatures: [] };
  }
  const missing = signatures.filter(
    (line) => !held.logSignatures.some(({ name, keyId }) => name === line.name && keyId === line.keyId),
  );
  if (missing.length === 0) return held;
  return { ...held, logSignatures: [...held.logSignatures, ...missing] };
}

/** The time, in seconds, of the line that this key made; undefined where there is none. */
export function timeOfLine({ cosignatures }: HeadRecord, key: VerifierKey): number | undefined {
  const line = cosignatures.find(({ name, keyId }) => name === key.name && keyId === key.keyId);
  return line === undefined ? undefined : readTimestamp(line.signature);
}

/**
 * A line by each of our keys, all with one time. A key that cannot sign (an agent that went away) does not stop the
 * others; with none at all nothing is answered.
 */
export async function sign(
  { cosigners, metrics, logger }: Pick<WitnessParts, 'cosigners' | 'metrics' | 'logger'>,
  checkpoint: Checkpoint,
  timestamp: number,
): Promise<readonly NoteSignature[]> {
  if (timestamp <= 0) throw new WitnessError('clock-unset', 'the clock of this machine is not set');
  const one = async ({ key, sign }: Cosigner): Promise<NoteSignature> =>
    makeCosignature(key, timestamp, await sign(cosignedMessage(checkpoint, key, timestamp)));
  const results = await Promise.allSettled(cosigners.map(one));
  const signatures: NoteSignature[] = [];
  for (const result of results) {
    if (result.status === 'fulfilled') {
      signatures.push(result.value);
    } else {
      metrics.signingFailed();
      logger.error({ error: messageOf(result.reason) }, 'a key could not sign');
    }
  }
  if (signatures.length === 0) throw new WitnessError('agent-unavailable', 'no key could sign');
  return signatures;
}
