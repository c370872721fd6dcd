/**
 * What the witness remembers, and what it does when the disk fails, lies or was set back. After each of these it has
 * never signed what it did not record first, and its record never went back.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hexEncode } from '../../proofs/bytes.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { makeSignerKey } from '../../proofs/key.ts';
import { type Cosigner, localCosigner } from '../../witness/cosigner.ts';
import { WitnessError, type WitnessErrorCode } from '../../witness/errors.ts';
import { directoryGuard } from '../../witness/guard.ts';
import { decodeHead, encodeHead, headKey } from '../../witness/head-record.ts';
import { originHash } from '../../witness/logs.ts';
import { memoryRows } from '../../witness/memory-rows.ts';
import { openLevelRows, type RowStore } from '../../witness/rows.ts';
import { WitnessState } from '../../witness/state.ts';
import type { Witness } from '../../witness/witness.ts';
import {
  memoryWitness,
  seed,
  testLog,
  verifiedLines,
  WITNESS_NAME,
  witnessEd25519,
  witnessMldsa44,
} from './support/witness.ts';

const log = testLog();
const fork = testLog({ branch: { at: 3, name: 'another history' } });
const second = testLog({ origin: 'log.example/two', seed: 0x21 });

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'witness-state-'));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

async function statusOf(witness: Witness, body: Uint8Array): Promise<number> {
  const { status, body: text } = await witness.addCheckpoint(body);
  if (status !== 200) expect(text).not.toContain('\u2014 ');
  return status;
}

async function heldSize(witness: Witness, origin = log.origin): Promise<number | undefined> {
  const reply = await witness.monitoredCheckpoint(originHash(origin));
  return reply.status === 200 ? parseCheckpoint(reply.body).checkpoint.size : undefined;
}

async function codeOf(work: Promise<unknown>): Promise<WitnessErrorCode | 'none'> {
  try {
    await work;
    return 'none';
  } catch (error) {
    if (error instanceof WitnessError) return error.code;
    throw error;
  }
}

/** Signs as told, and writes down when. */
function spiedCosigner(events: string[], sign?: () => Promise<void>): Cosigner {
  const { key, sign: signBytes } = localCosigner(witnessEd25519);
  return {
    key,
    sign: async (message) => {
      events.push('sign');
      await sign?.();
      return signBytes(message);
    },
  };
}

describe('recording before signing', () => {
  it('signs only after the fsynced write has returned', async () => {
    const events: string[] = [];
    const memory = memoryRows();
    const openRows = async (): Promise<RowStore> => {
      const rows = await memory.open();
      return {
        ...rows,
        write: async (batch, durability) => {
          await rows.write(batch, durability);
          events.push(`wrote ${durability}`);
        },
      };
    };
    const witness = await memoryWitness([log.known], { openRows, cosigners: [spiedCosigner(events)] });
    expect(await statusOf(witness, log.request(0, 5))).toBe(200);
    expect(await statusOf(witness, log.request(5, 8))).toBe(200);
    await witness.close();
    expect(events).toEqual(['wrote synced', 'sign', 'wrote lazy', 'wrote synced', 'sign', 'wrote lazy']);
  });

  it('answers 500 without a signature when the write fails, and goes on from what is on the disk', async () => {
    const events: string[] = [];
    const memory = memoryRows();
    const witness = await memoryWitness([log.known], { openRows: memory.open, cosigners: [spiedCosigner(events)] });
    expect(await statusOf(witness, log.request(0, 5))).toBe(200);
    events.length = 0;
    memory.faultAt = () => ({ persisted: false });
    expect(await statusOf(witness, log.request(5, 8))).toBe(500);
    expect(events).toEqual([]);
    expect((await witness.health()).healthy).toBe(false);
    memory.faultAt = () => undefined;
    expect(await heldSize(witness)).toBe(5);
    expect(await statusOf(witness, log.request(5, 8))).toBe(200);
    expect((await witness.health()).healthy).toBe(true);
    await witness.close();
  });

  it('believes the disk, not the error, when a failed write took effect after all', async () => {
    const memory = memoryRows();
    const witness = await memoryWitness([log.known], { openRows: memory.open });
    expect(await statusOf(witness, log.request(0, 5))).toBe(200);
    memory.faultAt = () => ({ persisted: true });
    expect(await statusOf(witness, log.request(5, 8))).toBe(500);
    memory.faultAt = () => undefined;
    expect(await statusOf(witness, fork.request(5, 8))).toBe(409);
    expect(await witness.addCheckpoint(log.request(5, 9))).toMatchObject({ status: 409, body: '8\n' });
    expect(await statusOf(witness, log.request(8, 8))).toBe(200);
    await witness.close();
  });

  it('survives each single write failing, with and without effect, and never has two histories', async () => {
    for (const persisted of [false, true]) {
      for (let faulty = 1; faulty <= 12; faulty++) {
        const memory = memoryRows();
        memory.faultAt = (write) => (write === faulty ? { persisted } : undefined);
        const witness = await memoryWitness([log.known], { openRows: memory.open });
        const signed = new Map<number, string>();
        const histories = new Set<string>();
        let held = 0;
        for (const [i, size] of [3, 4, 6, 9, 9, 12].entries()) {
          const liar = i % 2 === 1 ? fork : log;
          for (const branch of [liar, log]) {
            const reply = await witness.addCheckpoint(branch.request(held, size));
            if (reply.status === 200) {
              const { root } = parseCheckpoint(branch.head(size)).checkpoint;
              expect(signed.get(size) ?? hexEncode(root)).toBe(hexEncode(root));
              signed.set(size, hexEncode(root));
              if (size > 3) histories.add(branch === fork ? 'fork' : 'log');
              expect(size).toBeGreaterThanOrEqual(held);
              held = size;
            }
            if (reply.status === 409) {
              expect(Number(reply.body)).toBeGreaterThanOrEqual(held);
              held = Number(reply.body);
            }
          }
        }
        expect(histories.size).toBe(1);
        memory.faultAt = () => undefined;
        const branch = histories.has('fork') ? fork : log;
        expect(await statusOf(witness, branch.request(held, 13)), `write ${faulty}`).toBe(200);
        await witness.close();
      }
    }
  });

  it('answers 500 when no key can sign; the head is held, and gets its signature when a key is back', async () => {
    const failing = { on: true };
    const cosigner = spiedCosigner([], async () => {
      if (failing.on) throw new WitnessError('agent-unavailable', 'gone');
    });
    const witness = await memoryWitness([log.known], { cosigners: [cosigner] });
    expect(await statusOf(witness, log.request(0, 5))).toBe(500);
    expect((await witness.monitoredCheckpoint(originHash(log.origin))).status).toBe(500);
    failing.on = false;
    expect(await heldSize(witness)).toBe(5);
    expect(await statusOf(witness, log.request(5, 5))).toBe(200);
    await witness.close();
  });

  it('answers with the keys that can sign when one cannot', async () => {
    const gone = spiedCosigner([], () => Promise.reject(new Error('gone')));
    const witness = await memoryWitness([log.known], { cosigners: [gone, localCosigner(witnessMldsa44)] });
    const reply = await witness.addCheckpoint(log.request(0, 5));
    const lines = verifiedLines(reply, parseCheckpoint(log.head(5)).checkpoint, witness.keys);
    expect(lines.map(({ key }) => key.type)).toEqual([6]);
    expect(await witness.metrics.text()).toContain('countersign_witness_signing_failures_total 1');
    await witness.close();
  });
});

