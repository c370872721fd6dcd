/**
 * One round of drand's quicknet, from whatever server the auditor names: the signature is verified against the pinned key, so
 * that it does not matter who answers.
 */
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { hexDecode } from '../../proofs/bytes.ts';
import { drandRoundSeconds, isDrandRound, QUICKNET } from '../../proofs/drand.ts';
import { formatSeconds } from '../../proofs/existed-by.ts';
import { exchange, parseAnswer, refusal, unexpectedAnswer } from './client.ts';
import { CliError } from './errors.ts';
import type { Io } from './io.ts';

const Round = Type.Object({
  round: Type.Integer(),
  signature: Type.String({ pattern: '^[0-9a-f]{96}$' }),
});

/** Throws CliError `timed-out` for a round that is still to come, `unexpected-answer` for a bad signature. */
export async function fetchDrandSignature(io: Io, baseUrl: string, round: number): Promise<Uint8Array> {
  const due = drandRoundSeconds(round);
  if (io.nowMs() < due * 1000) {
    throw new CliError('timed-out', `drand round ${round} is due ${formatSeconds(due)}`, 'Draw the sample after that.');
  }
  const url = `${baseUrl.replace(/\/+$/, '')}/${QUICKNET.hash}/public/${round}`;
  const answer = await exchange(io, { baseUrl, logUrl: baseUrl, token: undefined }, url, {});
  if (answer.status !== 200) throw refusal(url, answer);
  const content = parseAnswer(url, answer.text);
  if (!Value.Check(Round, content)) throw unexpectedAnswer(url, 'it is not a round of drand');
  const signature = hexDecode(content.signature);
  if (content.round === round && isDrandRound(round, signature)) return signature;
  throw unexpectedAnswer(url, `it is not what quicknet signed for round ${round}`);
}
