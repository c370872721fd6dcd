/**
 * Log lists (witness-network.org): texts that name logs which ask for witnesses, pulled from time to time. A list can
 * only ever add logs. One that shrinks, or gives a known log another key, changes nothing: whoever writes the list
 * must not be able to make this witness forget a log, or take another's word for it. What was added stays, across
 * restarts.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { concatBytes, hexDecode, utf8Decode, utf8Encode } from '../proofs/bytes.ts';
import { formatLogList, type ListedLog, MAX_LOG_LIST_BYTES, parseLogList } from '../proofs/log-list.ts';
import { messageOf, WitnessError } from './errors.ts';
import { type ClientOptions, request } from './log-client.ts';
import { type KnownLog, type LogBook, originHash } from './logs.ts';
import type { WitnessParts } from './parts.ts';
import type { Row } from './rows.ts';
import type { WitnessState } from './state.ts';

/** First byte of the key of a listed log; the origin's hash follows, the value is a log list of that one log. */
const LISTED_ROW = 0x02;
const MAX_LISTED_LOGS = 50_000;

export interface LogListOptions {
  readonly client: ClientOptions;
  readonly urls: readonly string[];
  readonly intervalMs: number;
}

/** Adds the logs that earlier pulls brought. What the operator configured comes first and stays as it is. */
export async function loadListedLogs(state: WitnessState, logs: LogBook): Promise<void> {
  for (const { value } of await state.listRows(LISTED_ROW, MAX_LISTED_LOGS)) {
    for (const listed of parseLogList(utf8Decode(value))) logs.add(knownLogOf(listed));
  }
}

/** Pulls every list until the client's signal aborts. Never throws. */
export async function followLogLists(parts: WitnessParts, options: LogListOptions): Promise<void> {
  const { signal } = options.client;
  while (!signal.aborted) {
    for (const url of options.urls) await pullLogList(parts, options.client, url);
    await pause(options.intervalMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Pulls one list; returns how many logs it added. A list that cannot be had or read adds none. */
export async function pullLogList(parts: WitnessParts, client: ClientOptions, url: string): Promise<number> {
  const { metrics, logger } = parts;
  try {
    const answer = await request(client, url, {}, MAX_LOG_LIST_BYTES);
    if (answer.status !== 200) throw new WitnessError('log-answer-invalid', `${url}: status ${answer.status}`);
    const added = await addListedLogs(parts, parseLogList(answer.body));
    metrics.listPulled(true);
    if (added > 0) logger.info({ url, added }, 'a log list added logs');
    return added;
  } catch (error) {
    if (!client.signal.aborted) logger.warn({ url, error: messageOf(error) }, 'a log list could not be used');
    metrics.listPulled(false);
    return 0;
  }
}

/** Durable first, known afterwards: a log that was served once is served for ever. */
async function addListedLogs({ logs, state, logger }: WitnessParts, listed: readonly ListedLog[]): Promise<number> {
  const rows: Row[] = [];
  const fresh = new Map<string, ListedLog>();
  for (const log of listed) {
    const known = logs.get(log.origin);
    if (known === undefined && !fresh.has(log.origin)) {
      fresh.set(log.origin, log);
      rows.push({ key: listedKey(log.origin), value: utf8Encode(formatLogList([log])) });
    } else if (known !== undefined && !known.keys.some(({ vkey }) => vkey === log.key.vkey)) {
      logger.warn({ origin: log.origin, vkey: log.key.vkey }, 'a log list names another key for a known log: ignored');
    }
  }
  if (rows.length > 0) await state.putRows(rows);
  for (const log of fresh.values()) logs.add(knownLogOf(log));
  return fresh.size;
}

function knownLogOf({ origin, key, requestsPerDay }: ListedLog): KnownLog {
  return { origin, keys: [key], queriesPerDay: requestsPerDay };
}

function listedKey(origin: string): Uint8Array {
  return concatBytes(Uint8Array.of(LISTED_ROW), hexDecode(originHash(origin)));
}
