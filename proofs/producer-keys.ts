/**
 * Signatures of producers (REQUIREMENTS W9), judged by the entries that registered and revoked their keys:
 *
 *   countersign.key.register   target.id = the key's id, context.public_key = 32 bytes Ed25519, base64
 *   countersign.key.revoke     target.id
 *
 * The id, which an entry names as its producer, is `key_` and the first 32 hex digits of SHA-256 of the public key: no
 * registration can give another key the same id. A signature counts if the key was registered before the entry and not
 * revoked before it; the first registration and the first revocation are the ones that count.
 */
import { base64Decode, hexEncode } from './bytes.ts';
import { checkPublicKey, verify } from './ed25519.ts';
import { type Entry, submissionMessage } from './entry.ts';
import { ProofError } from './errors.ts';
import { textAt } from './fields.ts';
import { type Hasher, nobleHasher } from './hash.ts';
import type { CheckedEvent } from './opened-event.ts';
import { OWN_PRODUCER, REGISTER_KEY, REVOKE_KEY } from './own-entries.ts';
import { quote } from './quote.ts';

const KEY_ID_CHARACTERS = 32;

/** Throws ProofError `bad-public-key` for what is no usable Ed25519 key. */
export function producerKeyId(publicKey: Uint8Array, hasher: Hasher = nobleHasher): string {
  checkPublicKey(publicKey);
  return `key_${hexEncode(hasher.sha256(publicKey)).slice(0, KEY_ID_CHARACTERS)}`;
}

interface KnownKey {
  readonly publicKey: Uint8Array;
  readonly registeredAt: number;
  readonly revokedAt: number | undefined;
}

/** `unsigned`: there is nothing to check. `unregistered`: no entry that is given registers the key. */
export type SignatureResult = 'verified' | 'unsigned' | 'unregistered';

export type VerifyEd25519 = typeof verify;

/** The keys that entries of the log's own, given in index order, make known. */
export class ProducerKeyRing {
  readonly #keys = new Map<string, KnownKey>();
  readonly #hasher: Hasher;
  readonly #verify: VerifyEd25519;

  constructor(hasher: Hasher = nobleHasher, verifyEd25519: VerifyEd25519 = verify) {
    this.#hasher = hasher;
    this.#verify = verifyEd25519;
  }

  /** Takes an entry that was checked. Throws `invalid-key` for a registration that gives a key another one's id. */
  apply({ index, entry, event }: Pick<CheckedEvent, 'index' | 'entry' | 'event'>): void {
    const [action, id] = [event['action'], textAt(event, 'target', 'id')];
    if (entry.producerId !== OWN_PRODUCER || id === undefined) return;
    const known = this.#keys.get(id);
    if (action === REVOKE_KEY && known !== undefined && known.revokedAt === undefined) {
      this.#keys.set(id, { ...known, revokedAt: index });
    }
    const text = textAt(event, 'context', 'public_key');
    if (action !== REGISTER_KEY || text === undefined) return;
    const publicKey = this.#readKey(text, id, index);
    if (known === undefined) this.#keys.set(id, { publicKey, registeredAt: index, revokedAt: undefined });
  }

  /** Throws `bad-signature`, or `producer-key-not-valid` for a key that was not registered yet, or no longer valid. */
  check(origin: string, index: number, entry: Entry): SignatureResult {
    const { producerId, producerSeq, cardHash, signature } = entry;
    if (signature === null) return 'unsigned';
    const key = this.#keys.get(producerId);
    if (key === undefined) return 'unregistered';
    const { publicKey, registeredAt, revokedAt } = key;
    const refuse = (what: string): ProofError => {
      const message = `event ${index} is signed with the key ${quote(producerId)}, which was ${what}`;
      return new ProofError('producer-key-not-valid', message, { index });
    };
    if (registeredAt >= index) throw refuse(`not registered before entry ${registeredAt}`);
    if (revokedAt !== undefined && revokedAt < index) throw refuse(`revoked by entry ${revokedAt}`);
    if (!this.#verify(submissionMessage(origin, producerId, producerSeq, cardHash), signature, publicKey)) {
      throw new ProofError('bad-signature', `the producer's signature of event ${index} does not verify`, { index });
    }
    return 'verified';
  }

  #readKey(text: string, id: string, index: number): Uint8Array {
    const publicKey = base64Decode(text);
    if (producerKeyId(publicKey, this.#hasher) === id) return publicKey;
    throw new ProofError('invalid-key', `entry ${index} registers a key under the id of another one`, { index });
  }
}
