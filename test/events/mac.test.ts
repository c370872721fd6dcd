import { createHmac, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { hmacSha256 } from '../../src/events/mac.ts';
import { createRandomPool } from '../../src/events/random-pool.ts';

describe('the MAC of an event', () => {
  it.each([0, 1, 55, 56, 63, 64, 65, 600, 8191, 8192, 8193, 70_000])(
    'is that of the platform for %i bytes',
    (length) => {
      for (const keyBytes of [0, 1, 32, 63, 64, 65, 200]) {
        const key = randomBytes(keyBytes);
        const message = randomBytes(length);
        const expected = createHmac('sha256', key).update(message).digest();
        expect(hmacSha256(key, message, 'base64')).toBe(expected.toString('base64'));
        expect(hmacSha256(key, message, 'binary')).toBe(expected.toString('binary'));
      }
    },
  );

  it.each(['', 'abc', 'ü水\u{1f511}', 'é'.repeat(2730), 'é'.repeat(2731), 'x'.repeat(9000)])(
    'of a text is that of its UTF-8 bytes',
    (text) => {
      const key = randomBytes(32);
      const expected = createHmac('sha256', key).update(Buffer.from(text, 'utf8')).digest('base64');
      expect(hmacSha256(key, text, 'base64')).toBe(expected);
    },
  );
});

describe('the pool of randomness', () => {
  it('gives out every byte of the source once and in order', () => {
    let filled = 0;
    const take = createRandomPool((bytes) => {
      for (let i = 0; i < bytes.length; i++) bytes[i] = filled++ & 0xff;
    });
    const taken = Array.from({ length: 2500 }, () => take(16));
    for (const [i, bytes] of taken.entries()) expect([...bytes]).toEqual([...bytes].map((_, j) => (16 * i + j) & 0xff));
    expect(filled).toBe(3 * 16_384);
  });

  it('begins a new block rather than give out one byte twice, and serves wishes beyond its block', () => {
    let fills = 0;
    const take = createRandomPool((bytes) => bytes.fill(++fills));
    const early = take(16_300);
    expect(new Set(early)).toEqual(new Set([1]));
    expect(new Set(take(100))).toEqual(new Set([2]));
    expect(take(20_000)).toHaveLength(20_000);
    expect(new Set(take(100))).toEqual(new Set([2]));
    expect(new Set(early)).toEqual(new Set([1]));
  });

  it('is random by default', () => {
    const take = createRandomPool();
    const seen = new Set(Array.from({ length: 2000 }, () => Buffer.from(take(16)).toString('hex')));
    expect(seen.size).toBe(2000);
  });
});
