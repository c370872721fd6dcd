#!/usr/bin/env node
/**
 * The witness's command: `run` (the default), `evidence`, `keygen`. Standard output is for programs: one JSON line when
 * the witness is ready, lists, keys. Everything else goes to standard error, and no secret goes anywhere.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import pino, { type Logger } from 'pino';
import { verifierKeyOf } from '../proofs/key.ts';
import { type ConfigFlags, readConfig, type WitnessConfig } from './config.ts';
import { messageOf, WitnessError } from './errors.ts';
import { directoryEvidence, type Evidence, headsOf, listEvidence } from './evidence.ts';
import { directoryGuard } from './guard.ts';
import { createKeyFile, loadCosigners } from './keys.ts';
import { openLevelRows } from './rows.ts';
import { serveWitness } from './server.ts';
import { openWitness } from './witness.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const MAX_STOP_MS = 20_000;

async function main(): Promise<void> {
  const program = new Command('countersign-witness')
    .description('A witness for transparency logs (C2SP tlog-witness): checks that logs only append, and cosigns.')
    .showHelpAfterError();
  program
    .command('run', { isDefault: true })
    .description('poll logs and answer requests until SIGTERM')
    .option('--config <file>', 'JSON file with the same settings; a flag wins over it')
    .option('--data <dir>', 'directory of the keys, the database and the evidence')
    .option('--name <name>', 'name of the witness, a URL without scheme; needed at the first start')
    .option('--listen <host:port>', 'address to answer on, port 0 for any (default: 127.0.0.1:0)')
    .option('--log <vkey url>', 'a log: verifier key and URL in one argument; again for each log and key', collect, [])
    .option('--log-list <url>', 'a log list to pull; repeatable', collect, [])
    .option('--poll-ms <ms>', 'pause between two polls of a log (default: 1000)')
    .option('--rate <n>', 'requests per second and log, twice as many at once (default: 100)')
    .option('--key-file <file>', 'key file instead of the own ones; repeatable', collect, [])
    .option('--key-env <variable>', 'environment variable that holds a key; repeatable', collect, [])
    .option('--ssh-agent <socket>', 'sign with an Ed25519 key of this ssh-agent')
    .option('--ssh-key <fingerprint>', 'SHA256:… of the key in the agent, if it holds several')
    .action(async (flags: ConfigFlags & { readonly config?: string }) => {
      const text = flags.config === undefined ? undefined : await readText(flags.config);
      await run(readConfig(flags, text));
    });
  program
    .command('evidence')
    .description('list the evidence of misbehaviour that was kept')
    .requiredOption('--data <dir>', "the witness's directory; it may be running")
    .option('--json', 'one JSON object per line, with the signed heads')
    .action(async ({ data, json }: { readonly data: string; readonly json?: true }) => {
      printEvidence(await listEvidence(join(data, 'evidence')), json === true);
    });
  program
    .command('keygen')
    .description('make a key file and print the verifier key')
    .requiredOption('--name <name>', 'name of the witness, a URL without scheme')
    .requiredOption('--out <file>', 'file to make; never overwritten')
    .option('--type <type>', 'ed25519 or mldsa44', 'ed25519')
    .action(async ({ name, out, type }: { readonly name: string; readonly out: string; readonly type: string }) => {
      if (type !== 'ed25519' && type !== 'mldsa44') throw new WitnessError('config-invalid', '--type: no such type');
      const signer = await createKeyFile(out, name, type === 'ed25519' ? 4 : 6);
      print(verifierKeyOf(signer).vkey);
    });
  await program.parseAsync();
}

async function run(config: WitnessConfig): Promise<void> {
  const logger = pino({ level: process.env['LOG_LEVEL'] ?? 'info' }, pino.destination({ fd: 2, sync: true }));
  const { dataDirectory: directory, name, keySources: sources, listen } = config;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const cosigners = await loadCosigners({ directory, name, sources, environment: process.env });
  const witness = await openWitness({
    cosigners,
    logs: config.logs,
    openRows: () => openLevelRows(join(directory, 'db')),
    guard: await directoryGuard(join(directory, 'guard'), (error) =>
      logger.error({ error: messageOf(error) }, 'the guard file could not be written'),
    ),
    evidence: await directoryEvidence(join(directory, 'evidence')),
    clock: Date.now,
    fetch: globalThis.fetch,
    logger,
    pollMs: config.pollMs,
    rateLimit: config.rateLimit,
    logListUrls: config.logListUrls,
  });
  const server = await serveWitness(witness, listen).catch(async (error: unknown) => {
    await witness.close();
    throw error;
  });
  witness.follow();
  print(JSON.stringify({ ready: true, url: server.url, name: witness.name, vkeys: witness.vkeys }));
  logger.info({ url: server.url, name: witness.name, logs: config.logs.length }, 'the witness is ready');
  await stopSignal(logger);
  // Everything below is bounded by itself; this is for what nobody thought of. A kill at any moment is safe.
  setTimeout(() => process.exit(EXIT_FAILED), MAX_STOP_MS).unref();
  await server.close();
  await witness.close();
  logger.info('the witness has stopped');
}

/** The first SIGTERM or SIGINT stops cleanly; a second one finds no handler and ends the process at once. */
function stopSignal(logger: Logger): Promise<void> {
  return new Promise((resolve) => {
    const stop = (signal: NodeJS.Signals): void => {
      process.off('SIGTERM', stop);
      process.off('SIGINT', stop);
      logger.info({ signal }, 'stopping');
      resolve();
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
}

function printEvidence(all: readonly Evidence[], json: boolean): void {
  for (const evidence of all) {
    const { held, offered } = headsOf(evidence);
    const certainty = evidence.conclusive ? 'conclusive' : 'suspicion';
    const sizes = `held size ${held.size}, offered size ${offered.size}`;
    const line = `${evidence.seen_at}  ${evidence.kind}  ${certainty}  ${evidence.origin}  ${sizes}  via ${evidence.via}`;
    print(json ? JSON.stringify(evidence) : line);
  }
  if (all.length === 0 && !json) process.stderr.write('No misbehaviour was seen.\n');
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new WitnessError('config-invalid', `cannot read ${path}: ${messageOf(error)}`);
  }
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

main().catch((error: unknown) => {
  const code = error instanceof WitnessError ? ` (${error.code})` : '';
  process.stderr.write(`${messageOf(error)}${code}\n`);
  process.exitCode = error instanceof WitnessError && error.code === 'config-invalid' ? EXIT_USAGE : EXIT_FAILED;
});