describe('requests at the same time', () => {
  it('lets exactly one of many updates from the same size win, and tells the others its size', async () => {
    const witness = await memoryWitness([log.known]);
    await witness.addCheckpoint(log.request(0, 5));
    const sizes = [6, 7, 8, 9, 10, 11, 12, 13];
    const replies = await Promise.all(sizes.map((size) => witness.addCheckpoint(log.request(5, size))));
    const winners = replies.filter(({ status }) => status === 200);
    const size = await heldSize(witness);
    expect(winners.length).toBe(1);
    for (const reply of replies)
      if (reply.status !== 200) expect(reply).toMatchObject({ status: 409, body: `${size}\n` });
    await witness.close();
  });

  it('does not let one log wait for another', async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let first = true;
    const cosigner = spiedCosigner([], async () => {
      if (!first) return;
      first = false;
      await held;
    });
    const witness = await memoryWitness([log.known, second.known], { cosigners: [cosigner] });
    const slow = witness.addCheckpoint(log.request(0, 5));
    expect(await statusOf(witness, second.request(0, 5))).toBe(200);
    expect(await statusOf(witness, second.request(5, 8))).toBe(200);
    release();
    expect((await slow).status).toBe(200);
    await witness.close();
  });

  it('tells those who would wait too long to come back, and loses none of the others', async () => {
    const witness = await memoryWitness([log.known]);
    const replies = await Promise.all(Array.from({ length: 100 }, () => witness.addCheckpoint(log.request(0, 5))));
    const count = (status: number): number => replies.filter((reply) => reply.status === status).length;
    expect([count(200), count(409), count(503)]).toEqual([1, 63, 36]);
    expect(replies.find(({ status }) => status === 503)?.retryAfterSeconds).toBe(1);
    expect(await statusOf(witness, log.request(5, 6))).toBe(200);
    await witness.close();
  });

  it('finishes what was begun before it closes, and refuses afterwards', async () => {
    const rows = join(directory, 'db');
    const witness = await memoryWitness([log.known], { openRows: () => openLevelRows(rows) });
    const begun = witness.addCheckpoint(log.request(0, 5));
    await witness.close();
    expect((await begun).status).toBe(200);
    expect((await witness.addCheckpoint(log.request(5, 6))).status).toBe(503);
    const again = await memoryWitness([log.known], { openRows: () => openLevelRows(rows) });
    expect(await heldSize(again)).toBe(5);
    await again.close();
  });
});

