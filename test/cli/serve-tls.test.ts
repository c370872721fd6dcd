/** `countersign serve` beyond loopback: with TLS, or not at all. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { logPaths } from '../../src/cli/data-dir.ts';
import { CliError } from '../../src/cli/errors.ts';
import { createLog } from '../../src/cli/init.ts';
import { type ServeOptions, serve } from '../../src/cli/serve.ts';
import { SILENT_LOGGER } from '../../src/log/options.ts';

let data: string;
let keyFile: string;
let certFile: string;
let certificate: string;

beforeAll(async () => {
  data = await mkdtemp(path.join(os.tmpdir(), 'serve-tls-'));
  const pems = await generate([{ name: 'commonName', value: 'localhost' }]);
  [keyFile, certFile, certificate] = [path.join(data, 'tls.key'), path.join(data, 'tls.crt'), pems.cert];
  await writeFile(keyFile, pems.private);
  await writeFile(certFile, pems.cert);
});
afterAll(() => rm(data, { recursive: true }));

function options(changes: Partial<ServeOptions>): ServeOptions {
  return { data, port: 0, host: '127.0.0.1', insecureListen: false, logger: SILENT_LOGGER, ...changes };
}

function getOverTls(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { ca: certificate, servername: 'localhost' }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    });
    asked.on('error', reject).end();
  });
}

describe('countersign serve', () => {
  it('refuses an address beyond loopback in clear text, and says what to do', async () => {
    const refusal = await serve(options({ host: '0.0.0.0' })).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(CliError);
    expect(refusal).toMatchObject({ code: 'insecure-listen' });
    expect(String((refusal as CliError).advice)).toContain('--tls-key');
  });

  it('speaks TLS with a key and a certificate, and no clear text beside it', async () => {
    const config = { name: 'audit', origin: 'log.example/audit', kind: 'audit' } as const;
    await mkdir(path.join(data, 'logs'));
    const { vkeys } = await createLog(data, config);
    const logLines = vkeys.map((vkey) => `log ${vkey}\n`).join('');
    await writeFile(logPaths(data, config.name).policy, `${logLines}quorum none\n`);
    const serving = await serve(options({ host: '0.0.0.0', tls: { keyFile, certFile } }));
    try {
      expect(serving.server.url).toMatch(/^https:/);
      expect(await getOverTls(`https://127.0.0.1:${serving.server.port}/audit/log.json`)).toBe(200);
      await expect(fetch(`http://127.0.0.1:${serving.server.port}/readyz`)).rejects.toThrow();
    } finally {
      await serving.close();
    }
  });

  it('does not start with a certificate that is not of its key', async () => {
    const other = path.join(data, 'other.crt');
    await writeFile(other, (await generate([{ name: 'commonName', value: 'other' }])).cert);
    await expect(serve(options({ tls: { keyFile, certFile: other } }))).rejects.toMatchObject({
      code: 'unreadable-input',
    });
  });
});
