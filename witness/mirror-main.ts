#!/usr/bin/env node
/**
 * The mirror's command: `run` (the default) and `evidence`. Standard output is for programs: one JSON line when the mirror
 * is ready, lists. A mirror's keys, database and copies are its own; nothing of them is shared with a witness.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { type Policy, parsePolicy } from '../proofs/policy.ts';
import { collect, print, readText, runCommand, showEvidence, stderrLogger, stopSignal } from './command.ts';
import { type ConfigFlags, readConfig, type WitnessConfig } from './config.ts';
import { openCopyRows } from './copy-rows.ts';
import { messageOf, WitnessError } from './errors.ts';
import { directoryEvidence } from './evidence.ts';
import { directoryGuard } from './guard.ts';
import { loadCosigners } from './keys.ts';
import { originHash } from './logs.ts';
import { openMirror } from './mirror.ts';
import { serveMirror } from './mirror-server.ts';
import { openLevelRows } from './rows.ts';
import { loadTicketSecret } from './tickets.ts';

type MirrorFlags = Omit<ConfigFlags, 'logList'> & { readonly config?: string; readonly policy?: string };

async function main(): Promise<void> {
  const program = new Command('countersign-mirror')
    .description('A mirror of transparency logs (C2SP tlog-mirror): keeps a full copy, and cosigns only what it holds.')
    .showHelpAfterError();
  program
    .command('run', { isDefault: true })
    .description('follow logs, take uploads and serve the copies until SIGTERM')
    .option('--config <file>', 'JSON file with the same settings as a witness has; a flag wins over it')
    .option('--data <dir>', 'directory of the keys, the databases and the evidence')
    .option('--name <name>', 'name of the mirror, a URL without scheme, not that of a witness; for the first start')
    .option('--listen <host:port>', 'address to answer on, port 0 for any (default: 127.0.0.1:0)')
    .option(
      '--log <vkey url>',
      'a log: verifier key and URL in one argument; without a URL it has to come',
      collect,
      [],
    )
    .option('--policy <file>', "a policy: its logs are mirrored, its witnesses' lines are kept with the checkpoint")
    .option('--poll-ms <ms>', 'pause between two polls of a log (default: 1000)')
    .option('--rate <n>', 'checkpoints per second and log, twice as many at once (default: 100)')
    .option('--key-file <file>', 'key file instead of the own ones; repeatable', collect, [])
    .option('--key-env <variable>', 'environment variable that holds a key; repeatable', collect, [])
    .option('--ssh-agent <socket>', 'sign with an Ed25519 key of this ssh-agent')
    .option('--ssh-key <fingerprint>', 'SHA256:… of the key in the agent, if it holds several')
    .action(async (flags: MirrorFlags) => {
      const file = flags.config === undefined ? undefined : await readText(flags.config);
      const policy = flags.policy === undefined ? undefined : parsePolicyFile(await readText(flags.policy));
      const log = [...flags.log, ...(policy?.logs ?? []).map(({ key, url }) => [key.vkey, url ?? ''].join(' '))];
      await run(readConfig({ ...flags, log, logList: [] }, file), policy);
    });
  program
    .command('evidence')
    .description('list the evidence of misbehaviour that was kept')
    .requiredOption('--data <dir>', "the mirror's directory; it may be running")
    .option('--json', 'one JSON object per line, with the signed heads')
    .option('--fork-proofs <dir>', 'write a fork proof for each that is conclusive, and print the paths')
    .action(showEvidence);
  await program.parseAsync();
}

async function run(config: WitnessConfig, policy: Policy | undefined): Promise<void> {
  const logger = stderrLogger();
  const { dataDirectory: directory, name, keySources: sources, listen } = config;
  if (config.logs.length === 0) throw new WitnessError('config-invalid', '--log or --policy: a log is needed');
  if (config.logListUrls.length > 0) throw new WitnessError('config-invalid', 'a mirror takes no log lists');
  await mkdir(join(directory, 'copies'), { recursive: true, mode: 0o700 });
  const cosigners = await loadCosigners({ directory, name, sources, environment: process.env });
  const mirror = await openMirror({
    cosigners,
    logs: config.logs,
    witnesses: (policy?.witnesses ?? []).map(({ key }) => key),
    openRows: () => openLevelRows(join(directory, 'db')),
    guard: await directoryGuard(join(directory, 'guard'), (error) =>
      logger.error({ error: messageOf(error) }, 'the guard file could not be written'),
    ),
    openCopy: (origin) => openCopyRows(join(directory, 'copies', originHash(origin))),
    evidence: await directoryEvidence(join(directory, 'evidence')),
    ticketSecret: await loadTicketSecret(join(directory, 'ticket.key')),
    clock: Date.now,
    fetch: globalThis.fetch,
    logger,
    pollMs: config.pollMs,
    rateLimit: config.rateLimit,
  });
  const server = await serveMirror(mirror, listen).catch(async (error: unknown) => {
    await mirror.close();
    throw error;
  });
  mirror.follow();
  print(JSON.stringify({ ready: true, url: server.url, name: mirror.name, vkeys: mirror.vkeys }));
  logger.info({ url: server.url, name: mirror.name, logs: config.logs.length }, 'the mirror is ready');
  await stopSignal(logger);
  await server.close();
  await mirror.close();
  logger.info('the mirror has stopped');
}

function parsePolicyFile(text: string): Policy {
  try {
    return parsePolicy(text);
  } catch (error) {
    throw new WitnessError('config-invalid', `--policy: ${messageOf(error)}`);
  }
}

runCommand(main);
