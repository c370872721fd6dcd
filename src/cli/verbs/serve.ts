/** `countersign serve`: the log server, for every log of a data directory. */
import { Command } from 'commander';
import { destination, pino } from 'pino';
import { parseEntries, parsePort } from '../arguments.ts';
import { DEFAULT_DATA_DIRECTORY } from '../data-dir.ts';
import { CliError } from '../errors.ts';
import type { Io } from '../io.ts';
import { LOOPBACK } from '../ports.ts';
import type { ServeOptions, Serving } from '../serve.ts';
import { shutdownAsked } from '../shutdown.ts';

interface ServeVerbOptions {
  readonly data: string;
  readonly port: number;
  readonly listen: string;
  readonly tlsKey?: string;
  readonly tlsCert?: string;
  readonly insecureListen?: boolean;
  readonly scrubRate?: number;
}

const DEFAULT_PORT = 8080;
const STDERR = 2;

export function serveVerb(io: Io): Command {
  return new Command('serve')
    .description('run the log server: all logs of a data directory; prints one JSON line when it listens')
    .option('--data <DIR>', 'data directory', DEFAULT_DATA_DIRECTORY)
    .option('--port <N>', 'port; 0 takes any free one', parsePort, DEFAULT_PORT)
    .option('--listen <HOST>', 'address to listen on', LOOPBACK)
    .option('--tls-key <FILE>', 'speak TLS with this private key (PEM); needs --tls-cert')
    .option('--tls-cert <FILE>', 'the certificate and its chain (PEM)')
    .option('--insecure-listen', 'allow an address other than loopback, in clear text')
    .option(
      '--scrub-rate <N>',
      'stored entries examined again in a second at most, day and night; 0: none',
      parseEntries,
    )
    .action((options: ServeVerbOptions) => runServer(io, options));
}

async function runServer(io: Io, options: ServeVerbOptions): Promise<void> {
  const shutdown = shutdownAsked({ untilStdinCloses: false, untilParentEnds: false });
  const logger = pino({ base: { process: 'log' } }, destination({ dest: STDERR, sync: true }));
  // Loaded here alone: no other verb waits for the server's code.
  const { serve } = await import('../serve.ts');
  const serving = await serve({
    data: options.data,
    port: options.port,
    host: options.listen,
    ...tlsOf(options),
    insecureListen: options.insecureListen ?? false,
    ...(options.scrubRate === undefined ? {} : { limits: { scrubEntriesPerSecond: options.scrubRate } }),
    logger,
  });
  io.out(`${JSON.stringify(readyLine(serving))}\n`);
  logger.info({ reason: await shutdown }, 'shutting down');
  await serving.close();
  logger.info({}, 'closed');
}

function tlsOf({ tlsKey, tlsCert }: ServeVerbOptions): Pick<ServeOptions, 'tls'> {
  if (tlsKey === undefined && tlsCert === undefined) return {};
  if (tlsKey !== undefined && tlsCert !== undefined) return { tls: { keyFile: tlsKey, certFile: tlsCert } };
  throw new CliError('usage', 'TLS needs both --tls-key and --tls-cert');
}

function readyLine({ server, logs }: Serving): Readonly<Record<string, unknown>> {
  return {
    ready: true,
    url: server.url,
    port: server.port,
    pid: process.pid,
    logs: [...logs.values()].map(({ log }) => {
      const { treeSize, signedSize, publishedSize, signing } = log.health();
      return {
        name: log.name,
        origin: log.origin,
        tree_size: treeSize,
        signed_size: signedSize,
        published_size: publishedSize,
        signing: signing.state,
        ...(signing.state === 'refusing' ? { reason: signing.reason } : {}),
      };
    }),
  };
}
