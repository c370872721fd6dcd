/** Vectors of `mirror/`: encodings of tlog-mirror, and uploads to a fresh mirror in memory. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { base64Decode, hexEncode } from '../../proofs/bytes.ts';
import { parseCheckpoint, verifyLogSignatures } from '../../proofs/checkpoint.ts';
import { verifyCosignature } from '../../proofs/cosignature.ts';
import { leafHash } from '../../proofs/hash.ts';
import { makeSignerKey, parseVerifierKey } from '../../proofs/key.ts';
import { parseSignatureLines } from '../../proofs/note.ts';
import { parseDecimal } from '../../proofs/numbers.ts';
import { decodeEntryBundle, decodeTile, formatTilePath, newBundles, tilesForSize } from '../../proofs/tile.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import { localCosigner } from '../../witness/cosigner.ts';
import { originHash } from '../../witness/logs.ts';
import { type Mirror, openMemoryMirror } from '../../witness/mirror.ts';
import {
  BodyEnded,
  byteSource,
  formatMirrorInfo,
  formatUploadHeader,
  packageRanges,
  parseMirrorInfo,
  readUploadHeader,
} from '../../witness/mirror-wire.ts';
import type { Reply } from '../../witness/reply.ts';
import {
  check,
  type Family,
  type Fields,
  fieldsOf,
  haveFields,
  hexOf,
  judge,
  judgeAll,
  NotUnderstood,
  Refusal,
  recordsOf,
  textOf,
  textsOf,
  type Verdict,
} from './vector.ts';

const SEED_BYTE = 0x4d;

export const judgeMirror: Family = ({ content }) => {
  const headers = recordsOf(content, 'headers');
  const infos = recordsOf(content, 'mirror_info');
  if (haveFields(headers, 'hex') || haveFields(infos, 'text')) return judgeWire(content);
  const steps = recordsOf(content, 'steps');
  if (haveFields(steps, 'path', 'body_base64', 'expect')) return judgeUpload(content, steps ?? []);
  return undefined;
};

async function judgeWire(content: Fields): Promise<readonly Verdict[]> {
  return [
    ...(await judgeAll(recordsOf(content, 'headers') ?? [], judgeHeader)),
    ...(await judgeAll(recordsOf(content, 'package_ranges') ?? [], judgeRanges)),
    ...(await judgeAll(recordsOf(content, 'mirror_info') ?? [], judgeInfo)),
  ];
}

function judgeHeader(fields: Fields, id: string): Promise<Verdict> {
  return judge(`header ${id}`, textOf(fields, 'expect'), async () => {
    const bytes = hexOf(fields, 'hex');
    const header = await orRefusal(readUploadHeader(byteSource(chunks(bytes))));
    if (fields['log_origin'] !== undefined) equal(header.origin, textOf(fields, 'log_origin'));
    if (fields['upload_start'] !== undefined) equal(String(header.start), textOf(fields, 'upload_start'));
    if (fields['upload_end'] !== undefined) equal(String(header.end), textOf(fields, 'upload_end'));
    if (fields['ticket_hex'] !== undefined) equal(hexEncode(header.ticket), textOf(fields, 'ticket_hex'));
    equal(hexEncode(formatUploadHeader(header)), hexEncode(bytes));
  });
}

function judgeRanges(fields: Fields, id: string): Promise<Verdict> {
  return check(`packages ${id} [${textOf(fields, 'start')}, ${textOf(fields, 'end')})`, () => {
    const start = parseDecimal(textOf(fields, 'start'), 'start');
    const end = parseDecimal(textOf(fields, 'end'), 'end');
    const ranges = [...packageRanges(start, end)].map((range) => [String(range.start), String(range.end)]);
    deepEqual(ranges, fields['packages']);
  });
}

function judgeInfo(fields: Fields, id: string): Promise<Verdict> {
  return judge(`mirror info ${id}`, textOf(fields, 'expect'), () => {
    const text = textOf(fields, 'text');
    const info = parseMirrorInfo(text);
    if (fields['tree_size'] !== undefined) equal(String(info.pendingSize), textOf(fields, 'tree_size'));
    if (fields['next_entry'] !== undefined) equal(String(info.nextEntry), textOf(fields, 'next_entry'));
    if (fields['ticket_hex'] !== undefined) equal(hexEncode(info.ticket), textOf(fields, 'ticket_hex'));
    equal(formatMirrorInfo(info), text);
  });
}

/** One mirror for all steps, as `how` says: each depends on those before it. */
async function judgeUpload(content: Fields, steps: readonly Fields[]): Promise<readonly Verdict[]> {
  const logs = (recordsOf(content, 'logs') ?? []).map((log) => ({
    origin: textOf(log, 'origin'),
    keys: textsOf(log, 'vkeys').map(parseVerifierKey),
  }));
  const seed = new Uint8Array(32).fill(SEED_BYTE);
  const cosigners = ([4, 6] as const).map((type) => localCosigner(makeSignerKey('mirror.example/m', type, seed)));
  const mirror = await openMemoryMirror({ cosigners, logs });
  try {
    const [log] = logs;
    if (log === undefined) throw new NotUnderstood('no log');
    return await judgeAll(steps, (step, id) =>
      check(id, () => takeStep(mirror, log, fieldsOf(content, 'roots'), step)),
    );
  } finally {
    await mirror.close();
  }
}

