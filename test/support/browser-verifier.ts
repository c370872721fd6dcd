/**
 * The browser verifier in a headless Chromium that can reach nothing: files go in through the page's own inputs, verdicts
 * are read off the page. Whatever the page tries to request beyond itself is kept, and is a failure of whoever asks.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { buildVerifier } from '../../src/console/build-verifier.ts';

export interface OpenedVerifier {
  readonly page: Page;
  readonly browser: Browser;
  /** URLs that the page asked for, beyond itself and what it made itself. */
  readonly requests: readonly string[];
  /** What the browser complained about. */
  readonly complaints: readonly string[];
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly colorScheme?: 'light' | 'dark';
  /** Where the page is; otherwise it is built and opened from a file. */
  readonly url?: string;
  readonly viewport?: { readonly width: number; readonly height: number };
}

const CANDIDATES = [
  process.env['CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];
const START_TIMEOUT_MS = 60_000;
/** 100,000 matches take their time. */
const VERIFY_TIMEOUT_MS = 600_000;

/** Nothing resolves and nothing answers, no address and no name; with `url`, this machine is there all the same. */
function networkArguments(isOffline: boolean): readonly string[] {
  const rules = `MAP * ~NOTFOUND${isOffline ? '' : ', EXCLUDE 127.0.0.1'}`;
  return [`--host-resolver-rules=${rules}`, '--disable-background-networking', '--disable-sync'];
}

export async function openBrowserVerifier(options: OpenOptions = {}): Promise<OpenedVerifier> {
  const directory = await mkdtemp(path.join(tmpdir(), 'countersign-page-'));
  let browser: Browser | undefined;
  try {
    let { url } = options;
    if (url === undefined) {
      const file = path.join(directory, 'verifier.html');
      await writeFile(file, (await buildVerifier()).html);
      url = pathToFileURL(file).href;
    }
    const started = await launch(options.url === undefined);
    browser = started;
    const { colorScheme = 'light', viewport = { width: 1100, height: 900 } } = options;
    const page = await started.newPage({ colorScheme, viewport });
    const requests: string[] = [];
    const complaints: string[] = [];
    page.on('request', (request) => {
      if (request.url() !== url && !/^(?:blob|data):/.test(request.url())) requests.push(request.url());
    });
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(url);
    await page.waitForSelector('body[data-state="waiting"]');
    const close = async (): Promise<void> => {
      await started.close();
      await rm(directory, { recursive: true, force: true });
    };
    return { page, browser: started, requests, complaints, close };
  } catch (error) {
    await browser?.close();
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

async function launch(isOffline: boolean): Promise<Browser> {
  const executablePath = CANDIDATES.find((file) => file !== undefined && existsSync(file));
  if (executablePath === undefined) {
    throw new Error('no Chromium: apt-get install chromium, or name one in the variable CHROMIUM');
  }
  return chromium.launch({
    executablePath,
    timeout: START_TIMEOUT_MS,
    args: [...networkArguments(isOffline)],
    // Root has no sandbox of its own in a container; nothing but our own page is opened.
    chromiumSandbox: process.getuid?.() !== 0,
    ...(isOffline && { proxy: { server: 'http://127.0.0.1:9' } }),
  });
}

export interface FileInPage {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface PageInput {
  readonly policy: string;
  /** Files, or where they are on the disk. */
  readonly files: readonly (FileInPage | string)[];
  readonly pin?: string | undefined;
  /** RFC 3339. */
  readonly at?: string | undefined;
}

/** What the page says about one file. */
export interface PageVerdict {
  readonly file: string;
  readonly verdict: string;
  readonly claim?: string | undefined;
  readonly code?: string | undefined;
  /** How long the worker took; of a file that is alone. */
  readonly durationMs: number;
}

/** Hands everything over through the page's inputs, as a person does with the keyboard, and waits for the verdicts. */
export async function verifyInPage({ page }: OpenedVerifier, input: PageInput): Promise<readonly PageVerdict[]> {
  const { policy, files, pin = '', at = '' } = input;
  // Without evidence nothing runs, so that the next verdict on the page is the one that is waited for.
  await page.dispatchEvent('#again', 'click');
  await page.setInputFiles('#policy-input', fileOf({ name: 'policy.txt', bytes: Buffer.from(policy) }));
  const digest = createHash('sha256').update(policy).digest('hex');
  await page.waitForSelector(`#policy-summary code:text-is("${digest}")`);
  await change(page, '#pin-text', pin);
  await change(page, '#at', at);
  const paths = files.filter((file) => typeof file === 'string');
  const made = files.filter((file) => typeof file !== 'string').map(fileOf);
  await page.setInputFiles('#evidence-input', paths.length > 0 ? paths : made);
  await page.waitForSelector('body[data-state="done"], body[data-state="broken"]', { timeout: VERIFY_TIMEOUT_MS });
  return page.evaluate<readonly PageVerdict[]>(READ_VERDICTS);
}

/** Of several files there is a table; of one alone the report. A broken page has neither. */
const READ_VERDICTS = `(() => {
  const rows = [...document.querySelectorAll('tr[data-verdict]')];
  const found = rows.length > 0 ? rows : [...document.querySelectorAll('article[data-verdict]')];
  return found.map(({ dataset: { file, verdict, claim, code, ms } }) => ({ file, verdict, claim, code, durationMs: Number(ms) }));
})()`;

async function change(page: Page, selector: string, value: string): Promise<void> {
  const field = page.locator(selector);
  if ((await field.inputValue()) === value) return;
  if (!(await field.isVisible())) await page.locator(`details:has(${selector}) > summary`).click();
  await field.fill(value);
  await field.dispatchEvent('change');
}

function fileOf({ name, bytes }: FileInPage): { name: string; mimeType: string; buffer: Buffer } {
  return { name, mimeType: 'application/octet-stream', buffer: Buffer.from(bytes) };
}
