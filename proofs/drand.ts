/**
 * One round of drand's quicknet, verified offline: public randomness that neither auditor nor operator can know before its
 * time, to be mixed into a sample's seed. Chain and public key are pinned here.
 *
 *   scheme      bls-unchained-g1-rfc9380: BLS12-381, signatures in G1 (48 bytes), hashed to the curve as RFC 9380 says
 *   message     SHA-256(u64 round, big-endian)
 *   randomness  SHA-256(signature)
 *   time        round 1 was at the genesis, one every 3 seconds since
 */
import { bls12_381 } from '@noble/curves/bls12-381.js';
import { hexDecode } from './bytes.ts';
import { ProofError } from './errors.ts';
import { type Hash, type Hasher, nobleHasher } from './hash.ts';

export interface DrandChain {
  readonly hash: string;
  readonly publicKey: string;
  readonly genesisSeconds: number;
  readonly periodSeconds: number;
}

export const QUICKNET: DrandChain = {
  hash: '52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971',
  publicKey:
    '83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451' +
    '0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a',
  genesisSeconds: 1_692_803_367,
  periodSeconds: 3,
};

export const DRAND_SIGNATURE_BYTES = 48;

/** Whether quicknet signed this round. Nothing is thrown, whatever the bytes. */
export function isDrandRound(round: number, signature: Uint8Array, hasher: Hasher = nobleHasher): boolean {
  if (!Number.isSafeInteger(round) || round < 1 || signature.length !== DRAND_SIGNATURE_BYTES) return false;
  const { shortSignatures: bls } = bls12_381;
  try {
    return bls.verify(signature, bls.hash(messageOf(round, hasher), DST), hexDecode(QUICKNET.publicKey));
  } catch {
    return false;
  }
}

/** The randomness of a round. Throws `bad-beacon` unless quicknet signed it. */
export function drandRandomness(round: number, signature: Uint8Array, hasher: Hasher = nobleHasher): Hash {
  if (isDrandRound(round, signature, hasher)) return hasher.sha256(signature);
  throw new ProofError('bad-beacon', `this is not the signature of drand round ${round}`, { round });
}

/** When a round is due, in seconds since the Unix epoch. */
export function drandRoundSeconds(round: number): number {
  return QUICKNET.genesisSeconds + (round - 1) * QUICKNET.periodSeconds;
}

/** The last round that is due at this time; 0 before the first. */
export function drandRoundAt(seconds: number): number {
  if (seconds < QUICKNET.genesisSeconds) return 0;
  return Math.floor((seconds - QUICKNET.genesisSeconds) / QUICKNET.periodSeconds) + 1;
}

const DST = 'BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_';

function messageOf(round: number, hasher: Hasher): Hash {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(round));
  return hasher.sha256(bytes);
}
