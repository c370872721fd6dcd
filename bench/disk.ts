/**
 * npm run bench:disk -- [--events N] [--ids ulid|uuid] [--json FILE]
 *
 * Bytes on disk for each 600-byte event, everything on: the database after compaction, and which rows they are. Keys and
 * values are counted as they are written; LevelDB compresses them (Snappy) and adds its own, so both are shown.
 */
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { Level } from 'level';
import { createLog } from '../src/cli/init.ts';
import { openPrepareSource } from '../src/cli/prepare-source.ts';
import { parseCatalogue } from '../src/events/catalogue/parse.ts';
import { readShippedCatalogue } from '../src/events/catalogue/shipped.ts';
import { prepareEvent } from '../src/events/prepare.ts';
import { openLog } from '../src/log/audit-log.ts';
import { createEvents, eventBytes, type IdKind } from './lib/events.ts';
import { describeMachine, machineLines } from './lib/machine.ts';

const GROUP = 1000;
/** First byte of a key to what the row is, see src/log/rows.ts. */
const KINDS: Readonly<Record<number, string>> = {
  1: 'tree state',
  2: 'tiles',
  3: 'entries',
  4: 'contents (disclosures)',
  5: 'event ids',
  6: 'signed head',
  7: 'published checkpoint',
  8: 'search terms, open block',
  9: 'search terms, sealed: containers',
  10: 'sealed and merged blocks',
  12: 'tile shortcuts',
  13: 'search terms, sealed: pages of blocks',
  14: 'search terms, sealed: pages of spans',
};

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '100000' },
    ids: { type: 'string', default: 'ulid' },
    json: { type: 'string' },
  },
});
const eventCount = Number(values.events);
const idKind: IdKind = values.ids === 'uuid' ? 'uuid' : 'ulid';
const machine = describeMachine(`npm run bench:disk -- ${process.argv.slice(2).join(' ')}`.trim());
process.stdout.write(machineLines(machine));
const directory = await mkdtemp(join(tmpdir(), 'countersign-disk-'));
try {
  await fill();
  await report();
} finally {
  await rm(directory, { recursive: true, force: true });
}

async function fill(): Promise<void> {
  const identity = await createLog(directory, { name: 'bench', origin: 'bench.example/audit', kind: 'audit' });
  const source = await openPrepareSource(identity.secret, join(directory, 'allowed-cards.txt'));
  source.useCatalogue(parseCatalogue(await readShippedCatalogue('starter')));
  const context = source.contextFor('tok_0123456789abcdef');
  const log = await openLog({
    name: 'bench',
    origin: identity.config.origin,
    directory: join(directory, 'logs', 'bench'),
    signers: identity.signers,
    policyText: `${identity.vkeys.map((vkey) => `log ${vkey}\n`).join('')}quorum none\n`,
  });
  const events = createEvents('abcdef', idKind);
  for (let first = 0; first < eventCount; first += GROUP) {
    const count = Math.min(GROUP, eventCount - first);
    const group = Array.from({ length: count }, (_, i) => prepareEvent(eventBytes(events, first + i), context));
    await log.submit(group);
  }
  await log.close();
}

async function report(): Promise<void> {
  const path = join(directory, 'logs', 'bench', 'db');
  const db = new Level<Uint8Array, Uint8Array>(path, { keyEncoding: 'view', valueEncoding: 'view' });
  if (!isCompactable(db)) throw new Error('this build of level cannot compact');
  await db.open();
  await db.compactRange(Uint8Array.of(0), Uint8Array.of(255));
  const rows = new Map<number, { count: number; keys: number; values: number }>();
  for await (const [key, value] of db.iterator()) {
    const kind = key[0] ?? 0;
    const sum = rows.get(kind) ?? { count: 0, keys: 0, values: 0 };
    rows.set(kind, { count: sum.count + 1, keys: sum.keys + key.length, values: sum.values + value.length });
  }
  process.stdout.write(
    '\n| rows | rows | key bytes/event | value bytes/event | on disk, bytes/event |\n|---|---:|---:|---:|---:|\n',
  );
  for (const [kind, { count, keys, values: bytes }] of rows) {
    const onDisk = await db.approximateSize(Uint8Array.of(kind), Uint8Array.of(kind + 1));
    const cells = [keys, bytes, onDisk].map((sum) => (sum / eventCount).toFixed(1));
    process.stdout.write(`| ${KINDS[kind] ?? `kind ${kind}`} | ${count} | ${cells.join(' | ')} |\n`);
  }
  await db.close();
  let total = 0;
  for (const file of await readdir(path)) total += (await stat(join(path, file))).size;
  process.stdout.write(
    `\n${eventCount} events: ${(total / eventCount).toFixed(1)} bytes on disk an event, the whole directory after compaction\n`,
  );
  if (values.json !== undefined) {
    const figures = { machine, eventCount, bytesPerEvent: total / eventCount, rows: Object.fromEntries(rows) };
    await writeFile(values.json, `${JSON.stringify(figures, null, 2)}\n`);
  }
}

/** What the native database of `level` has beyond what all of its databases have. */
interface Compactable {
  compactRange(from: Uint8Array, to: Uint8Array): Promise<void>;
  approximateSize(from: Uint8Array, to: Uint8Array): Promise<number>;
}

function isCompactable<Database extends object>(db: Database): db is Database & Compactable {
  return 'compactRange' in db && 'approximateSize' in db;
}
