/** A log to test with: real stages on the store of the test's choice, witnesses that cosign in the same process. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalJson, type JsonValue } from '../../proofs/canonical-json.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { cosign } from '../../proofs/cosignature.ts';
import { nobleHasher } from '../../proofs/hash.ts';
import { makeSignerKey, type SignerKey, verifierKeyOf } from '../../proofs/key.ts';
import { formatSignatureLines } from '../../proofs/note.ts';
import { commitTexts } from '../../src/events/commit.ts';
import type { Prepared } from '../../src/events/types.ts';
import { openLog } from '../../src/log/audit-log.ts';
import type { OpenLogOptions } from '../../src/log/options.ts';
import { type OpenRawLogOptions, openRawLog } from '../../src/log/raw-log.ts';
import type { Log, RawLog, TreeLog } from '../../src/log/types.ts';

export const ORIGIN = 'log.example/test';

export interface TestKeys {
  readonly signers: readonly SignerKey[];
  readonly witnesses: readonly SignerKey[];
  readonly policyText: string;
}

/** Keys from fixed seeds: an Ed25519 log key and `count` Ed25519 witnesses, of which `threshold` make the quorum. */
export function testKeys(count = 3, threshold = 2, origin = ORIGIN): TestKeys {
  const seed = (n: number): Uint8Array => new Uint8Array(32).fill(n);
  const signers = [makeSignerKey(origin, 1, seed(1))];
  const witnesses = Array.from({ length: count }, (_, i) =>
    makeSignerKey(`witness.example/w${i + 1}`, 4, seed(100 + i)),
  );
  const lines = signers.map((signer) => `log ${verifierKeyOf(signer).vkey}`);
  for (const [i, witness] of witnesses.entries()) lines.push(`witness w${i + 1} ${verifierKeyOf(witness).vkey}`);
  if (count > 0) lines.push(`group all-witnesses ${threshold} ${witnesses.map((_, i) => `w${i + 1}`).join(' ')}`);
  lines.push(count > 0 ? 'quorum all-witnesses' : 'quorum none');
  return { signers, witnesses, policyText: `${lines.join('\n')}\n` };
}

export interface TestLog {
  readonly log: Log;
  readonly keys: TestKeys;
  readonly directory: string;
}

export async function openTestLog(
  directory: string,
  options: Partial<OpenLogOptions> & { readonly keys?: TestKeys } = {},
): Promise<TestLog> {
  const { keys = testKeys(), ...rest } = options;
  const log = await openLog({
    name: 'test',
    origin: ORIGIN,
    directory,
    signers: keys.signers,
    policyText: keys.policyText,
    ...rest,
    limits: { signIntervalMs: 5, headPatienceMs: 20, ...rest.limits },
  });
  return { log, keys, directory };
}

export interface TestRawLog {
  readonly log: RawLog;
  readonly keys: TestKeys;
}

export async function openTestRawLog(
  directory: string,
  options: Partial<OpenRawLogOptions> & { readonly keys?: TestKeys } = {},
): Promise<TestRawLog> {
  const { keys = testKeys(), ...rest } = options;
  const log = await openRawLog({
    ...{ name: 'test', origin: ORIGIN, directory, signers: keys.signers, policyText: keys.policyText },
    deduplicate: true,
    ...rest,
    limits: { signIntervalMs: 5, headPatienceMs: 20, ...rest.limits },
  });
  return { log, keys };
}

/** Runs `work` in a fresh directory that is gone afterwards. */
export async function withDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-test-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Cosigns the log's newest head with these witnesses and hands the lines in. */
export async function cosignHead(
  log: TreeLog,
  witnesses: readonly SignerKey[],
  timestamp = nowSeconds(),
): Promise<void> {
  const head = log.head();
  if (head === undefined) throw new Error('the log has signed no head yet');
  const { checkpoint } = parseCheckpoint(head);
  const lines = formatSignatureLines(witnesses.map((witness) => cosign(checkpoint, witness, timestamp)));
  await log.addCosignatures(new TextEncoder().encode(head + lines));
}

/** Waits until the log has signed its whole tree, and cosigns that head. */
export async function publishAll(log: TreeLog, keys: TestKeys): Promise<void> {
  await until(() => log.head() !== undefined && log.signedSize() === log.treeSize());
  await cosignHead(log, keys.witnesses);
}

const MAX_WAIT_MS = 10_000;

/** Waits for a condition, looking every few milliseconds; fails after ten seconds unless told otherwise. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what = 'the condition',
  maxWaitMs = MAX_WAIT_MS,
): Promise<void> {
  const deadline = Date.now() + maxWaitMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${maxWaitMs} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A prepared event with a few fields: `content` makes its body, `actor` and `action` become search terms. */
export function preparedEvent(
  eventId: string,
  content: { readonly [member: string]: JsonValue } = {},
  producerId = 'tok_test',
): Prepared {
  const event: { readonly [member: string]: JsonValue } = { action: 'test.run', event_id: eventId, ...content };
  const fields = Object.keys(event)
    .sort()
    .map((id) => [id, canonicalJson(event[id] ?? null)] as const);
  const logValueText = canonicalJson({ catalogue: null, raw: 'AA==' });
  const text = canonicalJson(event);
  return {
    eventId,
    action: String(event['action']),
    producerId,
    producerSeq: null,
    ...commitTexts(fields, logValueText, new Uint8Array(randomBytes(16 * (fields.length + 1)))),
    signature: null,
    contentMac: nobleHasher.sha256(new TextEncoder().encode(text)).slice(0, 16),
    terms: fields.map(([id, value]) => `${id}=${value}`),
    occurredAtUs: 0,
    byteCount: text.length,
  };
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
