/**
 * The five questions that an auditor asks, over a running network with half a year of events in it: each is answered by
 * one command, with proofs, and verified again when nothing runs any more.
 */
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBundleZip } from '../../src/evidence/read-zip.ts';
import { FIRST_DAY, LAST_DAY } from '../support/acme-events.ts';
import { loadAcme } from '../support/acme-network.ts';
import { CUSTOMER, RENAMED, RULE, STORY } from '../support/acme-story.ts';
import { CLOUDTRAIL_RECORDS, cloudTrailDir, haveCloudTrail } from '../support/cloudtrail.ts';
import { type CliResult, cli, removeNetworks, startTestNetwork, type TestNetwork } from '../support/network.ts';
import { makeZip } from '../support/zip.ts';

const EVENTS = 10_000;
const SEED = 4_711;
const QUESTION = [
  'action:billing.address.*',
  `target:${CUSTOMER}`,
  `occurred_from:${FIRST_DAY}`,
  `occurred_to:${LAST_DAY}`,
];

type Row = Readonly<Record<string, unknown>>;

describe('the five questions', () => {
  let network: TestNetwork;
  let policy: string;
  /** A head that the auditor kept in July, so to speak: before the last chapters came. */
  let kept: string;
  let addresses: string;
  let history: string;
  let asked: CliResult;
  /** What `verify` said of the bundle, with nothing running. */
  let read: string;
  beforeAll(async () => {
    network = await startTestNetwork();
    [addresses, history, kept, policy] = ['address.zip', 'rule.zip', 'kept-head', 'pinned-policy.txt'].map((name) =>
      path.join(network.data, name),
    ) as [string, string, string, string];
    await copyFile((await network.read()).policy, policy);
    await loadAcme(network, { count: EVENTS, seed: SEED });
    await writeFile(kept, (await network.run(['checkpoint'])).out);
    if (haveCloudTrail) {
      const imported = await network.run(['import', 'cloudtrail', cloudTrailDir, '--json']);
      expect(imported.json()).toMatchObject({ new: CLOUDTRAIL_RECORDS, refused: [] });
    }
    asked = await network.run(['evidence', ...QUESTION, '--pin', kept, '--out', addresses, '--json']);
  }, 120_000);
  afterAll(removeNetworks);

  const answered = (): readonly Row[] => (asked.json()['answer'] as { events: Row[] }).events;
  const member = (row: Row, ...path: readonly string[]): unknown =>
    path.reduce<unknown>((value, name) => Object(value)[name], row);

  it('every change to the billing address of a customer in six months, attempts included, out of all that happened', () => {
    expect([asked.code, asked.err]).toEqual([0, expect.any(String)]);
    expect(asked.json()).toMatchObject({ verdict: 'PASS', mode: 'complete', matched: STORY.length, start: 0 });
    expect(Number(asked.json()['end'])).toBeGreaterThan(EVENTS + (haveCloudTrail ? CLOUDTRAIL_RECORDS : 0));
    const ids = answered().map((row) => member(row, 'event', 'event_id'));
    expect(ids).toEqual(STORY.map(({ event }) => event.event_id));
    expect(answered().map((row) => member(row, 'event', 'outcome', 'result'))).toEqual(
      STORY.map(({ event }) => event.outcome.result),
    );
    expect(answered().filter((row) => row['break_glass'] === true)).toHaveLength(1);
    // The same person under two names is one actor, and the names went nowhere.
    const byHer = answered().filter((row) => member(row, 'event', 'actor', 'id') === RENAMED.id);
    expect(byHer.map((row) => member(row, 'event', 'event_id'))).toEqual(['address-2', 'address-4']);
    expect(asked.out).not.toContain('ann.');
  });

  it('the rule that allowed each, with its author and approval, and what is wrong with some of them', () => {
    expect(answered().map((row) => member(row, 'rule', 'verdict'))).toEqual(STORY.map(({ verdict }) => verdict));
    expect(answered()[0]?.['rule']).toMatchObject({
      cited: `${RULE}.v1#agent`,
      version: { version: 'v1', author: 'u_2001', approver: 'u_2002', approval: 'PR-40', approved: true },
    });
    expect(answered()[5]?.['rule']).toMatchObject({ version: { version: 'v3', author: 'u_2003', approved: false } });
    expect(answered()[6]?.['rule']).toMatchObject({ version: { version: 'v2' }, in_force: { version: 'v3' } });
  });

  it('before and after of each', () => {
    expect(answered().map((row) => member(row, 'event', 'changes'))).toEqual(STORY.map(({ event }) => event.changes));
  });

  it('that none was modified: all of it verifies with nothing running, against a head that was kept before', async () => {
    const proven = await network.run(['rules', 'show', RULE, '--out', history, '--json']);
    expect([proven.code, proven.err]).toEqual([0, expect.any(String)]);
    await network.stop();
    const { code, out } = await cli(['verify', addresses, '--policy', policy, '--pin', kept]);
    expect(code, out).toBe(0);
    expect(out).toMatch(/pass +pin: .*extends/);
    expect(out).toContain('None of it was changed since');
    expect(out).toContain('PASS: 1 passed, 0 failed, 0 incomplete');
    read = out;
  }, 60_000);

  it('that one would be found which was: an altered word, an omitted event', async () => {
    const files = readBundleZip(await readFile(addresses));
    const text = new TextDecoder().decode(files.get('events.ndjson'));
    const lines = text.split('\n');
    const last = lines.findIndex((line) => line.includes('Am Markt 4'));
    const omitted = lines.filter((_, i) => i !== last).join('\n');
    for (const altered of [text.replace('Am Markt 4', 'Am Markt 5'), omitted]) {
      const file = path.join(network.data, 'altered.zip');
      const entries = [...files].map(([name, data]) => ({
        name,
        data: name === 'events.ndjson' ? bytes(altered) : data,
      }));
      await writeFile(file, makeZip(entries));
      const verdict = await cli(['verify', file, '--policy', policy, '--json']);
      expect(verdict.code).toBe(1);
      const [result] = verdict.json()['results'] as { answer?: unknown; claims: { claim: string; result: string }[] }[];
      expect(result?.claims.filter((claim) => claim.result === 'fail').map(({ claim }) => claim)).toContain('events');
      expect(result?.answer).toBeUndefined();
    }
  }, 60_000);

  it('when that rule last changed, by whom, with which approval, and that nothing came after', async () => {
    const { code, out } = await cli(['verify', history, '--policy', policy]);
    expect(code).toBe(0);
    expect(out).toMatch(
      new RegExp(`^${RULE} last changed at 20.*, to version v4\n +by +u_2001, approved by u_2004 in PR-93$`, 'm'),
    );
    expect(out).toContain('No later version was published');
    expect(out).toMatch(/version v3\n +by +u_2003, NOT APPROVED/);
  });

  it('and all of it reads well to a person', () => {
    expect(read).toContain(`${STORY.length} events match`);
    expect(read).toContain('BREAK-GLASS  Changed a billing address');
    expect(read).toContain('DENIED  Changed a billing address');
    expect(read).toContain('"Alte Gasse 1" → "Hafenweg 5"');
    expect(read).toMatch(/NOT APPROVED {2}policy.billing.address.v3#agent/);
    expect(read).toMatch(/SUPERSEDED {2}policy.billing.address.v2#agent/);
  });
});

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