describe('on a real disk', () => {
  const open = async (): Promise<Witness> =>
    memoryWitness([log.known, second.known], {
      openRows: () => openLevelRows(join(directory, 'db')),
      guard: await directoryGuard(join(directory, 'guard'), (error) => {
        throw error;
      }),
    });

  it('goes on where it stopped, with the very lines that it gave', async () => {
    const witness = await open();
    const { body } = await witness.addCheckpoint(log.request(0, 5));
    await witness.close();
    const again = await open();
    expect((await again.monitoredCheckpoint(originHash(log.origin))).body).toBe(`${log.head(5)}${body}`);
    expect(await statusOf(again, fork.request(5, 5))).toBe(422);
    expect(await statusOf(again, log.request(5, 8))).toBe(200);
    await again.close();
  });

  it('makes its lines again where a crash came before they were written down', async () => {
    const memory = memoryRows();
    const first = await memoryWitness([log.known], { openRows: memory.open });
    await first.addCheckpoint(log.request(0, 5));
    const key = hexEncode(headKey(log.origin));
    const record = decodeHead(headKey(log.origin), memory.stored.get(key) ?? new Uint8Array(0));
    memory.stored.set(key, encodeHead({ ...record, cosignatures: [] }));
    const again = await memoryWitness([log.known], { openRows: memory.open });
    const { body } = await again.monitoredCheckpoint(originHash(log.origin));
    const lines = body.slice(log.head(5).length);
    expect(verifiedLines({ body: lines }, parseCheckpoint(body).checkpoint, again.keys).length).toBe(1);
  });

  it('signs the head it holds with its new keys after they were changed', async () => {
    const memory = memoryRows();
    const first = await memoryWitness([log.known], { openRows: memory.open });
    await first.addCheckpoint(log.request(0, 5));
    const changed = localCosigner(makeSignerKey(WITNESS_NAME, 4, seed(0x55)));
    const again = await memoryWitness([log.known], { openRows: memory.open, cosigners: [changed] });
    const { body } = await again.monitoredCheckpoint(originHash(log.origin));
    const lines = verifiedLines({ body: body.slice(log.head(5).length) }, parseCheckpoint(body).checkpoint, again.keys);
    expect(lines.map(({ key }) => key.keyId)).toEqual([changed.key.keyId]);
  });

  it('refuses to open a second time while it is open', async () => {
    const witness = await open();
    expect(await codeOf(open())).toBe('store-locked');
    await witness.close();
  });

  it('refuses to start on a record with any flipped bit', async () => {
    const memory = memoryRows();
    await (await memoryWitness([log.known], { openRows: memory.open })).addCheckpoint(log.request(0, 5));
    const key = hexEncode(headKey(log.origin));
    const good = memory.stored.get(key) ?? new Uint8Array(0);
    for (let at = 0; at < good.length; at += 7) {
      memory.stored.set(key, good.with(at, (good[at] ?? 0) ^ (1 << (at % 8))));
      expect(await codeOf(memoryWitness([log.known], { openRows: memory.open })), `byte ${at}`).toBe('state-corrupt');
    }
    memory.stored.set(key, good);
    memory.stored.set(hexEncode(headKey('some.other/origin')), good);
    expect(await codeOf(memoryWitness([log.known], { openRows: memory.open }))).toBe('state-corrupt');
  });

  it('refuses to start when the database was deleted, set back, or lost its write-ahead log', async () => {
    const witness = await open();
    await witness.addCheckpoint(log.request(0, 5));
    await witness.addCheckpoint(second.request(0, 3));
    await witness.close();
    const database = join(directory, 'db');
    const copy = new Map<string, Buffer>();
    for (const name of await readdir(database)) copy.set(name, await readFile(join(database, name)));
    const restore = async (change: (name: string, bytes: Buffer) => Buffer | undefined): Promise<void> => {
      await rm(database, { recursive: true });
      await mkdir(database);
      for (const [name, bytes] of copy) {
        const kept = change(name, bytes);
        if (kept !== undefined) await writeFile(join(database, name), kept);
      }
    };

    const later = await open();
    await later.addCheckpoint(log.request(5, 9));
    await later.close();

    await restore((_, bytes) => bytes);
    expect(await codeOf(open())).toBe('state-lost');
    await restore((name, bytes) => (name.endsWith('.log') ? Buffer.alloc(0) : bytes));
    expect(await codeOf(open())).toBe('state-lost');
    await rm(database, { recursive: true });
    expect(await codeOf(open())).toBe('state-lost');
  });

  it('says what it held and what the guard saw, so that an operator can act', async () => {
    const guard = await directoryGuard(join(directory, 'guard'), () => {});
    guard.note({ origin: log.origin, size: 7, root: log.tree.root(0, 7) });
    await guard.settle();
    const opening = WitnessState.open({ openRows: () => openLevelRows(join(directory, 'db')), guard });
    await expect(opening).rejects.toThrow(/no head for "log\.example\/one".*recorded size 7.*retire these keys/);
  });

  it('takes a guard file without contents for one that lags, and refuses one that is not readable', async () => {
    await (await open()).close();
    const path = join(directory, 'guard', `${originHash(log.origin)}.head`);
    await writeFile(path, '');
    await (await open()).close();
    await writeFile(path, 'log.example/one\nseven\n');
    expect(await codeOf(open())).toBe('state-corrupt');
  });
});
