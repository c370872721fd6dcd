/** The samples of docs/head.md are what the command line makes and takes. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parsePin, pinNote } from '../../proofs/pin.ts';
import { checkCheckpoint, parsePolicy } from '../../proofs/policy.ts';
import { headCode, headText } from '../../src/cli/head-text.ts';
import { cli } from '../support/network.ts';

describe('the manual of kept heads', () => {
  let directory: string;
  let samples: readonly string[];

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'countersign-manual-'));
    const manual = await readFile(new URL('../../docs/head.md', import.meta.url), 'utf8');
    samples = [...manual.matchAll(/^```\n([^`]*)^```$/gm)].map(([, sample = '']) => sample);
    for (const [i, name] of ['text', 'code', 'since', 'policy'].entries()) {
      await writeFile(path.join(directory, name), samples[i] ?? '');
    }
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it.each(['text', 'code'])('shows a %s that verifies with the proof beside it', async (name) => {
    const file = (one: string): string => path.join(directory, one);
    const pinned = ['--policy', file('policy'), '--consistency', file('since')];
    const { code, out } = await cli(['verify', '--pin', file(name), ...pinned]);
    expect([code, out]).toEqual([
      0,
      expect.stringContaining("the 41 entries of the kept head are the first of today's 60"),
    ]);
  });

  it('shows what the command writes', () => {
    const [text = '', code = '', , policyText = ''] = samples;
    const policy = parsePolicy(policyText);
    const checked = checkCheckpoint(policy, pinNote(parsePin(text)) ?? '');
    expect(headText(policy, checked)).toBe(text);
    expect(headCode(checked)).toBe(code.trim());
  });
});
