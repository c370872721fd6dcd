/**
 * After a true loss: the log that cannot go on ends, verifiable for ever, and a new one begins under a new origin. Its first
 * entry says which head was lost, who decided to go on without it, and why, so that nobody can begin anew in silence.
 *
 *   what is known of the old log: its files, its witnesses, kept heads ─▶ the largest of them is what was lost
 *     ─▶ a new log beside, policy with the same witnesses ─▶ its entry 0 ─▶ it takes its place by one rename
 *
 * Nothing of the old log is touched. A crash leaves a directory that the next run removes.
 */
import { randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { base64Encode } from '../../proofs/bytes.ts';
import { parsePolicy } from '../../proofs/policy.ts';
import { openLog } from '../log/audit-log.ts';
import { SILENT_LOGGER } from '../log/options.ts';
import { judgeHead, judgeWitnesses } from '../log/restore-heads.ts';
import { type OwnHead, readOwnHeads } from '../log/signed-heads.ts';
import { askWitnesses } from '../log/witness-client.ts';
import { type Store, StoreError } from '../store/contract.ts';
import { openLevelStore } from '../store/leveldb.ts';
import { createRecorder } from '../trail/record.ts';
import { dataPaths, logPaths } from './data-dir.ts';
import { CliError } from './errors.ts';
import { exists, makeDirectory, readInput, syncDirectory, writeFileAtomic } from './files.ts';
import { createLog, type LogIdentity } from './init.ts';
import { issueTokens } from './issue-tokens.ts';
import { noticeEvent } from './notices.ts';
import { openPrepareSource } from './prepare-source.ts';

export interface RecoverOptions {
  readonly data: string;
  readonly name: string;
  /** The old log's, as its config says. */
  readonly origin: string;
  readonly newName: string;
  readonly newOrigin: string;
  readonly decidedBy: string;
  readonly reason: string;
  readonly pins: readonly { readonly name: string; readonly note: string }[];
  readonly fetch: typeof fetch;
  readonly nowMs: () => number;
}

export interface Recovered {
  readonly identity: LogIdentity;
  readonly directory: string;
  readonly policy: string;
  /** The head that the new log links to; null if nobody knows any. */
  readonly lost: OwnHead | null;
  readonly known: readonly OwnHead[];
  readonly silent: readonly string[];
  readonly tokens: Readonly<Record<string, string>>;
}

const TIMEOUT_MS = 30_000;
const STAGING = 'recovering';

export async function recover(options: RecoverOptions): Promise<Recovered> {
  const { data, name, newName, newOrigin, origin } = options;
  if (newOrigin === origin) throw new CliError('usage', 'a new log needs a new origin: the old one is what was lost');
  const target = logPaths(data, newName);
  if (await exists(target.directory)) {
    throw new CliError('already-exists', `there is a log at ${target.directory} already`, 'Choose another --new-name.');
  }
  const policyText = await readInput(logPaths(data, name).policy, 'the policy of the lost log');
  const { known, silent } = await lookForHeads(options, policyText);
  const lost = [...known].sort((a, b) => b.size - a.size)[0] ?? null;
  const staging = path.join(dataPaths(data).directory, STAGING);
  await rm(staging, { recursive: true, force: true });
  try {
    const paths = logPaths(staging, newName);
    await makeDirectory(path.dirname(paths.directory));
    const identity = await createLog(staging, { name: newName, origin: newOrigin, kind: 'audit' });
    await writeFileAtomic(paths.policy, policyFor(policyText, identity));
    await issueTokens(paths.tokens, path.join(paths.directory, 'issued'));
    await writeFirstEntry(options, staging, identity, lost, known, silent);
    await rename(paths.directory, target.directory);
    await syncDirectory(path.dirname(target.directory));
    const issued = path.join(target.directory, 'issued');
    const tokens = { producer: '', auditor: '', admin: '' };
    for (const role of ['producer', 'auditor', 'admin'] as const) tokens[role] = path.join(issued, `${role}.token`);
    return { identity, directory: target.directory, policy: target.policy, lost, known, silent, tokens };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** From everywhere that could know one. Damage here is no obstacle: it is why this is run. */
async function lookForHeads(
  { data, name, origin, pins, fetch }: RecoverOptions,
  policyText: string,
): Promise<{ readonly known: readonly OwnHead[]; readonly silent: readonly string[] }> {
  const policy = parsePolicy(policyText);
  const { directory } = logPaths(data, name);
  const store = await openIfPossible(path.join(directory, 'db'));
  const own = await readOwnHeads(store, directory, policy, origin);
  await store?.close();
  const reports = await askWitnesses({ policy, origin, timeoutMs: TIMEOUT_MS, fetch });
  const { heads, silent } = judgeWitnesses(policy, origin, reports);
  const pinned = pins.map((pin) => judgeHead(policy, origin, `the pin ${pin.name}`, pin.note));
  const others = [...heads, ...pinned].map(({ holder, size, root }): OwnHead => ({ holder, size, root }));
  return { known: [...own.heads, ...others], silent };
}

async function openIfPossible(database: string): Promise<Store | undefined> {
  if (!(await exists(path.join(database, 'CURRENT')))) return undefined;
  try {
    return await openLevelStore(database);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (error.code !== 'store-locked') return undefined;
    throw new CliError('already-running', `the log in ${path.dirname(database)} is running`, 'Stop it first.');
  }
}

/** The same witnesses, groups and quorum, and the keys of the new log. */
function policyFor(oldText: string, { vkeys }: LogIdentity): string {
  const others = oldText.split('\n').filter((line) => !/^\s*log\s/.test(line) && line.trim() !== '');
  const text = [...vkeys.map((vkey) => `log ${vkey}`), ...others].map((line) => `${line}\n`).join('');
  parsePolicy(text);
  return text;
}

async function writeFirstEntry(
  options: RecoverOptions,
  staging: string,
  identity: LogIdentity,
  lost: OwnHead | null,
  known: readonly OwnHead[],
  silent: readonly string[],
): Promise<void> {
  const { origin, decidedBy, reason, newName, newOrigin, nowMs } = options;
  const paths = logPaths(staging, newName);
  const policyText = await readInput(paths.policy, 'the policy of the new log');
  const { contextFor } = await openPrepareSource(identity.secret, paths.allowedCards);
  const log = await openLog({
    ...{ name: newName, origin: newOrigin, directory: paths.directory, signers: identity.signers, policyText },
    logger: SILENT_LOGGER,
    limits: { scrubEntriesPerSecond: 0 },
    // Its witnesses do not know it yet, and need not: the log pushes its head to them when it is served.
    fetch: () => Promise.reject(new TypeError('not while a log begins')),
  });
  try {
    const recorder = createRecorder({ log, prepareContext: contextFor, nowMs, newId: randomUUID });
    const { index } = await recorder.record(
      noticeEvent({
        event_id: `recover.${randomUUID()}`,
        occurred_at: new Date(nowMs()).toISOString(),
        action: 'countersign.log.recover',
        reason,
        context: {
          lost_origin: origin,
          lost_size: lost?.size ?? null,
          lost_root: lost === null ? null : base64Encode(lost.root),
          known_heads: known.map((head) => ({ holder: head.holder, size: head.size, root: base64Encode(head.root) })),
          not_asked: [...silent],
          decided_by: decidedBy,
        },
      }),
    );
    if (index !== 0) throw new Error(`the link to the lost log became entry ${index}, and not the first`);
  } finally {
    await log.close();
  }
}
