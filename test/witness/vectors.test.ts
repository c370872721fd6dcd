/**
 * The public test vectors of tlog-witness, run against the byte functions and, the same scenarios again, over HTTP.
 */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { base64Encode, hexDecode, utf8Encode } from '../../proofs/bytes.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { verifySubtreeCosignature } from '../../proofs/cosignature.ts';
import { ProofError } from '../../proofs/errors.ts';
import { makeSignerKey } from '../../proofs/key.ts';
import { parseSignatureLines } from '../../proofs/note.ts';
import { localCosigner } from '../../witness/cosigner.ts';
import { originHash } from '../../witness/logs.ts';
import { Refused } from '../../witness/reply.ts';
import { parseAddCheckpoint } from '../../witness/request.ts';
import { serveWitness } from '../../witness/server.ts';
import type { Witness } from '../../witness/witness.ts';
import { haveVectors, readVectors, vectorsMissing } from '../support/vectors.ts';
import {
  checkpointIn,
  logOf,
  memoryWitness,
  verifiedLines,
  witnessEd25519,
  witnessMldsa44,
} from './support/witness.ts';

interface Body {
  readonly text: string;
}

interface Step {
  readonly id: string;
  readonly request: Body;
  readonly expect: {
    readonly status?: number;
    readonly status_any_of?: readonly number[];
    readonly content_type?: string;
    readonly body?: string;
    readonly cosigned?: { readonly origin: string; readonly size: string; readonly root_b64: string };
  };
}

interface VectorLog {
  readonly origin: string;
  readonly vkeys: readonly string[];
}

interface Scenario {
  readonly id: string;
  readonly logs: readonly VectorLog[];
  readonly setup?: readonly Body[];
  readonly concurrent?: readonly Body[];
  readonly steps?: readonly Step[];
}

interface SubtreeVectors {
  readonly witness: {
    readonly name: string;
    readonly ed25519_seed_hex: string;
    readonly mldsa44_seed_hex: string;
    readonly vkeys: readonly string[];
  };
  readonly logs: readonly VectorLog[];
  readonly steps: readonly (Step & { readonly range?: readonly [string, string]; readonly hash?: string })[];
}

interface ExactCase {
  readonly id: string;
  readonly witness: { readonly name: string; readonly ed25519_seed_hex: string; readonly vkey: string };
  readonly clock_seconds: string;
  readonly request: Body;
  readonly log: VectorLog;
  readonly response: string;
}

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

type Ask = (path: 'add-checkpoint' | 'sign-subtree', body: string) => Promise<Answer>;

const bothKeys = [localCosigner(witnessEd25519), localCosigner(witnessMldsa44)];

/** Each way to the witness: directly, and through the HTTP server. */
const ways: readonly [name: string, open: (witness: Witness) => Promise<{ ask: Ask; close: () => Promise<void> }>][] = [
  [
    'bytes in, bytes out',
    async (witness) => ({
      ask: (path, body) =>
        path === 'add-checkpoint' ? witness.addCheckpoint(utf8Encode(body)) : witness.signSubtree(utf8Encode(body)),
      close: () => witness.close(),
    }),
  ],
  [
    'over HTTP',
    async (witness) => {
      const server = await serveWitness(witness, { host: '127.0.0.1', port: 0 });
      return {
        ask: async (path, body) => {
          const response = await fetch(`${server.url}/${path}`, { method: 'POST', body });
          return {
            status: response.status,
            contentType: response.headers.get('content-type') ?? '',
            body: await response.text(),
          };
        },
        close: async () => {
          await server.close();
          await witness.close();
        },
      };
    },
  ],
];

for (const [way, open] of ways) {
  describe.skipIf(!haveVectors)(`the witness answers the public scenarios, ${way}${vectorsMissing}`, () => {
    it('add-checkpoint: every step of every scenario has its status, type and body', async () => {
      const { scenarios } = readVectors<{ readonly scenarios: readonly Scenario[] }>('witness/add-checkpoint.json');
      for (const scenario of scenarios) {
        const witness = await memoryWitness(scenario.logs.map(logOf), { cosigners: bothKeys });
        const { ask, close } = await open(witness);
        for (const body of scenario.setup ?? []) expect((await ask('add-checkpoint', body.text)).status).toBe(200);
        if (scenario.concurrent !== undefined) await race(ask, scenario.concurrent);
        for (const step of scenario.steps ?? []) await addCheckpointStep(witness, ask, scenario.id, step);
        await close();
      }
    });

    it('sign-subtree: every request has its status, and 200 exactly the lines of the ML-DSA-44 key', async () => {
      const vectors = readVectors<SubtreeVectors>('witness/sign-subtree.json');
      const { name, ed25519_seed_hex, mldsa44_seed_hex, vkeys } = vectors.witness;
      const cosigners = [
        localCosigner(makeSignerKey(name, 4, hexDecode(ed25519_seed_hex))),
        localCosigner(makeSignerKey(name, 6, hexDecode(mldsa44_seed_hex))),
      ];
      const witness = await memoryWitness(vectors.logs.map(logOf), { cosigners });
      expect(witness.vkeys).toEqual(vkeys);
      const { ask, close } = await open(witness);
      for (const step of vectors.steps) {
        const reply = await ask('sign-subtree', step.request.text);
        expectStatus(step.id, reply, step.expect);
        if (reply.status !== 200) continue;
        const [start, end] = (step.range ?? ['', '']).map(Number);
        const lines = parseSignatureLines(reply.body);
        expect(lines.length, step.id).toBe(1);
        const [line] = lines;
        const key = witness.keys.find(({ type }) => type === 6);
        if (line === undefined || key === undefined || start === undefined || end === undefined)
          throw new Error(step.id);
        const subtree = { origin: 'log.public.example', start, end, hash: hexDecode(step.hash ?? '') };
        expect(verifySubtreeCosignature(subtree, line, key), step.id).toEqual({ timestamp: 0 });
      }
      await close();
    });

    it('exact-response: with this key and clock the answer is this, byte for byte', async () => {
      const { cases } = readVectors<{ readonly cases: readonly ExactCase[] }>('witness/exact-response.json');
      for (const one of cases) {
        const signer = makeSignerKey(one.witness.name, 4, hexDecode(one.witness.ed25519_seed_hex));
        const witness = await memoryWitness([logOf(one.log)], {
          cosigners: [localCosigner(signer)],
          clock: () => Number(one.clock_seconds) * 1000,
        });
        expect(witness.vkeys).toEqual([one.witness.vkey]);
        const { ask, close } = await open(witness);
        expect((await ask('add-checkpoint', one.request.text)).body, one.id).toBe(one.response);
        await close();
      }
    });
  });
}

