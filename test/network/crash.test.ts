/** `kill -9` of the log in the middle of an import: what was acknowledged is there, and the import completes. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseOpenedEvent } from '../../proofs/opened-event.ts';
import { processIo } from '../../src/cli/io.ts';
import { findRecordFiles, readRecordFile } from '../../src/cli/read-cloudtrail.ts';
import { type AcceptedEvent, type Submission, submitEvents } from '../../src/cli/submit-events.ts';
import { CLOUDTRAIL_RECORDS, cloudTrailDir, cloudTrailMissing, haveCloudTrail } from '../support/cloudtrail.ts';
import { removeNetworks, startTestNetwork, type TestNetwork } from '../support/network.ts';
import { until } from '../support/test-log.ts';

describe.skipIf(!haveCloudTrail)(`a log that is killed during an import${cloudTrailMissing}`, () => {
  let network: TestNetwork;
  beforeAll(async () => {
    network = await startTestNetwork();
  }, 90_000);
  afterAll(removeNetworks);

  it('has every acknowledged event at its index after each restart, and the import completes', async () => {
    const { base_url, log_url, tokens } = await network.read();
    const token = (await readFile(tokens.producer, 'utf8')).trim();
    const acknowledged: AcceptedEvent[] = [];
    const submissions: Submission[] = [];
    for (const file of await findRecordFiles([cloudTrailDir])) {
      submissions.push(...(await readRecordFile(file)).submissions);
    }
    const io = processIo(() => undefined);
    for (const part of [submissions.slice(0, 1_500), submissions.slice(1_500)]) {
      const before = acknowledged.length;
      let killed: Promise<void> | undefined;
      const importing = submitEvents(io, { baseUrl: base_url, logUrl: log_url, token }, part, {
        timeoutMs: 60_000,
        onAccepted: (event) => {
          acknowledged.push(event);
          // Finding the process takes a moment, in which the next batch is on its way.
          if (acknowledged.length === before + 500) killed = network.kill('log', 'SIGKILL');
        },
        onRefused: ({ detail }) => {
          throw new Error(`refused: ${detail}`);
        },
        onWait: () => undefined,
      });
      await until(() => killed !== undefined, '500 acknowledgements', 60_000);
      await killed;
      expect(acknowledged.length).toBeLessThan(before + part.length);
      await network.start('log');
      await importing;
      for (const { event_id, index } of acknowledged.filter((_, place) => place % 50 === 0)) {
        const { code, out, err } = await network.run(['event', event_id]);
        expect(code, err).toBe(0);
        expect(parseOpenedEvent(out).index, event_id).toBe(index);
      }
    }
    expect(acknowledged).toHaveLength(CLOUDTRAIL_RECORDS);
    const indices = acknowledged.map(({ index }) => index).sort((a, b) => a - b);
    expect(new Set(indices).size).toBe(CLOUDTRAIL_RECORDS);
    const again = await network.run(['import', 'cloudtrail', cloudTrailDir, '--json']);
    expect(again.json()).toMatchObject({ new: 0, duplicate: CLOUDTRAIL_RECORDS });
    const size = Number(again.json()['checkpoint_size']);
    expect(size).toBeGreaterThan(indices.at(-1) ?? 0);
    for (const { index, leaf_hash } of acknowledged) {
      if (index % 97 !== 0) continue;
      const response = await fetch(`${log_url}/proof/inclusion?index=${index}&size=${size}`);
      expect(await response.json()).toMatchObject({ leaf_hash });
    }
  }, 180_000);
});
