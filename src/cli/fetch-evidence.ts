/**
 * Opened events and their receipts as an auditor takes them home: one pair of files for each event, enough to verify it
 * with the network gone.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { base64Decode } from '../../proofs/bytes.ts';
import { formatTlogProof } from '../../proofs/tlog-proof.ts';
import type { PublishedCheckpoint } from './await-checkpoint.ts';
import { parseAnswer, send, type UnavailableError, unexpectedAnswer, withRetries } from './client.ts';
import type { Io } from './io.ts';
import type { Target } from './target.ts';

export interface FetchOptions {
  /** How long one request is tried again, and an event waited for that is not under a published checkpoint yet. */
  readonly timeoutMs: number;
  readonly onWait: (error: UnavailableError) => void;
}

export interface OpenedText {
  readonly index: number;
  /** Undefined when the field was erased or withheld. */
  readonly eventId: string | undefined;
  /** The entry, base64. */
  readonly entry: string;
  /** The opened event as JSON text. */
  readonly text: string;
}

/** Which event: by the id its producer gave it, or by its place in the log. */
export type EventName = { readonly id: string; readonly producer?: string } | { readonly index: number };

export const EVENT_SUFFIX = '.json';
export const RECEIPT_SUFFIX = '.tlog-proof';

const PAGE_EVENTS = 500;
/** Longest stem of a file name; most file systems take 255 bytes. */
const MAX_STEM_CHARACTERS = 200;

const InclusionShape = Type.Object({ proof: Type.Array(Type.String()) });
const OpenedShape = Type.Object({
  index: Type.Integer({ minimum: 0 }),
  entry: Type.String(),
  fields: Type.Object({ event_id: Type.Optional(Type.Object({ value: Type.String() })) }),
});
const PageShape = Type.Object({
  tree_size: Type.Integer({ minimum: 0 }),
  complete: Type.Boolean(),
  next_cursor: Type.Optional(Type.String()),
  events: Type.Array(Type.Object({ event: OpenedShape })),
});

export async function fetchEvent(io: Io, target: Target, name: EventName, options: FetchOptions): Promise<OpenedText> {
  const url = eventUrl(target, name, '');
  const { text } = await withRetries(io, options.timeoutMs, () => send(io, target, url), options.onWait);
  return readOpened(url, parseAnswer(url, text));
}

/** The `.tlog-proof` of an event. Waits for the published checkpoint to cover it. */
export async function fetchReceipt(io: Io, target: Target, name: EventName, options: FetchOptions): Promise<string> {
  const url = eventUrl(target, name, '/proof');
  const headers = { accept: 'text/plain' };
  return (await withRetries(io, options.timeoutMs, () => send(io, target, url, { headers }), options.onWait)).text;
}

/**
 * A receipt against a checkpoint that the caller has: from the public proof route, so that a whole export shares one
 * checkpoint, and verifying it costs the signatures of one.
 */
export async function assembleReceipt(
  io: Io,
  target: Target,
  { index, entry }: OpenedText,
  checkpoint: PublishedCheckpoint,
  options: FetchOptions,
): Promise<string> {
  const url = `${target.logUrl}/proof/inclusion?index=${index}&size=${checkpoint.size}`;
  const { text } = await withRetries(io, options.timeoutMs, () => send(io, target, url), options.onWait);
  const answer = parseAnswer(url, text);
  if (!Value.Check(InclusionShape, answer)) throw unexpectedAnswer(url, 'it is not an inclusion proof');
  const proof = answer.proof.map((hash) => base64Decode(hash));
  return formatTlogProof({ index, proof, checkpoint: checkpoint.note, extra: base64Decode(entry) });
}

/** Every event that the log has at this moment, in index order, page by page. `onSize` is told how many, before each page. */
export async function* fetchAllEvents(
  io: Io,
  target: Target,
  options: FetchOptions,
  onSize: (size: number) => Promise<void>,
): AsyncGenerator<readonly OpenedText[]> {
  for (let cursor: string | undefined; ; ) {
    const query = new URLSearchParams({ limit: `${PAGE_EVENTS}`, ...(cursor === undefined ? {} : { cursor }) });
    const url = `${target.logUrl}/events?${query}`;
    const { text } = await withRetries(io, options.timeoutMs, () => send(io, target, url), options.onWait);
    const page = parseAnswer(url, text);
    if (!Value.Check(PageShape, page)) throw unexpectedAnswer(url, 'it is not a page of events');
    await onSize(page.tree_size);
    yield page.events.map(({ event }) => readOpened(url, event));
    if (page.complete) return;
    if (page.next_cursor === undefined) throw unexpectedAnswer(url, 'it is not complete and has no cursor');
    cursor = page.next_cursor;
  }
}

/**
 * Where the pair of files of an event goes, without suffix. Ids are foreign text: whatever is no plain file name is
 * percent-encoded, and an id that is taken, too long or unknown makes room for the index, which is unique.
 */
export function evidenceStem(
  { eventId, index }: Pick<OpenedText, 'eventId' | 'index'>,
  isTaken: (stem: string) => boolean,
): string {
  const encoded = encodeURIComponent(eventId ?? '').replace(/^\.|[!'()*~]/g, percentEncode);
  const stem = encoded === '' || encoded.length > MAX_STEM_CHARACTERS ? `event-${index}` : encoded;
  return isTaken(stem) ? `${stem}~${index}` : stem;
}

export async function writeEvidence(directory: string, stem: string, opened: string, receipt: string): Promise<void> {
  await writeFile(path.join(directory, `${stem}${EVENT_SUFFIX}`), `${opened}\n`);
  await writeFile(path.join(directory, `${stem}${RECEIPT_SUFFIX}`), receipt);
}

function eventUrl(target: Target, name: EventName, suffix: string): string {
  if ('index' in name) return `${target.logUrl}/events/by-index/${name.index}${suffix}`;
  const query = name.producer === undefined ? '' : `?${new URLSearchParams({ producer: name.producer })}`;
  return `${target.logUrl}/events/${encodeURIComponent(name.id)}${suffix}${query}`;
}

function readOpened(url: string, value: unknown): OpenedText {
  if (!Value.Check(OpenedShape, value)) throw unexpectedAnswer(url, 'it is not an opened event');
  const idText = value.fields.event_id?.value;
  const eventId = idText === undefined ? undefined : parseAnswer(url, idText);
  const { index, entry } = value;
  return {
    index,
    entry,
    eventId: typeof eventId === 'string' ? eventId : undefined,
    text: JSON.stringify(value),
  };
}

function percentEncode(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}
