/**
 * One event with everything that verifies it, made of proofs/ alone: a log of a few entries in memory, signed by a test
 * key and cosigned by test witnesses.
 */
import { canonicalJson, type JsonObject } from '../../proofs/canonical-json.ts';
import { type CardField, cardHash, encodeCard } from '../../proofs/card.ts';
import { commitField, deriveSalt } from '../../proofs/commitment.ts';
import * as ed25519 from '../../proofs/ed25519.ts';
import { encodeEntry, submissionMessage } from '../../proofs/entry.ts';
import { splitFields } from '../../proofs/fields.ts';
import { leafHash } from '../../proofs/hash.ts';
import { verifierKeyOf } from '../../proofs/key.ts';
import { formatOpenedEvent, type OpenedEvent, type Opening } from '../../proofs/opened-event.ts';
import { formatTlogProof, type TlogProof } from '../../proofs/tlog-proof.ts';
import { signedCheckpoint, testSigner } from './signed.ts';
import { naiveTree } from './tree.ts';

export const ORIGIN = 'log.example/opened';
export const PRODUCER_SEED: Uint8Array = new Uint8Array(32).fill(7);

export const EVENT: JsonObject = {
  event_id: '01JH2K8Q9R3W5T7V9X1Z3B5D7F',
  occurred_at: '2026-01-08T14:32:07.123456Z',
  actor: { type: 'user', id: 'u_8842', session: 's_1f9c' },
  action: 'role.grant',
  outcome: { result: 'success' },
  context: { ip: '203.0.113.40', 'granted role': 'admin' },
  reason: 'ünïcode, "quoted"',
};

export interface Evidence {
  readonly opened: OpenedEvent;
  readonly openedText: string;
  readonly tlogProof: TlogProof;
  readonly proofText: string;
  readonly policyText: string;
}

export interface EvidenceOptions {
  readonly event?: JsonObject;
  readonly index?: number;
  readonly size?: number;
  readonly signed?: boolean;
  /** Names of the witnesses that cosign, of w1, w2 and w3; the policy asks for two. */
  readonly cosignedBy?: readonly string[];
  readonly quorum?: 'two' | 'none';
}

const log = testSigner(ORIGIN, 1);
const witnesses = ['w1', 'w2', 'w3'].map((name) => testSigner(`witness.example/${name}`, 4));

export function makeEvidence(options: EvidenceOptions = {}): Evidence {
  const { event = EVENT, index = 2, size = 5, signed = false, cosignedBy = ['w1', 'w2'], quorum = 'two' } = options;
  const opened = openEvent(event, index, signed);
  const leaves = Array.from({ length: size }, (_, i) => leafHash(i === index ? opened.entry : Uint8Array.of(i)));
  const tree = naiveTree(leaves);
  const cosigners = witnesses.filter(({ name }) => cosignedBy.some((one) => name.endsWith(one)));
  const head = { origin: ORIGIN, size, root: tree.root(0, size) };
  const tlogProof = {
    index,
    proof: tree.inclusion(index, size),
    checkpoint: signedCheckpoint(head, [log, ...cosigners]),
    extra: opened.entry,
  };
  return {
    opened,
    openedText: formatOpenedEvent(opened),
    tlogProof,
    proofText: formatTlogProof(tlogProof),
    policyText: policyText(quorum),
  };
}

function openEvent(event: JsonObject, index: number, signed: boolean): OpenedEvent {
  const secret = new Uint8Array(16).fill(9);
  const fields = new Map<string, Opening>();
  const open = (id: string, value: string): Uint8Array => {
    const salt = deriveSalt(secret, id);
    fields.set(id, { salt, value });
    return commitField(salt, id, value);
  };
  const card = encodeCard(
    splitFields(event, ['actor.session', 'context.ip']).map(
      ([id, value]): CardField => [id, open(id, canonicalJson(value))],
    ),
  );
  const logCommitment = open('log', canonicalJson({ catalogue: null, raw: 'AA==' }));
  const message = submissionMessage(ORIGIN, 'key_1', 4728, cardHash(card));
  const entry = encodeEntry({
    logTime: 1_767_882_727_123_456,
    producerId: 'key_1',
    producerSeq: 4728,
    cardHash: cardHash(card),
    logCommitment,
    signature: signed ? ed25519.sign(message, PRODUCER_SEED) : null,
  });
  return { index, entry, card, fields, withheld: [], erased: [] };
}

function policyText(quorum: 'two' | 'none'): string {
  const lines = [`log ${verifierKeyOf(log).vkey}`];
  if (quorum === 'two') {
    lines.push(...witnesses.map((witness, i) => `witness w${i + 1} ${verifierKeyOf(witness).vkey}`));
    lines.push('group all 2 w1 w2 w3', 'quorum all');
  } else lines.push('quorum none');
  return `${lines.join('\n')}\n`;
}
