/**
 * Glue of the log server: opens every log of a data directory, puts the HTTP application on top, listens, and takes it
 * down again in the opposite order. Holds no log logic.
 *
 * A crash anywhere here is a restart: what was acknowledged is in the databases, and opening a log checks it.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { createSecureContext } from 'node:tls';
import { parsePolicy } from '../../proofs/policy.ts';
import { openEvidenceDesk } from '../evidence/desk.ts';
import { openReviews } from '../evidence/reviews.ts';
import { openSamples } from '../evidence/samples.ts';
import { createApp, RESERVED_LOG_NAMES } from '../http/app.ts';
import type { AnyServedLog, ServedLog, ServedRawLog } from '../http/route.ts';
import { isRaw } from '../http/route.ts';
import { type RunningServer, serveApp, type TlsFiles } from '../http/server.ts';
import { openLog } from '../log/audit-log.ts';
import { type LogLimits, type LogLogger, type OpenLogOptions, SILENT_LOGGER } from '../log/options.ts';
import { openRawLog } from '../log/raw-log.ts';
import { LogError } from '../log/types.ts';
import { StoreError } from '../store/contract.ts';
import { nativeHasher } from '../store/native-hasher.ts';
import { openTokenStore } from '../trail/access.ts';
import { openTrail } from '../trail/trail.ts';
import { dataPaths, type LogPaths, logPathsIn } from './data-dir.ts';
import { CliError, messageOf, systemCode } from './errors.ts';
import { readInput } from './files.ts';
import { loadLog, type RawLogConfig } from './init.ts';
import { recordNotices } from './notices.ts';
import { holdFilesToEntries, openIdentity, openOidc } from './open-access.ts';
import { openLogWatch, readSchedules, withClock } from './open-watch.ts';
import { guardedFetch, readAllowedNetworks } from './outbound.ts';
import { LOOPBACK } from './ports.ts';
import { openPrepareSource } from './prepare-source.ts';

export interface ServeOptions {
  readonly data: string;
  readonly port: number;
  readonly host: string;
  /** PEM files of a key and its certificate chain: the server speaks TLS. */
  readonly tls?: { readonly keyFile: string; readonly certFile: string };
  /** Listening elsewhere than on the loopback interface, without TLS, sends tokens and events in clear text. */
  readonly insecureListen: boolean;
  /** Bounds of the logs that are not the usual ones. */
  readonly limits?: Partial<LogLimits>;
  readonly logger: LogLogger;
}

export interface Serving {
  readonly server: RunningServer;
  readonly logs: ReadonlyMap<string, AnyServedLog>;
  /** Lets requests in flight finish, then closes the logs. */
  readonly close: () => Promise<void>;
}

/** Temporary directories of `init` begin with a log's name and go on with a dot. */
const LOG_DIRECTORY = /^[a-z0-9][a-z0-9-]*$/;

/** Opens and serves every log of the data directory. Throws CliError that says what to do; then nothing is left open. */
export async function serve(options: ServeOptions): Promise<Serving> {
  checkHost(options);
  const tls = await readTls(options);
  const logs = new Map<string, AnyServedLog>();
  try {
    for (const name of await listLogs(options.data)) {
      logs.set(name, await openServedLog(path.join(dataPaths(options.data).logs, name), options));
    }
    const app = createApp({ logs, logger: options.logger, processMetrics: true });
    const { host, port } = options;
    const server = await listen(() => serveApp(app, { host, port, ...tls }), port);
    return {
      server,
      logs,
      close: async () => {
        await server.close();
        await closeLogs(logs);
      },
    };
  } catch (error) {
    await closeLogs(logs);
    throw error;
  }
}

async function readTls({ tls }: ServeOptions): Promise<{ readonly tls?: TlsFiles }> {
  if (tls === undefined) return {};
  const key = await readInput(tls.keyFile, 'the TLS key');
  const cert = await readInput(tls.certFile, 'the TLS certificate');
  try {
    // Throws when the two do not belong together, before any log is opened.
    createSecureContext({ key, cert });
  } catch (error) {
    throw new CliError(
      'unreadable-input',
      `${tls.keyFile} and ${tls.certFile} are no TLS key and certificate: ${messageOf(error)}`,
      'Both are PEM; the certificate comes first in its file, and the key belongs to it.',
    );
  }
  return { tls: { key, cert } };
}

function checkHost({ host, insecureListen, tls }: ServeOptions): void {
  const isLoopback = host === LOOPBACK || host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
  if (isLoopback || tls !== undefined || insecureListen) return;
  throw new CliError(
    'insecure-listen',
    `listening on ${host} would send tokens and events over the network in clear text`,
    'Give it a key and a certificate (--tls-key, --tls-cert), or listen on 127.0.0.1 behind a proxy that speaks TLS.',
    'If the network itself is protected, say so with --insecure-listen.',
  );
}

