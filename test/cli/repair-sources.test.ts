/**
 * `repair --from` with every kind of source, and with sources that lie, lack something, hang or are another log's: what
 * fits the tree is put back, everything else is refused by name, and the exit code says whether another run is worth it.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hexEncode, utf8Decode, utf8Encode } from '../../proofs/bytes.ts';
import { sha256 } from '../../proofs/hash.ts';
import { decodeEntryBundle, encodeEntryBundle } from '../../proofs/tile.ts';
import { readBundleZip } from '../../src/evidence/read-zip.ts';
import { type DataLog, makeDataLog, ORIGIN } from '../support/data-log.ts';
import { cli } from '../support/network.ts';
import {
  type CopyFiles,
  type CopyServer,
  changed,
  readTiledCopy,
  serveCopy,
  withAlteredEntries,
  writeTiledCopy,
} from '../support/tiled-copy.ts';
import { zipOf } from '../support/zip.ts';

const HASH = hexEncode(sha256(utf8Encode(ORIGIN)));
const OTHER_ORIGIN = 'log.example/other';
/** In the first bundle, in the second, and behind the last full tile. */
const [FIRST, SECOND, LAST] = [40, 270, 560];
const REPAIR = ['repair', '--json', '--timeout', '1'] as const;

let scratch: string;
let whole: DataLog;
let files: CopyFiles;
let otherFiles: CopyFiles;
/** Of everything, and of what another question finds. */
let bundle: string;
let otherBundle: string;
let log: DataLog;
/** With FIRST damaged, for what must not change anything; and what fsck says of it. */
let broken: DataLog;
let brokenReport: string;
const servers: CopyServer[] = [];

beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'countersign-sources-'));
  whole = await makeDataLog();
  await whole.grow('e', 600);
  [bundle, files] = await askLog(whole, 'all.zip');
  const other = await makeDataLog(OTHER_ORIGIN);
  await other.grow('e', 600);
  [otherBundle, otherFiles] = await askLog(other, 'other.zip');
  await other.remove();
  broken = await whole.copy();
  await broken.damage('entries', FIRST);
  brokenReport = (await broken.run('fsck', '--json')).out;
}, 120_000);
afterAll(async () => {
  await broken.remove();
  await whole.remove();
  await rm(scratch, { recursive: true, force: true });
});
beforeEach(async () => {
  log = await whole.copy();
});
afterEach(async () => {
  await log.remove();
  for (const server of servers.splice(0)) await server.close();
});

/** A bundle of everything, and the tiled copy, as the log itself hands them out. */
function askLog(from: DataLog, name: string): Promise<[string, CopyFiles]> {
  return from.serving(async (_, { server }) => {
    const out = path.join(scratch, name);
    const [token, policy] = [path.join('issued', 'auditor.token'), 'policy.txt'].map((file) =>
      path.join(from.directory, file),
    );
    const flags = ['--url', server.url, '--token-file', token ?? '', '--policy', policy ?? '', '--out', out];
    const { code, err } = await cli(['evidence', ...flags]);
    if (code !== 0) throw new Error(err);
    return [out, await readTiledCopy(`${server.url}/audit`)];
  });
}

async function served(copy: CopyFiles, answer?: (name: string, response: ServerResponse) => boolean): Promise<string> {
  const server = await serveCopy(copy, answer);
  servers.push(server);
  return server.url;
}

async function damaged(...indices: readonly number[]): Promise<void> {
  for (const index of indices) await log.damage('entries', index);
}

function repair(...from: readonly string[]): ReturnType<DataLog['run']> {
  return log.run(...REPAIR, ...from.flatMap((one) => ['--from', one]));
}

function brokenRepair(from: string): ReturnType<DataLog['run']> {
  return broken.run(...REPAIR, '--from', from);
}

async function bundleWith(name: string, change: (file: string, bytes: Uint8Array) => Uint8Array): Promise<string> {
  const changedFiles = [...readBundleZip(await readFile(bundle))].map(([file, bytes]) => [file, change(file, bytes)]);
  const out = path.join(scratch, name);
  await writeFile(out, zipOf(new Map(changedFiles as [string, Uint8Array][])));
  return out;
}

const refusal = (index: number, why: RegExp): object => ({ index, why: expect.stringMatching(why) });

