/**
 * A log with real witnesses and a real mirror in one process, over a `fetch` that never leaves it: what is needed to lose
 * the log's database and to get it back.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import pino from 'pino';
import { utf8Encode } from '../../proofs/bytes.ts';
import { makeSignerKey, type SignerKey, verifierKeyOf } from '../../proofs/key.ts';
import { parseTilePath } from '../../proofs/tile.ts';
import type { OpenLogOptions } from '../../src/log/options.ts';
import { type Restored, type RestoreOptions, restoreLog } from '../../src/log/restore.ts';
import { restoredEvents } from '../../src/log/restore-entries.ts';
import type { Log, RawLog, TreeLog } from '../../src/log/types.ts';
import { memoryCopyRows } from '../../witness/copy-rows.ts';
import { localCosigner } from '../../witness/cosigner.ts';
import { memoryEvidence } from '../../witness/evidence.ts';
import { noGuard } from '../../witness/guard.ts';
import { originHash } from '../../witness/logs.ts';
import { memoryRows } from '../../witness/memory-rows.ts';
import { type Mirror, openMirror } from '../../witness/mirror.ts';
import type { Reply } from '../../witness/reply.ts';
import { openMemoryWitness, type Witness } from '../../witness/witness.ts';
import { ORIGIN, openTestLog, openTestRawLog } from './test-log.ts';

export const LOG_URL = 'http://log.test';
export const MIRROR_URL = 'http://mirror.test';
export const HASH = originHash(ORIGIN);
const WITNESSES = ['w1', 'w2', 'w3'] as const;

export interface World {
  readonly policyText: string;
  readonly signer: SignerKey;
  readonly witnesses: ReadonlyMap<string, Witness>;
  readonly mirror: Mirror;
  readonly fetch: typeof fetch;
  /** The log that is served at LOG_URL; undefined while it is lost. */
  log: Log | undefined;
  /** In its place, in a test about a raw log. */
  raw: RawLog | undefined;
  /** Hosts that do not answer. */
  readonly down: Set<string>;
  /** Answers instead when it returns something. */
  intercept: (url: string) => Response | undefined;
  readonly open: (options?: Partial<OpenLogOptions>) => Promise<Log>;
  readonly openRaw: () => Promise<RawLog>;
  /** Closes the log and removes its database; the keys and, by default, the guard stay. */
  readonly lose: (what?: { readonly guard: boolean }) => Promise<void>;
  readonly restore: (options?: Partial<RestoreOptions>) => Promise<Restored>;
  readonly close: () => Promise<void>;
}

