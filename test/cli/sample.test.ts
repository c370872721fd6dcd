/** `countersign sample` and `countersign review`, against a served log whose witnesses cosign whenever somebody looks. */
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { QUICKNET } from '../../proofs/drand.ts';
import { runProgram } from '../../src/cli/program.ts';
import { reviewSchedules } from '../../src/trail/review-schedule.ts';
import { fakeIo } from '../support/fake-io.ts';
import { ask, ownEntries, type TestServer, type TestServerOptions, testEvent, withServer } from '../support/http.ts';
import { withDirectory } from '../support/test-log.ts';

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface Desk {
  readonly server: TestServer;
  readonly directory: string;
  readonly run: (...args: readonly string[]) => Promise<Said>;
}

async function atDesk(
  work: (desk: Desk) => Promise<void>,
  options: TestServerOptions & { readonly now?: () => number } = {},
): Promise<void> {
  await withDirectory((directory) =>
    withServer(async (server) => {
      const [policy, token] = [path.join(directory, 'policy.txt'), path.join(directory, 'token')];
      await writeFile(policy, server.keys.policyText);
      await writeFile(token, server.auditor);
      const cosigned: typeof fetch = async (url, init) => {
        if (/checkpoint|evidence/.test(String(url))) await server.publish();
        return fetch(url, init);
      };
      const run = async (...args: readonly string[]): Promise<Said> => {
        const io = fakeIo({ fetch: cosigned, ...(options.now !== undefined && { nowMs: options.now }) });
        const target = ['--url', server.url, '--log', 'test', '--token-file', token];
        const isOffline = args[1] === 'verify' || args[1] === 'size';
        const needsPolicy = ['draw', 'run', 'verify'].includes(args[1] ?? '');
        const all = [...args, ...(isOffline ? [] : target), ...(needsPolicy ? ['--policy', policy] : [])];
        const code = await runProgram(all, (exitWith) => ({ ...io.io, exitWith }));
        return { code, out: io.out(), err: io.err() };
      };
      await submit(server, 40);
      await work({ server, directory, run });
    }, options),
  );
}

async function submit(server: TestServer, count: number): Promise<void> {
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify(
      testEvent(`e${server.log.treeSize()}-${i}`, i % 4 === 0 ? { authorization: { decision: 'allow' } } : {}),
    ),
  );
  const headers = { 'content-type': 'application/x-ndjson' };
  const answer = await ask(server, '/test/events', { token: server.producer, headers, body: lines.join('\n') });
  expect(answer.status).toBe(200);
}

