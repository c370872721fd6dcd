/** Another thread prepares what this one would: the same events, the same refusals, under the catalogue in force. */
import type { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { parseCatalogue } from '../../src/events/catalogue/parse.ts';
import { readShippedCatalogue } from '../../src/events/catalogue/shipped.ts';
import { fieldTexts, logText } from '../../src/events/contents.ts';
import { createContextSource, type PrepareSettings } from '../../src/events/context-source.ts';
import { MAX_PACKED_LINES } from '../../src/events/packed-lines.ts';
import { type LineOutcome, prepareLines } from '../../src/events/prepare-lines.ts';
import { type OffThreadPreparer, startOffThreadPreparer } from '../../src/events/prepare-off-thread.ts';
import { startWorker } from '../../src/events/start-worker.ts';
import { EventProblem } from '../../src/events/types.ts';
import { bytesOf, DESIGN_EVENT } from '../support/prepare.ts';

const SETTINGS: PrepareSettings = {
  macKeys: { raw: new Uint8Array(32).fill(1), content: new Uint8Array(32).fill(2) },
  allowedCards: new Set(),
  pathsWithoutCatalogue: ['actor.session', 'context.ip'],
  redacts: true,
  searchable: true,
};

const LINES = [
  bytesOf(DESIGN_EVENT),
  bytesOf('{"event_id":'),
  bytesOf({ ...DESIGN_EVENT, event_id: 'é', reason: 'card 4111 1111 1111 1111', details: '\u{1f511} "quoted"' }),
  bytesOf({ ...DESIGN_EVENT, event_id: 'b', outcome: { result: 'perhaps' }, other: 1 }),
  bytesOf({
    event_id: 'c',
    occurred_at: '1970-01-01T00:00:00Z',
    action: 'no.such',
    actor: { type: 'user', id: 'u' },
    outcome: { result: 'success' },
  }),
];

/** What does not depend on chance. */
function facts(outcomes: readonly LineOutcome[]): readonly unknown[] {
  return outcomes.map((one) => {
    if (one instanceof EventProblem) return { faults: one.faults, message: one.message };
    const { contents, cardHash, logCommitment, eventId, action, producerId, producerSeq } = one;
    const { signature, contentMac, terms, occurredAtUs, byteCount } = one;
    return {
      ...{ eventId, action, producerId, producerSeq, signature, contentMac, terms, occurredAtUs, byteCount },
      fields: fieldTexts(contents),
      log: logText(contents),
      sizes: [cardHash.length, logCommitment.length],
    };
  });
}

async function withPreparer(
  work: (preparer: OffThreadPreparer, workers: readonly Worker[]) => Promise<void>,
): Promise<void> {
  const workers: Worker[] = [];
  const file = new URL('../../src/events/prepare-worker', import.meta.url).href;
  const preparer = startOffThreadPreparer(SETTINGS, (workerData) => {
    const worker = startWorker(file, import.meta.url, { workerData });
    workers.push(worker);
    return worker;
  });
  try {
    await work(preparer, workers);
  } finally {
    await preparer.close();
  }
}

describe('lines in another thread', () => {
  it('become what they become here, refused ones among them, for each producer its own', () =>
    withPreparer(async (preparer) => {
      const here = createContextSource(SETTINGS);
      const ids = ['tok_a', 'tok_b', 'tok_a'];
      const contexts = ids.map((id, i) => ({ ...preparer.contextFor(id), clockOffsetUs: i === 0 ? null : -i }));
      const made = await Promise.all(contexts.map((context) => preparer.prepareLines(LINES, context)));
      for (const [i, outcomes] of made.entries()) {
        const { producerId = '', clockOffsetUs = null } = contexts[i] ?? {};
        const expected = prepareLines(LINES, { ...here.contextFor(producerId), clockOffsetUs });
        expect(facts(outcomes)).toEqual(facts(expected));
      }
    }));

  it('are checked against the catalogue in force when they come back', () =>
    withPreparer(async (preparer) => {
      const context = preparer.contextFor('tok_a');
      const before = preparer.prepareLines(LINES.slice(0, 1), context);
      preparer.useCatalogue(parseCatalogue(await readShippedCatalogue('starter')));
      const after = preparer.prepareLines(LINES, context);
      for (const [outcome] of [await before, await after]) {
        if (outcome === undefined || outcome instanceof EventProblem) throw new Error('the event was refused');
        expect(logText(outcome.contents)).toContain('"catalogue":"');
      }
      expect(facts(await after).at(-1)).toMatchObject({ faults: [{ code: 'unknown-action' }] });
    }));

  it('are not lost when the thread dies, however often', () =>
    withPreparer(async (preparer, workers) => {
      for (let death = 0; death < 12; death++) {
        const made = preparer.prepareLines(LINES, preparer.contextFor('tok_a'));
        await workers[death]?.terminate();
        expect(await made).toHaveLength(LINES.length);
      }
      expect(workers).toHaveLength(11);
    }));

  it('are prepared here when it was closed, and bounded in number', () =>
    withPreparer(async (preparer) => {
      const made = preparer.prepareLines(LINES, preparer.contextFor('tok_a'));
      await preparer.close();
      expect(await made).toHaveLength(LINES.length);
      expect(await preparer.prepareLines(LINES, preparer.contextFor('tok_a'))).toHaveLength(LINES.length);
      const many = Array.from({ length: MAX_PACKED_LINES + 1 }, () => new Uint8Array(1));
      await expect(async () => preparer.prepareLines(many, preparer.contextFor('tok_a'))).rejects.toThrow('at once');
    }));
});
