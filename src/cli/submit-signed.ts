/**
 * Submitting events that their producer signs (W9): one at a time, as only single events can be signed. Which parts of an
 * event the log keeps as fields of their own is a matter of its catalogue; the log names what is missing, and the event
 * is signed again with those parts apart. The key never leaves this program.
 */

import { randomBytes } from 'node:crypto';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { ProofError } from '../../proofs/errors.ts';
import { isObject, splitFields } from '../../proofs/fields.ts';
import { parseSignerKey, SIGNATURE_TYPE, type SignerKey } from '../../proofs/key.ts';
import { producerKeyId } from '../../proofs/producer-keys.ts';
import { SIGNED_MEDIA_TYPE } from '../events/prepare-signed.ts';
import { parseEventJson } from '../events/strict-json.ts';
import { EventProblem } from '../events/types.ts';
import { signEvent } from '../sdk/sign.ts';
import {
  describeFault,
  exchange,
  members,
  parseAnswer,
  refusal,
  send,
  unexpectedAnswer,
  withRetries,
} from './client.ts';
import { CliError } from './errors.ts';
import { readInput } from './files.ts';
import type { Io } from './io.ts';
import type { Submission, SubmitOptions } from './submit-events.ts';
import type { Target } from './target.ts';

/** Fields that a log keeps apart even without a catalogue. */
const USUAL_PATHS: readonly string[] = ['actor.session', 'context.ip', 'context.user_agent'];
/** How often one event is signed again because the log keeps more apart. */
const MAX_SIGNINGS = 32;
const REFUSED = 422;

const Description = Type.Object({ origin: Type.String() });
const Acknowledged = Type.Object({
  status: Type.Union([Type.Literal('accepted'), Type.Literal('duplicate')]),
  event_id: Type.String(),
  index: Type.Integer({ minimum: 0 }),
  log_time: Type.String(),
  leaf_hash: Type.String(),
});

/** The producer's secret key. Throws CliError for a file that holds none. */
export async function readProducerKey(file: string): Promise<SignerKey> {
  const text = await readInput(file, 'the key of the producer');
  try {
    const key = parseSignerKey(text.trim());
    if (key.type === SIGNATURE_TYPE.ed25519) return key;
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
  }
  throw new CliError(
    'unreadable-input',
    `${file} is no Ed25519 signer key`,
    'See `countersign keygen --for producer`.',
  );
}

/** Signs and submits all events in their order. Throws UnavailableError when the log stays away. */
export async function submitSigned(
  io: Io,
  target: Target,
  key: SignerKey,
  submissions: Iterable<Submission>,
  options: SubmitOptions,
): Promise<void> {
  const description = `${target.logUrl}/log.json`;
  const log = parseAnswer(description, (await send(io, target, description)).text);
  if (!Value.Check(Description, log)) throw unexpectedAnswer(description, 'it does not name its origin');
  const apart = new Set(USUAL_PATHS);
  const signer = { origin: log.origin, keyId: producerKeyId(key.publicKey), seed: key.secret };
  for (const submission of submissions) {
    const work = (): Promise<void> => submitOne(io, target, { signer, apart, submission, options });
    await withRetries(io, options.timeoutMs, work, options.onWait);
  }
}

interface OneEvent {
  readonly signer: { readonly origin: string; readonly keyId: string; readonly seed: Uint8Array };
  /** Paths that are fields of their own; grows with what the log says. */
  readonly apart: Set<string>;
  readonly submission: Submission;
  readonly options: SubmitOptions;
}

async function submitOne(io: Io, target: Target, { signer, apart, submission, options }: OneEvent): Promise<void> {
  const { where } = submission;
  const url = `${target.logUrl}/events`;
  const event = readEvent(submission);
  for (let signings = 1; ; signings++) {
    const separatePaths = [...apart].filter((path) => splitFields(event, [path]).some(([id]) => id === path));
    const bytes = (count: number): Uint8Array => new Uint8Array(randomBytes(count));
    const body = JSON.stringify(signEvent(event, { ...signer, separatePaths, randomBytes: bytes }));
    const headers = { 'content-type': SIGNED_MEDIA_TYPE };
    const answer = await exchange(io, target, url, { method: 'POST', body, headers });
    if (answer.status === REFUSED) {
      const problem = members(parseAnswer(url, answer.text));
      const missing = fieldToSeparate(problem);
      if (missing !== undefined && !apart.has(missing) && signings < MAX_SIGNINGS) {
        apart.add(missing);
        continue;
      }
      options.onRefused({ where, ...describeProblem(problem) });
      return;
    }
    if (answer.status >= 300) throw refusal(url, answer);
    const acknowledged = parseAnswer(url, answer.text);
    if (!Value.Check(Acknowledged, acknowledged)) throw unexpectedAnswer(url, 'it is no acknowledgement');
    const { status, event_id, index, log_time, leaf_hash } = acknowledged;
    options.onAccepted({ where, status, event_id, index, log_time, leaf_hash });
    return;
  }
}

function readEvent({ text, where }: Submission) {
  try {
    const event = parseEventJson(new TextEncoder().encode(text));
    if (isObject(event)) return event;
  } catch (error) {
    if (!(error instanceof EventProblem)) throw error;
    throw new CliError('unreadable-input', `${where} is no event: ${error.message}`);
  }
  throw new CliError('unreadable-input', `${where} is no event: it is not an object`);
}

/** `/salts/actor.session` of a refusal because the log keeps that field apart. */
function fieldToSeparate({ type, errors }: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof type !== 'string' || !type.endsWith(':salts-mismatch') || !Array.isArray(errors)) return undefined;
  const { pointer } = members(errors[0]);
  const [, field] = typeof pointer === 'string' ? (/^\/salts\/(.+\..+)$/.exec(pointer) ?? []) : [];
  return field;
}

function describeProblem({ type, detail, errors }: Readonly<Record<string, unknown>>) {
  return {
    type: typeof type === 'string' ? type : '',
    detail: typeof detail === 'string' ? detail : '',
    errors: Array.isArray(errors) ? errors.map((fault) => describeFault(members(fault))) : [],
  };
}
