/** A whole local network, as `countersign up` runs it: a log and three witnesses in processes of their own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type NetworkFile, readNetwork } from '../../src/cli/network-file.ts';

/** The built command line: nothing is compiled while it is measured. */
export const CLI: string = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));

export interface NetworkProcess {
  readonly file: string;
  readonly network: NetworkFile;
  stop(): Promise<void>;
}

/** Throws if the process ends before the network is ready. */
export async function startNetwork(directory: string): Promise<NetworkProcess> {
  const args = ['up', '--data', directory, '--port', '0', '--json', '--until-stdin-closes'];
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  let isReady = false;
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.includes('"ready":true')) continue;
    isReady = true;
    break;
  }
  if (!isReady) throw new Error('the network ended before it was ready');
  child.stdout.resume();
  const file = path.join(directory, 'network.json');
  return {
    file,
    network: await readNetwork(file),
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
