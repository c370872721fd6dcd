#!/usr/bin/env node
/**
 * The witness's command: `run` (the default), `evidence`, `keygen`. Standard output is for programs: one JSON line when
 * the witness is ready, lists, keys. Everything else goes to standard error, and no secret goes anywhere.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { verifierKeyOf } from '../proofs/key.ts';
import { collect, print, readText, runCommand, showEvidence, stderrLogger, stopSignal } from './command.ts';
import { type ConfigFlags, readConfig, type WitnessConfig } from './config.ts';
import { messageOf, WitnessError } from './errors.ts';
import { directoryEvidence } from './evidence.ts';
import { directoryGuard } from './guard.ts';
import { createKeyFile, loadCosigners } from './keys.ts';
import { openLevelRows } from './rows.ts';
import { serveWitness } from './server.ts';
import { openWitness } from './witness.ts';

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
    .option('--fork-proofs <dir>', 'write a fork proof for each that is conclusive, and print the paths')
    .action(showEvidence);
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
  const logger = stderrLogger();
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
  await server.close();
  await witness.close();
  logger.info('the witness has stopped');
}

runCommand(main);
