/** Real records end to end: imported once, covered by a cosigned checkpoint, each verified with the network stopped. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLOUDTRAIL_RECORDS, cloudTrailDir, cloudTrailMissing, haveCloudTrail } from '../support/cloudtrail.ts';
import { cli, removeNetworks, startTestNetwork, type TestNetwork } from '../support/network.ts';

describe.skipIf(!haveCloudTrail)(`real CloudTrail records${cloudTrailMissing}`, () => {
  let network: TestNetwork;
  let out: string;
  let policy: string;
  /** The records, and what the log recorded about itself meanwhile. */
  let exportedCount: number;
  beforeAll(async () => {
    network = await startTestNetwork();
    out = path.join(network.data, 'receipts');
    ({ policy } = await network.read());
  }, 90_000);
  afterAll(removeNetworks);

  it('all go in, and a cosigned checkpoint covers every one', async () => {
    const result = await network.run(['import', 'cloudtrail', cloudTrailDir, '--json']);
    expect(result.code, result.err).toBe(0);
    expect(result.json()).toMatchObject({
      read: CLOUDTRAIL_RECORDS,
      new: CLOUDTRAIL_RECORDS,
      duplicate: 0,
      refused: [],
    });
    expect(result.json()['checkpoint_size']).toBeGreaterThanOrEqual(CLOUDTRAIL_RECORDS);
  }, 120_000);

  it('imported again add nothing', async () => {
    const { code, json } = await network.run(['import', 'cloudtrail', cloudTrailDir, '--json']);
    expect(code).toBe(0);
    expect(json()).toMatchObject({ new: 0, duplicate: CLOUDTRAIL_RECORDS });
  }, 120_000);

  it('each verifies offline, after every process has stopped', async () => {
    const exported = await network.run(['proof', '--all', '--out', out, '--json']);
    expect(exported.code, exported.err).toBe(0);
    exportedCount = Number(exported.json()['events']);
    expect(exportedCount).toBeGreaterThanOrEqual(CLOUDTRAIL_RECORDS);
    await network.stop();
    const { code, json } = await cli(['verify', out, '--policy', policy, '--json']);
    expect(code).toBe(0);
    expect(json()).toMatchObject({ verdict: 'PASS', passed: exportedCount, failed: 0, incomplete: 0 });
  }, 240_000);

  it('one altered character among all of them fails the whole, with index and field', async () => {
    const [name = ''] = (await readdir(out)).filter((file) => file.endsWith('.json'));
    const file = path.join(out, name);
    const opened = JSON.parse(await readFile(file, 'utf8')) as {
      index: number;
      fields: Record<string, { value: string }>;
    };
    const { action } = opened.fields;
    if (action === undefined) throw new Error('the event has no action');
    action.value = action.value.replace(/.(?="$)/, 'X');
    await writeFile(file, JSON.stringify(opened));
    const { code, json } = await cli(['verify', out, '--policy', policy, '--json']);
    expect(code).toBe(1);
    expect(json()).toMatchObject({ verdict: 'FAIL', passed: exportedCount - 1, failed: 1 });
    const results = json()['results'] as { verdict: string; failure?: unknown }[];
    expect(results.find(({ verdict }) => verdict === 'FAIL')?.failure).toEqual({
      code: 'commitment-mismatch',
      index: opened.index,
      field: 'action',
    });
  }, 60_000);
});
