/**
 * A whole local network: three witnesses, then the log, each a process of its own. Says what it does, writes
 * network.json, watches its processes, and takes them down again. What dies stays down unless `restart` is asked for:
 * a process that someone killed on purpose is part of what this network is for.
 */
import path from 'node:path';
import { logPaths } from './data-dir.ts';
import { CliError } from './errors.ts';
import { writeFileAtomic } from './files.ts';
import type { LogIdentity } from './init.ts';
import { changeNetwork, type NetworkFile, readNetwork, writeNetwork } from './network-file.ts';
import { networkPolicy, renewPinnedPolicy, type WitnessOfPolicy } from './network-policy.ts';
import { LOG_PROCESS, type NetworkPlan, planNetwork } from './plan-network.ts';
import { type RunningProcess, startProcess } from './processes.ts';

export interface UpOptions {
  readonly data: string;
  readonly port: number | undefined;
  /** Name of a raw log to serve beside the audit log. */
  readonly raw?: string | undefined;
  /** Start a process that ended again, after a pause. */
  readonly restart: boolean;
  readonly say: (line: string) => void;
}

export interface RunningNetwork {
  readonly networkFile: string;
  readonly network: NetworkFile;
  /** Resolves when none of the processes is left. */
  readonly allEnded: Promise<void>;
  /** Stops one process and says nothing: it was asked for. */
  readonly stopOne: (name: string) => Promise<void>;
  /** The log first, so that it can finish with its witnesses about; then the witnesses. */
  readonly stop: () => Promise<void>;
}

const RESTART_PAUSE_MS = 1_000;

/** Starts everything. Throws CliError; then nothing is left running. */
export async function startNetwork(options: UpOptions): Promise<RunningNetwork> {
  const plan = await planNetwork(options);
  const started: RunningProcess[] = [];
  try {
    options.say(`starting ${plan.witnesses.length} witnesses and the log …`);
    const witnesses = await startWitnesses(plan, started);
    await writePolicy(plan, witnesses);
    started.unshift(await startProcess(LOG_PROCESS, plan.logCommand, outputFile(plan, LOG_PROCESS)));
    const network = describeNetwork(plan, witnesses, started);
    await writeNetwork(plan.paths.network, network);
    return new Supervisor(plan.paths.network, network, started, options);
  } catch (error) {
    for (const child of started) await child.stop();
    throw error;
  }
}

/** Starts one process of a network that was up before, by the command in its network file. */
export async function startOne(data: string, name: string, say: UpOptions['say']): Promise<RunningNetwork> {
  const networkFile = path.join(path.resolve(data), 'network.json');
  const network = await readNetwork(networkFile);
  const command = network.commands[name];
  if (command === undefined) {
    throw new CliError(
      'usage',
      `there is no process "${name}" in ${networkFile}`,
      `It has: ${Object.keys(network.commands).join(', ')}.`,
    );
  }
  const child = await startProcess(name, command, path.join(network.data, 'output', `${name}.log`));
  await changeNetwork(networkFile, (now) => ({ ...now, pids: { ...now.pids, [name]: child.pid } }));
  return new Supervisor(networkFile, network, [child], { data, port: undefined, restart: false, say });
}

class Supervisor implements RunningNetwork {
  readonly networkFile: string;
  readonly network: NetworkFile;
  readonly allEnded: Promise<void>;
  readonly #options: UpOptions;
  readonly #running: Map<string, RunningProcess>;
  #stopping = false;
  #tellAllEnded: () => void = () => undefined;
  /** network.json is changed by one at a time. */
  #changes: Promise<void> = Promise.resolve();

  constructor(networkFile: string, network: NetworkFile, children: readonly RunningProcess[], options: UpOptions) {
    this.networkFile = networkFile;
    this.network = network;
    this.#options = options;
    this.#running = new Map(children.map((child) => [child.name, child]));
    this.allEnded = new Promise((resolve) => {
      this.#tellAllEnded = resolve;
    });
    for (const child of children) this.#watch(child);
  }

