/**
 * One life of a log between opening and closing its store: the state in memory and the stages around it. `log.ts`
 * throws a core away and starts another when its memory can no longer be trusted.
 */
import { join } from 'node:path';
import { utf8Decode } from '../../proofs/bytes.ts';
import { verifyCheckpoint } from '../../proofs/checkpoint.ts';
import { ProofError } from '../../proofs/errors.ts';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import { logKeysAt, type Policy, parsePolicy } from '../../proofs/policy.ts';
import { type CompactRange, rangeAt, rangeRoot } from '../../proofs/range.ts';
import type { Store } from '../store/contract.ts';
import { openAcknowledged, readAcknowledged } from './acknowledged.ts';
import { compareHeads, compareWith } from './compare-heads.ts';
import { Cosigner } from './cosign.ts';
import type { Damage } from './damage.ts';
import { ACKNOWLEDGED_FILE, GUARD_FILE, readGuard } from './guard.ts';
import type { TreeState } from './integrate.ts';
import { HeadKeeper } from './keep-heads.ts';
import { checkNewestEntries, loadState, newestWithin } from './load.ts';
import type { LogKind } from './log-kind.ts';
import type { LogLimits, LogLogger, OpenLogOptions } from './options.ts';
import { consistency, type ProofSource, rootAt } from './prove.ts';
import { loadPublished, Publisher } from './publish.ts';
import type { EntrySource } from './read-entries.ts';
import { HEAD_KEY } from './rows.ts';
import { Scrubber } from './scrub.ts';
import type { SignedHead, SignOffThread } from './sign.ts';
import { checkSigners, signersAt } from './signers.ts';
import { TreeReader } from './tree-reader.ts';
import { LogError, type LogHealth } from './types.ts';
import { askWitnesses, WitnessClient } from './witness-client.ts';
import { GroupWriter } from './write-groups.ts';

/** What every log has, whatever its entries hold. */
export interface TreeCore {
  readonly policy: Policy;
  readonly store: Store;
  readonly hasher: Hasher;
  readonly reader: TreeReader;
  readonly heads: HeadKeeper;
  readonly publisher: Publisher;
  readonly client: WitnessClient;
  readonly scrubber: Scrubber;
  durableState(): TreeState;
  rootAt(size: number): Promise<Hash>;
  addCosignatures(note: Uint8Array): Promise<{ readonly accepted: number }>;
  unpublishedSinceMs(): number | null;
  witnesses(): LogHealth['witnesses'];
}

export interface LogCore<Item, Result, Own> extends TreeCore {
  readonly writer: GroupWriter<Item, Result>;
  /** What reading this kind of log needs beside the tree. */
  readonly own: Own;
  closeKind(): Promise<void>;
  closeFiles(): Promise<void>;
}

export interface CoreOptions<Item, Result, Own> extends TreeCoreOptions {
  readonly kind: LogKind<Item, Result, Own>;
}

interface TreeCoreOptions {
  readonly options: OpenLogOptions & { readonly fetch: typeof fetch };
  readonly limits: LogLimits;
  readonly logger: LogLogger;
  readonly nowUs: () => number;
  readonly hasher: Hasher;
  readonly signOffThread: SignOffThread;
  readonly store: Store;
  readonly onDamage: (damages: readonly Damage[]) => void;
  /** A batch failed or the store broke: this core writes nothing more. */
  readonly onFatal: (error: unknown) => void;
}

/** Loads and checks everything before the first stage runs. Closes the store again when that fails. */
export async function startCore<Item, Result, Own>(
  given: CoreOptions<Item, Result, Own>,
): Promise<LogCore<Item, Result, Own>> {
  try {
    return await buildCore(given);
  } catch (error) {
    await given.store.close();
    throw error;
  }
}

