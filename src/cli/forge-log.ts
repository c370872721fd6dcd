/**
 * What an insider with everything can do: the database, the log's keys, this very code. Takes a log, alters one event,
 * and builds the whole tree again, so that every hash, every tile and the log's own signature fit. Part of the
 * demonstration and of the tests; nothing else calls it.
 */
import { cp } from 'node:fs/promises';
import path from 'node:path';
import { concatBytes } from '../../proofs/bytes.ts';
import { commitTexts } from '../events/commit.ts';
import type { FieldText, Prepared } from '../events/types.ts';
import { openLog } from '../log/audit-log.ts';
import { LOG_FIELD } from '../log/disclosure.ts';
import type { Log, StoredEvent } from '../log/types.ts';
import type { LogIdentity } from './init.ts';

export interface Forgery {
  /** The directory of the log whose history is rewritten. Nobody may have it open; it is copied, not changed. */
  readonly original: string;
  /** An empty directory for the forged log and for what is needed on the way. */
  readonly workshop: string;
  readonly identity: LogIdentity;
  /** How many entries the forged log has: those that the witnesses know of. */
  readonly size: number;
  /** Which event, and what becomes of each of its fields (RFC 8785 texts). */
  readonly index: number;
  readonly alter: (field: FieldText) => FieldText;
}

const READ_EVENTS = 256;
const SALT_BYTES = 16;
const SIGN_TIMEOUT_MS = 10_000;

/**
 * Builds the forged log and returns its directory, with `db` and `guard` as a log server expects them. Every entry but
 * the altered one keeps its exact bytes, its time and its index.
 */
export async function forgeLog(forgery: Forgery): Promise<string> {
  const events = await readEvents(forgery);
  const directory = path.join(forgery.workshop, 'forged');
  let nowUs = 0;
  const log = await openAlone(forgery.identity, directory, () => nowUs);
  try {
    for (const stored of events) {
      nowUs = stored.logTime;
      await log.submit([prepareAgain(stored, stored.index === forgery.index ? forgery.alter : (field) => field)]);
    }
    await log.waitForPublished(events.length - 1, SIGN_TIMEOUT_MS);
    return directory;
  } finally {
    await log.close();
  }
}

/** The log with its own keys and a policy that asks no witness. */
export function openAlone(
  { config, signers, vkeys }: LogIdentity,
  directory: string,
  nowUs: () => number = () => Date.now() * 1000,
): Promise<Log> {
  const policyText = `${vkeys.map((vkey) => `log ${vkey}\n`).join('')}quorum none\n`;
  return openLog({ name: config.name, origin: config.origin, directory, signers, policyText, nowUs });
}

async function readEvents({ original, workshop, identity, size }: Forgery): Promise<readonly StoredEvent[]> {
  const copy = path.join(workshop, 'copy');
  await cp(original, copy, { recursive: true });
  const log = await openAlone(identity, copy);
  try {
    const events: StoredEvent[] = [];
    while (events.length < size) {
      const count = Math.min(READ_EVENTS, size - events.length);
      const indices = Array.from({ length: count }, (_, offset) => events.length + offset);
      events.push(...(await log.eventsAt(indices)));
    }
    return events;
  } finally {
    await log.close();
  }
}

/** The same event once more, with its old salts, so that unaltered fields have their old commitments. */
export function prepareAgain(stored: StoredEvent, alter: (field: FieldText) => FieldText): Prepared {
  const salts: Uint8Array[] = [];
  const fields: FieldText[] = [];
  let logValueText = '';
  for (const { id, opening } of stored.fields) {
    if (opening === undefined) throw new Error(`field ${id} of event ${stored.index} is erased`);
    salts.push(opening.salt);
    if (id === LOG_FIELD) logValueText = opening.value;
    else fields.push(alter([id, opening.value]));
  }
  const textOf = (wanted: string): string => String(JSON.parse(fields.find(([id]) => id === wanted)?.[1] ?? '""'));
  return {
    // The field of the log is the last of the stored ones, and so is its salt.
    ...commitTexts(fields, logValueText, concatBytes(...salts)),
    eventId: textOf('event_id'),
    action: textOf('action'),
    producerId: stored.producerId,
    producerSeq: stored.producerSeq,
    signature: null,
    contentMac: new Uint8Array(SALT_BYTES),
    terms: [],
    occurredAtUs: 0,
    byteCount: 0,
  };
}