  readonly stop = async (): Promise<void> => {
    this.#stopping = true;
    const children = [...this.#running.values()];
    for (const child of children.filter(({ name }) => name === LOG_PROCESS)) await child.stop();
    await Promise.all(children.map((child) => child.stop()));
    await this.#changes;
    await this.#change((network) => {
      const { up_pid, ...rest } = network;
      const isOurs = up_pid === process.pid;
      return { ...(isOurs ? rest : network), pids: withoutPids(network.pids, children) };
    });
  };

  readonly stopOne = async (name: string): Promise<void> => {
    const child = this.#running.get(name);
    if (child === undefined) return;
    this.#running.delete(name);
    await child.stop();
    await this.#change((network) => ({ ...network, pids: withoutPids(network.pids, [child]) }));
  };

  #watch(child: RunningProcess): void {
    void child.ended.then((reason) => {
      if (this.#stopping || this.#running.get(child.name) !== child) return;
      this.#running.delete(child.name);
      this.#options.say(`${child.name} (process ${child.pid}) ended: ${reason}. ${this.#whatNow(child.name)}`);
      void this.#change((network) => ({ ...network, pids: withoutPids(network.pids, [child]) }));
      if (this.#options.restart) setTimeout(() => void this.#startAgain(child.name), RESTART_PAUSE_MS);
      else if (this.#running.size === 0) this.#tellAllEnded();
    });
  }

  #whatNow(name: string): string {
    if (this.#options.restart) return 'It is started again.';
    return `The others go on. Start it again: countersign up --data ${this.#options.data} --only ${name}`;
  }

  async #startAgain(name: string): Promise<void> {
    const command = this.network.commands[name];
    if (this.#stopping || command === undefined) return;
    try {
      const child = await startProcess(name, command, path.join(this.network.data, 'output', `${name}.log`));
      if (this.#stopping) return await child.stop();
      this.#running.set(name, child);
      this.#watch(child);
      this.#options.say(`${name} runs again (process ${child.pid})`);
      await this.#change((network) => ({ ...network, pids: { ...network.pids, [name]: child.pid } }));
    } catch (error) {
      this.#options.say(error instanceof Error ? error.message : String(error));
      setTimeout(() => void this.#startAgain(name), RESTART_PAUSE_MS);
    }
  }

  #change(change: (network: NetworkFile) => NetworkFile): Promise<void> {
    this.#changes = this.#changes
      .then(() => changeNetwork(this.networkFile, change))
      .catch((error: unknown) => {
        this.#options.say(`cannot update ${this.networkFile}: ${error instanceof Error ? error.message : error}`);
      });
    return this.#changes;
  }
}

/** All at once; each is put into `started` as soon as it runs, so that a failure of one stops the others. */
async function startWitnesses(plan: NetworkPlan, started: RunningProcess[]): Promise<readonly WitnessOfPolicy[]> {
  const outcomes = await Promise.allSettled(
    plan.witnesses.map(async ({ name, url, command }) => {
      const child = await startProcess(name, command, outputFile(plan, name));
      started.push(child);
      return { name, url, vkeys: vkeysOf(child) };
    }),
  );
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

function vkeysOf({ name, ready }: RunningProcess): readonly string[] {
  const { vkeys } = ready;
  const texts = Array.isArray(vkeys) ? vkeys.filter((vkey): vkey is string => typeof vkey === 'string') : [];
  if (texts.length === 0) throw new CliError('child-failed', `${name} did not say its verifier keys`);
  return texts;
}

/** One copy for the log, one for whoever verifies; the same text. */
async function writePolicy(plan: NetworkPlan, witnesses: readonly WitnessOfPolicy[]): Promise<void> {
  const { vkeys, config } = plan.identity;
  const files = { pinned: plan.paths.policy, own: logPaths(plan.paths.directory, config.name).policy };
  const text =
    (await renewPinnedPolicy(files, vkeys, plan.logUrl, witnesses)) ?? networkPolicy(vkeys, plan.logUrl, witnesses);
  for (const file of [files.pinned, files.own]) await writeFileAtomic(file, text);
  for (const { identity } of plan.rawLogs) await writeRawPolicy(plan, identity, witnesses);
}

/** A raw log has a policy of its own, with the same witnesses. */
async function writeRawPolicy(
  { paths, baseUrl }: NetworkPlan,
  { config, vkeys }: LogIdentity,
  witnesses: readonly WitnessOfPolicy[],
): Promise<void> {
  const own = logPaths(paths.directory, config.name).policy;
  const url = `${baseUrl}/${config.name}`;
  const renewed = await renewPinnedPolicy({ pinned: own, own }, vkeys, url, witnesses);
  await writeFileAtomic(own, renewed ?? networkPolicy(vkeys, url, witnesses));
}

function describeNetwork(
  plan: NetworkPlan,
  witnesses: readonly WitnessOfPolicy[],
  children: readonly RunningProcess[],
): NetworkFile {
  return {
    base_url: plan.baseUrl,
    log: plan.identity.config.name,
    log_url: plan.logUrl,
    origin: plan.identity.config.origin,
    log_vkeys: [...plan.identity.vkeys],
    witness_vkeys: Object.fromEntries(witnesses.map(({ name, vkeys }) => [name, [...vkeys]])),
    witness_urls: Object.fromEntries(witnesses.map(({ name, url }) => [name, url])),
    policy: plan.paths.policy,
    tokens: { ...plan.tokens },
    raw_logs: plan.rawLogs.map(({ identity: { config, vkeys }, token }) => ({
      ...{ log: config.name, log_url: `${plan.baseUrl}/${config.name}`, origin: config.origin, log_vkeys: [...vkeys] },
      ...{ policy: logPaths(plan.paths.directory, config.name).policy, producer_token: token },
    })),
    pids: Object.fromEntries(children.map(({ name, pid }) => [name, pid])),
    up_pid: process.pid,
    commands: Object.fromEntries([
      [LOG_PROCESS, [...plan.logCommand]],
      ...plan.witnesses.map(({ name, command }) => [name, [...command]]),
    ]),
    data: plan.paths.directory,
  };
}

function outputFile(plan: NetworkPlan, name: string): string {
  return path.join(plan.paths.output, `${name}.log`);
}

function withoutPids(
  pids: Readonly<Record<string, number>>,
  children: readonly RunningProcess[],
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(pids).filter(([name, pid]) => !children.some((child) => child.name === name && child.pid === pid)),
  );
}
