/** The auditor's page in a headless Chromium that can reach nothing: what it says, what it shows, and what it cannot do. */

import { createServer } from 'node:net';
import type { Locator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { base64Decode, hexEncode, utf8Encode } from '../../proofs/bytes.ts';
import { formatOpenedEvent } from '../../proofs/opened-event.ts';
import { proveInclusion } from '../../proofs/prove.ts';
import { formatTlogProof } from '../../proofs/tlog-proof.ts';
import { writeVerifier } from '../../src/console/build-verifier.ts';
import { readBundleZip } from '../../src/evidence/read-zip.ts';
import { headOf, makeWorld, openEvent, POLICY } from '../evidence/world.ts';
import { type OpenedVerifier, openBrowserVerifier, verifyInPage } from '../support/browser-verifier.ts';
import { withServer } from '../support/http.ts';
import { memoryReader } from '../support/tree.ts';
import { bundleOf, RULE, withFilledLog } from './evidence.ts';

let opened: OpenedVerifier;
let bundle: Uint8Array;
let policy: string;

beforeAll(async () => {
  await writeVerifier();
  opened = await openBrowserVerifier();
  await withFilledLog(async (server) => {
    bundle = await bundleOf(server, { query: 'action:role.*' });
    policy = server.keys.policyText;
  });
});
afterAll(() => opened.close());

/** The machine may have other things to do. */
const eventually = (read: () => unknown) => expect.poll(read, { timeout: 20_000 });

const results = (): Locator => opened.page.locator('#results');
const verifyBundle = () => verifyInPage(opened, { policy, files: [{ name: 'access.zip', bytes: bundle }] });

async function verifyOneEvent(erased: readonly string[], only: readonly string[]): Promise<void> {
  const world = makeWorld();
  const event = world.events[8];
  if (event === undefined) throw new Error('the world is too small');
  const proof = await proveInclusion(8, 40, memoryReader(world.leaves));
  const receipt = formatTlogProof({ index: 8, proof, checkpoint: headOf(world, 40), extra: event.entry });
  const files = [
    { name: 'one.json', bytes: utf8Encode(formatOpenedEvent(openEvent(event, { only, erased }))) },
    { name: 'one.tlog-proof', bytes: utf8Encode(receipt) },
  ];
  expect(await verifyInPage(opened, { policy: POLICY, files })).toMatchObject([{ file: 'one.json', verdict: 'PASS' }]);
}

describe('the page, opened from a file', () => {
  it('verifies a bundle, asks for nothing, and the browser has no complaint', async () => {
    expect(await verifyBundle()).toMatchObject([{ file: 'access.zip', verdict: 'PASS' }]);
    expect(await results().locator('.verdict-word').textContent()).toBe('PASS');
    expect(await results().locator('table.claims tbody tr').count()).toBeGreaterThan(10);
    expect(await opened.page.locator('#limits li').count()).toBe(3);
    expect([opened.requests, opened.complaints]).toEqual([[], []]);
  });

  it('gives no verdict while there is no policy, or one of the things to hold it to cannot be used', async () => {
    const { page } = opened;
    await page.reload();
    await page.setInputFiles('#evidence-input', { name: 'a.zip', mimeType: '', buffer: Buffer.from(bundle) });
    await eventually(() => page.locator('#status').textContent()).toContain('Waiting for the trust policy');
    expect(await results().textContent()).toBe('');
    await page.setInputFiles('#policy-input', { name: 'p.txt', mimeType: '', buffer: Buffer.from('hello\n') });
    await eventually(() => page.locator('#policy-summary').textContent()).toContain('p.txt is not a trust policy');
    expect(await results().textContent()).toBe('');
    expect(await verifyBundle()).toMatchObject([{ verdict: 'PASS' }]);
    await page.locator('details:has(#at) > summary').click();
    await page.fill('#at', 'yesterday');
    await page.press('#at', 'Tab');
    await eventually(() => results().textContent()).toBe('');
    await page.fill('#at', '2020-01-01T00:00:00Z');
    await page.press('#at', 'Tab');
    await eventually(() => results().locator('.verdict-word').textContent()).toBe('FAIL');
    await page.reload();
  });

  it('says of several files which did not pass, and of all together the worst', async () => {
    const cut = bundle.slice(0, -1);
    const files = [
      { name: 'good.zip', bytes: bundle },
      { name: 'cut.zip', bytes: cut },
    ];
    expect(await verifyInPage(opened, { policy, files })).toMatchObject([
      { file: 'good.zip', verdict: 'PASS' },
      { file: 'cut.zip', verdict: 'FAIL', claim: 'files', code: 'invalid-zip' },
    ]);
    expect(await results().locator('h2.verdict-word').textContent()).toBe('FAIL');
  });
});

describe('an event on its card', () => {
  it('has six facts, and stands first if it overrode the rules', async () => {
    await verifyBundle();
    const cards = results().locator('.card');
    expect(await cards.count()).toBe(6);
    const first = cards.first();
    expect(await first.locator('.badge').allTextContents()).toEqual(['Break-glass']);
    const facts = ['Who', 'What', 'When', 'Why allowed', 'What changed', 'Proof'];
    for (const card of await cards.all()) expect(await card.locator('.facts > dt').allTextContents()).toEqual(facts);
    const badges = await results().locator('.badge').allTextContents();
    expect(badges.sort()).toEqual(['Break-glass', 'Denied', 'Failed']);
  });

  it('has the title of the catalogue that the event was checked against, and the rule that was in force', async () => {
    await verifyBundle();
    const card = results().locator('.card').first();
    expect(await card.locator('h5').textContent()).toBe('Granted a role');
    const why = await card.locator('.facts').textContent();
    expect(why).toContain(`written by ${RULE.author}, approved by ${RULE.approver}, ${RULE.approval}`);
  });

  it('says what is withheld and what is erased', async () => {
    await verifyOneEvent(['reason'], ['action', 'actor', 'target']);
    const card = results().locator('.card');
    expect(await card.locator('.facts .state.erased').allTextContents()).toEqual(['erased']);
    expect(await card.locator('.facts .state.withheld').count()).toBeGreaterThan(0);
    expect(await card.locator('.facts').textContent()).toContain('actor.session withheld');
    expect(await card.locator('.facts').textContent()).toContain('Not shown: withheld.');
  });

  it('shows hostile text as text: no markup, no line break, nothing that turns or hides', async () => {
    await verifyBundle();
    const { page } = opened;
    await page.evaluate('document.querySelectorAll(".fields > summary").forEach((one) => one.click())');
    const text = (await results().textContent()) ?? '';
    expect(text).toContain('<img src=x onerror="document.title=1">');
    expect(text).toContain('\\u202egnp.exe');
    expect(text).toContain('\\u200b\\\\');
    expect(text).not.toMatch(/[\u202a-\u202e\u200b\n]/u);
    expect(await results().locator('img, script, iframe, a').count()).toBe(0);
    expect(await page.title()).toBe('Countersign verifier');
    expect(await results().locator('.escape').count()).toBeGreaterThan(0);
    expect(opened.requests).toEqual([]);
  });

  it('draws the path to the very root that the log and the witnesses signed', async () => {
    await verifyBundle();
    const card = results().locator('.card').first();
    await card.locator('.path-details > summary').click();
    await card.locator('figure summary').click();
    const hashes = await card.locator('figure ol code').allTextContents();
    const root = new TextDecoder().decode(readBundleZip(bundle).get('checkpoint')).split('\n')[2] ?? '';
    expect(hashes.at(-1)).toBe(hexEncode(base64Decode(root)));
    expect(await card.locator('figure .stamp').count()).toBe(3);
    // The leaf, then at each step the hash beside it and the one that both make; before them the card.
    expect(hashes.length % 2).toBe(0);
    await card.locator('.hash').last().focus();
    expect(await card.locator('.readout code').textContent()).toBe(hashes.at(-1));
  });
});

describe('the keyboard', () => {
  it('is enough: policy, evidence, verdict, path', async () => {
    const { page } = opened;
    await page.reload();
    // The picker itself is the browser's; that the key reaches the button which opens it is ours.
    await page.evaluate(`document.addEventListener('click', (event) => {
      if (event.target.type !== 'file') return;
      event.preventDefault();
      document.body.dataset.picker = event.target.id;
    })`);
    const chooseWithEnter = async (id: string, name: string, bytes: Uint8Array | string): Promise<void> => {
      for (let presses = 0; (await page.evaluate<string>('document.activeElement.id')) !== id; presses++) {
        if (presses > 30) throw new Error(`${id} is not reached`);
        await page.keyboard.press('Tab');
      }
      await page.keyboard.press('Enter');
      await eventually(() => page.evaluate('document.body.dataset.picker')).toBe(id);
      await page.setInputFiles(`#${id}`, { name, mimeType: '', buffer: Buffer.from(bytes) });
    };
    await chooseWithEnter('policy-input', 'policy.txt', policy);
    await eventually(() => page.locator('#policy-summary').textContent()).toContain('policy.txt trusts');
    await chooseWithEnter('evidence-input', 'access.zip', bundle);
    await eventually(() => page.evaluate('document.activeElement.id')).toBe('results');
    const onPath = (): Promise<boolean> => page.evaluate('document.activeElement.matches(".path-details > summary")');
    for (let presses = 0; !(await onPath()); presses++) {
      if (presses > 30) throw new Error('the path is not reached');
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await page.waitForSelector('figure .hash');
    await page.keyboard.press('Tab');
    await eventually(() => results().locator('.readout code').first().textContent()).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('the page, served by a log', () => {
  it('needs nothing but itself, and may do nothing else, by header and by its own word', () =>
    withServer(async (server) => {
      const response = await fetch(`${server.url}/verify`);
      const header = response.headers.get('content-security-policy') ?? '';
      expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
      expect(header).toMatch(/^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+';/);
      expect(header).toContain("connect-src 'none'");
      expect(header).toMatch(/frame-ancestors 'none'$/);
      expect(header).not.toMatch(/unsafe|eval|\*/);
      const html = await response.text();
      expect(html).toContain(header.replace("; frame-ancestors 'none'", ''));
      expect(html).not.toMatch(/\beval\(|new Function|https?:\/\/(?!www\.w3\.org)/);
      const served = await openBrowserVerifier({ url: `${server.url}/verify` });
      try {
        const verdicts = await verifyInPage(served, { policy, files: [{ name: 'access.zip', bytes: bundle }] });
        expect(verdicts).toMatchObject([{ verdict: 'PASS' }]);
        expect([served.requests, served.complaints]).toEqual([[], []]);
        await expectNoWayOut(served);
      } finally {
        await served.close();
      }
    }));
});

/** What somebody would try who got to run something in the page, with this machine's own network within reach. */
async function expectNoWayOut({ page }: OpenedVerifier): Promise<void> {
  // Chromium opens a connection for a frame before it asks the policy; nothing is ever sent over it.
  let bytes = 0;
  const listener = createServer((socket) => {
    socket.on('data', (data) => {
      bytes += data.length;
    });
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('the listener has no port');
  try {
    const seen = await page.evaluate<readonly string[]>(`(async (url) => {
      const seen = [];
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => seen.push(effectiveDirective));
      await fetch(url).catch(() => seen.push('fetch failed'));
      const make = (name, members) => document.body.appendChild(Object.assign(document.createElement(name), members));
      make('img', { src: url });
      make('iframe', { src: url });
      try { document.body.innerHTML = '<b>'; } catch { seen.push('no markup'); }
      try { make('script', { text: 'document.title = "1"' }); } catch { seen.push('no script'); }
      navigator.sendBeacon(url);
      make('form', { action: url, method: 'post' }).submit();
      while (!seen.includes('form-action')) await new Promise((resolve) => setTimeout(resolve, 20));
      return [...seen, document.title];
    })('http://127.0.0.1:${address.port}/')`);
    const expected = ['connect-src', 'img-src', 'frame-src', 'form-action', 'fetch failed', 'no markup', 'no script'];
    expect(seen).toEqual(expect.arrayContaining(expected));
    expect([bytes, seen.at(-1)]).toEqual([0, 'Countersign verifier']);
  } finally {
    listener.close();
  }
}
