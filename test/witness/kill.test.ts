/**
 * `kill -9` at any moment under concurrent load, with logs that show two histories to two clients. Whatever was
 * signed, before or after any number of kills: one root per size, one history per log, never smaller than before.
 *
 *     WITNESS_KILLS=500 WITNESS_SEED=7 npx vitest run test/witness/kill.test.ts
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { base64Encode, utf8Encode } from '../../proofs/bytes.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import type { Hash } from '../../proofs/hash.ts';
import { makeSignerKey, parseVerifierKey, type SignerKey, type VerifierKey, verifierKeyOf } from '../../proofs/key.ts';
import { originHash } from '../../witness/logs.ts';
import { type NaiveTree, naiveTree, platformHasher } from '../support/tree.ts';
import { clientOf } from './support/client.ts';
import { type RunningWitness, startWitness } from './support/process.ts';
import { requestOf, seed, signedHead, verifiedLines } from './support/witness.ts';

const KILLS = Number(process.env['WITNESS_KILLS'] ?? 20);
const SEED = Number(process.env['WITNESS_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const LOGS = 3;
const MAX_ACKNOWLEDGED_PER_LIFE = 60;
/** Both histories of a log begin with this many equal leaves. */
const COMMON_LEAVES = 2;
const LEAVES = COMMON_LEAVES + 64 + KILLS * MAX_ACKNOWLEDGED_PER_LIFE;
const MS_PER_KILL = 10_000;

/** One log that equivocates, and all that the witness ever signed of it. */
interface TwoFacedLog {
  readonly origin: string;
  readonly signer: SignerKey;
  readonly histories: readonly NaiveTree[];
  /** Root by size, of every head that got a signature. */
  readonly signed: Map<number, string>;
  /** Which history was signed beyond the common leaves. */
  readonly chosen: Set<number>;
  largest: number;
}

it(
  `survives ${KILLS} kills under concurrent load without contradicting itself (WITNESS_SEED=${SEED})`,
  async () => {
    const random = mulberry32(SEED);
    const logs = Array.from({ length: LOGS }, (_, i) => twoFacedLog(`log.example/kill-${i}`, 0x60 + i));
    const data = await mkdtemp(join(tmpdir(), 'witness-kill-'));
    let acknowledged = 0;
    try {
      for (let kill = 0; kill < KILLS; kill++) {
        const witness = await start(data, logs);
        const keys = witness.vkeys.map(parseVerifierKey);
        await checkHeld(witness, logs, keys);
        acknowledged += await live(witness, logs, keys, random);
      }
      const last = await start(data, logs);
      await checkHeld(last, logs, last.vkeys.map(parseVerifierKey));
      expect(await last.end('SIGTERM')).toBe(0);
    } finally {
      await rm(data, { recursive: true, force: true });
    }
    // The load was real: the logs grew in every life, and equivocated.
    expect(acknowledged).toBeGreaterThan(KILLS);
    for (const { chosen, largest } of logs) {
      expect(chosen.size).toBe(1);
      expect(largest).toBeGreaterThan(COMMON_LEAVES);
    }
  },
  60_000 + KILLS * MS_PER_KILL,
);

function start(data: string, logs: readonly TwoFacedLog[]): Promise<RunningWitness> {
  const flags = logs.flatMap(({ signer }) => ['--log', verifierKeyOf(signer).vkey]);
  return startWitness(['--data', data, '--name', 'witness.example/kill', '--rate', '1000000', ...flags]);
}

/** Load until enough was acknowledged, then a kill, at a moment that has nothing to do with any answer. */
async function live(
  witness: RunningWitness,
  logs: readonly TwoFacedLog[],
  keys: readonly VerifierKey[],
  random: () => number,
): Promise<number> {
  const life = { over: false, acknowledged: 0 };
  const enough = Math.floor(random() * MAX_ACKNOWLEDGED_PER_LIFE);
  const clients = logs.flatMap((log) =>
    log.histories.map((_, history) => client(witness.url, log, history, keys, life, random)),
  );
  while (life.acknowledged < enough && witness.child.exitCode === null) await pause(1);
  await pause(random() * 5);
  expect(await witness.end('SIGKILL')).toBe('SIGKILL');
  life.over = true;
  await Promise.all(clients);
  return life.acknowledged;
}

