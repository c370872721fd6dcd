/**
 * Fork proofs: two heads of one log, both signed by it, that cannot both be true. One text file that anyone can check
 * offline with the log's keys and nothing else:
 *
 *     countersign/fork-proof/v1
 *     prefix KapgV3b5bO9H11mtJi3IGup+wb2nz8YyFKWxbencyWI=
 *     BkjVmB34CS9tBLYTUjJrbAq3T+Whm01pyHAJfxk4cxo=
 *     (a blank line, the smaller checkpoint with its signatures)
 *     (a blank line, the larger checkpoint with its signatures)
 *
 * Two heads of one size have two roots, which is all there is to say: the header line stands alone, and the head with
 * the smaller root hash comes first. For two sizes, `prefix` is the root that the *larger* head's tree has at the
 * smaller size, and the hashes are the RFC 6962 §2.1.2 consistency proof from it to the larger root. A tree has one
 * root for its first n leaves, so if that root is not the one in the smaller head, the log signed two histories.
 *
 * Nobody but the log can make one: both signatures are its own. Cosignatures are carried along; a witness that stands on
 * both heads broke its promise, too.
 */
import { base64Decode, base64Encode, compareBytes, equalBytes, utf8Decode } from './bytes.ts';
import { checkConsistency, MAX_PROOF_HASHES } from './check.ts';
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts';
import { ProofError, recode } from './errors.ts';
import { EMPTY_ROOT, HASH_BYTES, type Hash } from './hash.ts';
import { MAX_NOTE_BYTES } from './note.ts';
import { type CheckedCheckpoint, type CheckOptions, checkCheckpoint, type Policy } from './policy.ts';
import { type HashReader, proveConsistency } from './prove.ts';
import { subtreeHash } from './subtree.ts';

/** What shows that two heads of different sizes do not go together. */
export interface PrefixEvidence {
  /** Root over the first leaves, as many as the smaller head has, of the larger head's tree. */
  readonly prefixRoot: Hash;
  /** Consistency proof from (smaller size, prefixRoot) to the larger head; at most 63 hashes. */
  readonly proof: readonly Hash[];
}

/** A fork proof as it was read: well-formed, no signature verified and nothing proven yet. */
export interface ForkProof {
  /** Signed checkpoints, verbatim: the smaller tree first; of one size, the smaller root hash first. */
  readonly first: string;
  readonly second: string;
  /** Present exactly if the sizes differ. */
  readonly evidence?: PrefixEvidence;
}

export type ForkKind = 'two-roots' | 'two-histories';

export interface CheckedFork {
  readonly kind: ForkKind;
  readonly origin: string;
  /** The two heads, with the keys of the log that signed each and the policy's witnesses that cosigned each. */
  readonly first: CheckedCheckpoint;
  readonly second: CheckedCheckpoint;
  /** Names of the policy's witnesses that cosigned both heads: they did not check what they signed. */
  readonly witnessesOfBoth: readonly string[];
}

/** Two checkpoints of the largest size, and the proof. */
export const MAX_FORK_PROOF_BYTES: number = 2 * MAX_NOTE_BYTES + 8_192;

const HEADER = 'countersign/fork-proof/v1';
const PREFIX = 'prefix ';

/**
 * Reads a fork proof; nothing in it is verified. Throws `invalid-fork-proof`, and `size-too-large` for a tree above
 * 2^53−1.
 */
export function parseForkProof(bytes: Uint8Array | string): ForkProof {
  if (bytes.length > MAX_FORK_PROOF_BYTES) throw invalid('it is too long');
  const text = typeof bytes === 'string' ? bytes : recode('invalid-fork-proof', () => utf8Decode(bytes));
  // A checkpoint has no empty line but the one before its signatures.
  const [head = '', firstBody, firstLines, secondBody, secondLines, ...more] = text.split('\n\n');
  if (secondLines === undefined || more.length > 0) throw invalid('it is not a head, a blank line and two checkpoints');
  const [header, ...lines] = head.split('\n');
  if (header !== HEADER) throw invalid(`the first line is not ${HEADER}`);
  const checkpoints = { first: `${firstBody}\n\n${firstLines}\n`, second: `${secondBody}\n\n${secondLines}` };
  const fork: ForkProof = lines.length === 0 ? checkpoints : { ...checkpoints, evidence: parseEvidence(lines) };
  if (formatForkProof(fork) !== text) throw invalid('it is not in its one encoding');
  return fork;
}

