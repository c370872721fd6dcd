/** `countersign up`: the log and three witnesses on this machine, until SIGTERM or Ctrl-C. */
import { Command, Option } from 'commander';
import { parsePort } from '../arguments.ts';
import { DEFAULT_DATA_DIRECTORY } from '../data-dir.ts';
import { EXIT } from '../errors.ts';
import type { Io } from '../io.ts';
import type { NetworkFile } from '../network-file.ts';
import { DEFAULT_LOG_PORT, WITNESS_NAMES, WITNESS_QUORUM } from '../plan-network.ts';
import { ownName, shellWords } from '../processes.ts';
import { shutdownAsked } from '../shutdown.ts';
import { type RunningNetwork, startNetwork, startOne } from '../up.ts';

interface UpVerbOptions {
  readonly data: string;
  readonly port?: number;
  readonly raw?: string;
  readonly only?: string;
  readonly restart?: boolean;
  readonly untilStdinCloses?: boolean;
  readonly json?: boolean;
}

export function upVerb(io: Io): Command {
  return new Command('up')
    .description(
      `run a whole local network: the log and ${WITNESS_NAMES.length} witnesses, of which ${WITNESS_QUORUM} have to cosign`,
    )
    .option('--data <DIR>', 'data directory; made on the first start, used again afterwards', DEFAULT_DATA_DIRECTORY)
    .option(
      '--port <N>',
      `port of the log (default: that of the last start, or ${DEFAULT_LOG_PORT}); 0 takes any`,
      parsePort,
    )
    .option('--raw <NAME>', 'also serve a raw log of this name, for opaque bytes; made if it is not there')
    .option('--only <NAME>', `start one process again by itself: log, ${WITNESS_NAMES.join(', ')}`)
    .option('--restart', 'start a process again that ended by itself or was killed')
    .addOption(new Option('--until-stdin-closes', 'also stop when standard input ends').hideHelp())
    .option('--json', 'print one JSON line when everything runs')
    .action((options: UpVerbOptions) => up(io, options));
}

async function up(io: Io, options: UpVerbOptions): Promise<void> {
  const shutdown = shutdownAsked({
    untilStdinCloses: options.untilStdinCloses ?? false,
    // npm runs scripts in a shell, which ends on SIGTERM without telling its child.
    untilParentEnds: io.env['npm_lifecycle_event'] !== undefined,
  });
  const say = (line: string): void => io.err(`${line}\n`);
  const startedAtMs = io.nowMs();
  const { data, port, raw, only, restart = false } = options;
  const running =
    only === undefined ? await startNetwork({ data, port, raw, restart, say }) : await startOne(data, only, say);
  say(`ready after ${((io.nowMs() - startedAtMs) / 1000).toFixed(1)} s`);
  if (options.json === true) io.out(`${JSON.stringify(readyLine(running))}\n`);
  else io.out(only === undefined ? welcome(running, io.nowMs()) : `${only} runs\n`);
  const reason = await Promise.race([shutdown, running.allEnded]);
  say(reason === undefined ? 'no process is left' : `${reason}: stopping everything`);
  await running.stop();
  say('stopped');
  if (reason === undefined) io.exitWith(EXIT.failed);
}

function readyLine({ network, networkFile }: RunningNetwork): Readonly<Record<string, unknown>> {
  const { base_url, log_url, pids } = network;
  return { ready: true, base_url, log_url, pids, network: networkFile };
}

function welcome({ network, networkFile }: RunningNetwork, nowMs: number): string {
  return `
The log ${network.origin} is at ${network.log_url}
${Object.entries(network.witness_urls)
  .map(([name, url]) => `  witness ${name} at ${url}`)
  .join('\n')}
  data     ${network.data}
  policy   ${network.policy}   (what a verifier pins)
  network  ${networkFile}   (for scripts: URLs, keys, processes, token files)
${(network.raw_logs ?? []).map(rawLogLines).join('')}
Submit an event (and wait for its cosigned receipt):

${exampleCurl(network, nowMs)}

Then, in another terminal${networkOption(network)}:

  ${ownName()} health
  ${ownName()} import cloudtrail FILE|DIR…
  ${ownName()} proof --all --out receipts
  ${ownName()} verify receipts

Each process is started by itself with \`up --only NAME\`, or by its whole command:

${Object.entries(network.commands)
  .map(([name, command]) => `  ${name}: ${shellWords(command)}`)
  .join('\n')}

Ctrl-C stops everything.
`;
}

function rawLogLines({ log_url, producer_token }: NonNullable<NetworkFile['raw_logs']>[number]): string {
  return `  raw log  ${log_url}   (POST bytes to its add, with the token in ${producer_token})\n`;
}

function exampleCurl(network: NetworkFile, nowMs: number): string {
  const event = {
    event_id: `hello-${nowMs.toString(36)}`,
    occurred_at: new Date(nowMs).toISOString(),
    tenant: 'acme',
    actor: { type: 'user', id: 'u_8842', role: 'admin' },
    action: 'role.grant',
    target: { type: 'user', id: 'u_9013' },
    outcome: { result: 'success' },
    reason: 'on-call rotation',
  };
  return [
    `  curl -sS ${network.log_url}/events \\`,
    `    -H "Authorization: Bearer $(cat ${shellWords([network.tokens.producer])})" \\`,
    "    -H 'Content-Type: application/json' -H 'Prefer: wait=10' \\",
    `    -d '${JSON.stringify(event)}'`,
  ].join('\n');
}

function networkOption(network: NetworkFile): string {
  return network.data === `${process.cwd()}/${DEFAULT_DATA_DIRECTORY}`
    ? ''
    : ` (with COUNTERSIGN_NETWORK=${network.data}/network.json)`;
}