/** One client of one history: pushes it forward, learns sizes from 409, repeats itself, until the witness is gone. */
async function client(
  url: string,
  log: TwoFacedLog,
  history: number,
  keys: readonly VerifierKey[],
  life: { over: boolean; acknowledged: number },
  random: () => number,
): Promise<void> {
  const { post } = clientOf(url);
  let old = log.largest;
  while (!life.over) {
    const size = Math.min(LEAVES, old + Math.floor(random() * 3));
    const largestBefore = log.largest;
    let answer: { status: number; body: string };
    try {
      const response = await post('/add-checkpoint', requestFor(log, history, old, size));
      answer = { status: response.status, body: await response.text() };
    } catch {
      return; // killed: whether it was signed is not known to us, and must not matter
    }
    if (answer.status === 200) {
      recordSigned(log, history, size, answer.body, keys);
      expect(size).toBeGreaterThanOrEqual(largestBefore);
      life.acknowledged++;
      old = size;
    } else if (answer.status === 409) {
      old = Number(answer.body);
      expect(old).toBeGreaterThanOrEqual(largestBefore);
    } else {
      expect([422, 503]).toContain(answer.status);
    }
  }
}

function recordSigned(
  log: TwoFacedLog,
  history: number,
  size: number,
  lines: string,
  keys: readonly VerifierKey[],
): void {
  const { checkpoint } = parseCheckpoint(headOf(log, history, size));
  expect(verifiedLines({ body: lines }, checkpoint, keys).length).toBe(keys.length);
  vouchedFor(log, size, checkpoint.root);
  if (size > COMMON_LEAVES) log.chosen.add(history);
  expect(log.chosen.size).toBeLessThanOrEqual(1);
}

/** The oracle: never another root for a size. */
function vouchedFor(log: TwoFacedLog, size: number, root: Hash): void {
  const known = log.signed.get(size) ?? base64Encode(root);
  expect(base64Encode(root), `${log.origin} at size ${size}`).toBe(known);
  log.signed.set(size, known);
  log.largest = Math.max(log.largest, size);
}

/** After a start, what the witness shows is at least as large as all that it signed, and of the same history. */
async function checkHeld(
  witness: RunningWitness,
  logs: readonly TwoFacedLog[],
  keys: readonly VerifierKey[],
): Promise<void> {
  for (const log of logs) {
    const response = await clientOf(witness.url).get(`/${originHash(log.origin)}/checkpoint`);
    if (log.largest === 0 && response.status === 404) continue;
    expect(response.status).toBe(200);
    const text = await response.text();
    const { checkpoint, note } = parseCheckpoint(text);
    expect(checkpoint.size).toBeGreaterThanOrEqual(log.largest);
    const lines = note.signatures.slice(1).map(({ line }) => `${line}\n`);
    expect(verifiedLines({ body: lines.join('') }, checkpoint, keys).length).toBe(keys.length);
    vouchedFor(log, checkpoint.size, checkpoint.root);
    const histories = log.histories.map((tree) => base64Encode(tree.root(0, checkpoint.size)));
    const history = histories.indexOf(base64Encode(checkpoint.root));
    expect(history).toBeGreaterThanOrEqual(0);
    if (checkpoint.size > COMMON_LEAVES) log.chosen.add(history);
    expect(log.chosen.size).toBeLessThanOrEqual(1);
  }
}

function requestFor(log: TwoFacedLog, history: number, old: number, size: number): Uint8Array {
  const proof = old === 0 || old >= size ? [] : (log.histories[history]?.consistency(old, size) ?? []);
  return requestOf({ old: String(old), proof, head: headOf(log, history, size) });
}

function headOf({ origin, signer, histories }: TwoFacedLog, history: number, size: number): string {
  const root = histories[history]?.root(0, size);
  if (root === undefined) throw new Error('no such history');
  return signedHead(signer, { origin, size, root });
}

function twoFacedLog(origin: string, keySeed: number): TwoFacedLog {
  const history = (name: string): NaiveTree =>
    naiveTree(
      Array.from({ length: LEAVES }, (_, i) =>
        platformHasher.leaf(utf8Encode(i < COMMON_LEAVES ? `${i}` : `${name} ${i}`)),
      ),
    );
  return {
    origin,
    signer: makeSignerKey(origin, 1, seed(keySeed)),
    histories: [history('truth'), history('lie')],
    signed: new Map(),
    chosen: new Set(),
    largest: 0,
  };
}

/** A small generator of numbers in [0, 1), the same ones for the same seed. */
function mulberry32(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
