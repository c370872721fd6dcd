/** `npm run audit` against registries that answer, that know nothing, and that do not answer: it passes on none but the first. */
import { spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '../..');
const ADVISORY = { id: 1, url: 'https://example.com/1', title: 'a hole', severity: 'high', vulnerable_versions: '*' };

let registry: Server | undefined;
afterEach(async () => {
  registry?.closeAllConnections();
  await new Promise((resolve) => (registry === undefined ? resolve(undefined) : registry.close(resolve)));
  registry = undefined;
});

/** Knows advisories about these packages; undefined: has no such endpoint, as here and in many a mirror. */
async function listen(advised: readonly string[] | undefined): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    response.setHeader('content-type', 'application/json');
    if (request.method === 'POST' && advised === undefined) response.writeHead(405).end();
    else if (request.method === 'POST')
      response.end(JSON.stringify(Object.fromEntries((advised ?? []).map((name) => [name, [ADVISORY]]))));
    else response.end(packument(decodeURIComponent(request.url ?? '').slice(1)));
  });
  registry = server;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`;
}

function packument(name: string): string {
  const version = '4.17.20';
  return JSON.stringify({ name, 'dist-tags': { latest: version }, versions: { [version]: { name, version } } });
}

function audit(url: string, more: Readonly<Record<string, string>> = {}): Promise<[code: number | null, said: string]> {
  return new Promise((resolve) => {
    const env = { ...process.env, npm_config_registry: url, npm_config_fetch_retries: '0', ...more };
    const child = spawn(process.execPath, ['--import', 'tsx', 'test/audit/run.ts'], { cwd: ROOT, env });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += String(chunk)));
    child.once('close', (code) => resolve([code, said]));
  });
}

describe('the audit', () => {
  it('passes when the registry knows advisories, and none of what runs in production', async () => {
    const [code, said] = await audit(await listen(['lodash']));
    expect([code, said]).toEqual([0, expect.stringMatching(/^npm audit: \d{2,} packages in production, 0 with/)]);
  });

  it('fails when something of it is vulnerable, and names it', async () => {
    const [code, said] = await audit(await listen(['lodash', 'hono']));
    expect([code, said]).toEqual([1, expect.stringMatching(/hono \*: high/)]);
  });

  it.each([
    ['has no advisories to give', undefined, /405/, {}],
    ['knows none, and so answers every question with none', [], /knows no vulnerability of lodash/, {}],
    ['is not asked, because npm is told to be offline', undefined, /405/, { npm_config_offline: 'true' }],
  ] as const)('ends with 2 and says that nothing was examined when the registry %s', async (_, advised, why, env) => {
    const [code, said] = await audit(await listen(advised), env);
    expect([code, said]).toEqual([2, expect.stringMatching(why)]);
    expect(said).toContain('NOT AUDITED, nothing was examined');
  });

  it('ends with 2 when nobody answers', async () => {
    const [code, said] = await audit('http://127.0.0.1:9/');
    expect([code, said]).toEqual([2, expect.stringContaining('NOT AUDITED, nothing was examined')]);
  });
}, 60_000);