async function buildCore<Item, Result, Own>(
  given: CoreOptions<Item, Result, Own>,
): Promise<LogCore<Item, Result, Own>> {
  const { options, limits, logger, nowUs, hasher, store, onFatal } = given;
  const nowMs = (): number => Math.floor(nowUs() / 1000);
  const policy = parsePolicy(options.policyText);
  checkSigners(options.signers, policy, options.origin);
  const guardPath = join(options.directory, GUARD_FILE);

  let durable = await loadState(store, hasher);
  const { size } = durable.range;
  const doubtful = await newestWithin(store, size, store.recoveredBytes, given.kind.weighed);
  const newestEntries = Math.max(limits.startCheckEntries, doubtful);
  await checkNewestEntries(store, durable, newestEntries, hasher);
  const reader = new TreeReader(store, hasher);
  const proofSource = (): EntrySource => ({ store, reader, hasher, state: durable });
  const kind = await given.kind.load({
    store,
    hasher,
    nowUs,
    size,
    source: proofSource,
    onFailure: onFatal,
  });
  const cosigner = new Cosigner({ policy, origin: options.origin, nowMs });
  const publisher = new Publisher(store, nowMs, await loadPublished(store, policy, logger));
  const found = await findLastHead(given, policy, cosigner, guardPath, durable, proofSource);

  const acknowledged = await openAcknowledged(join(options.directory, ACKNOWLEDGED_FILE));

  let unpublishedSinceMs: number | null = durable.range.size > (publisher.published?.size ?? 0) ? nowMs() : null;

  const client = new WitnessClient({
    policy,
    origin: options.origin,
    timeoutMs: limits.witnessTimeoutMs,
    fetch: options.fetch,
    logger,
    consistencyProof: (from, to) => consistency(proofSource(), from, to),
    onCosignatures: async (note) => void (await heads.addCosignatures(new TextEncoder().encode(note))),
    onLargerSize: ({ url, names }, size) => {
      if (size <= (heads.head?.checkpoint.size ?? 0)) return;
      heads.refuse(largerSize(`${names[0]} at ${url}`, size, durable.range.size));
    },
  });
  const heads: HeadKeeper = new HeadKeeper({
    sign: {
      store,
      hasher,
      origin: options.origin,
      guardPath,
      signersAt: (size) => signersAt(options.signers, policy, options.origin, size),
      nowUs,
      signOffThread: given.signOffThread,
    },
    policy,
    limits,
    logger,
    cosigner,
    publisher,
    elapsedMs: () => performance.now(),
    durableState: () => durable,
    lastSigned: found.lastSigned,
    head: found.head,
    onHead: (head) => client.push(head),
    onStoreFailure: onFatal,
    refusal: found.refusal,
  });
  const writer = new GroupWriter({
    store,
    limits,
    state: durable,
    planner: kind.planner,
    onDurable: async (state) => {
      const { origin } = options;
      await acknowledged.write({ origin, size: state.range.size, root: rangeRoot(state.range, hasher) });
      durable = state;
      unpublishedSinceMs ??= nowMs();
    },
    onFailure: onFatal,
  });
  const scrubber = new Scrubber({
    source: proofSource,
    contents: kind.checkContents,
    isBusy: () => writer.queuedItems > 0,
    newestEntries,
    onDamage: given.onDamage,
    ...{ limits, nowMs, logger },
  });
  heads.start();
  scrubber.start();

  return {
    policy,
    store,
    hasher,
    reader,
    writer,
    heads,
    publisher,
    client,
    scrubber,
    own: kind.own,
    closeKind: () => kind.close(),
    closeFiles: () => acknowledged.close(),
    durableState: () => durable,
    rootAt: (size) => rootAt(proofSource(), size),
    unpublishedSinceMs: () => {
      const covered = publisher.published?.size ?? 0;
      if (covered >= durable.range.size) unpublishedSinceMs = null;
      // Some of the waiting entries became public: what is left has waited since then at most.
      else if (publisher.published !== undefined && unpublishedSinceMs !== null) {
        unpublishedSinceMs = Math.max(unpublishedSinceMs, publisher.published.atMs);
      }
      return unpublishedSinceMs;
    },
    addCosignatures: async (note) => {
      try {
        return { accepted: await heads.addCosignatures(note) };
      } catch (error) {
        if (error instanceof LogError && error.code === 'unknown-head') await lookAtUnknownHead(note);
        throw error;
      }
    },
    witnesses: () =>
      policy.witnesses.map(({ name }) => {
        const seen = cosigner.lastSeen(name);
        const push = client.stats(name) ?? null;
        const lastError = push?.lastError ?? null;
        return { name, cosignedSize: seen?.size ?? null, cosignedAtMs: seen?.atMs ?? null, lastError, push };
      }),
  };

  /** A head that is not open is usually an old one. If this log signed it and cannot extend it, it was set back. */
  async function lookAtUnknownHead(note: Uint8Array): Promise<void> {
    const checkpoint = cosigner.signedByThisLog(note);
    if (checkpoint === undefined) return;
    try {
      const current = {
        origin: options.origin,
        size: durable.range.size,
        rootAt: (size: number) => rootAt(proofSource(), size),
      };
      await compareWith(current, checkpoint, 'a witness');
    } catch (error) {
      if (!(error instanceof LogError) || error.code !== 'rolled-back') throw error;
      heads.refuse(error);
    }
  }
}

