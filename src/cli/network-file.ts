/**
 * network.json: what `up` started, so that scripts and the client verbs find it. Replaced atomically, never edited in
 * place; all paths in it are absolute. It holds no secret: tokens are named by the path of their files.
 *
 *     { "base_url": "http://127.0.0.1:8080", "log": "audit", "log_url": "http://127.0.0.1:8080/audit",
 *       "origin": "localhost/audit", "log_vkeys": ["localhost/audit+…"], "policy": "/…/policy.txt",
 *       "witness_vkeys": { "w1": ["localhost/w1+…", "localhost/w1+…"] }, "witness_urls": { "w1": "http://127.0.0.1:…" },
 *       "tokens": { "producer": "/…/producer.token", … }, "pids": { "log": 4711, "w1": 4712, … }, "up_pid": 4710,
 *       "raw_logs": [{ "log": "bytes", "log_url": …, "origin": …, "log_vkeys": …, "policy": …, "producer_token": … }],
 *       "commands": { "log": ["/usr/bin/node", …], … }, "data": "/…" }
 */
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { CliError } from './errors.ts';
import { readIfExists, readInput, writeFileAtomic } from './files.ts';

const Text = Type.String({ minLength: 1 });
const Pid = Type.Integer({ minimum: 1 });

const NetworkSchema = Type.Object({
  base_url: Text,
  log: Text,
  log_url: Text,
  origin: Text,
  log_vkeys: Type.Array(Text),
  witness_vkeys: Type.Record(Type.String(), Type.Array(Text)),
  witness_urls: Type.Record(Type.String(), Text),
  policy: Text,
  tokens: Type.Object({ producer: Text, auditor: Text, admin: Text }),
  raw_logs: Type.Optional(
    Type.Array(
      Type.Object({
        ...{ log: Text, log_url: Text, origin: Text, log_vkeys: Type.Array(Text) },
        ...{ policy: Text, producer_token: Text },
      }),
    ),
  ),
  /** Processes that run, by name; empty after everything was stopped. */
  pids: Type.Record(Type.String(), Pid),
  /** The `up` that started them; missing when none runs. */
  up_pid: Type.Optional(Pid),
  /** How to start each process by itself. */
  commands: Type.Record(Type.String(), Type.Array(Text)),
  data: Text,
});

export type NetworkFile = Static<typeof NetworkSchema>;

/** Reads a network file that must be there. Throws CliError `unreadable-input`. */
export async function readNetwork(file: string): Promise<NetworkFile> {
  return parseNetwork(await readInput(file, 'the network file'), file);
}

export async function readNetworkIfExists(file: string): Promise<NetworkFile | undefined> {
  const text = await readIfExists(file);
  return text === undefined ? undefined : parseNetwork(text, file);
}

export function writeNetwork(file: string, network: NetworkFile): Promise<void> {
  return writeFileAtomic(file, `${JSON.stringify(network, null, 2)}\n`);
}

/** Reads, changes and replaces the file; a change that another process makes in that moment can be lost. */
export async function changeNetwork(file: string, change: (network: NetworkFile) => NetworkFile): Promise<void> {
  await writeNetwork(file, change(await readNetwork(file)));
}

function parseNetwork(text: string, file: string): NetworkFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CliError('unreadable-input', `${file} is not JSON`);
  }
  if (Value.Check(NetworkSchema, value)) return value;
  const first = Value.Errors(NetworkSchema, value).First();
  throw new CliError('unreadable-input', `${file} is not a network file: ${first?.path ?? ''} ${first?.message ?? ''}`);
}
