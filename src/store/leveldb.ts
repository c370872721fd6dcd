/**
 * The store contract on LevelDB. Every batch is one chained batch with `sync: true`: the acknowledgement of an event
 * waits for the fsync made here. LevelDB does not verify its own blocks, so what is read is checked by the log.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Level } from 'level';
import { type PutRow, type RangeOptions, type Row, type Store, StoreError } from './contract.ts';

type Database = Level<Uint8Array, Uint8Array>;

const WRITE_BUFFER_BYTES = 32 * 1024 * 1024;
/** What LevelDB calls its write-ahead logs; beside the one in use there may be one that is on its way into a table. */
const WRITE_AHEAD_LOG = /^\d+\.log$/;
const BLOCK_CACHE_BYTES = 32 * 1024 * 1024;
const MAX_OPEN_FILES = 512;
/** Of a range, handed over at once. The binding keeps the last of it until the garbage collector comes by. */
const READ_AHEAD_BYTES = 64 * 1024;
/** Reads of one call that run beside each other, and the keys from which that is worth a thread. */
const READ_PARTS = 2;
const MIN_PART_KEYS = 16;
/** No key is empty, so this is below every range. */
const BEFORE_ALL: Uint8Array = new Uint8Array(0);

/** Opens (and creates) the database in `directory`. Throws StoreError `store-locked` when another process has it. */
export async function openLevelStore(directory: string): Promise<Store> {
  // Before the database is there, which begins to open by itself: LevelDB then writes what is in there into tables.
  const recoveredBytes = await writeAheadBytes(directory);
  const db: Database = new Level(directory, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    writeBufferSize: WRITE_BUFFER_BYTES,
    cacheSize: BLOCK_CACHE_BYTES,
    maxOpenFiles: MAX_OPEN_FILES,
  });
  try {
    await db.open();
  } catch (error) {
    throw storeError(error, `cannot open the database in ${directory}`);
  }
  return {
    recoveredBytes,
    get: (key) => guarded(directory, 'read', async () => plain(await db.get(key))),
    getMany: (keys) => guarded(directory, 'read', () => readMany(db, keys)),
    range: (options) => guarded(directory, 'read', () => readRange(db, options)),
    write: (rows) => guarded(directory, 'write', () => writeRows(db, rows)),
    close: () => guarded(directory, 'close', () => db.close()),
  };
}

async function writeAheadBytes(directory: string): Promise<number> {
  try {
    const files = (await readdir(directory)).filter((file) => WRITE_AHEAD_LOG.test(file));
    const sizes = await Promise.all(files.map((file) => sizeOf(join(directory, file))));
    return sizes.reduce((sum, size) => sum + size, 0);
  } catch (error) {
    if (isMissing(error)) return 0;
    throw storeError(error, `cannot read the directory ${directory}`);
  }
}

/** A process that has the database open may take the file away at any time. */
async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** Each part is read by one thread of the pool, row after row. */
async function readMany(db: Database, keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
  const partKeys = Math.max(MIN_PART_KEYS, Math.ceil(keys.length / READ_PARTS));
  const parts: Promise<(Uint8Array | undefined)[]>[] = [];
  for (let start = 0; start < keys.length; start += partKeys) {
    parts.push(db.getMany(keys.slice(start, start + partKeys)));
  }
  return (await Promise.all(parts)).flatMap((rows) => rows.map(plain));
}

/**
 * LevelDB leaves out a block that it could not read, goes on behind it, and says so only where the iteration ends. A range
 * that has its rows before its end is therefore taken to the end: there the binding asks, and throws.
 */
async function readRange(db: Database, { gte, lt, reverse = false, limit }: RangeOptions): Promise<readonly PutRow[]> {
  const iterator = db.iterator({ gte, lt, reverse, highWaterMarkBytes: READ_AHEAD_BYTES });
  try {
    const rows: PutRow[] = [];
    while (rows.length < limit) {
      const page = await iterator.nextv(limit - rows.length);
      if (page.length === 0) return rows;
      for (const [key, value] of page) rows.push({ key: plain(key), value: plain(value) });
    }
    iterator.seek(reverse ? BEFORE_ALL : lt);
    await iterator.nextv(1);
    return rows;
  } finally {
    await iterator.close();
  }
}

/** The binding hands out Buffers, whose `slice` shares memory where that of a Uint8Array copies. */
function plain<Bytes extends Uint8Array | undefined>(bytes: Bytes): Bytes | Uint8Array {
  return bytes === undefined ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

async function writeRows(db: Database, rows: readonly Row[]): Promise<void> {
  const batch = db.batch();
  for (const row of rows) {
    if ('value' in row) batch.put(row.key, row.value);
    else batch.del(row.key);
  }
  await batch.write({ sync: true });
}

async function guarded<T>(directory: string, verb: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeError(error, `the database in ${directory} could not ${verb}`);
  }
}

function storeError(error: unknown, what: string): StoreError {
  const chain = causes(error);
  const text = chain.map((one) => one.message).join(': ');
  const has = (code: string) => chain.some((one) => 'code' in one && one.code === code);
  if (has('LEVEL_LOCKED') || /lock .*(held|already)|Resource temporarily unavailable/i.test(text)) {
    return new StoreError('store-locked', `${what}: another process has it open`, error);
  }
  if (/No space left|Disk quota exceeded|ENOSPC/i.test(text)) {
    return new StoreError('store-full', `${what}: the disk is full`, error);
  }
  if (/Too many open files|EMFILE|ENFILE/i.test(text)) {
    return new StoreError('store-full', `${what}: no more files can be opened (raise \`ulimit -n\`)`, error);
  }
  if (has('LEVEL_DATABASE_NOT_OPEN') || has('LEVEL_ITERATOR_NOT_OPEN') || has('LEVEL_BATCH_NOT_OPEN')) {
    return new StoreError('store-closed', `${what}: it is closed`, error);
  }
  if (has('LEVEL_CORRUPTION') || /corruption/i.test(text)) {
    return new StoreError(
      'store-corrupt',
      `${what}: ${text}; stop the log, \`countersign fsck\` names what is damaged`,
      error,
    );
  }
  return new StoreError('store-failed', `${what}: ${text}`, error);
}

/** An error and what caused it, outermost first. */
function causes(error: unknown): readonly Error[] {
  const chain: Error[] = [];
  for (let one = error; one instanceof Error && chain.length < 5; one = one.cause) chain.push(one);
  return chain;
}
