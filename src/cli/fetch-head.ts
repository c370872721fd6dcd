/** Today's head over the network, and the proof that it extends one that was kept. Nothing that is fetched is trusted. */
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { base64Decode } from '../../proofs/bytes.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { formatHeadUpdate } from '../../proofs/head-update.ts';
import type { Pin } from '../../proofs/pin.ts';
import { exchange, parseAnswer, refusal, unexpectedAnswer } from './client.ts';
import { CliError } from './errors.ts';
import type { Io } from './io.ts';
import type { Target } from './target.ts';

const ConsistencyAnswer = Type.Object({ proof: Type.Array(Type.String()) });

export interface FetchedHead {
  /** The published checkpoint. */
  readonly checkpoint: string;
  /** Checkpoint and proof (head-update.ts); missing where the kept head is not smaller, or of another log. */
  readonly update?: string;
}

/** Throws CliError `not-found` while nothing was published, UnavailableError when the log does not answer. */
export async function fetchHead(io: Io, target: Target, pin: Pin): Promise<FetchedHead> {
  const checkpoint = await get(io, target, `${target.logUrl}/checkpoint`);
  const { origin, size } = parseCheckpoint(checkpoint).checkpoint;
  if (origin !== pin.origin || pin.size > size) return { checkpoint };
  const url = `${target.logUrl}/proof/consistency?from=${pin.size}&to=${size}`;
  const answer = parseAnswer(url, await get(io, target, url));
  if (!Value.Check(ConsistencyAnswer, answer)) throw unexpectedAnswer(url, 'it is not a consistency proof');
  const proof = answer.proof.map((hash) => base64Decode(hash));
  return { checkpoint, update: formatHeadUpdate({ consistency: { from: pin.size, to: size, proof }, checkpoint }) };
}

async function get(io: Io, target: Target, url: string): Promise<string> {
  const answer = await exchange(io, { ...target, token: undefined }, url, {});
  if (answer.status === 404 && answer.text.includes('no-head-yet')) {
    throw new CliError('not-found', 'no checkpoint was published yet', `${target.baseUrl}/healthz says why.`);
  }
  if (answer.status !== 200) throw refusal(url, answer);
  return answer.text;
}
