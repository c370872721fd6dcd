/** The queue of the one writer: fair between producers, bounded as a whole and for each. */
import { describe, expect, it } from 'vitest';
import { FairQueue, type Waiting } from '../../src/log/fair-queue.ts';
import { LogError } from '../../src/log/types.ts';
import { openMemoryStore } from '../../src/store/memory.ts';
import { openTestLog, preparedEvent, withDirectory } from '../support/test-log.ts';

interface Named extends Waiting {
  readonly name: string;
}

const BOUNDS = { maxItems: 100, maxBytes: 1_000_000 };

function entry(name: string, itemCount = 1, byteCount = 1): Named {
  return { name, source: name.replace(/\d+$/, ''), itemCount, byteCount };
}

function filled(...names: readonly string[]): FairQueue<Named> {
  const queue = new FairQueue<Named>(BOUNDS);
  for (const name of names) expect(queue.push(entry(name)), name).toBe(true);
  return queue;
}

const namesOf = (entries: readonly Named[]): readonly string[] => entries.map(({ name }) => name);

describe('the queue of a log', () => {
  it('gives each producer its turn, and keeps the order within one', () => {
    const queue = filled('a1', 'a2', 'a3', 'b1', 'b2', 'c1');
    expect(namesOf(queue.take(4))).toEqual(['a1', 'b1', 'c1', 'a2']);
    expect(queue.push(entry('c2'))).toBe(true);
    expect(namesOf(queue.takeAll())).toEqual(['b2', 'a3', 'c2']);
    expect([queue.isEmpty, queue.itemCount]).toEqual([true, 0]);
  });

  it('takes whole submissions, the last one also beyond the number asked for', () => {
    const queue = new FairQueue<Named>(BOUNDS);
    for (const name of ['a1', 'b1', 'a2']) queue.push(entry(name, 10));
    expect(namesOf(queue.take(11))).toEqual(['a1', 'b1']);
    expect(queue.itemCount).toBe(10);
  });

  it('keeps room for others when one producer sends without end', () => {
    const queue = new FairQueue<Named>(BOUNDS);
    let taken = 0;
    while (queue.push(entry(`greedy${taken}`))) taken += 1;
    expect(taken).toBe(50);
    for (let i = 0; i < 10; i++) expect(queue.push(entry(`quiet${i}`)), `${i}`).toBe(true);
    expect(queue.push(entry('greedy50'))).toBe(false);
  });

  it('is bounded in bytes as in items, and as a whole', () => {
    const queue = new FairQueue<Named>({ maxItems: 100, maxBytes: 100 });
    expect(queue.push(entry('a1', 1, 101))).toBe(false);
    expect(queue.push(entry('a1', 1, 50))).toBe(true);
    expect(queue.push(entry('a2', 1, 1))).toBe(false);
    expect(queue.push(entry('b1', 1, 33))).toBe(true);
    expect(queue.push(entry('c1', 1, 25))).toBe(false);
    queue.takeAll();
    expect(queue.push(entry('a2', 1, 100))).toBe(true);
  });
});

describe('a log that one producer floods', () => {
  it('refuses that producer, with a time to come back, and takes the other one at once', () =>
    withDirectory(async (directory) => {
      const { log } = await openTestLog(directory, {
        openStore: async () => openMemoryStore(),
        limits: { maxQueuedEvents: 100, maxGroupEvents: 10 },
      });
      try {
        const flood = Array.from({ length: 200 }, (_, i) =>
          log.submit([preparedEvent(`flood-${i}`, {}, 'greedy')]).then(
            () => 'taken' as const,
            (error: unknown) => error,
          ),
        );
        const order: string[] = [];
        const quiet = log.submit([preparedEvent('quiet-1', {}, 'quiet')]);
        void quiet.then(() => order.push('quiet'));
        void Promise.all(flood).then(() => order.push('flood'));
        const outcomes = await Promise.all(flood);
        expect((await quiet)[0]?.status).toBe('accepted');
        expect(order[0]).toBe('quiet');
        const refused = outcomes.filter((outcome) => outcome !== 'taken');
        expect(refused.length).toBeGreaterThan(0);
        for (const error of refused) {
          expect(error).toBeInstanceOf(LogError);
          expect(error).toMatchObject({ code: 'overloaded', details: { retryAfterSeconds: 1 } });
        }
      } finally {
        await log.close();
      }
    }));
});
