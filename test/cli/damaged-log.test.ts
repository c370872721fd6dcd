/**
 * What an engineer does with a damaged log, by the command line and on a real disk: examine it, put it right, make its guard
 * again, and, when all is lost, begin anew.
 */
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serve } from '../../src/cli/serve.ts';
import { prepareEvent } from '../../src/events/prepare.ts';
import { chunkKey, idKey } from '../../src/log/rows.ts';
import { openLevelStore } from '../../src/store/leveldb.ts';
import { type DataLog, flipped, makeDataLog, ORIGIN, PRODUCER } from '../support/data-log.ts';
import { bytesOf, DESIGN_EVENT } from '../support/prepare.ts';

let data: string;
let directory: string;
let run: DataLog['run'];
let serving: DataLog['serving'];
let grow: DataLog['grow'];
let alter: DataLog['alter'];
let remove: DataLog['remove'];

beforeEach(async () => {
  ({ data, directory, run, serving, grow, alter, remove } = await makeDataLog());
});
afterEach(() => remove());

function ownActions(): Promise<readonly string[]> {
  return serving(async ({ log }) => {
    const stored = await log.eventsAt(Array.from({ length: log.treeSize() }, (_, i) => i));
    return stored.map(({ fields }) => fields.find(({ id }) => id === 'action')?.opening?.value ?? '');
  });
}

describe('fsck and repair on the command line', () => {
  it('find nothing wrong with a whole log', async () => {
    await grow('e', 300);
    const { code, out } = await run('fsck');
    expect(code, out).toBe(0);
    expect(out).toMatch(/guard file, size \d+: agrees/);
    expect((await run('repair')).json).toBeDefined();
  });

  it('name what is damaged, put back what a copy has, and tell of it in an entry', async () => {
    await grow('e', 300);
    const copy = path.join(data, 'copy');
    await cp(directory, copy, { recursive: true });
    const store = await openLevelStore(path.join(directory, 'db'));
    const [last] = await store.range({
      gte: chunkKey('entries', 0),
      lt: chunkKey('entries', 2 ** 40),
      reverse: true,
      limit: 1,
    });
    await store.close();
    if (last === undefined) throw new Error('there are no entries');
    await alter(last.key, flipped(60));
    await alter(chunkKey('disclosures', 64), flipped(90));
    await alter(idKey('e17', PRODUCER), () => undefined);
    await expect(serving(async () => undefined)).rejects.toThrow(/entry \d+ was altered/);

    const examined = await run('fsck', '--json');
    expect(examined.code).toBe(1);
    const kinds = (examined.json()['damages'] as { kind: string }[]).map(({ kind }) => kind).sort();
    expect(kinds).toEqual(['contents-altered', 'entry-altered', 'id-missing']);
    const people = await run('fsck');
    expect(people.out).toMatch(/DAMAGED {4}entry-altered: \d+/);
    expect(people.out).toContain('to do: countersign repair --from');

    const alone = await run('repair');
    expect(alone.code).toBe(1);
    expect(alone.out).toMatch(/1 event ids/);
    const repaired = await run('repair', '--from', copy);
    expect(repaired.code, repaired.out).toBe(0);
    expect((await run('fsck')).code).toBe(0);
    expect((await ownActions()).filter((action) => action === '"countersign.repair"')).toHaveLength(2);
    await serving(async ({ log, prepareContext }) => {
      const again = prepareEvent(bytesOf({ ...DESIGN_EVENT, event_id: 'e17' }), prepareContext(PRODUCER));
      expect((await log.submit([again]))[0]?.status).toBe('duplicate');
    });
  }, 60_000);

  it('refuse what is no copy at all', async () => {
    const nonsense = path.join(data, 'nonsense');
    await writeFile(nonsense, 'nonsense');
    await grow('e', 5);
    const { code, err } = await run('repair', '--from', nonsense);
    expect(code).toBe(2);
    expect(err).toContain('is no copy of a log');
  });

  it('do not touch a log that runs', async () => {
    await grow('e', 5);
    await serving(async () => {
      for (const verb of ['fsck', 'repair']) {
        const { code, err } = await run(verb);
        expect(code).toBe(2);
        expect(err).toContain('is running');
      }
    });
  });
});

describe('a guard file', () => {
  it('that is lost or damaged stops the signing, says the way out, and is made again by it', async () => {
    await grow('e', 5);
    for (const content of [undefined, 'countersign/guard/v1\nnonsense\n']) {
      if (content === undefined) await rm(path.join(directory, 'guard'));
      else await writeFile(path.join(directory, 'guard'), content);
      const problems = await serving(async ({ log }) => log.health().problems);
      expect(problems.join(' ')).toMatch(/guard file .*(missing|damaged).*countersign repair --guard/);
      expect((await run('fsck')).code).toBe(1);
      const { code, out } = await run('repair', '--guard');
      expect(code, out).toBe(0);
      expect(await serving(async ({ log }) => log.health().signing.state)).toBe('signing');
    }
    expect((await ownActions()).filter((action) => action === '"countersign.repair.guard"')).toHaveLength(2);
  }, 60_000);

  it('is not made again from a database that was set back behind what was acknowledged', async () => {
    await grow('e', 5);
    const copy = path.join(data, 'copy');
    await cp(path.join(directory, 'db'), copy, { recursive: true });
    await grow('f', 5);
    await rm(path.join(directory, 'db'), { recursive: true });
    await cp(copy, path.join(directory, 'db'), { recursive: true });
    await rm(path.join(directory, 'guard'));
    const { code, err } = await run('repair', '--guard');
    expect(code).toBe(1);
    expect(err).toMatch(/not repaired \(behind\).*acknowledged/);
  }, 60_000);
});

describe('recover', () => {
  const flags = [
    '--new-origin',
    'log.example/audit-2',
    '--new-name',
    'audit-2',
    '--decided-by',
    'Ada',
    '--reason',
    'disk lost',
  ];

  it('asks for the origin that is given up, and begins a log whose first entry names the lost head', async () => {
    await grow('e', 5);
    const guard = (await readFile(path.join(directory, 'guard'), 'utf8')).split('\n');
    await rm(path.join(directory, 'db'), { recursive: true });
    const unsure = await run('recover', ...flags);
    expect(unsure.code).toBe(1);
    expect(unsure.err).toContain(`--yes-i-lost ${ORIGIN}`);
    expect((await run('recover', ...flags, '--yes-i-lost', 'log.example/other')).code).toBe(1);
    const { code, out, err } = await run('recover', ...flags, '--yes-i-lost', ORIGIN);
    expect(code, err).toBe(0);
    expect(out).toContain(`at size ${guard[2]}, root ${guard[3]}`);
    expect((await run('recover', ...flags, '--yes-i-lost', ORIGIN)).err).toContain('already');
    await rm(directory, { recursive: true });
    const logger = pino({ level: 'silent' });
    const server = await serve({ data, port: 0, host: '127.0.0.1', insecureListen: false, logger });
    const log = server.logs.get('audit-2')?.log;
    if (log?.kind !== 'audit') throw new Error('there is no new log');
    const first = await log.eventAt(0);
    const context = first?.fields.find(({ id }) => id === 'context')?.opening?.value ?? '';
    expect(JSON.parse(context)).toMatchObject({
      lost_origin: ORIGIN,
      lost_size: Number(guard[2]),
      lost_root: guard[3],
      decided_by: 'Ada',
    });
    expect(log.origin).toBe('log.example/audit-2');
    await server.close();
  }, 60_000);
});