async function listLogs(data: string): Promise<readonly string[]> {
  const { logs } = dataPaths(data);
  const entries = await readdir(logs, { withFileTypes: true }).catch(() => []);
  const names = entries
    .filter((entry) => entry.isDirectory() && LOG_DIRECTORY.test(entry.name))
    .map(({ name }) => name);
  const reserved = names.find((name) => RESERVED_LOG_NAMES.has(name));
  if (reserved !== undefined)
    throw new CliError('usage', `a log cannot be called "${reserved}": the server answers there`);
  if (names.length > 0) return names.sort();
  throw new CliError(
    'unreadable-input',
    `there is no log in ${logs}`,
    'Create one with `countersign init --origin …`, or start a whole local network with `countersign up`.',
  );
}

async function openServedLog(directory: string, { logger, limits = {} }: ServeOptions): Promise<AnyServedLog> {
  const paths = logPathsIn(directory);
  const { config, signers, secret } = await loadLog(paths);
  const policyText = await readPolicy(paths.policy);
  const { name, origin } = config;
  const options: OpenLogOptions = { name, origin, directory, signers, policyText, logger, limits };
  try {
    if (config.kind === 'raw') return await openServedRaw(paths, config, options);
    return await openServedAudit(paths, secret, options);
  } catch (error) {
    throw openFailure(directory, error);
  }
}

async function readPolicy(file: string): Promise<string> {
  const text = await readInput(file, 'the policy of the log');
  try {
    parsePolicy(text);
  } catch (error) {
    throw new CliError('unreadable-input', `${file} is no policy: ${messageOf(error)}`);
  }
  return text;
}

async function openServedRaw(
  { tokens }: LogPaths,
  { open, deduplicate }: RawLogConfig,
  options: OpenLogOptions,
): Promise<ServedRawLog> {
  return { log: await openRawLog({ ...options, deduplicate }), tokens: await openTokenStore(tokens), open };
}

async function openServedAudit(paths: LogPaths, secret: Uint8Array, options: OpenLogOptions): Promise<ServedLog> {
  const { directory, signers, logger = SILENT_LOGGER } = options;
  const tokens = await openTokenStore(paths.tokens);
  const preparer = await openPrepareSource(secret, paths.allowedCards);
  const { contextFor, useCatalogue } = preparer;
  const fetch = guardedFetch(await readAllowedNetworks(paths.outbound));
  const access = { ...(await openOidc(paths, fetch)), ...(await openIdentity(paths, contextFor, fetch)) };
  const log = await openLog(options);
  try {
    const trail = await openTrail({ log, prepareContext: contextFor, logger, onCatalogue: useCatalogue });
    await recordNotices(directory, trail.recorder, logger);
    await holdFilesToEntries(log, trail.recorder, tokens, logger);
    const evidence = await openEvidenceDesk({
      ...{ log, trail, signers, hasher: nativeHasher, newId: randomUUID },
      directory: paths.evidence,
    });
    const samples = await openSamples({ log, trail, randomBytes });
    const schedules = await readSchedules(paths.reviews);
    const reviews = await openReviews({ log, trail, samples, schedules });
    const watch = await openLogWatch(directory, { log, trail, schedules, logger, fetch });
    const made = { trail, watch, evidence, samples, reviews, ...access };
    return { log, tokens, preparer, prepareContext: withClock(contextFor, watch), ...made };
  } catch (error) {
    await log.close();
    throw error;
  }
}

function openFailure(directory: string, error: unknown): unknown {
  if (error instanceof StoreError && error.code === 'store-locked') {
    return new CliError(
      'already-running',
      `another process has the log in ${directory} open`,
      'A log has one writer. Stop the other process first; `up` and `serve` on one directory exclude each other.',
    );
  }
  if (error instanceof LogError) {
    return new CliError(
      'refused',
      `the log in ${directory} does not open (${error.code}): ${error.message}`,
      'Nothing is served from data that does not hold together. Keep a copy of this directory as it is.',
      '`countersign fsck` names what is damaged; `countersign repair` puts back what fits the tree, from any copy.',
    );
  }
  return error;
}

async function listen(start: () => Promise<RunningServer>, port: number): Promise<RunningServer> {
  try {
    return await start();
  } catch (error) {
    if (systemCode(error) === 'EADDRINUSE') {
      throw new CliError('port-taken', `port ${port} is taken by another program`, 'Choose another one with --port N.');
    }
    throw new CliError('refused', `cannot listen on port ${port}: ${messageOf(error)}`);
  }
}

async function closeLogs(logs: ReadonlyMap<string, AnyServedLog>): Promise<void> {
  await Promise.all(
    [...logs.values()].map(async (served) => {
      if (!isRaw(served)) {
        await served.preparer?.close();
        await served.evidence?.close();
        served.reviews?.close();
        served.samples?.close();
        await served.watch?.close();
        await served.trail.close();
      }
      await served.log.close();
    }),
  );
}
