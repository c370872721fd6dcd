/** Vectors of `proof/`: tlog-proof files, alone and against a policy. */
import { deepEqual, equal } from 'node:assert/strict';
import { base64Encode, hexEncode, utf8Decode, utf8Encode } from '../../proofs/bytes.ts';
import { leafHash } from '../../proofs/hash.ts';
import { parsePolicy } from '../../proofs/policy.ts';
import { checkTlogProof, formatTlogProof, parseTlogProof, type TlogProof } from '../../proofs/tlog-proof.ts';
import {
  bytesOf,
  type Family,
  type Fields,
  haveFields,
  hexOf,
  judge,
  judgeAll,
  recordsOf,
  textOf,
  textsOf,
  type Verdict,
} from './vector.ts';

export const judgeProof: Family = ({ content }) => {
  const cases = recordsOf(content, 'cases');
  if (haveFields(cases, 'policy', 'expect')) return judgeAll(cases ?? [], judgeWhole);
  if (haveFields(cases, 'expect')) return judgeAll(cases ?? [], judgeEnvelope);
  return undefined;
};

function judgeEnvelope(fields: Fields, id: string): Promise<Verdict> {
  return judge(id, textOf(fields, 'expect'), () => {
    const proof = parse(bytesOf(fields));
    if (fields['index'] !== undefined) equal(String(proof.index), textOf(fields, 'index'));
    if (fields['hashes'] !== undefined) deepEqual(proof.proof.map(base64Encode), textsOf(fields, 'hashes'));
    if (fields['extra'] !== undefined) equal(base64Encode(proof.extra ?? new Uint8Array(0)), textOf(fields, 'extra'));
    if (fields['checkpoint'] !== undefined) equal(proof.checkpoint, textOf(fields, 'checkpoint'));
  });
}

function judgeWhole(fields: Fields, id: string): Promise<Verdict> {
  return judge(id, textOf(fields, 'expect'), () => {
    const proof = parse(bytesOf(fields));
    const entry = fields['entry_hex'] === undefined ? utf8Encode(textOf(fields, 'entry')) : hexOf(fields, 'entry_hex');
    checkTlogProof(proof, leafHash(entry), parsePolicy(textOf(fields, 'policy')));
    const extra = proof.extra === undefined ? undefined : hexEncode(proof.extra);
    if (fields['extra_hex'] !== undefined) equal(extra, textOf(fields, 'extra_hex'));
  });
}

function parse(bytes: Uint8Array): TlogProof {
  const proof = parseTlogProof(bytes);
  equal(formatTlogProof(proof), utf8Decode(bytes));
  return proof;
}
