/**
 * Vectors of `witness/`: scenarios against a witness in memory, as bytes in and bytes out, and what it parses alone.
 * What is listed as a status of HTTP is the status of the reply.
 */
import { deepEqual, equal, match, notEqual, ok } from 'node:assert/strict';
import { base64Encode, hexEncode, utf8Decode } from '../../proofs/bytes.ts';
import { type Checkpoint, parseCheckpoint } from '../../proofs/checkpoint.ts';
import { verifyCosignature, verifySubtreeCosignature } from '../../proofs/cosignature.ts';
import { ProofError } from '../../proofs/errors.ts';
import { makeSignerKey, parseVerifierKey } from '../../proofs/key.ts';
import { type NoteSignature, parseSignatureLines } from '../../proofs/note.ts';
import { parseDecimal } from '../../proofs/numbers.ts';
import { type Cosigner, localCosigner } from '../../witness/cosigner.ts';
import { type KnownLog, originHash } from '../../witness/logs.ts';
import { Refused, type Reply } from '../../witness/reply.ts';
import { parseAddCheckpoint, parseSignSubtree } from '../../witness/request.ts';
import { openMemoryWitness, type Witness } from '../../witness/witness.ts';
import { testSigner } from '../support/signed.ts';
import {
  bytesOf,
  check,
  type Family,
  type Fields,
  fieldsOf,
  haveFields,
  hexOf,
  judge,
  judgeAll,
  NotUnderstood,
  Refusal,
  recordsOf,
  textOf,
  textsOf,
  type Verdict,
} from './vector.ts';

export const judgeWitness: Family = ({ content }) => {
  const cases = recordsOf(content, 'cases');
  if (content['scenarios'] !== undefined) return judgeScenarios(recordsOf(content, 'scenarios') ?? []);
  if (content['witness'] !== undefined && content['steps'] !== undefined) return judgeSignSubtree(content);
  if (haveFields(cases, 'clock_seconds', 'response')) return judgeAll(cases ?? [], judgeExactResponse);
  if (haveFields(cases, 'origin', 'hash')) return judgeAll(cases ?? [], judgeOriginHash);
  if (haveFields(cases, 'request', 'expect')) return judgeAll(cases ?? [], judgeRequest);
  if (content['size_bodies'] !== undefined) return judgeResponses(content);
  return undefined;
};

async function judgeScenarios(scenarios: readonly Fields[]): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const scenario of scenarios) {
    const id = textOf(scenario, 'id');
    const cosigners = ([4, 6] as const).map((type) => localCosigner(testSigner('witness.example/conformance', type)));
    const witness = await openMemoryWitness({ cosigners, logs: logsOf(scenario) });
    try {
      if (scenario['concurrent'] !== undefined) verdicts.push(await check(id, () => race(witness, scenario)));
      const steps = await judgeAll(recordsOf(scenario, 'steps') ?? [], (step, stepId) =>
        check(`${id}, ${stepId}`, () => addCheckpointStep(witness, step)),
      );
      verdicts.push(...steps);
    } finally {
      await witness.close();
    }
  }
  return verdicts;
}

async function addCheckpointStep(witness: Witness, step: Fields): Promise<void> {
  const body = bytesOf(fieldsOf(step, 'request'));
  const expect = fieldsOf(step, 'expect');
  const held = await heldState(witness, body);
  const reply = await witness.addCheckpoint(body);
  expectStatus(reply, expect);
  if (expect['content_type'] !== undefined) equal(reply.contentType, textOf(expect, 'content_type'));
  if (expect['body'] !== undefined) equal(reply.body, textOf(expect, 'body'));
  if (reply.status !== 200) {
    equal(reply.body.includes('\u2014 '), false, 'a signature left the witness');
    equal(await heldState(witness, body), held, 'the stored state moved');
    return;
  }
  const { checkpoint } = parseCheckpoint(checkpointOf(body));
  if (expect['cosigned'] !== undefined) expectHead(checkpoint, fieldsOf(expect, 'cosigned'));
  expectCosigned(witness, checkpoint, reply);
  equal((await heldState(witness, body))?.startsWith(checkpoint.body), true, 'the stored state did not move');
}

/** Every key of the witness signed this head, just now, and nothing else is in the reply. */
function expectCosigned(witness: Witness, checkpoint: Checkpoint, reply: Reply): void {
  const lines = parseSignatureLines(reply.body);
  equal(lines.length, witness.keys.length);
  for (const key of witness.keys) {
    const line = lineBy(lines, key);
    const { timestamp } = verifyCosignature(checkpoint, line, key);
    ok(Math.abs(timestamp - Date.now() / 1000) < 60, `the time ${timestamp} is not now`);
  }
}

