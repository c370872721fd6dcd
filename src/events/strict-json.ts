/** Untrusted bytes to a JSON value: the first stage of the write side, with the bounds of an event. */
import { Buffer, isUtf8 } from 'node:buffer';
import type { JsonValue } from '../../proofs/canonical-json.ts';
import { ProofError, type ProofErrorCode } from '../../proofs/errors.ts';
import { parseStrictJson } from '../../proofs/strict-json.ts';
import { MAX_EVENT_DEPTH, MAX_EVENT_INPUT_BYTES, MAX_EVENT_VALUES } from './limits.ts';
import { EventProblem, type EventProblemCode } from './types.ts';

const BOUNDS = { maxDepth: MAX_EVENT_DEPTH, maxValues: MAX_EVENT_VALUES };

/** Parses one JSON text. Throws EventProblem with the place of the first fault, see proofs/strict-json.ts. */
export function parseEventJson(bytes: Uint8Array): JsonValue {
  if (bytes.length === 0) throw new EventProblem({ code: 'empty-body', pointer: '', detail: 'there is no event' });
  if (bytes.length > MAX_EVENT_INPUT_BYTES) {
    const detail = `the event has ${bytes.length} bytes, ${MAX_EVENT_INPUT_BYTES} are allowed`;
    throw new EventProblem({ code: 'too-large', pointer: '', detail });
  }
  if (!isUtf8(bytes)) {
    throw new EventProblem({ code: 'invalid-utf8', pointer: '', detail: 'the event is not valid UTF-8' });
  }
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  try {
    return parseStrictJson(text, BOUNDS);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    const pointer = error.details['pointer'];
    throw new EventProblem({
      code: CODES[error.code] ?? 'invalid-json',
      pointer: typeof pointer === 'string' ? pointer : '',
      detail: error.message,
    });
  }
}

const CODES: Readonly<Partial<Record<ProofErrorCode, EventProblemCode>>> = {
  'invalid-json': 'invalid-json',
  'duplicate-member': 'duplicate-member',
  'unsafe-integer': 'unsafe-integer',
  'number-out-of-range': 'number-out-of-range',
  'lone-surrogate': 'lone-surrogate',
  'json-too-deep': 'too-deep',
  'json-too-many-values': 'too-many-members',
};