/** `mirrorCounts`: the policy demands the mirror's cosignature besides two witnesses. */
export async function lostLogWorld(
  directory: string,
  options: { readonly mirrorCounts?: boolean } = {},
): Promise<World> {
  const seed = (n: number): Uint8Array => new Uint8Array(32).fill(n);
  const signer = makeSignerKey(ORIGIN, 1, seed(1));
  const witnessKeys = WITNESSES.map((name, i) => makeSignerKey(`witness.example/${name}`, 4, seed(100 + i)));
  const mirrorKey = makeSignerKey('mirror.example/m1', 4, seed(120));
  const lines = [`log ${verifierKeyOf(signer).vkey}`];
  for (const [i, key] of witnessKeys.entries())
    lines.push(`witness w${i + 1} ${verifierKeyOf(key).vkey} http://w${i + 1}.test`);
  lines.push('group two 2 w1 w2 w3');
  if (options.mirrorCounts)
    lines.push(`witness m1 ${verifierKeyOf(mirrorKey).vkey} ${MIRROR_URL}`, 'group both all two m1');
  lines.push(options.mirrorCounts ? 'quorum both' : 'quorum two');
  const policyText = `${lines.join('\n')}\n`;

  const known = { origin: ORIGIN, keys: [verifierKeyOf(signer)] };
  const witnesses = new Map<string, Witness>();
  for (const [i, key] of witnessKeys.entries()) {
    witnesses.set(`w${i + 1}`, await openMemoryWitness({ cosigners: [localCosigner(key)], logs: [known] }));
  }
  const mirror = await openMirror({
    cosigners: [localCosigner(mirrorKey)],
    logs: [{ ...known, url: LOG_URL }],
    witnesses: witnessKeys.map(verifierKeyOf),
    openRows: memoryRows().open,
    guard: noGuard,
    openCopy: async () => memoryCopyRows(),
    evidence: memoryEvidence(),
    ticketSecret: seed(7),
    clock: Date.now,
    fetch: (url, init) => world.fetch(url, init),
    logger: pino({ level: 'silent' }),
    pollMs: 10,
  });
  const world: World = {
    policyText,
    signer,
    witnesses,
    mirror,
    log: undefined,
    raw: undefined,
    down: new Set(),
    intercept: () => undefined,
    fetch: async (input, init) => {
      const url = String(input);
      const { host, pathname } = new URL(url);
      if (world.down.has(host)) throw new TypeError('connection refused');
      return world.intercept(url) ?? (await answer(world, host, pathname.slice(1), init ?? {}));
    },
    open: async (extra = {}) => {
      const keys = { signers: [signer], witnesses: witnessKeys, policyText };
      const { log } = await openTestLog(directory, {
        keys,
        fetch: (input, init) => world.fetch(input, init),
        ...extra,
      });
      world.log = log;
      return log;
    },
    openRaw: async () => {
      const keys = { signers: [signer], witnesses: witnessKeys, policyText };
      const { log } = await openTestRawLog(directory, { keys, fetch: (input, init) => world.fetch(input, init) });
      world.raw = log;
      return log;
    },
    lose: async ({ guard } = { guard: false }) => {
      await world.log?.close();
      await world.raw?.close();
      world.log = undefined;
      world.raw = undefined;
      await rm(join(directory, 'db'), { recursive: true, force: true });
      if (guard) await rm(join(directory, 'guard'));
    },
    restore: (extra = {}) =>
      restoreLog({
        directory,
        origin: ORIGIN,
        policyText,
        entries: restoredEvents,
        from: MIRROR_URL,
        fetch: world.fetch,
        timeoutMs: 5_000,
        pins: [],
        acceptSilentWitnesses: false,
        acceptNoQuorum: false,
        onProgress: () => undefined,
        ...extra,
      }),
    close: async () => {
      await mirror.close();
      await world.log?.close();
      await world.raw?.close();
      for (const witness of witnesses.values()) await witness.close();
    },
  };
  mirror.follow();
  return world;
}

async function answer(world: World, host: string, path: string, init: RequestInit): Promise<Response> {
  const body = typeof init.body === 'string' ? utf8Encode(init.body) : new Uint8Array(0);
  const witness = world.witnesses.get(host.replace('.test', ''));
  if (witness !== undefined) {
    return responseOf(
      path === 'add-checkpoint' ? witness.addCheckpoint(body) : witness.monitoredCheckpoint(hashIn(path)),
    );
  }
  if (host === 'mirror.test') {
    if (path === 'add-checkpoint') return responseOf(world.mirror.addCheckpoint(body));
    if (path.endsWith('/checkpoint')) return responseOf(world.mirror.checkpoint(hashIn(path)));
    return bytesOf(await world.mirror.resource(hashIn(path), path.slice(65)));
  }
  const log = world.log ?? world.raw;
  return log === undefined ? bytesOf(undefined) : logAnswer(log, path, body);
}

/** The public reads of a log, and the post of cosignatures. */
export async function logAnswer(log: TreeLog, path: string, body: Uint8Array): Promise<Response> {
  if (path === 'head' || path === 'checkpoint') return bytesOf(path === 'head' ? log.head() : log.checkpoint());
  if (path === 'cosignatures') {
    const posted = log.addCosignatures(body);
    return posted
      .then(() => new Response('{}'))
      .catch((error: unknown) => new Response(String(error), { status: 409 }));
  }
  if (!path.startsWith('tile/')) return bytesOf(undefined);
  const resource = parseTilePath(path);
  return bytesOf(
    resource.level === 'entries' ? await log.entryBundle(resource.index, resource.width) : await log.tile(resource),
  );
}

function hashIn(path: string): string {
  return path.slice(0, 64);
}

function bytesOf(bytes: Uint8Array | string | undefined): Response {
  return bytes === undefined ? new Response('', { status: 404 }) : new Response(Buffer.from(bytes));
}

async function responseOf(reply: Promise<Reply>): Promise<Response> {
  const { status, contentType, body } = await reply;
  return new Response(body, { status, headers: { 'content-type': contentType } });
}