type VectorLog = { readonly origin: string; readonly keys: readonly ReturnType<typeof parseVerifierKey>[] };

async function takeStep(mirror: Mirror, log: VectorLog, roots: Fields, step: Fields): Promise<void> {
  const body = base64Decode(textOf(step, 'body_base64'));
  const expected = fieldsOf(step, 'expect');
  const reply = await post(mirror, textOf(step, 'path'), body);
  equal(String(reply.status), textOf(expected, 'status'), reply.body);
  if (expected['content_type'] !== undefined) equal(reply.contentType, textOf(expected, 'content_type'));
  const prefix = expected['mirror_info_prefix'];
  if (prefix !== undefined) {
    ok(reply.body.startsWith(textOf(expected, 'mirror_info_prefix')), `mirror info: ${reply.body.slice(0, 40)}`);
    parseMirrorInfo(reply.body);
  }
  if (reply.status === 200 && textOf(step, 'path') === '/add-checkpoint') {
    // A witness may live at the same prefix; a mirror never signs here.
    const lines = reply.body === '' ? [] : parseSignatureLines(reply.body);
    ok(
      lines.every(({ name }) => name !== mirror.name),
      'a mirror cosignature on a pending checkpoint',
    );
  }
  if (expected['mirror_cosigns'] === undefined) return;
  const size = Number(textOf(fieldsOf(expected, 'mirror_cosigns'), 'size'));
  await checkServed(mirror, log, size, roots, reply);
}

/** What the mirror serves must be the log at that size, entry by entry, under its own cosignature. */
async function checkServed(mirror: Mirror, log: VectorLog, size: number, roots: Fields, reply: Reply): Promise<void> {
  const prefix = originHash(log.origin);
  const { checkpoint, note } = parseCheckpoint((await mirror.checkpoint(prefix)).body);
  equal(checkpoint.size, size);
  ok(verifyLogSignatures(checkpoint, note, log.keys).length > 0);
  for (const lines of [note.signatures, parseSignatureLines(reply.body)]) {
    for (const key of mirror.keys) {
      const line = lines.find(({ keyId, name }) => keyId === key.keyId && name === key.name);
      ok(line, 'no cosignature of the mirror');
      ok(verifyCosignature(checkpoint, line, key).timestamp > 0);
    }
  }
  const hashes: Uint8Array[] = [];
  for (const bundle of newBundles(0, size)) {
    const bytes = (await mirror.resource(prefix, formatTilePath(bundle))) ?? new Uint8Array(0);
    hashes.push(...decodeEntryBundle(bytes).map(leafHash));
  }
  equal(hexEncode(rootOfHashes(hashes)), hexEncode(checkpoint.root));
  if (roots[String(size)] !== undefined) equal(hexEncode(checkpoint.root), textOf(roots, String(size)));
  for (const tile of tilesForSize(size)) {
    const bytes = await mirror.resource(prefix, formatTilePath(tile));
    ok(bytes, `tile ${tile.level}/${tile.index}`);
    const span = 256 ** tile.level;
    for (const [i, hash] of decodeTile(bytes).entries()) {
      const first = (tile.index * 256 + i) * span;
      equal(hexEncode(hash), hexEncode(rootOfHashes(hashes.slice(first, first + span))));
    }
  }
}

function post(mirror: Mirror, path: string, body: Uint8Array): Promise<Reply> {
  if (path === '/add-checkpoint') return mirror.addCheckpoint(body);
  if (path === '/add-entries') return mirror.addEntries(chunks(body));
  if (path === '/sign-subtree') return mirror.signSubtree(body);
  throw new NotUnderstood(`path ${path}`);
}

async function orRefusal<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof BodyEnded ? new Refusal(error.message) : error;
  }
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
