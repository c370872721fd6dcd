/** Entries for raw logs: 200 bytes that no two numbers of one run share, with the number in them so that it is found again. */
import { Buffer } from 'node:buffer';

export const RAW_ENTRY_BYTES = 200;
const RUN_BYTES = 32;
const NUMBER_DIGITS = 12;
const HEAD_BYTES = RUN_BYTES + NUMBER_DIGITS;

/** `run` is at most 32 characters of ASCII, and part of each entry: other runs make other entries. */
export function rawEntry(run: string, number: number): Buffer {
  const entry = Buffer.alloc(RAW_ENTRY_BYTES);
  writeRawEntry(run, number, entry, 0);
  return entry;
}

/** The same into a buffer. What is not the number looks random, as hashes and signatures do: it does not compress. */
export function writeRawEntry(run: string, number: number, into: Buffer, at: number): void {
  into.write(run.padEnd(RUN_BYTES), at, 'latin1');
  into.write(String(number).padStart(NUMBER_DIGITS, '0'), at + RUN_BYTES, 'latin1');
  let state = number | 0;
  for (let i = at + HEAD_BYTES; i < at + RAW_ENTRY_BYTES; i += 4) {
    state = (state + 0x6d2b79f5) | 0;
    const mixed = Math.imul(state ^ (state >>> 15), state | 1);
    into.writeInt32LE(mixed ^ (mixed >>> 13), i);
  }
}

/** The number in an entry of this run; undefined for any other. */
export function rawEntryNumber(run: string, entry: Uint8Array): number | undefined {
  if (entry.length !== RAW_ENTRY_BYTES) return undefined;
  const head = Buffer.from(entry.buffer, entry.byteOffset, HEAD_BYTES).toString('latin1');
  return head.startsWith(run.padEnd(RUN_BYTES)) ? Number(head.slice(RUN_BYTES)) : undefined;
}
