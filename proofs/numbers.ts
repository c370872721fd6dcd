/**
 * Tree sizes, indices and timestamps: canonical ASCII decimals and checked safe integers. C2SP formats allow sizes
 * up to 2^63−1; this implementation refuses those above 2^53−1 with a code of their own, `size-too-large`, and never
 * rounds one.
 */
import { ProofError } from './errors.ts';

/** 20 digits hold every unsigned 64-bit number; longer text is not a number in any of our formats. */
const MAX_DECIMAL_DIGITS = 20;
const MAX_UINT64 = 0xffffffffffffffffn;

/**
 * A canonical unsigned ASCII decimal: no sign, no leading zero, no space.
 * Throws `invalid-number`, or `size-too-large` above 2^53−1 (and within 64 bits).
 */
export function parseDecimal(text: string, what: string): number {
  if (text.length > MAX_DECIMAL_DIGITS || !/^(0|[1-9][0-9]*)$/.test(text)) {
    throw new ProofError('invalid-number', `${what} is not a canonical decimal number`);
  }
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  if (BigInt(text) > MAX_UINT64) throw new ProofError('invalid-number', `${what} does not fit 64 bits`);
  throw new ProofError('size-too-large', `${what} is above 2^53-1, the largest that this implementation supports`);
}

/** Refuses anything but a safe unsigned integer; returns it, so that a value can be checked where it is used. */
export function assertSize(value: number, what: string): number {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new ProofError('invalid-argument', `${what} is not an unsigned safe integer`);
  }
  return value;
}

/** Refuses an index that is not in a tree of this size: 0 ≤ index < size. */
export function assertIndex(index: number, size: number): number {
  assertSize(index, 'index');
  assertSize(size, 'size');
  if (index >= size) throw new ProofError('invalid-argument', `index ${index} is not below the tree size ${size}`);
  return index;
}
