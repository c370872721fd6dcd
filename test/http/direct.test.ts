/** Hot routes have two ways to their handlers, node:http alone and Hono: nobody can tell which one answered. */
import { describe, expect, it } from 'vitest';
import { createApp } from '../../src/http/app.ts';
import type { AnyServedLog } from '../../src/http/route.ts';
import { serveApp } from '../../src/http/server.ts';
import { openMemoryStore } from '../../src/store/memory.ts';
import { memoryTokenStore } from '../../src/trail/access.ts';
import { openTestRawLog, publishAll, until, withDirectory } from '../support/test-log.ts';

const LEAVES = 300;

/** What differs between two answers that are the same. */
const OF_THE_CONNECTION = ['date', 'connection', 'keep-alive', 'content-length', 'transfer-encoding'];

interface Plain {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

async function plain(response: Response): Promise<Plain> {
  const headers = Object.fromEntries([...response.headers].filter(([name]) => !OF_THE_CONNECTION.includes(name)));
  return { status: response.status, headers, body: Buffer.from(await response.arrayBuffer()).toString('hex') };
}

describe('a hot route', () => {
  it('answers the same over node:http and over Hono: what is there, what is not, and what is wrong', async () => {
    await withDirectory(async (directory) => {
      const openStore = async () => openMemoryStore();
      const { log, keys } = await openTestRawLog(directory, { name: 'raw', openStore });
      await log.add(Array.from({ length: LEAVES }, (_, i) => new TextEncoder().encode(`entry ${i}`)));
      await publishAll(log, keys);
      await until(() => log.publishedSize() === LEAVES);
      const tokens = memoryTokenStore();
      const logs = new Map<string, AnyServedLog>([['raw', { log, tokens, open: false }]]);
      const newRequestId = () => '00000000-0000-4000-8000-000000000001';
      const site = createApp({ logs, newRequestId });
      const server = await serveApp(site);
      const etag = (await fetch(`${server.url}/raw/checkpoint`)).headers.get('etag') ?? '';
      const requests: readonly (readonly [path: string, init?: RequestInit])[] = [
        ['/raw/checkpoint'],
        ['/raw/checkpoint?x=1'],
        ['/raw/checkpoint', { headers: { 'if-none-match': etag } }],
        ['/raw/head', { headers: { 'if-none-match': '"other", W/"more"' } }],
        ['/raw/tile/0/000'],
        ['/raw/tile/0/001.p/44'],
        ['/raw/tile/0/001.p/45'],
        ['/raw/tile/0/000?x=1'],
        ['/raw/tile/0/%3000'],
        ['/raw/tile/'],
        ['/raw/tile/entries/000', { headers: { 'accept-encoding': 'identity' } }],
        ['/raw/proof/inclusion?index=7&size=300'],
        ['/raw/proof/inclusion?index=7&size=7'],
        ['/raw/proof/inclusion?index=07&size=300'],
        ['/raw/proof/inclusion?index=7'],
        ['/raw/proof/consistency?from=5&to=301'],
        ['/raw/add', { method: 'POST', body: 'x' }],
        ['/raw/add', { method: 'POST', body: 'x', headers: { authorization: 'Bearer nonsense' } }],
        ['/raw/add'],
        ['/other/checkpoint'],
        ['/raw/checkpoint/'],
        ['//raw/checkpoint'],
      ];
      for (const [path, init] of requests) {
        const overHttp = await plain(await fetch(`${server.url}${path}`, init));
        const overHono = await plain(await site.app.request(`http://localhost${path}`, init));
        expect(overHttp, path).toEqual(overHono);
      }
      const head = await fetch(`${server.url}/raw/tile/0/000`, { method: 'HEAD' });
      expect([head.status, head.headers.get('cache-control')]).toEqual([200, 'public, max-age=31536000, immutable']);
      await server.close();
      await log.close();
    });
  });
});
