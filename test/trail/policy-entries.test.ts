/** The log's policy as entries: recorded when the log first opens, and again when somebody changed it meanwhile. */
import { describe, expect, it } from 'vitest';
import { parsePolicy } from '../../proofs/policy.ts';
import type { Log } from '../../src/log/types.ts';
import { recordPolicy } from '../../src/trail/policy-entries.ts';
import { createRecorder } from '../../src/trail/record.ts';
import { ownEntries, testContexts, withServer } from '../support/http.ts';

const recorderOf = (log: Log) => {
  let ids = 0;
  return createRecorder({ log, prepareContext: testContexts(), nowMs: Date.now, newId: () => `own-${++ids}` });
};

/** The log as it opens after its policy file was changed. */
const withPolicy = (log: Log, policyText: string): Log =>
  new Proxy(log, {
    get: (target, name) => {
      if (name === 'policyText') return policyText;
      if (name === 'policy') return parsePolicy(policyText);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

describe('the policy of a log', () => {
  it('is an entry from the beginning, once, and each change is one with before and after', () =>
    withServer(async ({ log }) => {
      const recorder = recorderOf(log);
      expect(await recordPolicy(log, recorder)).toBe(true);
      expect(await recordPolicy(log, recorder)).toBe(false);
      const [first] = await ownEntries(log);
      expect(first).toMatchObject({
        actor: { type: 'system', id: 'countersign' },
        object: { hash: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) },
        context: { log_keys: [expect.stringMatching(/^log\.example\/test\+[0-9a-f]{8}$/)] },
      });
      expect(first).not.toHaveProperty('changes');

      const [line = ''] = log.policyText.split('\n').filter((one) => one.startsWith('log '));
      const [, name = '', id = ''] = /^log ([^+]+)\+([0-9a-f]{8})/.exec(line) ?? [];
      const bounded = `${log.policyText}#countersign: valid ${name}+${id} until-size 20000\n`;
      expect(await recordPolicy(withPolicy(log, bounded), recorder)).toBe(true);
      const [, second] = await ownEntries(log);
      expect(second?.['changes']).toEqual([
        { path: '/log_keys', before: [`${name}+${id}`], after: [`${name}+${id} until-size 20000`] },
      ]);
      expect(await recordPolicy(withPolicy(log, bounded), recorder)).toBe(false);
      // Back to what it was is a change like any other.
      expect(await recordPolicy(log, recorder)).toBe(true);
    }));
});
