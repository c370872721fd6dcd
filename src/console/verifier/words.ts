/** Words for what verifiers say in short: claims, kinds of files, hashes, times. */
import { hexEncode } from '../../../proofs/bytes.ts';
import type { FileReport } from '../../../proofs/judge-file.ts';

const CLAIMS: Readonly<Record<string, string>> = {
  files: 'The right files, and no others',
  manifest: 'The manifest can be read',
  'log-signature': 'Signed by the log',
  witnesses: 'Cosigned by enough witnesses',
  'existed-by': 'Existed by a certain time',
  pin: 'Extends the head that you kept',
  'manifest-signature': 'The manifest is signed',
  digests: 'Every file is the one that was signed',
  population: 'The whole range is in the tree',
  range: 'The range is the time asked for',
  events: 'The events are what was committed to',
  completeness: 'Nothing is left out',
  matches: 'The events answer the question',
  counts: 'The counts are right',
  related: 'Rules and catalogues are in the tree',
  contents: 'The contents are what was committed to',
  receipt: 'The receipt belongs to the event',
  inclusion: 'The entry is in the tree',
  'producer-signature': 'Signed by the producer',
  fork: 'Two heads that cannot both be true',
  'producer-signatures': 'Signed by the producers',
  commit: 'The sample was ordered beforehand',
  reveal: 'The auditor revealed what was committed to',
  head: 'The head came after the order',
  drand: 'Public randomness is in the seed',
  seed: 'The seed follows from all of these',
  history: 'No earlier try is hidden',
  sample: 'The events are the ones that were drawn',
};

/** A claim without a title is shown by its name. */
export function claimTitle(claim: string): string {
  const words = claim.replaceAll('-', ' ');
  return CLAIMS[claim] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

const KINDS: Readonly<Record<string, string>> = {
  bundle: 'Evidence bundle',
  'opened-event': 'Opened event',
  'tlog-proof': 'Receipt without its event',
  'fork-proof': 'Fork proof',
  checkpoint: 'Checkpoint',
};

export function kindTitle(kind: string): string {
  return KINDS[kind] ?? kind;
}

type Verdict = FileReport['verdict'];

export const VERDICT_MEANING: Readonly<Record<Verdict, string>> = {
  PASS: 'Every claim was checked against your policy, and holds.',
  FAIL: 'At least one claim is false. Do not rely on it.',
  INCOMPLETE: 'Something could not be checked. This is not a pass.',
};

export const RESULT_WORD: Readonly<Record<'pass' | 'fail' | 'incomplete', string>> = {
  pass: 'holds',
  fail: 'false',
  incomplete: 'not checked',
};

/** `3f9a1c…07be`: enough to compare by eye; the whole stands beside it. */
export function shortHash(hash: Uint8Array): string {
  const hex = hexEncode(hash);
  return `${hex.slice(0, 6)}…${hex.slice(-4)}`;
}

/** RFC 3339 in UTC with six decimals; also for a time that no calendar has, which an entry can say. */
export function formatTimeUs(timeUs: number): string {
  const milliseconds = Math.floor(timeUs / 1000);
  const date = new Date(milliseconds);
  if (Number.isNaN(date.getTime())) return `${timeUs} µs since 1970`;
  return `${date.toISOString().slice(0, -1)}${String(timeUs - milliseconds * 1000).padStart(3, '0')}Z`;
}

const BYTES_PER_STEP = 1_024;
const BYTE_UNITS = ['bytes', 'KiB', 'MiB', 'GiB'] as const;

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= BYTES_PER_STEP && unit < BYTE_UNITS.length - 1) {
    value /= BYTES_PER_STEP;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${BYTE_UNITS[unit]}`;
}

export function formatCount(count: number, one: string, many: string): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

/** "entry 7", "entries 0 to 7". */
export function formatLeaves({ start, end }: { readonly start: number; readonly end: number }): string {
  return end - start === 1 ? `entry ${start}` : `entries ${start} to ${end - 1}`;
}
