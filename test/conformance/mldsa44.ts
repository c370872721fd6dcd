/** Vectors of `mldsa44/`: verification, and one digest over deterministic keys and signatures. */
import { equal } from 'node:assert/strict';
import { shake128 } from '@noble/hashes/sha3.js';
import { hexEncode } from '../../proofs/bytes.ts';
import { publicKeyOf, sign, verify } from '../../proofs/mldsa44.ts';
import {
  check,
  type Family,
  type Fields,
  hashesOf,
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

export const judgeMlDsa44: Family = ({ content }) => {
  const cases = recordsOf(content, 'cases');
  if (haveFields(cases, 'N', 'digest')) return judgeAll(cases ?? [], judgeAccumulated);
  if (!haveFields(cases, 'key', 'sig', 'result')) return undefined;
  const keys = hashesOf(content, 'keys');
  return judgeAll(cases ?? [], (fields, id) => judgeSignature(keys, fields, id));
};

function judgeSignature(keys: readonly Uint8Array[], fields: Fields, id: string): Promise<Verdict> {
  return judge(id, textOf(fields, 'result') === 'valid' ? 'accept' : 'reject', () => {
    if ((fields['ctx'] ?? '') !== '') throw new NotUnderstood('we sign and verify with the empty context only');
    const key = keys[Number(textOf(fields, 'key'))];
    if (key === undefined) throw new NotUnderstood('no such key');
    if (!verify(hexOf(fields, 'msg'), hexOf(fields, 'sig'), key)) throw new Refusal('bad signature');
  });
}

/** Seeds come out of one SHAKE128, keys and signatures go into another. */
function judgeAccumulated(fields: Fields, id: string): Promise<Verdict> {
  return check(id, () => {
    const source = shake128.create({});
    const sink = shake128.create({});
    for (let i = 0; i < Number(textOf(fields, 'N')); i++) {
      const seed = source.xof(32);
      const publicKey = publicKeyOf(seed);
      const signature = sign(new Uint8Array(0), seed);
      equal(verify(new Uint8Array(0), signature, publicKey), true);
      sink.update(publicKey).update(signature);
    }
    equal(hexEncode(sink.xof(32)), textOf(fields, 'digest'));
  });
}
