/** Vectors of `loglist/`: log lists of the witness network, made up and real. */
import { deepEqual } from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { formatLogList, type ListedLog, parseLogList } from '../../proofs/log-list.ts';
import {
  bytesOf,
  check,
  type Family,
  type Fields,
  haveFields,
  judge,
  judgeAll,
  NotUnderstood,
  recordsOf,
  textOf,
  type VectorFile,
  type Verdict,
} from './vector.ts';

export const judgeLogList: Family = (file) => {
  const cases = recordsOf(file.content, 'cases');
  if (haveFields(cases, 'expect')) return judgeAll(cases ?? [], judgeList);
  if (haveFields(recordsOf(file.content, 'logs'), 'vkey', 'qpd')) return judgeRealList(file);
  return undefined;
};

function judgeList(fields: Fields, id: string): Promise<Verdict> {
  return judge(id, textOf(fields, 'expect'), () => {
    const logs = parseLogList(bytesOf(fields));
    if (fields['logs'] !== undefined) deepEqual(logs.map(plain), recordsOf(fields, 'logs'));
    deepEqual(parseLogList(formatLogList(logs)), logs);
  });
}

/** `NAME.expected.json` is what `NAME.txt` beside it holds, log by log. */
async function judgeRealList({ name, folder, content }: VectorFile): Promise<Verdict[]> {
  const list = path.join(folder, path.posix.basename(name).replace(/\.expected\.json$/, '.txt'));
  if (!existsSync(list)) throw new NotUnderstood('the list itself is not there');
  const expected = recordsOf(content, 'logs') ?? [];
  const logs = parseLogList(readFileSync(list));
  const verdicts = await judgeAll(expected, (fields, id) =>
    check(id, () => deepEqual(logs.map(plain)[expected.indexOf(fields)], fields)),
  );
  return [...verdicts, await check('number of logs', () => deepEqual(logs.length, expected.length))];
}

function plain({ key, origin, requestsPerDay, contact }: ListedLog): Fields {
  const log = { vkey: key.vkey, origin, qpd: String(requestsPerDay) };
  return contact === undefined ? log : { ...log, contact };
}
