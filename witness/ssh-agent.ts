/**
 * A minimal ssh-agent client (draft-ietf-sshm-ssh-agent): list the Ed25519 identities, sign bytes with one. The agent
 * signs whatever it is given, so an Ed25519 cosignature (type 0x04) can be made without the key being in this process.
 *
 * One connection per request, one answer per connection, both bounded in time and size.
 *
 *     uint32 length ‖ byte type ‖ contents       string = uint32 length ‖ bytes
 */
import { createConnection } from 'node:net';
import { concatBytes, equalBytes, utf8Encode } from '../proofs/bytes.ts';
import { messageOf, WitnessError } from './errors.ts';

export interface AgentOptions {
  /** Path of the agent's socket, as in SSH_AUTH_SOCK. */
  readonly socketPath: string;
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 5_000;
const MAX_ANSWER_BYTES = 256 * 1024;
const MAX_IDENTITIES = 1_000;

const REQUEST_IDENTITIES = 11;
const IDENTITIES_ANSWER = 12;
const SIGN_REQUEST = 13;
const SIGN_RESPONSE = 14;

const ED25519 = utf8Encode('ssh-ed25519');
const ED25519_KEY_BYTES = 32;
const ED25519_SIGNATURE_BYTES = 64;

/** The public keys (32 bytes each) of the agent's Ed25519 identities. Throws `agent-unavailable` or `agent-refused`. */
export async function agentEd25519Keys(options: AgentOptions): Promise<readonly Uint8Array[]> {
  const answer = await ask(options, Uint8Array.of(REQUEST_IDENTITIES), IDENTITIES_ANSWER);
  const count = answer.uint32();
  if (count > MAX_IDENTITIES) throw new WitnessError('agent-refused', 'the ssh agent lists too many identities');
  const keys: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const blob = new Reader(answer.string());
    answer.string(); // the comment
    if (!equalBytes(blob.string(), ED25519)) continue;
    const key = blob.string();
    if (key.length === ED25519_KEY_BYTES) keys.push(key);
  }
  return keys;
}

/** The agent's Ed25519 signature, 64 bytes, of the message by the identity with this public key. */
export async function agentSign(
  options: AgentOptions,
  publicKey: Uint8Array,
  message: Uint8Array,
): Promise<Uint8Array> {
  const blob = concatBytes(sshString(ED25519), sshString(publicKey));
  const noFlags = new Uint8Array(4);
  const request = concatBytes(Uint8Array.of(SIGN_REQUEST), sshString(blob), sshString(message), noFlags);
  const signature = new Reader((await ask(options, request, SIGN_RESPONSE)).string());
  const algorithm = signature.string();
  const bytes = signature.string();
  if (!equalBytes(algorithm, ED25519) || bytes.length !== ED25519_SIGNATURE_BYTES) {
    throw new WitnessError('agent-refused', 'the ssh agent answered with a signature of another kind');
  }
  return bytes;
}

async function ask(options: AgentOptions, request: Uint8Array, expected: number): Promise<Reader> {
  const answer = await exchange(options, sshString(request));
  if (answer[0] !== expected) {
    throw new WitnessError('agent-refused', `the ssh agent refused (it answered ${answer[0]}); is the key loaded?`);
  }
  return new Reader(answer.subarray(1));
}

/** Sends one framed message and returns the contents of the one that comes back. */
function exchange(
  { socketPath, timeoutMs = DEFAULT_TIMEOUT_MS }: AgentOptions,
  frame: Uint8Array,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(socketPath);
    let received: Uint8Array = new Uint8Array(0);
    const fail = (why: string): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new WitnessError('agent-unavailable', `the ssh agent at ${socketPath}: ${why}`));
    };
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
    socket.on('error', (error) => fail(messageOf(error)));
    socket.on('close', () => fail('it closed the connection'));
    socket.on('connect', () => socket.write(frame));
    socket.on('data', (chunk) => {
      received = concatBytes(received, chunk);
      if (received.length < 4) return;
      const length = new DataView(received.buffer, received.byteOffset).getUint32(0);
      if (length === 0 || length > MAX_ANSWER_BYTES) return fail('its answer has an impossible length');
      if (received.length < 4 + length) return;
      clearTimeout(timer);
      socket.destroy();
      resolve(received.slice(4, 4 + length));
    });
  });
}

function sshString(bytes: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return concatBytes(length, bytes);
}

/** Reads the agent's answer, which may be anything; running off its end is a refusal. */
class Reader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  uint32(): number {
    const bytes = this.#take(4);
    return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
  }

  string(): Uint8Array {
    return this.#take(this.uint32());
  }

  #take(length: number): Uint8Array {
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw new WitnessError('agent-refused', 'the ssh agent gave a truncated answer');
    const taken = this.#bytes.slice(this.#offset, end);
    this.#offset = end;
    return taken;
  }
}
