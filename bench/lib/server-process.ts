/** The server of a benchmark in a process of its own (bench/server.ts, bench/raw-server.ts), and the messages between the two. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LOG_NODE_OPTIONS } from '../../src/cli/processes.ts';

/** What the server is started with. */
export interface ServerSettings {
  readonly directory: string;
  readonly features: FeatureSettings;
  /** Added to every fsync, for disks that take longer than this machine's. */
  readonly syncDelayMs: number;
  /** Events of lib/search-events.ts that it makes before it is ready. */
  readonly fillEvents: number;
  /** Witness, group and quorum lines of its policy; without them nobody is asked. */
  readonly witnessLines?: string;
  /** A raw log instead, which anyone may add to. */
  readonly raw?: RawSettings;
}

export interface RawSettings {
  readonly deduplicate: boolean;
}

/** What an audit log does beyond a log; all on is what `serve` runs. */
export interface FeatureSettings {
  readonly catalogue: boolean;
  readonly redaction: boolean;
  readonly search: boolean;
  /** The detectors that read every entry behind the writer. */
  readonly watch: boolean;
}

export const ALL_FEATURES: FeatureSettings = { catalogue: true, redaction: true, search: true, watch: true };
/** Without the three that stand on the write path. */
export const NO_FEATURES: FeatureSettings = { catalogue: false, redaction: false, search: false, watch: true };

export interface ServerReady {
  readonly logUrl: string;
  readonly producerToken: string;
  readonly auditorToken: string;
  /** Raw logs: the Ed25519 verifier key. */
  readonly vkey?: string;
  /** Raw logs: from the opening of the database to a log that takes entries. */
  readonly openMs?: number;
  /** Which of the features this version has: what is not there was not measured. */
  readonly has: FeatureSettings;
}

export interface ServerStats {
  /** Of the whole process, all threads, since it started. */
  readonly cpuMs: number;
  readonly residentMiB: number;
  /** Of that, pages of files, such as the database's. */
  readonly fileMiB: number;
  readonly treeSize: number;
}

export type ServerRequest = 'stats' | 'stop';
export type ServerMessage =
  | { readonly kind: 'ready'; readonly ready: ServerReady }
  | { readonly kind: 'stats'; readonly stats: ServerStats }
  | { readonly kind: 'stopped' };

export interface ServerProcess {
  readonly ready: ServerReady;
  readonly directory: string;
  stats(): Promise<ServerStats>;
  /** Lets it close its log. */
  stop(): Promise<void>;
  /** SIGKILL: what was acknowledged must survive it. */
  kill(): Promise<void>;
  /** Removes its data; it has ended. */
  remove(): Promise<void>;
}

export interface StartOptions {
  readonly features?: FeatureSettings;
  readonly syncDelayMs?: number;
  readonly witnessLines?: string;
  readonly raw?: RawSettings;
  /** Holds a log already, or is to be kept; a fresh one otherwise. */
  readonly directory?: string;
  readonly fillEvents?: number;
  /** Another build's bench/server.js, to compare with. */
  readonly script?: string;
  /** Options of Node, such as --cpu-prof. */
  readonly execArgv?: readonly string[];
}

const SERVER = scriptPath('server');
const RAW_SERVER = scriptPath('raw-server');

export async function startServer(options: StartOptions = {}): Promise<ServerProcess> {
  const { features = ALL_FEATURES, syncDelayMs = 0, raw, execArgv = [], fillEvents = 0 } = options;
  const { script = raw === undefined ? SERVER : RAW_SERVER } = options;
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'countersign-bench-')));
  const settings: ServerSettings = {
    directory,
    features,
    syncDelayMs,
    fillEvents,
    ...(options.witnessLines === undefined ? {} : { witnessLines: options.witnessLines }),
    ...(raw === undefined ? {} : { raw }),
  };
  const loader = script.endsWith('.ts') ? ['--import', 'tsx'] : [];
  const child = fork(script, [JSON.stringify(settings)], {
    execArgv: [...LOG_NODE_OPTIONS, ...loader, ...execArgv],
    stdio: 'inherit',
  });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  const first = await nextMessage(child);
  if (first.kind !== 'ready') throw new Error('the server did not say that it is ready');
  return {
    ready: first.ready,
    directory,
    stats: async () => {
      const answer = nextMessage(child);
      request(child, 'stats');
      const message = await answer;
      if (message.kind !== 'stats') throw new Error('the server answered something else than statistics');
      return message.stats;
    },
    stop: async () => {
      request(child, 'stop');
      await exited;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

function scriptPath(name: string): string {
  return fileURLToPath(new URL(`../${name}.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url));
}

function request(child: ChildProcess, message: ServerRequest): void {
  child.send(message);
}

function nextMessage(child: ChildProcess): Promise<ServerMessage> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      child.off('message', onMessage);
      child.off('exit', onExit);
    };
    const onMessage = (message: ServerMessage): void => {
      settle();
      resolve(message);
    };
    const onExit = (code: number | null): void => {
      settle();
      reject(new Error(`the server ended with code ${code}`));
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
  });
}
