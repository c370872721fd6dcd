/**
 * A log in a data directory on a real disk, as `init` makes it: started, filled and stopped in this process, and damaged
 * row by row while it is stopped. For the tests of what an engineer does by the command line.
 */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { type Serving, serve } from '../../src/cli/serve.ts';
import { prepareEvent } from '../../src/events/prepare.ts';
import type { ServedLog } from '../../src/http/route.ts';
import { chunkHolding } from '../../src/log/rows.ts';
import { openLevelStore } from '../../src/store/leveldb.ts';
import { type CliResult, cli } from './network.ts';
import { bytesOf, DESIGN_EVENT } from './prepare.ts';
import { until } from './test-log.ts';

export const ORIGIN = 'log.example/audit';
export const PRODUCER = 'tok_test';

export interface DataLog {
  readonly data: string;
  /** Of the log, inside of it. */
  readonly directory: string;
  /** A verb on this data directory. */
  readonly run: (verb: string, ...args: readonly string[]) => Promise<CliResult>;
  /** Runs the log as long as `use` takes. */
  readonly serving: <T>(use: (log: ServedLog, server: Serving) => Promise<T>) => Promise<T>;
  /** Starts the log, submits events `<prefix>0…`, waits for the published head, stops it. */
  readonly grow: (prefix: string, count: number) => Promise<void>;
  /** Puts another value in the place of a row's, or takes it away. */
  readonly alter: (key: Uint8Array, change: (value: Uint8Array) => Uint8Array | undefined) => Promise<void>;
  /** Flips a bit in the row that holds this item: of the entries, or of the contents. */
  readonly damage: (kind: 'entries' | 'disclosures', index: number, at?: number) => Promise<void>;
  /** Takes the row that holds this item away. */
  readonly lose: (kind: 'entries' | 'disclosures', index: number) => Promise<void>;
  /** A copy of it in another data directory. */
  readonly copy: () => Promise<DataLog>;
  readonly remove: () => Promise<void>;
}

/** A fresh log with an origin of its own. */
export async function makeDataLog(origin: string = ORIGIN): Promise<DataLog> {
  const log = dataLogIn(await emptyDirectory());
  const { code, err } = await log.run('init', '--origin', origin);
  if (code !== 0) throw new Error(err);
  return log;
}

function emptyDirectory(): Promise<string> {
  return mkdtemp(path.join(tmpdir(), 'countersign-damaged-'));
}

/** The log `audit` of a data directory that is there already. */
export function dataLogIn(data: string): DataLog {
  const directory = path.join(data, 'logs', 'audit');
  const withStore = async (
    use: (store: Awaited<ReturnType<typeof openLevelStore>>) => Promise<void>,
  ): Promise<void> => {
    const store = await openLevelStore(path.join(directory, 'db'));
    await use(store).finally(() => store.close());
  };
  const serving: DataLog['serving'] = async (use) => {
    const logger = pino({ level: 'silent' });
    const server = await serve({ data, port: 0, host: '127.0.0.1', insecureListen: false, logger });
    try {
      const served = server.logs.get('audit');
      if (served === undefined || served.log.kind !== 'audit') throw new Error('there is no audit log');
      return await use(served as ServedLog, server);
    } finally {
      await server.close();
    }
  };
  const alter: DataLog['alter'] = (key, change) =>
    withStore(async (store) => {
      const value = await store.get(key);
      if (value === undefined) throw new Error('there is no such row');
      const changed = change(value.slice());
      await store.write([changed === undefined ? { key, delete: true } : { key, value: changed }]);
    });
  const keyHolding = async (kind: 'entries' | 'disclosures', index: number): Promise<Uint8Array> => {
    let key: Uint8Array | undefined;
    await withStore(async (store) => {
      key = (await store.range(chunkHolding(kind, index)))[0]?.key;
    });
    if (key === undefined) throw new Error(`no row holds ${kind} ${index}`);
    return key;
  };
  return {
    ...{ data, directory, serving, alter },
    run: (verb, ...args) => cli([verb, '--data', data, ...args]),
    grow: (prefix, count) =>
      serving(async ({ log, prepareContext }) => {
        const context = prepareContext(PRODUCER);
        await log.submit(
          Array.from({ length: count }, (_, i) =>
            prepareEvent(bytesOf({ ...DESIGN_EVENT, event_id: `${prefix}${i}` }), context),
          ),
        );
        await until(() => log.publishedSize() === log.treeSize());
      }),
    damage: async (kind, index, at = 60) => alter(await keyHolding(kind, index), flipped(at)),
    lose: async (kind, index) => alter(await keyHolding(kind, index), () => undefined),
    copy: async () => {
      const other = await emptyDirectory();
      await cp(data, other, { recursive: true });
      return dataLogIn(other);
    },
    remove: () => rm(data, { recursive: true, force: true }),
  };
}

/** Changes one bit of a value. */
export const flipped =
  (at: number) =>
  (value: Uint8Array): Uint8Array => {
    value[at] = (value[at] ?? 0) ^ 4;
    return value;
  };
