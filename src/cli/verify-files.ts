/**
 * What `verify` was given, read from the disk file by file and judged where every verifier judges (proofs/judge-file.ts).
 * Only the policy, the pin and the time that were given count.
 */
import { readFile } from 'node:fs/promises';
import { MANIFEST_FILE } from '../../proofs/bundle.ts';
import { createFileJudge, type FileReport } from '../../proofs/judge-file.ts';
import { parseManifest } from '../../proofs/manifest.ts';
import { verifyFast } from '../events/native-ed25519.ts';
import { type Answer, AnswerBook } from '../evidence/answer.ts';
import { inflate } from '../evidence/read-zip.ts';
import { nativeHasher } from '../store/native-hasher.ts';
import { CliError, messageOf, systemCode } from './errors.ts';
import type { EvidencePair } from './evidence-files.ts';

export interface PinnedFiles {
  readonly policyText: string;
  readonly pin?: Uint8Array;
  /** Seconds. */
  readonly at?: number;
  /** For opened events alone. */
  readonly producerKey?: Uint8Array;
}

/** A report, and what the evidence says, if it does not fail and was asked for. */
export interface AnsweredReport extends FileReport {
  readonly answer?: Answer;
}

export type FileVerifier = (pair: EvidencePair) => Promise<AnsweredReport>;

/** Answers hold the first `maxEvents` events of all files together; with 0 there are none. */
export function createFileVerifier({ policyText, pin, at, producerKey }: PinnedFiles, maxEvents = 0): FileVerifier {
  let room = maxEvents;
  let book = new AnswerBook(room);
  let manifest: Uint8Array | undefined;
  const judge = createFileJudge(
    { policy: policyText, pin, at, verifiers: { ed25519: verifyFast } },
    {
      ...{ inflate, hasher: nativeHasher, producerKey },
      onFiles: (files) => {
        manifest = files.get(MANIFEST_FILE);
      },
      onEvent: (event, result) => book.takeEvent(event, result),
      onRelated: (event) => book.takeRelated(event),
    },
  );
  return async ({ event, receipt }) => {
    const bytes = await readIfThere(event);
    if (bytes === undefined) return missing(event, `there is no ${event} beside its receipt`);
    book = new AnswerBook(room);
    manifest = undefined;
    const report = judge({ name: event, bytes, receipt: await readIfThere(receipt) });
    if (maxEvents === 0 || !ANSWERING.has(report.kind) || report.verdict === 'FAIL') return report;
    const answer = book.answer(manifest && parseManifest(manifest));
    room -= answer.events.length;
    return { ...report, answer };
  };
}

/** What can answer a question. */
const ANSWERING: ReadonlySet<FileReport['kind']> = new Set(['bundle', 'opened-event']);

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
