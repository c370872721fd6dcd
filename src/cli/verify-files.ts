/**
 * What `verify` was given, read from the disk file by file and judged where every verifier judges (proofs/judge-file.ts).
 * Only the policy, the pin and the time that were given count.
 */
import { readFile } from 'node:fs/promises';
import { createFileJudge, type FileReport, type JudgeOptions } from '../../proofs/judge-file.ts';
import type { CheckedEvent } from '../../proofs/opened-event.ts';
import { inflate } from '../evidence/read-zip.ts';
import { nativeHasher } from '../store/native-hasher.ts';
import { CliError, messageOf, systemCode } from './errors.ts';
import type { EvidencePair } from './evidence-files.ts';

export interface PinnedFiles {
  readonly policyText: string;
  readonly pin?: Uint8Array;
  /** Seconds. */
  readonly at?: number;
}

/** Told of the matches of a bundle, for whoever lists them. */
export type OnMatch = (event: CheckedEvent) => void;

export type FileVerifier = (pair: EvidencePair) => Promise<FileReport>;

export function createFileVerifier(pinned: PinnedFiles, onMatch: OnMatch = () => undefined): FileVerifier {
  const { policyText, pin, at } = pinned;
  const onEvent: JudgeOptions['onEvent'] = (event, result) => {
    if (result === 'match') onMatch(event);
  };
  const judge = createFileJudge({ policy: policyText, pin, at }, { inflate, hasher: nativeHasher, onEvent });
  return async ({ event, receipt }) => {
    const bytes = await readIfThere(event);
    if (bytes === undefined) return missing(event, `there is no ${event} beside its receipt`);
    return judge({ name: event, bytes, receipt: await readIfThere(receipt) });
  };
}

function missing(file: string, reason: string): FileReport {
  return { file, kind: 'opened-event', verdict: 'INCOMPLETE', reason, claims: [], notes: [] };
}

async function readIfThere(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new CliError('unreadable-input', `cannot read ${file}: ${messageOf(error)}`);
  }
}
