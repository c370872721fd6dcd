/** Vectors of `policy/`: policy files, and which witnesses satisfy one. */
import { deepEqual, equal } from 'node:assert/strict';
import { formatPolicy, parsePolicy, quorumSatisfied } from '../../proofs/policy.ts';
import {
  boolOf,
  bytesOf,
  check,
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

export const judgePolicy: Family = ({ content }) => {
  const cases = recordsOf(content, 'cases');
  if (haveFields(cases, 'cosigned_by', 'satisfied')) return judgeAll(cases ?? [], judgeQuorumOf(content));
  if (haveFields(cases, 'expect')) return judgeAll(cases ?? [], judgeFile);
  return undefined;
};

function judgeFile(fields: Fields, id: string): Promise<Verdict> {
  return judge(id, textOf(fields, 'expect'), () => {
    const policy = parsePolicy(bytesOf(fields));
    if (fields['logs'] !== undefined) equal(String(policy.logs.length), textOf(fields, 'logs'));
    if (fields['witnesses'] !== undefined) equal(String(policy.witnesses.length), textOf(fields, 'witnesses'));
    if (fields['quorum'] !== undefined) equal(policy.quorum, textOf(fields, 'quorum'));
    deepEqual(parsePolicy(formatPolicy(policy)), policy);
  });
}

/** The policy stands once in the file, or with each case. */
function judgeQuorumOf(content: Fields): (fields: Fields, id: string) => Promise<Verdict> {
  return (fields, id) =>
    check(id, () => {
      const policy = parsePolicy(textOf(fields['policy'] === undefined ? content : fields, 'policy'));
      equal(quorumSatisfied(policy, new Set(textsOf(fields, 'cosigned_by'))), boolOf(fields, 'satisfied'));
    });
}
