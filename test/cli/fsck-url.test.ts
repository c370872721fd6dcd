/**
 * `fsck --url`: a running log and copies of it, examined over HTTP as an outsider does it. Exit 0 whole, 1 damaged, 2 not
 * examined, or not to its end; nothing examined is never whole.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hexEncode, utf8Decode, utf8Encode } from '../../proofs/bytes.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { cosign } from '../../proofs/cosignature.ts';
import { sha256 } from '../../proofs/hash.ts';
import { makeSignerKey, verifierKeyOf } from '../../proofs/key.ts';
import { formatSignatureLines } from '../../proofs/note.ts';
import { type DataLog, makeDataLog, ORIGIN } from '../support/data-log.ts';
import { type CliResult, cli } from '../support/network.ts';
import {
  type CopyFiles,
  type CopyServer,
  changed,
  readTiledCopy,
  serveCopy,
  withAlteredEntries,
} from '../support/tiled-copy.ts';

const HASH = hexEncode(sha256(utf8Encode(ORIGIN)));

let scratch: string;
let log: DataLog;
let files: CopyFiles;
let policy: string;
const servers: CopyServer[] = [];

beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'countersign-fsck-url-'));
  log = await makeDataLog();
  policy = path.join(log.directory, 'policy.txt');
  await log.grow('e', 600);
  files = await log.serving((_, { server }) => readTiledCopy(`${server.url}/audit`));
}, 60_000);
afterAll(async () => {
  await log.remove();
  await rm(scratch, { recursive: true, force: true });
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

function fsck(url: string, ...flags: readonly string[]): Promise<CliResult> {
  const trusted = flags.includes('--policy') ? [] : ['--policy', policy];
  return cli(['fsck', '--url', url, '--timeout', '1', ...trusted, ...flags]);
}

async function served(copy: CopyFiles, answer?: Parameters<typeof serveCopy>[1]): Promise<string> {
  const server = await serveCopy(copy, answer);
  servers.push(server);
  return server.url;
}

async function otherPolicy(name: string, change: (text: string) => string): Promise<string> {
  const file = path.join(scratch, name);
  await writeFile(file, change(await readFile(policy, 'utf8')));
  return file;
}

describe('fsck --url', () => {
  it('finds a running log whole, by its own URL and by that of its server', () =>
    log.serving(async (_, { server }) => {
      for (const url of [`${server.url}/audit`, `${server.url}/audit/`, server.url]) {
        const { code, out, json } = await fsck(url, '--json');
        expect(code, out).toBe(0);
        expect(json()).toMatchObject({
          ...{ status: 'whole', url: `${server.url}/audit`, incomplete: null, damages: [] },
          checkpoint: { origin: ORIGIN, size: expect.any(Number), quorum: true, witnesses: [] },
        });
      }
      const people = await fsck(server.url);
      expect(people.out).toContain('result     whole: every entry and every tile is that of the checkpoint');
    }));

  it('finds a copy below the hash of the origin, as a mirror has it', async () => {
    const below = new Map([...files].map(([name, bytes]) => [`${HASH}/${name}`, bytes]));
    const { code, json } = await fsck(await served(below), '--json');
    expect([code, json()['status']]).toEqual([0, 'whole']);
    expect(json()['url']).toMatch(new RegExp(`/${HASH}$`));
  });

  it('names every index that is not that of the checkpoint, and exits with 1', async () => {
    const { code, json } = await fsck(await served(withAlteredEntries(files, [7, 300, 560])), '--json');
    expect(code).toBe(1);
    const { status, damages } = json() as { status: string; damages: { kind: string; index: number }[] };
    expect(status).toBe('damaged');
    expect(damages.map(({ kind, index }) => [kind, index])).toEqual([7, 300, 560].map((at) => ['entry-altered', at]));
    const people = await fsck(await served(withAlteredEntries(files, [7, 300, 301, 560])));
    expect(people.out).toMatch(/DAMAGED {4}entry-altered: 7, 300 to 301, 560\n/);
    expect(people.out).toContain('result     damaged in 4 places');
  });

  it('does not believe a checkpoint that the policy does not, and one without its quorum', async () => {
    const stranger = verifierKeyOf(makeSignerKey(ORIGIN, 1, new Uint8Array(32).fill(5))).vkey;
    const witness = verifierKeyOf(makeSignerKey('witness.example/w1', 4, new Uint8Array(32).fill(6))).vkey;
    const url = await served(files);
    for (const [file, why] of [
      [await otherPolicy('key.txt', () => `log ${stranger}\nquorum none\n`), /no-log-signature/],
      [
        await otherPolicy('quorum.txt', (text) => text.replace('quorum none', `witness w1 ${witness}\nquorum w1`)),
        /quorum of the policy is not met/,
      ],
    ] as const) {
      const { code, json } = await fsck(url, '--json', '--policy', file);
      expect(code).toBe(1);
      expect(json()).toMatchObject({
        status: 'damaged',
        damages: [{ kind: 'head-damaged', index: null, found: expect.stringMatching(why) }],
      });
    }
    const page = await fsck(await served(files, (_, response) => !!response.end(Buffer.from([0xff]))), '--json');
    expect([page.code, page.json()['status']]).toEqual([1, 'damaged']);
  });

  it('waits a moment for the lines of witnesses on a head that a mirror has just taken', async () => {
    const witness = makeSignerKey('witness.example/w1', 4, new Uint8Array(32).fill(6));
    const { vkey } = verifierKeyOf(witness);
    const file = await otherPolicy('late.txt', (text) => text.replace('quorum none', `witness w1 ${vkey}\nquorum w1`));
    const note = utf8Decode(files.get('checkpoint') ?? new Uint8Array());
    const line = formatSignatureLines([cosign(parseCheckpoint(note).checkpoint, witness, 1_800_000_000)]);
    let asked = 0;
    const url = await served(files, (name, response) => {
      if (name !== 'checkpoint' || ++asked < 4) return false;
      return !!response.end(note + line);
    });
    const { code, out, json } = await fsck(url, '--json', '--policy', file);
    expect(code, out).toBe(0);
    expect(json()).toMatchObject({ status: 'whole', checkpoint: { quorum: true, witnesses: ['w1'] } });
  });

  it('exits with 2 where there is nothing, nobody, or no end: nothing examined is not whole', async () => {
    const gone = await serveCopy(files);
    await gone.close();
    const noTiles = (name: string): boolean => name.startsWith('tile/entries/002');
    for (const [url, why] of [
      [await served(new Map()), /there is no copy of the log/],
      [gone.url, /fetch failed/],
      [await served(files, () => true), /timeout/],
      [await served(files, (_, response) => !!response.writeHead(302, { location: gone.url }).end()), /redirect/],
      [await served(files, noTiles), /entries 0 to \d+ were not examined/],
    ] as const) {
      const { code, json } = await fsck(url, '--json');
      expect(code, url).toBe(2);
      expect(json()).toMatchObject({ status: 'incomplete', damages: [], incomplete: expect.stringMatching(why) });
      expect((await fsck(url)).out).toMatch(/^INCOMPLETE /m);
    }
    const cut = changed(files, (name, bytes) => (name === 'tile/entries/001' ? undefined : bytes));
    expect((await fsck(await served(cut))).code).toBe(1);
  });

  it('says which policy it needs, which log, and that it does not go with --data', async () => {
    const two = await otherPolicy('two.txt', (text) => {
      const other = verifierKeyOf(makeSignerKey('log.example/other', 1, new Uint8Array(32).fill(7))).vkey;
      return `log ${other}\n${text}`;
    });
    const url = await served(files);
    for (const [flags, why] of [
      [['--data', log.data], /--url and --data exclude each other/],
      [['--policy', two], /the policy has 2 logs/],
      [['--origin', 'log.example/else'], /the policy has no log log.example\/else/],
    ] as const) {
      const { code, err } = await fsck(url, ...flags);
      expect([code, err]).toEqual([2, expect.stringMatching(why)]);
    }
    expect((await fsck(url, '--policy', two, '--origin', ORIGIN)).code).toBe(0);
    expect((await fsck('file:///etc')).code).toBe(2);
  });
});
