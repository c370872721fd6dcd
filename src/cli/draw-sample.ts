/**
 * A sample from the commit to the report, as an auditor's side of it: the nonce is kept in a file before the log is told of
 * it, and opened only for a head that the auditor's own policy accepts. `sample` and `review` draw with this.
 */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { base64Encode } from '../../proofs/bytes.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { type Policy, parsePolicy } from '../../proofs/policy.ts';
import { NONCE_BYTES, nonceHash } from '../../proofs/sample-draw.ts';
import { awaitCheckpoint, readCheckpoint } from './await-checkpoint.ts';
import { checkAsked } from './check-sample.ts';
import { parseAnswer, postJson, send, unexpectedAnswer } from './client.ts';
import { CliError } from './errors.ts';
import { type FetchedBundle, fetchBundle } from './fetch-bundle.ts';
import { fetchDrandSignature } from './fetch-drand.ts';
import { readIfExists } from './files.ts';
import type { Io } from './io.ts';
import { createSampleFile, readSampleFile, replaceSampleFile, type SampleFile } from './sample-file.ts';
import type { Target } from './target.ts';

const RETRY_MS = 30_000;
const COMMIT_TIMEOUT_MS = 60_000;

const SampleAnswer = Type.Object({
  sample: Type.Integer({ minimum: 0 }),
  head_size: Type.Integer({ minimum: 0 }),
  start: Type.Integer(),
  end: Type.Integer(),
  query: Type.String(),
  number: Type.Integer(),
  reveal: Type.Union([Type.Integer(), Type.Null()]),
  drand_round: Type.Union([Type.Integer(), Type.Null()]),
  matches: Type.Optional(Type.Integer()),
});
const ListAnswer = Type.Object({ samples: Type.Array(SampleAnswer) });

export type SampleAnswer = Static<typeof SampleAnswer>;

/** What `POST samples` takes, but for the nonce. */
export type SampleQuestion = Readonly<Record<string, string | number | object | undefined>>;

export interface DrawRequest {
  /** What `commitSample` wrote. */
  readonly file: string;
  /** Where the report goes. */
  readonly out: string;
  readonly policyText: string;
  /** Server of drand rounds; needed if the commit named one. */
  readonly drand?: string | undefined;
  readonly timeoutMs: number;
}

export interface DrawnReport {
  readonly fetched: FetchedBundle;
  /** File with a checkpoint from before the nonce was opened; with a drand round, from before that was known. */
  readonly pin: string;
}

/** Throws CliError `refused` if the file is there already. */
export async function commitSample(
  io: Io,
  target: Target,
  file: string,
  question: SampleQuestion,
): Promise<SampleAnswer> {
  const nonce = new Uint8Array(randomBytes(NONCE_BYTES));
  const published = (await readCheckpoint(io, target, undefined))?.size ?? 0;
  const content: SampleFile = {
    ...{ format: 'countersign/sample-file/v1', log: target.logUrl, nonce: base64Encode(nonce) },
    asked: { ...question, nonce_hash: base64Encode(nonceHash(nonce)) },
    published,
  };
  await createSampleFile(file, content);
  const answer = await tellCommit(io, target, file, content);
  if (answer.drand_round !== null) {
    // The witnesses' times in it show that the commit was there before the round was known.
    const { note } = await awaitCheckpoint(io, target, undefined, answer.sample + 1, COMMIT_TIMEOUT_MS);
    await writeFile(committedFile(file), note);
  }
  return answer;
}

/** Waits for the head, opens the nonce, and fetches the report. Nothing of that is believed before it is verified. */
export async function drawSample(io: Io, target: Target, request: DrawRequest): Promise<DrawnReport> {
  const { file, out, timeoutMs } = request;
  const policy: Policy = parsePolicy(request.policyText);
  const kept = await readSampleFile(file);
  const answered = kept.head_size === undefined ? await tellCommit(io, target, file, kept) : kept;
  const { sample, head_size: headSize = 0, drand_round: round = null } = answered;
  const signature = await drandSignature(io, request, round);
  // Being listed is a read, and a read is an entry: in a quiet log it is what the head still needs.
  await listSamples(io, target);
  // From here on the head is fixed: what the nonce decides can no longer be changed by anyone.
  const { note, size } = await awaitCheckpoint(io, target, policy, headSize, timeoutMs);
  const fixed = `${file}.checkpoint`;
  await writeFile(fixed, note);
  await post(io, target, `samples/${sample}/reveal`, {
    nonce: kept.nonce,
    drand_signature: signature === undefined ? undefined : base64Encode(signature),
  });
  const committed = await readIfExists(committedFile(file));
  const pin = committed === undefined ? fixed : committedFile(file);
  const question = { pinned_size: committed === undefined ? size : parseCheckpoint(committed).checkpoint.size };
  const fetched = await fetchBundle(io, target, { path: `samples/${sample}/report`, question, out, timeoutMs });
  await checkAsked(kept, out);
  return { fetched, pin };
}

export async function listSamples(io: Io, target: Target): Promise<readonly SampleAnswer[]> {
  const url = `${target.logUrl}/samples`;
  const answer = parseAnswer(url, (await send(io, target, url)).text);
  if (Value.Check(ListAnswer, answer)) return answer.samples;
  throw unexpectedAnswer(url, 'it is not a list of samples');
}

function committedFile(file: string): string {
  return `${file}.committed`;
}

/** The log answers the same nonce with the same entry, so that a commit whose answer was lost can be sent again. */
async function tellCommit(io: Io, target: Target, file: string, content: SampleFile): Promise<SampleAnswer> {
  const answer = await post(io, target, 'samples', content.asked);
  const { sample, head_size, drand_round } = answer;
  await replaceSampleFile(file, { ...content, sample, head_size, drand_round });
  return answer;
}

async function drandSignature(io: Io, { drand }: DrawRequest, round: number | null): Promise<Uint8Array | undefined> {
  if (round === null) return undefined;
  if (drand !== undefined) return fetchDrandSignature(io, drand, round);
  throw new CliError('usage', `the commit names drand round ${round}`, 'Say with --drand URL where to fetch it.');
}

function post(io: Io, target: Target, path: string, body: object): Promise<SampleAnswer> {
  return postJson(io, target, path, body, { schema: SampleAnswer, what: 'a sample', timeoutMs: RETRY_MS });
}
