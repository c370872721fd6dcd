/** A log that came back from a mirror without contents: no answer passes over what it cannot hold the question against. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { verifyBundle } from '../../proofs/verify-bundle.ts';
import { openEvidenceDesk } from '../../src/evidence/desk.ts';
import { readBundleZip } from '../../src/evidence/read-zip.ts';
import type { Log } from '../../src/log/types.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import type { Principal } from '../../src/trail/access.ts';
import { csvForm, exportRows, ndjsonForm } from '../../src/trail/export.ts';
import { countLost, unevaluatedBy } from '../../src/trail/lost-contents.ts';
import { parseQuery } from '../../src/trail/query.ts';
import { openAnswer } from '../../src/trail/search.ts';
import { openTrail, type Trail } from '../../src/trail/trail.ts';
import { testContexts } from '../support/http.ts';
import { HASH, lostLogWorld, type World } from '../support/lost-log.ts';
import { preparedEvent, until } from '../support/test-log.ts';

const LOST = 12;
const AUDITOR: Principal = { id: 'tok_auditor', role: 'auditor', producerId: null, scope: null };

let directory = '';
let world: World;
let log: Log;
let trail: Trail;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'countersign-lost-'));
  world = await lostLogWorld(directory);
  const before = await world.open();
  await before.submit(Array.from({ length: LOST }, (_, i) => preparedEvent(`event-${i}`)));
  await until(async () => (await world.mirror.health()).logs[0]?.size === LOST, 'the mirror has it');
  for (const witness of world.witnesses.values()) {
    await until(async () => {
      const { body, status } = await witness.monitoredCheckpoint(HASH);
      return status === 200 && parseCheckpoint(body).checkpoint.size === LOST;
    }, 'the witness has it');
  }
  await world.lose();
  await world.restore();
  log = await world.open();
  await log.submit(Array.from({ length: 3 }, (_, i) => preparedEvent(`later-${i}`)));
  let ids = 0;
  trail = await openTrail({ log, prepareContext: testContexts(), newId: () => `own-${++ids}` });
}, 60_000);
afterAll(async () => {
  await trail.close();
  await world.close();
  await rm(directory, { recursive: true, force: true });
});

const answerTo = (query: string) => openAnswer(log, { query: parseQuery(query), scope: null }, log.treeSize());

async function exported(query: string, form: typeof csvForm): Promise<string> {
  const answer = await answerTo(query);
  const unevaluated = unevaluatedBy(answer, trail.lostBefore);
  const summary = { size: log.treeSize(), ...(unevaluated !== undefined && { unevaluated }) };
  let text = '';
  for await (const rows of exportRows(log, answer, summary, form, () => 'failed')) text += rows;
  return text;
}

describe('contents that were lost', () => {
  it('are counted when the trail opens', async () => {
    expect(trail.lostBefore).toBe(LOST);
    const none = { treeSize: () => 3, eventsAt: async () => [] };
    expect(await countLost(none)).toBe(0);
  });

  it('are named by an answer that could have held them, and not by one about a later time', async () => {
    expect(unevaluatedBy(await answerTo('outcome:success'), trail.lostBefore)).toEqual({ from: 0, to: LOST });
    expect(unevaluatedBy(await answerTo(''), trail.lostBefore)).toBeUndefined();
    const [later] = await log.eventsAt([LOST]);
    const from = new Date(Math.ceil((later?.logTime ?? 0) / 1000)).toISOString();
    expect(unevaluatedBy(await answerTo(`outcome:success from:${from}`), trail.lostBefore)).toBeUndefined();
  });

  it('make an export end as incomplete, and are marked in one that has them', async () => {
    const filtered = await exported('outcome:success', ndjsonForm({ withOpenings: false }));
    expect(JSON.parse(filtered.trim().split('\n').at(-1) ?? '')).toMatchObject({
      ...{ complete: false, failure: 'contents-lost', unevaluated: { from: 0, to: LOST } },
    });
    expect(await exported('outcome:success', csvForm)).toContain('"#incomplete"');
    const all = await exported('', ndjsonForm({ withOpenings: true }));
    const [first = '', ...rest] = all.trim().split('\n');
    expect(JSON.parse(first)).toMatchObject({ contents_lost: true, opened: { contents_lost: true } });
    expect(JSON.parse(rest.at(-1) ?? '')).toMatchObject({ complete: true });
  });

  it('make a complete bundle complete except for them, by index', async () => {
    const desk = await openEvidenceDesk({
      ...{ log, trail, signers: [world.signer], directory: path.join(directory, 'desk'), hasher: nativeHasher },
      newId: () => 'bundle-1',
    });
    const { id } = await desk.request({ query: parseQuery('outcome:success'), scope: null }, AUDITOR);
    await until(() => desk.status(id, AUDITOR).current.state !== 'building', 'the bundle');
    const files = readBundleZip(await readFile(desk.open(id, AUDITOR).file));
    const verdict = verifyBundle({ files, policy: world.policyText });
    expect(verdict).toMatchObject({ verdict: 'INCOMPLETE', unevaluated: LOST });
    expect(verdict.reason).toContain('0 (its contents are lost)');
    await desk.close();
  });
});
