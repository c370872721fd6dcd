/**
 * What the witness signs with: a public key, and something that signs bytes for it. The key is in this process
 * (`localCosigner`) or in an ssh-agent (`agentCosigner`, Ed25519 only). Nothing here decides *whether* to sign.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { equalBytes } from '../proofs/bytes.ts';
import { makeVerifierKey, type SignerKey, type VerifierKey, verifierKeyOf } from '../proofs/key.ts';
import { sign as signMldsa44 } from '../proofs/mldsa44.ts';
import { WitnessError } from './errors.ts';
import { nativeSigner, nativeVerifyOptions } from './native-ed25519.ts';
import { type AgentOptions, agentEd25519Keys, agentSign } from './ssh-agent.ts';

export interface Cosigner {
  /** Type 0x04 or 0x06. */
  readonly key: VerifierKey;
  readonly sign: (message: Uint8Array) => Promise<Uint8Array>;
}

/** A cosigner whose secret is in this process. Throws `key-invalid` for a key that makes no cosignatures. */
export function localCosigner(signer: SignerKey): Cosigner {
  const key = verifierKeyOf(signer);
  if (signer.type === 4) {
    const sign = nativeSigner(signer.secret);
    return { key, sign: async (message) => sign(message) };
  }
  if (signer.type !== 6) throw new WitnessError('key-invalid', `a key of type ${signer.type} makes no cosignatures`);
  const inTurn = oneAtATime();
  return { key, sign: (message) => inTurn(() => signMldsa44(message, signer.secret)) };
}

/**
 * A cosigner whose Ed25519 key is in the ssh-agent. With `publicKey` undefined the agent must hold exactly one.
 * Throws `agent-unavailable` or `agent-key-missing`.
 */
export async function agentCosigner(
  agent: AgentOptions,
  name: string,
  publicKey: Uint8Array | undefined,
): Promise<Cosigner> {
  const held = await agentEd25519Keys(agent);
  const chosen = publicKey === undefined ? held : held.filter((one) => equalBytes(one, publicKey));
  const [only, ...others] = chosen;
  if (only === undefined || others.length > 0) {
    const which = publicKey === undefined ? `${held.length} Ed25519 keys; name one of them` : 'not the key asked for';
    throw new WitnessError('agent-key-missing', `the ssh agent holds ${which}`);
  }
  const key = makeVerifierKey(name, 4, only);
  const verify = nativeVerifyOptions().verifiers?.ed25519;
  return {
    key,
    sign: async (message) => {
      const signature = await agentSign(agent, only, message);
      // What another process signed is checked before it leaves under our name.
      if (verify?.(message, signature, only) !== true) throw new WitnessError('agent-refused', 'a bad signature');
      return signature;
    },
  };
}

/**
 * An ML-DSA-44 signature takes 6 ms and at times 30 of the one thread. Signatures are made one after the other, and
 * between two of them everything else that waits (other logs' requests, the disk) has its turn.
 */
function oneAtATime(): <T>(work: () => T) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(() => nextTurn()).then(work);
    last = turn.catch(() => undefined);
    return turn;
  };
}
