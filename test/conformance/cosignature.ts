/** Vectors of `cosignature/`: signed bytes, key ids, cosigned checkpoints, timestamps. */
import { equal } from 'node:assert/strict';
import { base64Decode, hexEncode, utf8Decode } from '../../proofs/bytes.ts';
import { parseCheckpoint, parseCheckpointBody } from '../../proofs/checkpoint.ts';
import { cosignedMessage, readTimestamp, subtreeMessage, verifySignature } from '../../proofs/cosignature.ts';
import { keyIdBytes, keyIdOf, parseVerifierKey } from '../../proofs/key.ts';
import { parseDecimal } from '../../proofs/numbers.ts';
import {
  bytesOf,
  check,
  type Family,
  type Fields,
  haveFields,
  hexOf,
  judge,
  judgeAll,
  NotUnderstood,
  Refusal,
  recordsOf,
  textOf,
  type Verdict,
} from './vector.ts';

export const judgeCosignature: Family = ({ content }) => {
  const cases = recordsOf(content, 'cases');
  if (cases?.some((fields) => fields['cosigner_vkey'] !== undefined)) return judgeAll(cases, judgeCosigned);
  if (haveFields(cases, 'key_id', 'vkey')) return judgeAll(cases ?? [], judgeKeyId);
  if (haveFields(cases, 'type', 'timestamp')) return judgeAll(cases ?? [], judgeMessage);
  if (haveFields(cases, 'base64', 'expect')) return judgeAll(cases ?? [], judgeTimestamp);
  return undefined;
};

function judgeMessage(fields: Fields, id: string): Promise<Verdict> {
  return check(id, () => {
    const message = messageOf(fields);
    if (fields['message'] !== undefined) equal(utf8Decode(message), textOf(fields, 'message'));
    else equal(hexEncode(message), textOf(fields, 'message_hex'));
  });
}

function messageOf(fields: Fields): Uint8Array {
  const type = textOf(fields, 'type');
  const timestamp = parseDecimal(textOf(fields, 'timestamp'), 'timestamp');
  if (type === '4') {
    return cosignedMessage(parseCheckpointBody(textOf(fields, 'body')), { name: 'unused', type: 4 }, timestamp);
  }
  if (type !== '6') throw new NotUnderstood(`signature type ${type}`);
  return subtreeMessage(textOf(fields, 'cosigner_name'), timestamp, {
    origin: textOf(fields, 'log_origin'),
    start: parseDecimal(textOf(fields, 'start'), 'start'),
    end: parseDecimal(textOf(fields, 'end'), 'end'),
    hash: hexOf(fields, 'hash_hex'),
  });
}

function judgeKeyId(fields: Fields, id: string): Promise<Verdict> {
  return check(id, () => {
    const key = parseVerifierKey(textOf(fields, 'vkey'));
    equal(key.name, textOf(fields, 'name'));
    equal(String(key.type), textOf(fields, 'type'));
    equal(hexEncode(keyIdBytes(key.keyId)), textOf(fields, 'key_id'));
    if (fields['type4_key_id'] === undefined) return;
    equal(hexEncode(keyIdBytes(keyIdOf(key.name, 4, key.publicKey))), textOf(fields, 'type4_key_id'));
    if (fields['type4_vkey'] !== undefined) equal(parseVerifierKey(textOf(fields, 'type4_vkey')).name, key.name);
  });
}

function judgeCosigned(fields: Fields, id: string): Promise<Verdict> {
  const expect = textOf(fields, 'expect');
  return judge(id, expect === 'parse-only' ? 'accept' : expect, () => {
    const { checkpoint, note } = parseCheckpoint(bytesOf(fields));
    if (expect === 'parse-only') return;
    const key = parseVerifierKey(textOf(fields, 'cosigner_vkey'));
    const lines = note.signatures.filter(({ name, keyId }) => name === key.name && keyId === key.keyId);
    if (lines.length === 0) throw new Refusal('no line by the cosigner');
    for (const line of lines) {
      const { timestamp } = verifySignature(checkpoint, line, key);
      if (fields['timestamp'] !== undefined) equal(String(timestamp), textOf(fields, 'timestamp'));
    }
  });
}

/** The base64 of a signature line: four bytes of key id, then the timestamped signature. */
function judgeTimestamp(fields: Fields, id: string): Promise<Verdict> {
  return judge(id, textOf(fields, 'expect'), () => {
    const time = readTimestamp(base64Decode(textOf(fields, 'base64')).subarray(4));
    if (fields['timestamp'] !== undefined) equal(String(time), textOf(fields, 'timestamp'));
  });
}