describe('a tiled copy', () => {
  const below = (prefix: string): CopyFiles => new Map([...files].map(([name, bytes]) => [`${prefix}/${name}`, bytes]));

  it.each([
    ['at a URL', () => served(files)],
    ['at a URL, below the hash of the origin, as a mirror has it', () => served(below(HASH))],
    ['in a directory', () => writeTiledCopy(path.join(scratch, 'tiles'), files)],
    ['in a directory, below the hash of the origin', () => writeTiledCopy(path.join(scratch, 'mirrored'), below(HASH))],
  ])('%s has the entries that are damaged', async (_, open) => {
    const from = await open();
    await damaged(FIRST, LAST);
    await log.lose('entries', SECOND);
    const { code, out } = await repair(from);
    expect(code, out).toBe(0);
    expect(out).toContain('"status":"whole"');
    expect((await log.run('fsck')).code).toBe(0);
  });

  it('with altered entries is refused by index, and what else it has is taken', async () => {
    await log.lose('entries', SECOND);
    const { code, json } = await repair(await served(withAlteredEntries(files, [SECOND])));
    expect(code).toBe(1);
    expect(json()).toMatchObject({
      status: 'damaged',
      refused: [refusal(SECOND, /does not hash to the leaf that the tree has/)],
      left: [{ kind: 'entry-missing', index: SECOND }],
    });
    expect(JSON.stringify(json()['put_back'])).toContain(`${SECOND + 1}`);
    const { code: then } = await repair(await served(files));
    expect(then).toBe(0);
  });

  it('that lacks a bundle, or has nonsense in its place, gives the others', async () => {
    for (const [bytes, why] of [
      [undefined, /tile\/entries\/001 is missing, although the checkpoint there covers it/],
      [utf8Encode('<html>'), /tile\/entries\/001 is no bundle of entries/],
      [firstOf('tile/entries/001'), /tile\/entries\/001 is cut: it has 1 of 256/],
    ] as const) {
      const from = await served(changed(files, (name, old) => (name === 'tile/entries/001' ? bytes : old)));
      const one = await log.copy();
      await one.damage('entries', FIRST);
      await one.lose('entries', SECOND);
      const { code, json } = await one.run('repair', '--json', '--from', from);
      expect(code).toBe(1);
      const { refused, left } = json() as { refused: { index: number; why: string }[]; left: { kind: string }[] };
      expect(refused.every((one) => why.test(one.why) && one.index >= 256)).toBe(true);
      expect([refused.length > 0, [...new Set(left.map(({ kind }) => kind))]]).toEqual([true, ['entry-missing']]);
      const people = await one.run('repair', '--from', from);
      expect(people.out.match(/^REFUSED .*$/gm)).toEqual([expect.stringMatching(/^REFUSED {4}\d+ to \d+ from http/)]);
      await one.remove();
    }
  }, 120_000);

  it('that is older gives what it has, and one that claims more than it has gives that, too', async () => {
    const sized = (size: number): CopyFiles =>
      changed(files, (name, bytes) => {
        if (name !== 'checkpoint') return bytes;
        const [origin, , ...rest] = utf8Decode(bytes).split('\n');
        return utf8Encode([origin, `${size}`, ...rest].join('\n'));
      });
    for (const size of [300, Number.MAX_SAFE_INTEGER]) {
      const one = await log.copy();
      for (const index of [FIRST, LAST]) await one.damage('entries', index);
      const { code, json } = await one.run('repair', '--json', '--from', await served(sized(size)));
      expect(code).toBe(1);
      expect(json()).toMatchObject({ put_back: { entries: [expect.any(Number)] }, left: [{ kind: 'entry-altered' }] });
      await one.remove();
    }
  });

  it('that stops answering is not asked further, and the next source gives the rest', async () => {
    await damaged(FIRST, LAST);
    for (const answer of [
      (): boolean => true,
      (_: string, response: ServerResponse): boolean => response.writeHead(503).end('no') !== undefined,
    ]) {
      const server = await serveCopy(files, (name, response) => name.startsWith('tile/') && answer(name, response));
      servers.push(server);
      const { code, json } = await repair(server.url);
      expect(code).toBe(3);
      expect(json()).toMatchObject({ status: 'damaged', silent: [{ source: server.url }], refused: [] });
      expect(server.asked.filter((name) => name.startsWith('tile/'))).toHaveLength(1);
    }
    const dead = await served(files, (name) => name.startsWith('tile/'));
    const { code, json } = await repair(dead, await served(files));
    expect([code, json()['status']]).toEqual([0, 'whole']);
  });

  it.each<[string, number, string, RegExp, () => Promise<string>]>([
    ["that is another log's", 1, 'not-found', /no-copy.*log.example\/other/, () => served(otherFiles)],
    ['that is not there', 1, 'not-found', /no-copy/, () => served(new Map())],
    ['whose checkpoint is a page', 1, 'refused', /no checkpoint/, () => served(files, (_, r) => !!r.end('<html>'))],
    ['that answers with an error', 3, 'unreachable', /500/, () => served(files, (_, r) => !!r.writeHead(500).end())],
    ['that never answers', 3, 'unreachable', /timeout/, () => served(files, () => true)],
    ['that never ends', 3, 'unreachable', /longer than/, () => served(files, (_, r) => endless(r))],
    ['where nobody listens', 3, 'unreachable', /ECONNREFUSED/, () => closed()],
    ['of another log in a directory', 2, 'unreadable-input', /log.example\/other/, otherDirectory],
    ['in a directory that has none', 2, 'unreadable-input', /no copy of the log/, async () => scratch],
  ])('%s ends with %i, %s, and changes nothing', async (_, code, error, message, open) => {
    const result = await brokenRepair(await open());
    expect([result.code, result.json()['error']]).toEqual([
      code,
      expect.objectContaining({ code: error, message: expect.stringMatching(message) }),
    ]);
    expect((await broken.run('fsck', '--json')).out).toBe(brokenReport);
  });

  it('is not looked for where a redirect leads, be it to a neighbour or to the metadata service of a cloud', async () => {
    const neighbour = await serveCopy(files);
    servers.push(neighbour);
    for (const to of [neighbour.url, 'http://169.254.169.254/latest', 'file:///etc/passwd']) {
      for (const which of ['checkpoint', 'tile/']) {
        const from = await served(files, (name, response) => {
          if (!name.startsWith(which)) return false;
          response.writeHead(302, { location: `${to}/${name}` }).end();
          return true;
        });
        const { code, out } = await brokenRepair(from);
        expect([code, out]).toEqual([3, expect.stringMatching(/redirect/)]);
      }
    }
    expect(neighbour.asked).toEqual([]);
  });
});

