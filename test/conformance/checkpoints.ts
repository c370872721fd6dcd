/** Vectors of `checkpoints/`: checkpoint bodies without signatures. */
import { deepEqual, equal } from 'node:assert/strict';
import { base64Encode, utf8Decode } from '../../proofs/bytes.ts';
import { formatCheckpointBody, parseCheckpointBody } from '../../proofs/checkpoint.ts';
import {
  bytesOf,
  type Family,
  type Fields,
  haveFields,
  judge,
  judgeAll,
  recordsOf,
  textOf,
  textsOf,
  type Verdict,
} from './vector.ts';

export const judgeCheckpoints: Family = ({ content }) => {
  const cases = recordsOf(content, 'cases');
  const known = haveFields(cases, 'text', 'expect') || haveFields(cases, 'hex', 'expect');
  return known ? judgeAll(cases ?? [], judgeBody) : undefined;
};

function judgeBody(fields: Fields, id: string): Promise<Verdict> {
  return judge(id, textOf(fields, 'expect'), () => {
    const body = utf8Decode(bytesOf(fields));
    const checkpoint = parseCheckpointBody(body);
    if (fields['origin'] !== undefined) equal(checkpoint.origin, textOf(fields, 'origin'));
    if (fields['size'] !== undefined) equal(String(checkpoint.size), textOf(fields, 'size'));
    if (fields['root_b64'] !== undefined) equal(base64Encode(checkpoint.root), textOf(fields, 'root_b64'));
    if (fields['extensions'] !== undefined) deepEqual(checkpoint.extensions, textsOf(fields, 'extensions'));
    equal(formatCheckpointBody(checkpoint), body);
  });
}
