/** Every file of the corpus by the command line's verifier: the verdict, and the reason for it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FileReport } from '../../proofs/judge-file.ts';
import { createFileVerifier } from '../../src/cli/verify-files.ts';
import { parseTimeUs } from '../../src/events/time.ts';
import type { CorpusFile } from './corpus.ts';
import { corpus, writeCorpus } from './make-corpus.ts';
import { POLICY } from './world.ts';

const files = await corpus();
let directory = '';

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'countersign-corpus-'));
  await writeCorpus(directory, files);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe('the corpus', () => {
  it('has at least sixty attacks and every kind of good file', () => {
    const good = files.filter(({ name }) => name.startsWith('good-'));
    expect(files.length - good.length).toBeGreaterThanOrEqual(60);
    expect(good.every(({ expect: { verdict } }) => verdict === 'PASS')).toBe(true);
    expect(files.filter((file) => !good.includes(file)).every(({ expect: { verdict } }) => verdict !== 'PASS')).toBe(
      true,
    );
  });

  it.each(files.map((file) => [file.name, file] as const))('%s', async (_, file) => {
    const report = await verify(file);
    const decisive = report.claims.find(({ result }) => result === (report.verdict === 'FAIL' ? 'fail' : 'incomplete'));
    const { verdict, claim, code, index, field } = file.expect;
    expect(report.verdict, JSON.stringify(report.claims, null, 1)).toBe(verdict);
    if (claim !== undefined) expect(decisive?.claim, report.reason).toBe(claim);
    if (code !== undefined) expect(report.failure?.code, report.reason).toBe(code);
    if (index !== undefined) expect(report.failure?.index, report.reason).toBe(index);
    if (field !== undefined) expect(report.failure?.field, report.reason).toBe(field);
  });
});

function verify({ name, suffix, pin, at }: CorpusFile): Promise<FileReport> {
  const judge = createFileVerifier({
    policyText: POLICY,
    ...(pin !== undefined && { pin: new TextEncoder().encode(pin) }),
    ...(at !== undefined && { at: Math.floor((parseTimeUs(at) ?? 0) / 1_000_000) }),
  });
  const event = path.join(directory, `${name}${suffix}`);
  return judge({ event, receipt: path.join(directory, `${name}.tlog-proof`) });
}
