/**
 * What the watch remembers across restarts, in a file beside the database: how far it has examined the log, and the state
 * of every detector at that point. Replaced by rename, so that a crash leaves the old state or the new one.
 *
 *   countersign/watch/v1 ⏎ JSON ⏎ SHA-256 of the lines above (hex) ⏎
 *
 * The file is a shortcut and no source of truth. Without it, or with one that is damaged or belongs to another log, the
 * whole log is examined again, and comes to the same findings, which are there already.
 */
import { hash } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { base64Encode } from '../../../proofs/bytes.ts';
import type { JsonValue } from '../../../proofs/canonical-json.ts';
import type { Log } from '../../log/types.ts';
import { integerIn, integerOrNullIn, objectIn, textIn } from './state-values.ts';

export interface WatchState {
  /** Entries below this were examined, and everything that followed from them is durable. */
  readonly examinedSize: number;
  /** States of the detectors by name, and the counts of the day. */
  readonly parts: ReadonlyMap<string, JsonValue>;
  /** Findings raised at or after this index were not alerted yet; null: nobody is alerted. */
  readonly alertFrom: number | null;
}

const FORMAT_LINE = 'countersign/watch/v1';
const FILE_MODE = 0o600;
/** Far above what the bounds of all detectors add up to. */
const MAX_STATE_BYTES = 64 * 1024 * 1024;

type NamedLog = Pick<Log, 'origin' | 'treeSize' | 'leafHashAt'>;

/** Throws what the disk throws; the old state is in place then. */
export async function saveState(file: string, log: NamedLog, state: WatchState): Promise<void> {
  const json = JSON.stringify({
    origin: log.origin,
    examined_size: state.examinedSize,
    last_leaf: await lastLeaf(log, state.examinedSize),
    alert_from: state.alertFrom,
    parts: Object.fromEntries(state.parts),
  });
  const content = `${FORMAT_LINE}\n${json}\n`;
  const temporary = `${file}.new`;
  try {
    const handle = await open(temporary, 'w', FILE_MODE);
    try {
      await handle.writeFile(`${content}${hash('sha256', content, 'hex')}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  const directory = await open(path.dirname(file), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** The state, or undefined if there is none that belongs to this log as it is. */
export async function loadState(file: string, log: NamedLog): Promise<WatchState | undefined> {
  try {
    const text = await readFile(file, 'utf8');
    const [format, json = '', digest] = text.length > MAX_STATE_BYTES ? [] : text.split('\n');
    if (format !== FORMAT_LINE || digest !== hash('sha256', `${format}\n${json}\n`, 'hex')) return undefined;
    const value: JsonValue = JSON.parse(json);
    const saved = objectIn(value, 'the file');
    const examinedSize = integerIn(saved['examined_size'], 'a size');
    if (textIn(saved['origin'], 'an origin') !== log.origin || examinedSize > log.treeSize()) return undefined;
    if (textIn(saved['last_leaf'], 'a hash') !== (await lastLeaf(log, examinedSize))) return undefined;
    return {
      examinedSize,
      parts: new Map(Object.entries(objectIn(saved['parts'], 'the parts'))),
      alertFrom: integerOrNullIn(saved['alert_from'], 'an index'),
    };
  } catch {
    return undefined;
  }
}

/** Binds the state to this very log: another one, or an older copy that went on differently, has another leaf there. */
async function lastLeaf(log: NamedLog, size: number): Promise<string> {
  return size === 0 ? '' : base64Encode(await log.leafHashAt(size - 1));
}
