/**
 * Cases for `countersign redact --test`: what goes in and what has to come out, one JSON value each, in an array or one
 * a line. A value that is no case is redacted and shown.
 *
 *   {"input": {"note": "card 4111 1111 1111 1111"}, "expect": {"note": "card [redacted:card-number:1111]"}}
 *   {"input": {"event_id": "…", "actor": {"type": "user", "id": "4111111111111111"}}, "refused": ["/actor/id"]}
 */
import { canonicalJson, type JsonObject, type JsonValue } from '../../proofs/canonical-json.ts';
import { ProofError } from '../../proofs/errors.ts';
import { isObject } from '../../proofs/fields.ts';
import { parseStrictJson } from '../../proofs/strict-json.ts';
import type { Redactor, Replacement } from '../events/redact/types.ts';
import { EventProblem } from '../events/types.ts';
import { CliError } from './errors.ts';

export interface RedactionCase {
  /** `line 3`, `case 2`. */
  readonly where: string;
  readonly input: JsonValue;
  readonly expect: JsonValue | undefined;
  /** Pointers of identifiers that hold a secret. */
  readonly refused: readonly string[] | undefined;
}

export interface CaseResult {
  readonly where: string;
  /** Undefined if the case expects nothing. */
  readonly holds: boolean | undefined;
  /** Undefined if the event was refused. */
  readonly output: JsonValue | undefined;
  readonly replacements: readonly Replacement[];
  readonly refused: readonly string[];
}

const BOUNDS = { maxDepth: 64, maxValues: 1_000_000 } as const;
const CASE_MEMBERS: ReadonlySet<string> = new Set(['input', 'expect', 'refused', 'name']);

/** Throws CliError `unreadable-input` for what is neither JSON nor one JSON value a line. */
export function parseCases(text: string): readonly RedactionCase[] {
  const whole = tryParse(text);
  if (whole !== undefined) {
    const values: readonly JsonValue[] = Array.isArray(whole) ? whole : [whole];
    return values.map((value, i) => caseOf(value, `case ${i + 1}`));
  }
  return text.split('\n').flatMap((line, i) => {
    const where = `line ${i + 1}`;
    return line.trim() === '' ? [] : [caseOf(parseLine(line, where), where)];
  });
}

export function runCase(redactor: Redactor, { where, input, expect, refused }: RedactionCase): CaseResult {
  const outcome = redactAny(redactor, input);
  return { where, ...outcome, holds: judge(outcome, expect, refused) };
}

type Outcome = Omit<CaseResult, 'where' | 'holds'>;

/** What has an event_id is redacted as an event is, with its identifiers protected. */
function redactAny(redactor: Redactor, input: JsonValue): Outcome {
  try {
    const redacted = isObject(input) && 'event_id' in input ? redactor.redactEvent(input) : redactor.redactValue(input);
    return { output: redacted.value, replacements: redacted.replacements, refused: [] };
  } catch (error) {
    if (!(error instanceof EventProblem)) throw error;
    return { output: undefined, replacements: [], refused: error.faults.map(({ pointer }) => pointer) };
  }
}

function judge(
  { output, refused }: Outcome,
  expect: JsonValue | undefined,
  refusals: readonly string[] | undefined,
): boolean | undefined {
  if (refusals !== undefined)
    return refusals.length === refused.length && refusals.every((one) => refused.includes(one));
  if (expect === undefined) return undefined;
  return output !== undefined && canonicalJson(output) === canonicalJson(expect);
}

function caseOf(value: JsonValue, where: string): RedactionCase {
  if (!isObject(value) || !('input' in value)) return { where, input: value, expect: undefined, refused: undefined };
  const unknown = Object.keys(value).find((name) => !CASE_MEMBERS.has(name));
  if (unknown !== undefined) {
    throw new CliError('unreadable-input', `${where}: a case has input, expect, refused and name, not "${unknown}"`);
  }
  const { input, expect, name } = value;
  return {
    where: typeof name === 'string' ? name : where,
    input: input ?? null,
    expect,
    refused: refusedOf(value, where),
  };
}

function refusedOf({ refused }: JsonObject, where: string): readonly string[] | undefined {
  if (refused === undefined) return undefined;
  if (Array.isArray(refused) && refused.every((pointer) => typeof pointer === 'string')) return refused;
  throw new CliError('unreadable-input', `${where}: "refused" is a list of JSON pointers`);
}

function tryParse(text: string): JsonValue | undefined {
  try {
    return parseStrictJson(text, BOUNDS);
  } catch (error) {
    if (error instanceof ProofError) return undefined;
    throw error;
  }
}

function parseLine(line: string, where: string): JsonValue {
  try {
    return parseStrictJson(line, BOUNDS);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    throw new CliError('unreadable-input', `${where}: ${error.message}`, 'Give one JSON value a line, or one array.');
  }
}