describe('countersign sample', () => {
  it('commits, draws, verifies, and lists', () =>
    atDesk(async ({ directory, run }) => {
      const [file, report] = [path.join(directory, 's.json'), path.join(directory, 's.zip')];
      const design = ['--confidence', '95', '--tolerable', '20'];
      const committed = await run('sample', 'commit', 'action:role.*', ...design, '--out', file);
      expect(committed, committed.err).toMatchObject({ code: 0 });
      expect(committed.out).toContain('40 events');
      expect((await run('sample', 'list')).out).toContain('NOT DRAWN');
      const again = await run('sample', 'commit', '--size', '3', '--out', file);
      expect(again).toMatchObject({ code: 1 });
      expect(again.err).toContain('may hold the nonce');
      const drawn = await run('sample', 'draw', file, '--out', report);
      expect(drawn, drawn.err).toMatchObject({ code: 0 });
      expect(drawn.out).toContain('are those that follow from the seed; all are shown whole');
      expect(drawn.out).toMatch(/pass {7}pin: the checkpoint .* (extends|is) the pinned head/);
      expect((await run('sample', 'list')).out).toContain('drawn, entry');
      expect(await run('sample', 'verify', report)).toMatchObject({ code: 0 });
    }));

  it.each([
    ['question', { query: 'action:role.revoke' }],
    ['size', { design: { size: 4 } }],
    ['strata', { strata: 'class' }],
    ['beginning', { from: '2026-01-08T14:32:07.000001Z' }],
    ['end', { to: '2026-01-08T14:32:07.000001Z' }],
    ['nonce', { nonce_hash: 'AAAA' }],
    ['drand round', { drand_round: 5 }],
  ])('does not take a sample for which the log committed to another %s', (what, changes) =>
    atDesk(async ({ directory, run }) => {
      const file = path.join(directory, 's.json');
      await run('sample', 'commit', 'action:role.*', '--size', '3', '--out', file);
      // As if this had been asked for, and the log had understood something else.
      const kept = JSON.parse(await readFile(file, 'utf8'));
      await writeFile(file, JSON.stringify({ ...kept, asked: { ...kept.asked, ...changes } }));
      const drawn = await run('sample', 'draw', file, '--out', path.join(directory, 's.zip'));
      expect(drawn.code).not.toBe(0);
      expect(drawn.err).toContain(`the log committed to another ${what} than you asked for`);
    }),
  );

  it('asks for one size, and says how many a design needs', () =>
    atDesk(async ({ directory, run }) => {
      const out = ['--out', path.join(directory, 's.json')];
      expect((await run('sample', 'size', '--population', '5000', '--confidence', '95', '--tolerable', '5')).out).toBe(
        '59\n',
      );
      for (const design of [[], ['--size', '3', '--rate', '5'], ['--confidence', '95'], ['--size', '0']]) {
        const said = await run('sample', 'commit', ...design, ...out);
        expect(said.code, design.join(' ')).toBe(2);
      }
    }));

  it('mixes in a drand round from a server that nobody has to trust', () => {
    // Six minutes before round 1000, which the vectors have, and after it.
    let nowMs = 1_692_806_000_000;
    const signature =
      'b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39';
    let answered = signature;
    const options = { now: () => nowMs, nowMs: () => nowMs, log: { nowUs: () => 1_692_806_000_000_000 } };
    return atDesk(async ({ directory, run }) => {
      const [file, report] = [path.join(directory, 's.json'), path.join(directory, 's.zip')];
      const drand = createServer((request, response) => {
        expect(request.url).toBe(`/${QUICKNET.hash}/public/1000`);
        response.end(JSON.stringify({ round: 1000, randomness: '00', signature: answered }));
      });
      await new Promise<void>((resolve) => drand.listen(0, '127.0.0.1', resolve));
      const address = drand.address();
      const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
      try {
        expect(await run('sample', 'commit', '--size', '4', '--drand-in', '362', '--out', file)).toMatchObject({
          code: 0,
        });
        const early = await run('sample', 'draw', file, '--out', report, '--drand', url);
        expect(early.err).toContain('drand round 1000 is due');
        nowMs = 1_692_806_400_000;
        expect((await run('sample', 'draw', file, '--out', report)).err).toContain('--drand URL');
        answered = `${signature.slice(0, -1)}8`;
        expect((await run('sample', 'draw', file, '--out', report, '--drand', url)).err).toContain('quicknet signed');
        answered = signature;
        const drawn = await run('sample', 'draw', file, '--out', report, '--drand', url);
        expect(drawn, drawn.err).toMatchObject({ code: 0 });
        expect(drawn.out).toContain('pass       drand: round 1000');
        expect(drawn.out).toMatch(/pass {7}pin: .* extends the pinned head/);
        const bound = await run('sample', 'verify', `${file}.committed`);
        expect(bound.out).toContain('existed no later than 2023-08-23T15:53:20Z');
      } finally {
        drand.closeAllConnections();
        await new Promise((resolve) => drand.close(resolve));
      }
    }, options);
  });
});

const REVIEWS = reviewSchedules({
  reviews: [
    {
      ...{ name: 'grants', title: 'Grants of roles', every_days: 90, since: '2026-01-01', query: 'action:role.grant' },
      sample: { rate_bp: 10_000 },
      checks: [
        { name: 'cites-a-rule', when: 'action:role.grant', has: ['authorization.rule'] },
        { name: 'nobody-overrides', when: 'breakglass:true', never: true },
      ],
    },
  ],
});