/** The fork proof as text. Throws `invalid-fork-proof` for what would not parse again. */
export function formatForkProof(fork: ForkProof): string {
  const { first, second, evidence } = fork;
  const heads = readHeads(fork);
  if ((heads.first.size !== heads.second.size) !== (evidence !== undefined)) {
    throw invalid('a prefix is given for two sizes, and for nothing else');
  }
  if (order(heads.first, heads.second) > 0) throw invalid('the smaller head comes first');
  const lines = [HEADER];
  if (evidence !== undefined) {
    if (evidence.proof.length > MAX_PROOF_HASHES) throw invalid(`more than ${MAX_PROOF_HASHES} hashes`);
    lines.push(PREFIX + base64Encode(evidence.prefixRoot), ...evidence.proof.map(base64Encode));
  }
  return `${lines.join('\n')}\n\n${first}\n${second}`;
}

/**
 * Puts two signed checkpoints in their order. `evidence` is given exactly if their sizes differ. Nothing is proven by
 * this; ask `checkForkProof` before the proof is shown to anybody.
 */
export function makeForkProof(one: string, other: string, evidence?: PrefixEvidence): ForkProof {
  const heads = readHeads({ first: one, second: other });
  const [first, second] = order(heads.first, heads.second) > 0 ? [other, one] : [one, other];
  return evidence === undefined ? { first, second } : { first, second, evidence };
}

/**
 * The evidence against a head of `smallerSize`, out of the tree of the larger one. `read` reads stored nodes of that tree
 * and is not trusted: what it gives is proven by `checkForkProof`, or is not.
 */
export async function provePrefix(smallerSize: number, largerSize: number, read: HashReader): Promise<PrefixEvidence> {
  const proof = await proveConsistency(smallerSize, largerSize, read);
  const prefixRoot = smallerSize === 0 ? EMPTY_ROOT : await subtreeHash(0, smallerSize, read);
  return { prefixRoot, proof };
}

/**
 * That the log of this policy signed two heads that cannot both be true. Throws `not-a-fork` when they can, or when the
 * evidence does not show that they cannot; `bad-consistency-proof` when the evidence does not belong to the larger head;
 * and what `checkCheckpoint` throws for either head: `wrong-origin`, `no-log-signature`, `bad-log-signature`, ….
 */
export function checkForkProof(fork: ForkProof, policy: Policy, options: CheckOptions = {}): CheckedFork {
  const report = { ...options, quorum: 'report' } as const;
  const first = checkCheckpoint(policy, fork.first, report);
  const second = checkCheckpoint(policy, fork.second, report);
  const { origin } = first.checkpoint;
  if (second.checkpoint.origin !== origin) throw notAFork('the heads are those of two logs', fork);
  const cosigned = new Set(first.witnesses.map(({ name }) => name));
  return {
    kind: contradiction(first.checkpoint, second.checkpoint, fork),
    origin,
    first,
    second,
    witnessesOfBoth: second.witnesses.flatMap(({ name }) => (cosigned.has(name) ? [name] : [])),
  };
}

function contradiction(first: Checkpoint, second: Checkpoint, fork: ForkProof): ForkKind {
  const { evidence } = fork;
  if (first.size === second.size) {
    if (equalBytes(first.root, second.root)) throw notAFork('both heads have the same size and root', fork);
    return 'two-roots';
  }
  if (evidence === undefined || first.size > second.size) throw notAFork('nothing is shown about the sizes', fork);
  const { prefixRoot, proof } = evidence;
  checkConsistency({ from: first.size, to: second.size, fromRoot: prefixRoot, toRoot: second.root, proof });
  if (equalBytes(prefixRoot, first.root)) throw notAFork('the larger head extends the smaller one', fork);
  return 'two-histories';
}

function parseEvidence([prefix = '', ...hashes]: readonly string[]): PrefixEvidence {
  if (!prefix.startsWith(PREFIX)) throw invalid('the second line is not a prefix');
  if (hashes.length > MAX_PROOF_HASHES) throw invalid(`more than ${MAX_PROOF_HASHES} hashes`);
  return { prefixRoot: parseHash(prefix.slice(PREFIX.length)), proof: hashes.map(parseHash) };
}

function parseHash(line: string): Hash {
  const hash = recode('invalid-fork-proof', () => base64Decode(line));
  if (hash.length !== HASH_BYTES) throw invalid(`a hash has ${HASH_BYTES} bytes`);
  return hash;
}

function readHeads({ first, second }: Pick<ForkProof, 'first' | 'second'>): { first: Checkpoint; second: Checkpoint } {
  const read = (text: string): Checkpoint => recode('invalid-fork-proof', () => parseCheckpoint(text).checkpoint);
  return { first: read(first), second: read(second) };
}

function order(one: Checkpoint, other: Checkpoint): number {
  return one.size === other.size ? compareBytes(one.root, other.root) : one.size - other.size;
}

function invalid(what: string): ProofError {
  return new ProofError('invalid-fork-proof', `fork proof: ${what}`);
}

function notAFork(what: string, fork: ForkProof): ProofError {
  const { first, second } = readHeads(fork);
  return new ProofError('not-a-fork', what, { first: first.size, second: second.size });
}
