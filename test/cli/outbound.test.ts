/** Requests to configured addresses: what may be connected to, judged by where the connection goes. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CliError } from '../../src/cli/errors.ts';
import { guardedFetch, type Network, OutboundRefused, readAllowedNetworks } from '../../src/cli/outbound.ts';

async function withNetworks(text: string, work: (networks: readonly Network[]) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'outbound-'));
  try {
    const file = path.join(directory, 'outbound.json');
    await writeFile(file, text);
    await work(await readAllowedNetworks(file));
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** A server on loopback that must not be reached unless it is allowed; counts who got through. */
async function withServer(work: (port: number, requests: () => number) => Promise<void>): Promise<void> {
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    request.resume().on('end', () => response.end(`${request.method} ${request.headers['content-type'] ?? ''}`));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  try {
    await work(typeof address === 'object' && address !== null ? address.port : 0, () => requests);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const LOOPBACK_ONLY = '{"allow": ["127.0.0.0/8"]}';

describe('where requests to configured addresses may go', () => {
  it('refuses loopback in every spelling, and nothing arrives there', async () => {
    await withServer(async (port, requests) => {
      const fetch = guardedFetch([]);
      for (const host of [
        '127.0.0.1',
        '127.1',
        '2130706433',
        '0x7f.1',
        '017700000001',
        '[::ffff:127.0.0.1]',
        'localhost',
      ]) {
        await expect(fetch(`http://${host}:${port}/`), host).rejects.toBeInstanceOf(OutboundRefused);
      }
      expect(requests()).toBe(0);
    });
  });

  it.each([
    ['http://169.254.169.254/latest/meta-data/', 'link-local'],
    ['http://[fd00:ec2::254]/latest/meta-data/', 'private'],
    ['http://10.1.2.3/', 'private'],
    ['http://172.31.0.1/', 'private'],
    ['http://192.168.0.10:8080/', 'private'],
    ['http://100.64.0.1/', 'carrier-internal'],
    ['http://0.0.0.0/', 'unspecified'],
    ['http://[::]/', 'unspecified'],
    ['http://[::1]/', 'loopback'],
    ['http://[fe80::1]/', 'link-local'],
    ['http://224.0.0.1/', 'multicast'],
    ['http://255.255.255.255/', 'broadcast'],
    // Addresses that carry an IPv4 address inside: NAT64, 6to4.
    ['http://[64:ff9b::7f00:1]/', 'special-purpose'],
    ['http://[2002:7f00:1::]/', 'special-purpose'],
  ])('refuses %s, and says that it is %s', async (url, kind) => {
    await expect(guardedFetch([])(url)).rejects.toThrow(kind);
  });

  it('connects to a network that the operator opened, with method, headers and body', async () => {
    await withNetworks(LOOPBACK_ONLY, (networks) =>
      withServer(async (port, requests) => {
        const answer = await guardedFetch(networks)(`http://127.0.0.1:${port}/`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{}',
        });
        expect([answer.status, await answer.text(), requests()]).toEqual([200, 'POST application/json', 1]);
      }),
    );
  });

  it('keeps every other network closed when one is opened', async () => {
    await withNetworks(LOOPBACK_ONLY, async (networks) => {
      await expect(guardedFetch(networks)('http://169.254.169.254/')).rejects.toBeInstanceOf(OutboundRefused);
      await expect(guardedFetch(networks)('http://[::1]/')).rejects.toBeInstanceOf(OutboundRefused);
    });
  });

  it.each(['{"allow": ["loopback"]}', '{"allow": ["10.0.0.0/33"]}', '{"allow": "10.0.0.0/8"}', '{}', 'allow'])(
    'refuses to start with %s',
    async (text) => {
      await expect(withNetworks(text, async () => {})).rejects.toBeInstanceOf(CliError);
    },
  );
});