/** Two requests that start from the same size: exactly one may win, and the other learns the winner's size. */
async function race(witness: Witness, scenario: Fields): Promise<void> {
  for (const request of recordsOf(scenario, 'setup') ?? []) {
    equal((await witness.addCheckpoint(bytesOf(request))).status, 200);
  }
  const bodies = (recordsOf(scenario, 'concurrent') ?? []).map(bytesOf);
  const replies = await Promise.all(bodies.map(witness.addCheckpoint));
  const won = replies.findIndex(({ status }) => status === 200);
  notEqual(won, -1, 'nobody won');
  const winner = parseCheckpoint(checkpointOf(bodies[won] ?? new Uint8Array(0))).checkpoint;
  for (const [i, reply] of replies.entries()) {
    if (i === won) continue;
    deepEqual([reply.status, reply.contentType, reply.body], [409, 'text/x.tlog.size', `${winner.size}\n`]);
  }
  const held = await heldState(witness, bodies[won] ?? new Uint8Array(0));
  equal(held?.startsWith(winner.body), true, 'the winner is not what is stored');
}

async function judgeSignSubtree(content: Fields): Promise<Verdict[]> {
  const described = fieldsOf(content, 'witness');
  const cosigners = cosignersOf(described);
  const witness = await openMemoryWitness({ cosigners, logs: logsOf(content) });
  try {
    const keys = await check('keys', () => deepEqual([...witness.vkeys], [...textsOf(described, 'vkeys')]));
    const steps = await judgeAll(recordsOf(content, 'steps') ?? [], (step, id) =>
      check(id, async () => {
        const body = bytesOf(fieldsOf(step, 'request'));
        const reply = await witness.signSubtree(body);
        expectStatus(reply, fieldsOf(step, 'expect'));
        if (reply.status === 200) expectSubtreeSigned(witness, body, step, reply);
        else equal(reply.body.includes('\u2014 '), false, 'a signature left the witness');
      }),
    );
    return [keys, ...steps];
  } finally {
    await witness.close();
  }
}

function expectSubtreeSigned(witness: Witness, body: Uint8Array, step: Fields, reply: Reply): void {
  const { origin } = parseCheckpoint(checkpointOf(body)).checkpoint;
  const [start = '', end = ''] = textsOf(step, 'range');
  const subtree = {
    origin,
    start: parseDecimal(start, 'start'),
    end: parseDecimal(end, 'end'),
    hash: hexOf(step, 'hash'),
  };
  const keys = witness.keys.filter(({ type }) => type === 6);
  const lines = parseSignatureLines(reply.body);
  equal(lines.length, keys.length);
  for (const key of keys) {
    equal(verifySubtreeCosignature(subtree, lineBy(lines, key), key).timestamp, 0);
  }
}

function judgeExactResponse(fields: Fields, id: string): Promise<Verdict> {
  return check(id, async () => {
    const seconds = parseDecimal(textOf(fields, 'clock_seconds'), 'clock');
    const described = fieldsOf(fields, 'witness');
    const cosigners = cosignersOf(described);
    const logs = [logOf(fieldsOf(fields, 'log'))];
    const witness = await openMemoryWitness({ cosigners, logs, clock: () => 1000 * seconds });
    try {
      if (described['vkey'] !== undefined) deepEqual(witness.vkeys, [textOf(described, 'vkey')]);
      const reply = await witness.addCheckpoint(bytesOf(fieldsOf(fields, 'request')));
      deepEqual([reply.status, reply.body], [200, textOf(fields, 'response')]);
    } finally {
      await witness.close();
    }
  });
}

function judgeOriginHash(fields: Fields, id: string): Promise<Verdict> {
  return check(id, () => {
    const hash = originHash(textOf(fields, 'origin'));
    equal(hash, textOf(fields, 'hash'));
    if (fields['path'] !== undefined) equal(`/${hash}/checkpoint`, textOf(fields, 'path'));
  });
}

function judgeRequest(fields: Fields, id: string): Promise<Verdict> {
  return judge(id, textOf(fields, 'expect'), () => {
    const body = bytesOf(fieldsOf(fields, 'request'));
    const parsed = refusing(() => (isSubtreeRequest(body) ? parseSignSubtree(body) : parseAddCheckpoint(body)));
    const expected = fields['parsed'] === undefined ? {} : fieldsOf(fields, 'parsed');
    if (expected['old'] !== undefined) equal('oldSize' in parsed && String(parsed.oldSize), textOf(expected, 'old'));
    if (expected['proof'] !== undefined) deepEqual(parsed.proof.map(base64Encode), textsOf(expected, 'proof'));
  });
}