describe.skipIf(!haveVectors)(`the formats around the witness${vectorsMissing}`, () => {
  it('request-parsing: takes and refuses the bodies that the vectors say', () => {
    const { cases } = readVectors<{
      readonly cases: readonly {
        readonly id: string;
        readonly request: Body;
        readonly expect: 'accept' | 'reject';
        readonly parsed?: { readonly old?: string; readonly proof?: readonly string[]; readonly proof_lines?: number };
      }[];
    }>('witness/request-parsing.json');
    for (const { id, request, expect: verdict, parsed } of cases) {
      if (verdict === 'reject') {
        expect(() => parseAddCheckpoint(utf8Encode(request.text)), id).toThrow(Refused);
        continue;
      }
      const { oldSize, proof } = parseAddCheckpoint(utf8Encode(request.text));
      expect(String(oldSize), id).toBe(parsed?.old);
      if (parsed?.proof !== undefined) expect(proof.map(base64Encode), id).toEqual(parsed.proof);
      if (parsed?.proof_lines !== undefined) expect(proof.length, id).toBe(parsed.proof_lines);
    }
  });

  it('responses: signature lines are parsed, anything else is refused', () => {
    const { cases, spec_request } = readVectors<{
      readonly cases: readonly {
        readonly id: string;
        readonly text: string;
        readonly expect: string;
        readonly lines?: number;
      }[];
      readonly spec_request: Body;
    }>('witness/responses.json');
    for (const { id, text, expect: verdict, lines } of cases) {
      if (verdict === 'accept') expect(parseSignatureLines(text).length, id).toBe(lines);
      else expect(() => parseSignatureLines(text), id).toThrow(ProofError);
    }
    expect(parseAddCheckpoint(utf8Encode(spec_request.text))).toMatchObject({ oldSize: 20852014 });
  });

  it('origin-hash: the monitoring path is the lowercase hexadecimal SHA-256 of the origin', () => {
    const { cases } = readVectors<{
      readonly cases: readonly { readonly origin: string; readonly hash: string; readonly path: string }[];
    }>('witness/origin-hash.json');
    for (const { origin, hash, path } of cases) {
      expect(originHash(origin)).toBe(hash);
      expect(createHash('sha256').update(origin).digest('hex')).toBe(hash);
      expect(`/${originHash(origin)}/checkpoint`).toBe(path);
    }
  });
});

async function addCheckpointStep(witness: Witness, ask: Ask, scenario: string, step: Step): Promise<void> {
  const what = `${scenario}: ${step.id}`;
  const before = await held(witness, step);
  const reply = await ask('add-checkpoint', step.request.text);
  expectStatus(what, reply, step.expect);
  if (reply.status === 200) {
    const checkpoint = checkpointIn(step.request.text);
    const { cosigned } = step.expect;
    expect(
      { origin: checkpoint.origin, size: String(checkpoint.size), root_b64: base64Encode(checkpoint.root) },
      what,
    ).toEqual(cosigned);
    const lines = verifiedLines(reply, checkpoint, witness.keys);
    expect(
      lines.map(({ key }) => key.type),
      what,
    ).toEqual([4, 6]);
    for (const { timestamp } of lines) expect(timestamp, what).toBe(1_790_000_000);
  } else {
    expect(reply.body, what).not.toContain('\u2014 ');
    expect(await held(witness, step), what).toEqual(before);
  }
}

/** What the witness shows to monitors for the step's origin; for a request without one, of no origin. */
async function held(witness: Witness, step: Step): Promise<string> {
  const [, origin = ''] = step.request.text.split('\n\n')[1]?.match(/^(.*)\n/) ?? [];
  const { status, body } = await witness.monitoredCheckpoint(originHash(origin));
  return status === 200 ? parseCheckpoint(body).checkpoint.body : String(status);
}

async function race(ask: Ask, bodies: readonly Body[]): Promise<void> {
  const replies = await Promise.all(bodies.map(({ text }) => ask('add-checkpoint', text)));
  const winner = replies.findIndex(({ status }) => status === 200);
  const size = checkpointIn(bodies[winner]?.text ?? '').size;
  expect(replies.filter(({ status }) => status === 200).length).toBe(1);
  for (const reply of replies.filter((_, i) => i !== winner)) {
    expect(reply).toMatchObject({ status: 409, contentType: 'text/x.tlog.size', body: `${size}\n` });
  }
}

function expectStatus(what: string, reply: Answer, expected: Step['expect']): void {
  expect(expected.status_any_of ?? [expected.status], what).toContain(reply.status);
  if (expected.content_type !== undefined) expect(reply.contentType, what).toBe(expected.content_type);
  if (expected.body !== undefined) expect(reply.body, what).toBe(expected.body);
}
