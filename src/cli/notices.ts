/**
 * What was done to a log while it did not run, to be told by an entry as soon as it runs: a repair, a guard made again, a
 * loss that was accepted. Written before the work, so that a crash cannot hide it; the log records it at its next start.
 *
 *     DIR/logs/<name>/notices.json     a JSON array of events of the log's own
 */
import { rm } from 'node:fs/promises';
import { userInfo } from 'node:os';
import path from 'node:path';
import type { JsonObject } from '../../proofs/canonical-json.ts';
import type { LogLogger } from '../log/options.ts';
import { LogError } from '../log/types.ts';
import type { OwnEvent, Recorder } from '../trail/record.ts';
import { readIfExists, writeSecret } from './files.ts';

const NOTICES_FILE = 'notices.json';
const MAX_NOTICES = 100;
/** Bytes of a list of indices in a notice; the whole list was printed by the command. */
const MAX_LISTED = 1_000;

export interface Notice {
  readonly event_id: string;
  readonly occurred_at: string;
  readonly action: `countersign.${string}`;
  readonly reason?: string;
  readonly context: JsonObject;
}

export async function addNotice(directory: string, notice: Notice): Promise<void> {
  const notices = [...(await readNotices(directory)), notice].slice(-MAX_NOTICES);
  await writeSecret(path.join(directory, NOTICES_FILE), `${JSON.stringify(notices, null, 2)}\n`);
}

/** Records what waits, once each. A log that takes no entries now keeps them for its next start. */
export async function recordNotices(directory: string, recorder: Recorder, logger: LogLogger): Promise<void> {
  const notices = await readNotices(directory);
  if (notices.length === 0) return;
  try {
    for (const notice of notices) await recorder.record(noticeEvent(notice));
    await rm(path.join(directory, NOTICES_FILE));
    logger.warn({ actions: notices.map(({ action }) => action) }, 'what was done to the stopped log is an entry now');
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    logger.error(
      { code: error.code },
      'what was done to the stopped log could not be recorded; it is tried at the next start',
    );
  }
}

/** Who is at the keyboard is all that is known of who did it. */
export function noticeEvent({ event_id, occurred_at, action, reason, context }: Notice): OwnEvent {
  return {
    ...{ event_id, occurred_at, action },
    actor: { type: 'system', id: `operator:${operatorName()}` },
    outcome: { result: 'success' },
    ...(reason === undefined ? {} : { reason }),
    context,
  };
}

export function listed(indices: readonly number[]): { readonly count: number; readonly first: readonly number[] } {
  return { count: indices.length, first: indices.slice(0, MAX_LISTED) };
}

function operatorName(): string {
  try {
    return userInfo().username.replaceAll(/[^A-Za-z0-9._-]/g, '-') || 'unknown';
  } catch {
    return 'unknown';
  }
}

async function readNotices(directory: string): Promise<readonly Notice[]> {
  const text = await readIfExists(path.join(directory, NOTICES_FILE));
  if (text === undefined) return [];
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value.filter(isNotice) : [];
  } catch {
    return [];
  }
}

function isNotice(value: unknown): value is Notice {
  if (typeof value !== 'object' || value === null) return false;
  const { event_id, occurred_at, action, context } = value as Partial<Record<keyof Notice, unknown>>;
  return (
    typeof event_id === 'string' &&
    typeof occurred_at === 'string' &&
    typeof action === 'string' &&
    action.startsWith('countersign.') &&
    typeof context === 'object' &&
    context !== null
  );
}
