/** Where keys come from, who may read them, and what an ssh-agent is asked and believed. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { concatBytes, utf8Encode } from '../../proofs/bytes.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import * as ed25519 from '../../proofs/ed25519.ts';
import { formatSignerKey, makeSignerKey } from '../../proofs/key.ts';
import { agentCosigner, type Cosigner, localCosigner } from '../../witness/cosigner.ts';
import { WitnessError, type WitnessErrorCode } from '../../witness/errors.ts';
import { createKeyFile, loadCosigners, OWN_KEY_FILES, readKeyFile, sshFingerprint } from '../../witness/keys.ts';
import { nativeVerifyOptions } from '../../witness/native-ed25519.ts';
import { agentEd25519Keys, agentSign } from '../../witness/ssh-agent.ts';
import { haveVectors, readVectors, vectorsMissing } from '../support/vectors.ts';
import { memoryWitness, seed, testLog, verifiedLines } from './support/witness.ts';

const NAME = 'witness.example/keys';
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'witness-keys-'));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

async function codeOf(work: Promise<unknown>): Promise<WitnessErrorCode | 'none'> {
  try {
    await work;
    return 'none';
  } catch (error) {
    if (error instanceof WitnessError) return error.code;
    throw error;
  }
}

type Sources = Partial<Parameters<typeof loadCosigners>[0]['sources']>;

function load(
  options: { name?: string; sources?: Sources; environment?: Record<string, string> } = {},
): Promise<readonly Cosigner[]> {
  return loadCosigners({
    directory,
    name: options.name,
    sources: { files: [], variables: [], ...options.sources },
    environment: options.environment ?? {},
  });
}

describe("the witness's own key files", () => {
  it('are made on the first start, for their owner only, and are the same ever after', async () => {
    const made = await load({ name: NAME });
    expect(made.map(({ key }) => [key.name, key.type])).toEqual([
      [NAME, 4],
      [NAME, 6],
    ]);
    for (const file of Object.values(OWN_KEY_FILES)) {
      expect((await stat(join(directory, file))).mode & 0o777).toBe(0o600);
      expect(await readFile(join(directory, file), 'utf8')).toMatch(
        /^PRIVATE\+KEY\+witness\.example\/keys\+[0-9a-f]{8}\+\S+\n$/,
      );
    }
    expect((await readdir(directory)).sort()).toEqual(Object.values(OWN_KEY_FILES).sort());
    expect((await load()).map(({ key }) => key.vkey)).toEqual(made.map(({ key }) => key.vkey));
    expect((await load({ name: NAME })).map(({ key }) => key.vkey)).toEqual(made.map(({ key }) => key.vkey));
  });

  it('need a name at first, and keep it', async () => {
    expect(await codeOf(load())).toBe('key-missing');
    await load({ name: NAME });
    expect(await codeOf(load({ name: 'witness.example/another' }))).toBe('key-name-differs');
    expect(await codeOf(load({ name: 'a name with spaces' }))).toBe('key-name-differs');
    await rm(join(directory, OWN_KEY_FILES[4]));
    await rm(join(directory, OWN_KEY_FILES[6]));
    expect(await codeOf(load({ name: 'a name with spaces' }))).toBe('key-invalid');
    expect(await readdir(directory)).toEqual([]);
  });

  it('are completed under the same name when a crash left only one, or half a draft', async () => {
    const [first] = await load({ name: NAME });
    await rm(join(directory, OWN_KEY_FILES[6]));
    await writeFile(join(directory, `${OWN_KEY_FILES[6]}.new`), 'PRIVATE+KEY+half');
    const again = await load();
    expect(again.map(({ key }) => key.type)).toEqual([4, 6]);
    expect(again[0]?.key.vkey).toBe(first?.key.vkey);
  });

  it('are refused when others may read them, when they are no keys, and never overwritten', async () => {
    const path = join(directory, 'a.key');
    await createKeyFile(path, NAME, 4);
    expect(await codeOf(createKeyFile(path, NAME, 4))).toBe('key-invalid');
    for (const mode of [0o640, 0o604, 0o660, 0o611]) {
      await chmod(path, mode);
      expect(await codeOf(readKeyFile(path))).toBe('key-file-too-open');
    }
    await chmod(path, 0o400);
    expect((await readKeyFile(path)).name).toBe(NAME);
    expect(await codeOf(readKeyFile(join(directory, 'none.key')))).toBe('key-missing');
    for (const text of ['', 'hello', formatSignerKey(makeSignerKey(NAME, 1, seed(1))), 'x'.repeat(10_000)]) {
      const bad = join(directory, 'bad.key');
      await writeFile(bad, text, { mode: 0o600 });
      expect(await codeOf(readKeyFile(bad))).toBe('key-invalid');
    }
  });

  it('are never quoted in an error', async () => {
    const secret = formatSignerKey(makeSignerKey(NAME, 4, seed(9))).replace('+', '-');
    const path = join(directory, 'bad.key');
    await writeFile(path, secret, { mode: 0o600 });
    const fromFile = await readKeyFile(path).catch(String);
    const fromVariable = await load({ sources: { variables: ['KEY'] }, environment: { KEY: secret } }).catch(String);
    for (const message of [fromFile, fromVariable]) expect(message).not.toContain(secret.slice(-20));
  });
});

describe('keys that the operator names', () => {
  it('come from files and environment variables, together, under one name', async () => {
    const file = join(directory, 'one.key');
    await writeFile(file, `${formatSignerKey(makeSignerKey(NAME, 6, seed(2)))}\n`, { mode: 0o600 });
    const environment = { WITNESS_KEY: formatSignerKey(makeSignerKey(NAME, 4, seed(3))) };
    const keys = await load({ sources: { files: [file], variables: ['WITNESS_KEY'] }, environment });
    expect(keys.map(({ key }) => key.type)).toEqual([4, 6]);
    expect(await readdir(directory)).toEqual(['one.key']);
    const other = { WITNESS_KEY: formatSignerKey(makeSignerKey('witness.example/other', 4, seed(3))) };
    const mixed = load({ sources: { files: [file], variables: ['WITNESS_KEY'] }, environment: other });
    expect(await codeOf(mixed)).toBe('key-name-differs');
    expect(await codeOf(load({ sources: { variables: ['NOT_SET'] } }))).toBe('key-missing');
  });
});

describe('what the platform signs and verifies', () => {
  it('is the same signature as the portable one, byte for byte', async () => {
    const signer = makeSignerKey(NAME, 4, seed(7));
    const message = utf8Encode('a message');
    expect(await localCosigner(signer).sign(message)).toEqual(ed25519.sign(message, signer.secret));
  });

  it.skipIf(!haveVectors)(`admits only what every verifier accepts${vectorsMissing}`, () => {
    const native = nativeVerifyOptions().verifiers?.ed25519;
    const wycheproof = readVectors<{ readonly cases: readonly { pk: string; msg: string; sig: string }[] }>(
      'ed25519/wycheproof.json',
    );
    const edges = readVectors<{ readonly cases: readonly { key: string; msg: string; sig: string }[] }>(
      'ed25519/edge-cases.json',
    );
    const cases = [
      ...wycheproof.cases.map(({ pk, msg, sig }) => ({ key: pk, message: Buffer.from(msg, 'hex'), sig })),
      ...edges.cases.map(({ key, msg, sig }) => ({ key, message: Buffer.from(msg, 'utf8'), sig })),
    ];
    let admitted = 0;
    for (const { key, message, sig } of cases) {
      const publicKey = Buffer.from(key, 'hex');
      const signature = Buffer.from(sig, 'hex');
      if (!isAllowed(publicKey) || native?.(message, signature, publicKey) !== true) continue;
      admitted++;
      expect(ed25519.verify(message, signature, publicKey)).toBe(true);
    }
    expect(admitted).toBeGreaterThan(50);
  });
});

describe('an ssh-agent', () => {
  const haveAgent = spawnSync('ssh-agent', ['-V']).error === undefined;

  it.skipIf(!haveAgent)('signs cosignatures with the key that it holds (a real agent)', async () => {
    const socketPath = join(directory, 'agent.sock');
    const agent = spawn('ssh-agent', ['-D', '-a', socketPath], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      await new Promise((resolve) => agent.stdout.once('data', resolve));
      const environment = { ...process.env, SSH_AUTH_SOCK: socketPath };
      for (const name of ['one', 'two']) {
        execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', join(directory, name)]);
        execFileSync('ssh-add', ['-q', join(directory, name)], { env: environment });
      }
      const rsa = join(directory, 'rsa');
      execFileSync('ssh-keygen', ['-q', '-t', 'ecdsa', '-N', '', '-f', rsa]);
      execFileSync('ssh-add', ['-q', rsa], { env: environment });

      const fingerprints = execFileSync('ssh-add', ['-l'], { env: environment, encoding: 'utf8' });
      const keys = await agentEd25519Keys({ socketPath });
      expect(keys.length).toBe(2);
      for (const key of keys) expect(fingerprints).toContain(sshFingerprint(key));

      expect(await codeOf(load({ name: NAME, sources: { agent: { socketPath } } }))).toBe('agent-key-missing');
      const fingerprint = sshFingerprint(keys[1] ?? new Uint8Array(32));
      const mldsa = formatSignerKey(makeSignerKey(NAME, 6, seed(2)));
      const cosigners = await load({
        name: NAME,
        sources: { agent: { socketPath, fingerprint }, variables: ['PQ'] },
        environment: { PQ: mldsa },
      });
      expect(cosigners.map(({ key }) => key.type)).toEqual([4, 6]);
      expect(cosigners[0]?.key.publicKey).toEqual(keys[1]);

      const log = testLog();
      const witness = await memoryWitness([log.known], { cosigners });
      const reply = await witness.addCheckpoint(log.request(0, 5));
      const lines = verifiedLines(reply, parseCheckpoint(log.head(5)).checkpoint, witness.keys);
      expect(lines.map(({ key }) => key.type)).toEqual([4, 6]);
      await witness.close();
    } finally {
      agent.kill('SIGTERM');
      await new Promise((resolve) => agent.once('exit', resolve));
    }
  });

  it('that is not there, or does not have the key, is an error that says so', async () => {
    const socketPath = join(directory, 'none.sock');
    expect(await codeOf(load({ name: NAME, sources: { agent: { socketPath } } }))).toBe('agent-unavailable');
    expect(await codeOf(load({ sources: { agent: { socketPath } } }))).toBe('key-missing');
  });

  it('that answers nonsense is not believed', async () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const key = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(12));
    const field = (bytes: Uint8Array): Uint8Array => concatBytes(uint32(bytes.length), bytes);
    const signature = (algorithm: string, length: number): Uint8Array =>
      concatBytes(Uint8Array.of(14), field(concatBytes(field(utf8Encode(algorithm)), field(new Uint8Array(length)))));
    const cases: readonly [string, Uint8Array | 'silent' | 'hang up', WitnessErrorCode][] = [
      ['a failure', field(Uint8Array.of(5)), 'agent-refused'],
      ['an empty answer', uint32(0), 'agent-unavailable'],
      ['an endless answer', uint32(0xffffffff), 'agent-unavailable'],
      ['a truncated answer', field(Uint8Array.of(14, 0, 0, 0, 9)), 'agent-refused'],
      ['another algorithm', field(signature('ssh-rsa', 64)), 'agent-refused'],
      ['a short signature', field(signature('ssh-ed25519', 63)), 'agent-refused'],
      ['hanging up', 'hang up', 'agent-unavailable'],
      ['silence', 'silent', 'agent-unavailable'],
    ];
    for (const [what, answer, code] of cases) {
      const { socketPath, server } = await fakeAgent(join(directory, 'fake.sock'), () => answer);
      expect(await codeOf(agentSign({ socketPath, timeoutMs: 50 }, key, utf8Encode('x'))), what).toBe(code);
      await close(server);
    }
    // A signature of the right shape that is not one is caught before it leaves.
    const identities = concatBytes(
      Uint8Array.of(12),
      uint32(1),
      field(concatBytes(field(utf8Encode('ssh-ed25519')), field(key))),
      field(utf8Encode('comment')),
    );
    const { socketPath, server } = await fakeAgent(join(directory, 'fake.sock'), (request) =>
      request[4] === 11 ? field(identities) : field(signature('ssh-ed25519', 64)),
    );
    const cosigner = await agentCosigner({ socketPath }, NAME, undefined);
    expect(await codeOf(cosigner.sign(utf8Encode('x')))).toBe('agent-refused');
    await close(server);
  });
});

function isAllowed(publicKey: Uint8Array): boolean {
  try {
    ed25519.checkPublicKey(publicKey);
    return true;
  } catch {
    return false;
  }
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

async function fakeAgent(
  socketPath: string,
  answer: (request: Uint8Array) => Uint8Array | 'silent' | 'hang up',
): Promise<{ socketPath: string; server: Server }> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (request) => {
      const bytes = answer(request);
      if (bytes === 'hang up') socket.destroy();
      // In two parts: an answer may arrive in any number of them.
      else if (bytes !== 'silent') for (const half of [bytes.slice(0, 2), bytes.slice(2)]) socket.write(half);
    });
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return { socketPath, server };
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
