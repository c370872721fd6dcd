/** A witness as anyone runs it (`countersign witness run`), in a process and a directory of its own. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ownCommand, type RunningProcess, startProcess } from '../../src/cli/processes.ts';
import { createKeyFile } from '../../witness/keys.ts';

/** Ed25519 cosignatures alone, or ML-DSA-44 beside them, which a witness has unless it is told otherwise. */
export type WitnessKeys = 'ed25519' | 'both';

export interface WitnessOptions {
  readonly directory: string;
  readonly name: string;
  readonly keys: WitnessKeys;
  readonly logVkeys: readonly string[];
}

export interface WitnessProcess {
  readonly name: string;
  readonly url: URL;
  readonly vkeys: readonly string[];
  readonly stop: () => Promise<void>;
  /** SIGKILL: what it signed for must survive it. */
  readonly kill: () => Promise<void>;
}

/** Far above what is measured: a benchmark is no flood. */
const NO_RATE_LIMIT = 1_000_000;

/** Starts a witness, or starts it again on what it left in its directory. */
export async function startWitness(options: WitnessOptions): Promise<WitnessProcess> {
  const { directory, name, keys, logVkeys } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const keyFile = join(directory, 'ed25519.key');
  if (keys === 'ed25519' && !(await readdir(directory)).includes('ed25519.key')) await createKeyFile(keyFile, name, 4);
  const config = {
    name,
    data: directory,
    listen: '127.0.0.1:0',
    logs: logVkeys.map((vkey) => ({ vkeys: [vkey] })),
    requests_per_second: NO_RATE_LIMIT,
    burst: NO_RATE_LIMIT,
    key_files: keys === 'ed25519' ? [keyFile] : [],
  };
  const configFile = join(directory, 'config.json');
  await writeFile(configFile, JSON.stringify(config));
  const command = ownCommand('../../witness/main', ['run', '--config', configFile]);
  const running = await startProcess(name, command, join(directory, 'output.txt'));
  const { url, vkeys } = running.ready;
  if (typeof url !== 'string' || !Array.isArray(vkeys)) throw new Error(`${name} did not say where it is`);
  return {
    name,
    url: new URL(url),
    vkeys: vkeys.map(String),
    stop: running.stop,
    kill: () => kill(running),
  };
}

async function kill({ pid, ended }: RunningProcess): Promise<void> {
  process.kill(pid, 'SIGKILL');
  await ended;
}

/** What a log's policy says of these witnesses. One witness is one member of the quorum, however many keys it has. */
export function policyLines(witnesses: readonly WitnessProcess[], quorum: number): string {
  const names = witnesses.map((_, i) => `w${i + 1}`);
  return `${witnesses.map(witnessLines).join('')}group majority ${quorum} ${names.join(' ')}\nquorum majority\n`;
}

function witnessLines({ url, vkeys }: WitnessProcess, index: number): string {
  const names = vkeys.map((_, i) => `w${index + 1}-${i + 1}`);
  const lines = vkeys.map((vkey, i) => `witness ${names[i]} ${vkey} ${url.origin}\n`);
  return `${lines.join('')}group w${index + 1} any ${names.join(' ')}\n`;
}