function isSubtreeRequest(body: Uint8Array): boolean {
  return hexEncode(body).startsWith(hexEncode(new TextEncoder().encode('subtree ')));
}

/** What a log reads: signature lines on 200, a size on 409. */
async function judgeResponses(content: Fields): Promise<Verdict[]> {
  const lines = await judgeAll(recordsOf(content, 'cases') ?? [], (fields, id) =>
    judge(id, textOf(fields, 'expect'), () => {
      const signatures = parseSignatureLines(utf8Decode(bytesOf(fields)));
      if (fields['lines'] !== undefined) equal(String(signatures.length), textOf(fields, 'lines'));
    }),
  );
  const sizes = await judgeAll(recordsOf(content, 'size_bodies') ?? [], (fields, id) =>
    judge(`size ${id}`, fields['expect'] === undefined ? 'accept' : textOf(fields, 'expect'), () => {
      // As the log's witness client reads it: a missing newline is forgiven.
      const size = parseDecimal(textOf(fields, 'body').replace(/\n$/, ''), 'size');
      if (fields['size'] !== undefined) equal(String(size), textOf(fields, 'size'));
    }),
  );
  if (content['spec_request'] === undefined) return [...lines, ...sizes];
  const request = bytesOf(fieldsOf(content, 'spec_request'));
  return [
    ...lines,
    ...sizes,
    await check('request of the specification', () => void refusing(() => parseAddCheckpoint(request))),
  ];
}

/** The witness's own refusals, as the runner knows them. */
function refusing<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.code === 'size-too-large') throw new ProofError('size-too-large', error.message);
    throw new Refusal(error.code);
  }
}

function expectStatus(reply: Reply, expect: Fields): void {
  const { status, status_any_of: anyOf } = expect;
  const allowed = Array.isArray(anyOf) ? anyOf : [status];
  if (allowed.includes(reply.status)) return;
  // A size that only we refuse is refused with a word of its own.
  if (reply.status === 400 && reply.body.startsWith('size-too-large'))
    throw new ProofError('size-too-large', reply.body);
  match(String(reply.status), new RegExp(`^(${allowed.join('|')})$`), reply.body);
}

function expectHead(checkpoint: Checkpoint, cosigned: Fields): void {
  equal(checkpoint.origin, textOf(cosigned, 'origin'));
  equal(String(checkpoint.size), textOf(cosigned, 'size'));
  equal(base64Encode(checkpoint.root), textOf(cosigned, 'root_b64'));
}

/** The checkpoint that the witness would show for the log of this request; undefined before it cosigned one. */
async function heldState(witness: Witness, body: Uint8Array): Promise<string | undefined> {
  const origin = checkpointOf(body).split('\n')[0] ?? '';
  const reply = await witness.monitoredCheckpoint(originHash(origin));
  return reply.status === 200 ? reply.body : undefined;
}

/** What stands behind the first blank line of a request. */
function checkpointOf(body: Uint8Array): string {
  const text = new TextDecoder().decode(body);
  return text.slice(text.indexOf('\n\n') + 2);
}

function lineBy(
  lines: readonly NoteSignature[],
  key: { readonly name: string; readonly keyId: number },
): NoteSignature {
  const line = lines.find(({ name, keyId }) => name === key.name && keyId === key.keyId);
  if (line === undefined) throw new Error(`no line by ${key.name}`);
  return line;
}

function logsOf(fields: Fields): readonly KnownLog[] {
  return (recordsOf(fields, 'logs') ?? []).map(logOf);
}

function logOf(fields: Fields): KnownLog {
  return { origin: textOf(fields, 'origin'), keys: textsOf(fields, 'vkeys').map(parseVerifierKey) };
}

function cosignersOf(described: Fields): Cosigner[] {
  const name = textOf(described, 'name');
  const cosigners: Cosigner[] = [];
  if (described['ed25519_seed_hex'] !== undefined) {
    cosigners.push(localCosigner(makeSignerKey(name, 4, hexOf(described, 'ed25519_seed_hex'))));
  }
  if (described['mldsa44_seed_hex'] !== undefined) {
    cosigners.push(localCosigner(makeSignerKey(name, 6, hexOf(described, 'mldsa44_seed_hex'))));
  }
  if (cosigners.length === 0) throw new NotUnderstood('a witness without a seed');
  return cosigners;
}