/** Ends the stages in the order of the flow, within the time; then closes the store. */
export async function closeCore<Item, Result, Own>(core: LogCore<Item, Result, Own>, drainMs: number): Promise<void> {
  const refusal = new LogError('log-closed', 'the log is shutting down', { retryAfterSeconds: 1 });
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, drainMs);
  });
  const drain = async (): Promise<void> => {
    await core.writer.stop(refusal);
    await core.heads.close();
    await core.publisher.close();
    await core.closeKind();
  };
  core.client.close();
  await core.scrubber.close();
  await Promise.race([drain(), timeout]);
  clearTimeout(timer);
  await core.closeFiles();
  await core.store.close();
}

interface LastHead {
  readonly lastSigned: CompactRange;
  readonly head: SignedHead | undefined;
  readonly refusal: LogError | undefined;
}

/** Compares the heads everyone holds; a log that was set back starts with a refusal instead of failing to start. */
async function findLastHead(
  { options, limits, logger, nowUs, hasher: _hasher, store }: TreeCoreOptions,
  policy: Policy,
  cosigner: Cosigner,
  guardPath: string,
  state: TreeState,
  proofSource: () => ProofSource,
): Promise<LastHead> {
  const row = await store.get(HEAD_KEY);
  const read = proofSource().reader.hashReader(state);
  const { origin } = options;
  try {
    const { unreachable } = await compareHeads({
      origin,
      size: state.range.size,
      rootAt: (size) => rootAt(proofSource(), size),
      hasSignedHead: row !== undefined,
      guardPath,
      acknowledged: await readAcknowledged(join(options.directory, ACKNOWLEDGED_FILE)),
      witnessReports: await askWitnesses({ policy, origin, timeoutMs: limits.witnessTimeoutMs, fetch: options.fetch }),
      signedByThisLog: (note) => cosigner.signedByThisLog(note),
    });
    if (unreachable.length > 0) logger.warn({ unreachable }, 'these witnesses could not be asked for their last head');
  } catch (error) {
    if (!(error instanceof LogError) || error.code === 'corrupt-data') throw error;
    logger.error({ code: error.code, ...error.details }, error.message);
    return { lastSigned: state.range, head: undefined, refusal: error };
  }
  const guard = await readGuard(guardPath);
  const lastSigned = await rangeAt(guard?.size ?? 0, read);
  const head = row === undefined ? undefined : restoreHead(row, policy, origin, lastSigned, Math.floor(nowUs() / 1000));
  return { lastSigned, head, refusal: undefined };
}

/** The head signed before the restart, if it is the guarded one; otherwise the guarded tree is signed anew. */
function restoreHead(
  row: Uint8Array,
  policy: Policy,
  origin: string,
  range: CompactRange,
  signedAtMs: number,
): SignedHead | undefined {
  try {
    const note = utf8Decode(row);
    const keys = logKeysAt(policy, origin, range.size);
    const { checkpoint, note: parsed } = verifyCheckpoint(note, keys, origin);
    if (checkpoint.size !== range.size) return undefined;
    return { checkpoint, range, signatures: parsed.signatures, note, signedAtMs };
  } catch (error) {
    if (error instanceof ProofError) return undefined;
    throw error;
  }
}

function largerSize(witness: string, size: number, ownSize: number): LogError {
  return new LogError(
    'rolled-back',
    `witness ${witness} says it cosigned ${size} entries of this log, which has ${ownSize}: a head that this log signed ` +
      'may be lost. Nothing is signed. Compare the database with its backups, or remove the witness from the policy if it errs.',
    { databaseSize: ownSize, lostSize: size },
  );
}
