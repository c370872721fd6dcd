import { describe, expect, it } from 'vitest';
import { hexDecode, hexEncode } from '../../proofs/bytes.ts';
import { drandRandomness, drandRoundAt, drandRoundSeconds, isDrandRound, QUICKNET } from '../../proofs/drand.ts';

const SIGNATURE = hexDecode(
  'b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39',
);

describe('a round of quicknet', () => {
  it('is verified, and its randomness is the hash of its signature', () => {
    expect(isDrandRound(1000, SIGNATURE)).toBe(true);
    expect(hexEncode(drandRandomness(1000, SIGNATURE))).toBe(
      'fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd',
    );
  });

  it('is not another round, nor another signature', () => {
    expect(isDrandRound(1001, SIGNATURE)).toBe(false);
    expect(isDrandRound(999, SIGNATURE)).toBe(false);
    for (const at of [0, 1, 20, 47]) {
      const flipped = SIGNATURE.map((byte, i) => (i === at ? byte ^ 1 : byte));
      expect(isDrandRound(1000, flipped)).toBe(false);
      expect(() => drandRandomness(1000, flipped)).toThrow(expect.objectContaining({ code: 'bad-beacon' }));
    }
  });

  it('has 48 bytes that are a point, and a number of its own', () => {
    // The point at infinity, points of other encodings, and other lengths.
    const infinity = new Uint8Array(48);
    infinity[0] = 0xc0;
    for (const bytes of [
      infinity,
      new Uint8Array(48),
      new Uint8Array(48).fill(255),
      new Uint8Array(96),
      new Uint8Array(0),
    ]) {
      expect(isDrandRound(1000, bytes)).toBe(false);
    }
    for (const round of [0, -1, 1.5, 2 ** 53, Number.NaN]) expect(isDrandRound(round, SIGNATURE)).toBe(false);
  });

  it('has its time', () => {
    expect(drandRoundSeconds(1)).toBe(QUICKNET.genesisSeconds);
    // 2026-04-20T00:00:00Z
    expect(drandRoundAt(1_776_643_200)).toBe(27_946_612);
    expect(drandRoundAt(drandRoundSeconds(27_946_612) - 1)).toBe(27_946_611);
    expect(drandRoundAt(QUICKNET.genesisSeconds - 1)).toBe(0);
  });
});
