/**
 * The witness's rows in memory, with faults on demand: for tests, and for a conformance run that needs no disk. A
 * write can fail without effect, or fail although it took effect; the witness has to survive both.
 */
import { compareBytes, hexDecode, hexEncode } from '../proofs/bytes.ts';
import { WitnessError } from './errors.ts';
import type { OpenRows, RowStore } from './rows.ts';

export interface WriteFault {
  /** The rows are kept although the writer is told that they were not. */
  readonly persisted: boolean;
}

export interface MemoryRows {
  readonly open: OpenRows;
  /** What is stored, by hexadecimal key, for a test to look at or to damage. */
  readonly stored: Map<string, Uint8Array>;
  /** Called before each write, with its number from 1 on; an answer makes the write fail that way. */
  faultAt: (write: number) => WriteFault | undefined;
}

export function memoryRows(): MemoryRows {
  const stored = new Map<string, Uint8Array>();
  let writes = 0;
  const memory: MemoryRows = { stored, faultAt: () => undefined, open: async () => store };
  const store: RowStore = {
    list: async (kind) =>
      [...stored]
        .map(([key, value]) => ({ key: hexDecode(key), value }))
        .filter(({ key }) => key[0] === kind)
        .sort((a, b) => compareBytes(a.key, b.key)),
    write: async (rows) => {
      writes++;
      const fault = memory.faultAt(writes);
      if (fault === undefined || fault.persisted) {
        for (const { key, value } of rows) stored.set(hexEncode(key), value.slice());
      }
      if (fault !== undefined) throw new WitnessError('store-failed', `injected fault at write ${writes}`);
    },
    close: async () => {},
  };
  return memory;
}