/** The bundle as if it had one entry. */
function firstOf(name: string): Uint8Array {
  return encodeEntryBundle(decodeEntryBundle(files.get(name) ?? new Uint8Array()).slice(0, 1));
}

/** A URL whose port was free a moment ago. */
async function closed(): Promise<string> {
  const server = await serveCopy(new Map());
  await server.close();
  return server.url;
}

function endless(response: ServerResponse): boolean {
  const timer = setInterval(() => response.write(new Uint8Array(1 << 20)), 1);
  response.on('close', () => clearInterval(timer));
  return true;
}

function otherDirectory(): Promise<string> {
  return writeTiledCopy(path.join(scratch, 'other'), otherFiles);
}

describe('a bundle', () => {
  it('gives entries and contents in one run, also where both are damaged', async () => {
    await log.lose('entries', FIRST);
    await log.lose('disclosures', FIRST);
    await log.damage('entries', LAST);
    await log.damage('disclosures', LAST);
    const { code, out, json } = await repair(bundle);
    expect(code, out).toBe(0);
    const { entries, contents } = json()['put_back'] as { entries: number[]; contents: number[] };
    expect([entries.length, contents.length]).toEqual([33, 33]);
    expect(await log.serving(async ({ log: one }) => (await one.eventAt(FIRST))?.index)).toBe(FIRST);
  });

  it('is not believed for what it says about itself: another policy in it changes nothing', async () => {
    await damaged(FIRST);
    const policy = utf8Encode('quorum none\n');
    const from = await bundleWith('policy.zip', (file, bytes) => (file === 'policy.txt' ? policy : bytes));
    expect((await repair(from)).code).toBe(0);
  });

  it('with altered contents is refused by index, and the contents are left as they are', async () => {
    await log.lose('disclosures', FIRST);
    const from = await bundleWith('altered.zip', (file, bytes) =>
      file === 'events.ndjson' ? utf8Encode(utf8Decode(bytes).replaceAll('on-call', 'on-cell')) : bytes,
    );
    const { code, json } = await repair(from);
    expect(code).toBe(1);
    const { refused, left } = json() as { refused: object[]; left: { kind: string }[] };
    expect(refused).toContainEqual(expect.objectContaining(refusal(FIRST, /do not open the entry/)));
    expect([...new Set(left.map(({ kind }) => kind))]).toEqual(['contents-missing']);
  });

  it.each<[string, number, string, () => Promise<string>]>([
    ["of another log's", 1, 'not-found', async () => otherBundle],
    ['that was cut off', 2, 'unreadable-input', () => cut('cut.zip', 2)],
    ['that was cut off after its first bytes', 2, 'unreadable-input', () => cut('short.zip', 1000)],
    [
      'whose events end in the middle',
      2,
      'unreadable-input',
      () => bundleWith('half.zip', (file, bytes) => (file === 'events.ndjson' ? bytes.slice(0, 5000) : bytes)),
    ],
    [
      'without a checkpoint',
      2,
      'unreadable-input',
      () => bundleWith('headless.zip', (file, bytes) => (file === 'checkpoint' ? new Uint8Array() : bytes)),
    ],
  ])('%s ends with %i, %s, names the file, and changes nothing', async (_, code, error, open) => {
    const from = await open();
    const result = await brokenRepair(from);
    expect([result.code, result.json()['error']]).toEqual([
      code,
      expect.objectContaining({ code: error, message: expect.stringContaining(from) }),
    ]);
    expect((await broken.run('fsck', '--json')).out).toBe(brokenReport);
  });
});

async function cut(name: string, parts: number): Promise<string> {
  const bytes = await readFile(bundle);
  const out = path.join(scratch, name);
  await writeFile(out, bytes.subarray(0, bytes.length / parts));
  return out;
}
