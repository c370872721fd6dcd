/** The raw log of a benchmark: made in a directory, or opened again, with both keys and without witnesses. */
import { join } from 'node:path';
import { SIGNATURE_TYPE } from '../../proofs/key.ts';
import { createLog, loadLogIfExists } from '../../src/cli/init.ts';
import { openRawLog } from '../../src/log/raw-log.ts';
import type { RawLog } from '../../src/log/types.ts';
import { rawEntry } from './raw-entries.ts';
import type { RawSettings } from './server-process.ts';

export const RAW_LOG_NAME = 'raw';
const ORIGIN = 'bench.example/raw';

export interface BenchRawLog {
  readonly log: RawLog;
  /** Its Ed25519 key. */
  readonly vkey: string;
}

export async function openBenchRawLog(directory: string, { deduplicate }: RawSettings): Promise<BenchRawLog> {
  const { signers, vkeys } =
    (await loadLogIfExists(directory, RAW_LOG_NAME)) ??
    (await createLog(directory, { name: RAW_LOG_NAME, origin: ORIGIN, kind: 'raw', open: true, deduplicate }));
  const log = await openRawLog({
    ...{ name: RAW_LOG_NAME, origin: ORIGIN, directory: rawLogDirectory(directory), signers, deduplicate },
    policyText: `${vkeys.map((vkey) => `log ${vkey}\n`).join('')}quorum none\n`,
  });
  const at = signers.findIndex(({ type }) => type === SIGNATURE_TYPE.ed25519);
  return { log, vkey: vkeys[at] ?? '' };
}

/** Entries of one group, and groups under way: one being written, one being planned. */
const GROUP_ENTRIES = 1_000;
const GROUPS_UNDER_WAY = 3;

/** The run of the entries that `fillRawLog` makes (raw-entries.ts): the entry at each index has the index as its number. */
export const FILL_RUN = 'filled';

/** Makes the log as large as this, straight into it: from outside, ten million entries take an hour. */
export async function fillRawLog(log: RawLog, leaves: number): Promise<void> {
  let next = log.treeSize();
  const sender = async (): Promise<void> => {
    while (next < leaves) {
      const from = next;
      next = Math.min(leaves, from + GROUP_ENTRIES);
      await log.add(Array.from({ length: next - from }, (_, i) => rawEntry(FILL_RUN, from + i)));
    }
  };
  await Promise.all(Array.from({ length: GROUPS_UNDER_WAY }, sender));
}

/** Where its database is. */
export function rawLogDirectory(directory: string): string {
  return join(directory, 'logs', RAW_LOG_NAME);
}
