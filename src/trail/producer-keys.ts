/**
 * Producer keys (W9): registered and revoked by admins, each as an entry. A signed submission is judged by the keys
 * that earlier entries registered; a revoked key stops from its entry on, because revoking closes the door first and
 * the log is strictly ordered behind it.
 */
import { textAt } from '../../proofs/fields.ts';
import { REGISTER_KEY, REVOKE_KEY } from '../../proofs/own-entries.ts';
import { producerKeyId } from '../../proofs/producer-keys.ts';
import type { Log } from '../log/types.ts';
import { followOwnEvents, type OwnEntry } from './own-events.ts';
import type { OwnEvent, Recorder } from './record.ts';

export interface ProducerKey {
  /** `key_` and 32 hex digits of SHA-256 of the public key: the same key always has the same id. */
  readonly id: string;
  /** 32 bytes, Ed25519. */
  readonly publicKey: Uint8Array;
  readonly registeredAt: number;
  /** Index of the entry that revoked it. */
  readonly revokedAt: number | null;
}

export class ProducerKeys {
  readonly #keys = new Map<string, ProducerKey>();
  /** Keys whose revocation is on its way into the log. */
  readonly #closing = new Set<string>();

  apply({ event, index }: OwnEntry): void {
    const id = textAt(event, 'target', 'id');
    if (id === undefined) return;
    const known = this.#keys.get(id);
    if (event['action'] === REVOKE_KEY) {
      if (known !== undefined && known.revokedAt === null) this.#keys.set(id, { ...known, revokedAt: index });
      return;
    }
    const text = textAt(event, 'context', 'public_key');
    if (known !== undefined || text === undefined) return;
    this.#keys.set(id, {
      id,
      publicKey: new Uint8Array(Buffer.from(text, 'base64')),
      registeredAt: index,
      revokedAt: null,
    });
  }

  list(): readonly ProducerKey[] {
    return [...this.#keys.values()];
  }

  get(id: string): ProducerKey | undefined {
    return this.#keys.get(id);
  }

  /** The public key that a submission of this moment is verified with. */
  live(id: string): Uint8Array | undefined {
    const key = this.#keys.get(id);
    return key === undefined || key.revokedAt !== null || this.#closing.has(id) ? undefined : key.publicKey;
  }

  /** Registers the key, once and for ever; a key that was revoked stays revoked. */
  async register(
    recorder: Recorder,
    publicKey: Uint8Array,
    actor: OwnEvent['actor'],
    name: string,
  ): Promise<ProducerKey> {
    const id = producerKeyId(publicKey);
    const known = this.#keys.get(id);
    if (known !== undefined) return known;
    await recorder.record({
      action: REGISTER_KEY,
      actor,
      target: { type: 'producer-key', id },
      outcome: { result: 'success' },
      context: { public_key: Buffer.from(publicKey).toString('base64'), name },
    });
    return this.#keys.get(id) ?? { id, publicKey, registeredAt: 0, revokedAt: null };
  }

  /** From this call on no submission under the key is taken; the entry says so for ever. */
  async revoke(recorder: Recorder, id: string, actor: OwnEvent['actor'], reason: string): Promise<void> {
    this.#closing.add(id);
    try {
      const outcome = { result: 'success' as const };
      await recorder.record({ action: REVOKE_KEY, actor, target: { type: 'producer-key', id }, outcome, reason });
    } finally {
      this.#closing.delete(id);
    }
  }
}

export async function followProducerKeys(
  log: Log,
): Promise<{ readonly keys: ProducerKeys; readonly stop: () => void }> {
  const keys = new ProducerKeys();
  const stop = await followOwnEvents(log, [REGISTER_KEY, REVOKE_KEY], (entry) => keys.apply(entry));
  return { keys, stop };
}
