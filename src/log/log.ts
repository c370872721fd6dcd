/**
 * The conductor of a log: opens it (load, check, compare heads), and calls the stages in the order of the flow,
 * write-groups (sequence ─▶ integrate) ─▶ keep-heads (sign ─▶ cosign ─▶ publish) ─▶ prove. It holds no stage's logic.
 *
 * After a fatal storage error nothing in memory is trusted: the whole core is thrown away and built again from disk.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { equalBytes } from '../../proofs/bytes.ts';
import { rangeRoot } from '../../proofs/range.ts';
import { StoreError } from '../store/contract.ts';
import { openLevelStore } from '../store/leveldb.ts';
import { nativeHasher } from '../store/native-hasher.ts';
import { closeCore, type LogCore, startCore } from './core.ts';
import type { Damage } from './damage.ts';
import { describeHealth } from './health.ts';
import type { TreeState } from './integrate.ts';
import type { LogKind } from './log-kind.ts';
import { DEFAULT_LIMITS, type LogLimits, type LogLogger, type OpenLogOptions, SILENT_LOGGER } from './options.ts';
import { readTree } from './read-tree.ts';
import { startOffThreadSigner } from './sign-off-thread.ts';
import { LogError, type TreeLog } from './types.ts';

const FIRST_RELOAD_MS = 1_000;
const MAX_RELOAD_MS = 30_000;

/** A log that runs, and what its kind is built on. */
export interface StartedLog<Item, Result, Own> {
  readonly tree: TreeLog;
  readonly submit: (items: readonly Item[]) => Promise<readonly Result[]>;
  /** The core of this moment: it is another one after a reload. */
  readonly core: () => LogCore<Item, Result, Own>;
}

/** Opens a log of a kind; audit-log.ts and raw-log.ts say what it throws. */
export async function startLog<Item, Result, Own>(
  options: OpenLogOptions,
  kind: LogKind<Item, Result, Own>,
): Promise<StartedLog<Item, Result, Own>> {
  const limits: LogLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const logger: LogLogger = options.logger ?? SILENT_LOGGER;
  const nowUs = options.nowUs ?? (() => Date.now() * 1000);
  const nowMs = (): number => Math.floor(nowUs() / 1000);
  const openStore = options.openStore ?? openLevelStore;
  const offThread = startOffThreadSigner();
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  const databasePath = join(options.directory, 'db');

  const start = async (): Promise<LogCore<Item, Result, Own>> =>
    startCore({
      options: { ...options, fetch: options.fetch ?? fetch },
      limits,
      logger,
      nowUs,
      hasher: nativeHasher,
      signOffThread: offThread.sign,
      store: await openStore(databasePath),
      kind,
      onDamage: (damages) => {
        for (const listener of damageListeners) listener(damages);
        told.push(...damages);
      },
      onFatal: (error) => stopCore(error),
    });

  const damageListeners = new Set<(damages: readonly Damage[]) => void>();
  /** What the scrubber found so far, for whoever listens later. */
  const told: Damage[] = [];

  let core: LogCore<Item, Result, Own>;
  try {
    core = await start();
  } catch (error) {
    await offThread.close();
    throw error;
  }
  /** Why submissions are refused; a full disk is got over, anything else waits for a person. */
  let stopped: string | null = null;
  let reloading: Promise<void> | undefined;
  let reloadTimer: NodeJS.Timeout | undefined;
  let closed = false;

  function stopCore(error: unknown): void {
    if (stopped !== null || closed) return;
    const reason = error instanceof Error ? error.message : String(error);
    stopped = reason;
    logger.error({ reason }, 'the log stopped writing; everything that was acknowledged is on disk');
    // A failed fsync is never retried: what the disk holds is unknown until a person has looked (and restarted us).
    if (error instanceof StoreError && error.code === 'store-full') scheduleReload(FIRST_RELOAD_MS);
  }

  function scheduleReload(delayMs: number): void {
    reloadTimer = setTimeout(() => {
      reloading = reload().catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        // What was read back and does not hold together stays stopped: another try would read the same.
        const isFinal = closed || error instanceof LogError;
        stopped = isFinal ? reason : `${reason} (it is tried again)`;
        if (!isFinal) scheduleReload(Math.min(MAX_RELOAD_MS, delayMs * 2));
      });
    }, delayMs);
    reloadTimer.unref();
  }

  /** Builds the core again from disk, and takes it only if every acknowledged entry is in it. */
  async function reload(): Promise<void> {
    const acknowledged: TreeState = core.durableState();
    await closeCore(core, limits.drainMs);
    const fresh = await start();
    const { size } = acknowledged.range;
    const held = fresh.durableState().range.size >= size;
    if (!held || !equalBytes(await fresh.rootAt(size), rangeRoot(acknowledged.range, nativeHasher))) {
      await closeCore(fresh, limits.drainMs);
      throw new LogError('rolled-back', `after the disk was full, entries below ${size} are not what was acknowledged`);
    }
    core = fresh;
    stopped = null;
    logger.info(
      { size: fresh.durableState().range.size },
      'the log was reloaded from disk and takes submissions again',
    );
  }

  const submit = async (items: readonly Item[]): Promise<readonly Result[]> => {
    if (closed) throw new LogError('log-closed', 'the log is shutting down', { retryAfterSeconds: 1 });
    const { signing } = core.heads;
    const setBack =
      signing.state === 'refusing' && signing.code !== 'clock-backwards' && signing.code !== 'log-stopped';
    if (stopped !== null || setBack) {
      const reason = stopped ?? (signing.state === 'refusing' ? signing.reason : '');
      throw new LogError('log-stopped', `the log takes no submissions: ${reason}`, { retryAfterSeconds: 5 });
    }
    return core.writer.submit(items);
  };

  const tree: TreeLog = {
    name: options.name,
    origin: options.origin,
    policy: core.policy,
    policyText: options.policyText,
    ...readTree(() => core),
    waitForPublished: (index, timeoutMs) => core.publisher.waitFor(index, timeoutMs),
    addCosignatures: (note) => core.addCosignatures(note),
    subscribeDamage: (listener) => {
      damageListeners.add(listener);
      if (told.length > 0) listener(told);
      return () => damageListeners.delete(listener);
    },
    health: () => {
      const { heads, publisher, writer } = core;
      const { signing } = heads;
      const refusing = signing.state === 'refusing' && signing.code !== 'clock-backwards';
      return describeHealth({
        policy: core.policy,
        limits,
        nowMs: nowMs(),
        treeSize: core.durableState().range.size,
        signedSize: heads.head?.checkpoint.size ?? 0,
        headSignedAtMs: heads.head?.signedAtMs ?? null,
        publishedSize: publisher.published?.size ?? 0,
        publishedAtMs: publisher.published?.atMs ?? null,
        unpublishedSinceMs: core.unpublishedSinceMs(),
        queuedEvents: writer.queuedItems,
        signing,
        stopped: stopped ?? (refusing && signing.code !== 'log-stopped' ? 'see below' : null),
        witnesses: core.witnesses(),
        scrub: core.scrubber.health(),
      });
    },
    close: async () => {
      closed = true;
      clearTimeout(reloadTimer);
      await reloading;
      await closeCore(core, limits.drainMs);
      await offThread.close();
    },
  };
  return { tree, submit, core: () => core };
}
