/**
 * What `--from` of `repair` may name: the URL of a mirror or of any tiled copy, a directory with such a copy, another copy
 * of the data directory, of the log's or of its database, or an evidence bundle. None of it is trusted (repair-source.ts).
 */
import { constants } from 'node:fs';
import { copyFile, link, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type BundleFiles,
  CHECKPOINT_FILE,
  EVENTS_FILE,
  linesOf,
  POPULATION_FILE,
  parseProvenEvent,
  RELATED_FILE,
} from '../../proofs/bundle.ts';
import { decodeCard } from '../../proofs/card.ts';
import { encodeCbor } from '../../proofs/cbor.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { ProofError } from '../../proofs/errors.ts';
import { type OpenedEvent, parseOpenedEvent } from '../../proofs/opened-event.ts';
import { parsePopulation } from '../../proofs/population.ts';
import { BUNDLE_ZIP_BOUNDS, looksLikeZip } from '../../proofs/zip.ts';
import { readBundleZip } from '../evidence/read-zip.ts';
import { LOG_FIELD } from '../log/disclosure.ts';
import { type CopyClient, claimedSize, findCopy } from '../log/fetch-copy.ts';
import { copySource, type RepairSource, storedSource } from '../log/repair-source.ts';
import { RestoreError } from '../log/restore-error.ts';
import { openLevelStore } from '../store/leveldb.ts';
import { CliError, messageOf } from './errors.ts';
import { exists } from './files.ts';

/** A file of a tiled copy is a bundle at most, 256 entries of 64 KiB. */
const MAX_TILE_FILE_BYTES = 32 * 1024 * 1024;
const WHAT_IT_MAY_BE =
  'Give the URL of a mirror, a directory with tiles, another copy of the data directory, or an evidence bundle.';

/** The log that is to be repaired. */
interface DamagedLog {
  readonly name: string;
  readonly origin: string;
}

/** Throws CliError `unreadable-input`; RestoreError `unreachable`, `altered`, or `no-copy`, also for another log's copy. */
export async function openRepairSource(from: string, log: DamagedLog, client: CopyClient): Promise<RepairSource> {
  if (/^https?:\/\//.test(from)) return openCopy(client, from, log);
  if (!(await isDirectory(from))) return openBundle(from, log);
  for (const database of [from, path.join(from, 'db'), path.join(from, 'logs', log.name, 'db')]) {
    if (await exists(path.join(database, 'CURRENT'))) return openDatabase(from, database);
  }
  try {
    return await openCopy({ ...client, fetch: fetchFile }, from, log);
  } catch (error) {
    if (!(error instanceof RestoreError) || error.code !== 'no-copy') throw error;
    throw new CliError('unreadable-input', error.message, WHAT_IT_MAY_BE);
  }
}

async function openCopy(client: CopyClient, from: string, { origin }: DamagedLog): Promise<RepairSource> {
  const copy = await findCopy(client, from, origin);
  return copySource(client, copy.prefix, claimedSize(copy, origin));
}

async function isDirectory(name: string): Promise<boolean> {
  return (await stat(name).catch(() => undefined))?.isDirectory() ?? false;
}

/** LevelDB writes into whatever it opens, so the copy is opened in a copy of its own; tables are linked where they can be. */
async function openDatabase(name: string, database: string): Promise<RepairSource> {
  const scratch = await mkdtemp(path.join(tmpdir(), 'countersign-repair-'));
  try {
    for (const file of await readdir(database)) {
      const [from, to] = [path.join(database, file), path.join(scratch, file)];
      const isTable = /\.(ldb|sst)$/.test(file);
      if (isTable) await link(from, to).catch(() => copyFile(from, to, constants.COPYFILE_FICLONE));
      else if (file !== 'LOCK') await copyFile(from, to);
    }
    const store = await openLevelStore(scratch);
    return storedSource(name, store, async () => {
      await store.close();
      await rm(scratch, { recursive: true, force: true });
    });
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    throw new CliError('unreadable-input', `the database in ${database} cannot be opened: ${messageOf(error)}`);
  }
}

/** The files of a tiled copy, answered as a server would. */
const fetchFile: typeof globalThis.fetch = async (input) => {
  const file = String(input);
  if (!(await exists(file))) return new Response('', { status: 404 });
  const found = await stat(file);
  if (!found.isFile() || found.size > MAX_TILE_FILE_BYTES) throw new Error('that is no file of a copy');
  return new Response(new Uint8Array(await readFile(file)));
};

async function openBundle(file: string, { origin }: DamagedLog): Promise<RepairSource> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw new CliError('unreadable-input', `cannot read ${file}: ${messageOf(error)}`);
  });
  if (!looksLikeZip(bytes) || bytes.length > BUNDLE_ZIP_BOUNDS.maxTotalBytes) {
    throw new CliError('unreadable-input', `${file} is no copy of a log`, WHAT_IT_MAY_BE);
  }
  try {
    return bundleSource(file, readBundleZip(bytes), origin);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    const what = `${file} is no evidence bundle that can be read (${error.code}): ${error.message}`;
    throw new CliError('unreadable-input', what, 'Nothing was changed. Take the bundle as it was handed out.');
  }
}

/** Its policy, its signatures and its proofs are not looked at: the log's own tree judges what it shows. */
function bundleSource(file: string, files: BundleFiles, origin: string): RepairSource {
  const claimed = parseCheckpoint(files.get(CHECKPOINT_FILE) ?? new Uint8Array()).checkpoint.origin;
  if (claimed !== origin) {
    throw new RestoreError('no-copy', `${file} is a bundle of the log ${claimed}, and not of ${origin}`);
  }
  const entries = new Map<number, Uint8Array>();
  const contents = new Map<number, Uint8Array>();
  const take = (opened: OpenedEvent): void => {
    entries.set(opened.index, opened.entry);
    const stored = storedContents(opened);
    if (stored !== undefined) contents.set(opened.index, stored);
  };
  const population = files.get(POPULATION_FILE);
  if (population !== undefined) {
    const parsed = parsePopulation(population);
    let index = parsed.start;
    for (const entry of parsed.entries()) entries.set(index++, entry);
  }
  for (const line of linesOf(files.get(EVENTS_FILE) ?? new Uint8Array(), EVENTS_FILE)) {
    take(population === undefined ? parseProvenEvent(line).opened : parseOpenedEvent(line));
  }
  for (const line of linesOf(files.get(RELATED_FILE) ?? new Uint8Array(), RELATED_FILE))
    take(parseProvenEvent(line).opened);
  return {
    name: file,
    entry: async (index) => entries.get(index),
    contents: async (index) => contents.get(index),
    close: async () => undefined,
  };
}

/** As disclosure.ts stores it. Undefined where the bundle withholds a field: the log has what the bundle does not show. */
function storedContents({ card, fields, withheld, erased, contentsLost }: OpenedEvent): Uint8Array | undefined {
  if (contentsLost === true || withheld.length > 0) return undefined;
  const rows = decodeCard(card).map(([id, commitment]) => {
    const opening = fields.get(id);
    if (opening !== undefined) return [id, opening.value, opening.salt];
    return erased.includes(id) ? [id, null, commitment] : undefined;
  });
  const known = rows.flatMap((row) => (row === undefined ? [] : [row]));
  const log = fields.get(LOG_FIELD);
  if (known.length < rows.length || log === undefined) return undefined;
  return encodeCbor([null, known, [log.value, log.salt]]);
}