describe('countersign review', () => {
  it('runs what is due, records its hash, goes on where it ended, and makes the same report again', () =>
    atDesk(
      async ({ server, directory, run }) => {
        expect((await run('review', 'list')).out).toMatch(
          /^grants {2}due 2026-04-01T00:00:00\.000000Z.*never completed/,
        );
        const first = path.join(directory, 'first');
        const ran = await run('review', 'run', 'grants', '--out', first);
        expect(ran, ran.err).toMatchObject({ code: 1 });
        expect(ran.out).toContain('grants: exceptions, 40 events drawn, 10 of them with exceptions');
        expect(ran.out).toMatch(/FAILED {2}cites-a-rule: 40 events, 30 hold, 10 do not: /);
        const text = await readFile(path.join(first, 'review.json'), 'utf8');
        const entries = await ownEntries(server.log);
        const entry = entries.find(({ action }) => action === 'countersign.review.complete');
        const { context } = entry ?? {};
        expect(context).toMatchObject({ review: { exceptions: 10, drawn: 40, result: 'exceptions', start: 0 } });
        const files = [path.join(first, 'review.json'), path.join(first, 'sample.zip')] as const;
        const verified = await run('review', 'verify', ...files);
        expect(verified, verified.err).toMatchObject({ code: 0 });
        expect(verified.out).toContain(JSON.stringify(context).match(/"report":"([^"]+)"/)?.[1]);
        await writeFile(files[0], text.replace('"exceptions"', '"clean"'));
        expect(await run('review', 'verify', ...files)).toMatchObject({ code: 1 });

        await submit(server, 8);
        const second = await run('review', 'run', 'grants', '--out', path.join(directory, 'second'));
        expect(second.out, second.err).toContain('8 events drawn, 2 of them with exceptions');
        expect((await run('review', 'show', 'grants')).out.match(/exceptions, \d+ exceptions/g)).toHaveLength(2);
        expect((await run('review', 'run', 'nothing', '--out', path.join(directory, 'x'))).code).not.toBe(0);
      },
      { reviews: REVIEWS },
    ));

  it('is refused where the sample is not the one of the schedule, or leaves a gap', () =>
    atDesk(
      async ({ server, directory, run }) => {
        const file = path.join(directory, 's.json');
        await run('sample', 'commit', 'action:role.*', '--rate', '100', '--out', file);
        await run('sample', 'draw', file, '--out', path.join(directory, 's.zip'));
        const { sample } = JSON.parse(await readFile(file, 'utf8'));
        const complete = async (changes: object, name = 'grants'): Promise<unknown> => {
          const hash = `${'A'.repeat(43)}=`;
          const json = {
            definition: REVIEWS[0]?.digest,
            report: hash,
            sample,
            drawn: 1,
            exceptions: 0,
            result: 'clean',
          };
          const answer = await ask(server, `/test/reviews/${name}`, {
            token: server.auditor,
            json: { ...json, ...changes },
          });
          return String(answer.json()['type']).split(':').at(-1);
        };
        expect(await complete({})).toBe('review-mismatch');
        expect(await complete({ definition: `${'B'.repeat(43)}=` })).toBe('review-mismatch');
        expect(await complete({ sample: 3 })).toBe('unknown-sample');
        expect(await complete({}, 'nothing')).toBe('unknown-review');
        expect(await complete({ result: 'perfect' })).toBe('invalid-body');
        const late = path.join(directory, 'late.json');
        await run(
          'sample',
          'commit',
          'action:role.grant',
          '--rate',
          '100',
          '--from',
          '2026-01-08T14:32:07.000010Z',
          '--out',
          late,
        );
        await run('sample', 'draw', late, '--out', path.join(directory, 'late.zip'));
        expect(await complete({ sample: JSON.parse(await readFile(late, 'utf8')).sample })).toBe('review-mismatch');
      },
      { reviews: REVIEWS },
    ));
});
