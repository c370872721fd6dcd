/**
 * Query strings, strictly: every parameter known, none twice, numbers in their one canonical spelling. A typing error in
 * a filter must not become a wider answer.
 */
import { ProofError } from '../../proofs/errors.ts';
import { parseDecimal } from '../../proofs/numbers.ts';
import { HttpProblem } from './problems.ts';
import type { RequestView } from './route.ts';

/** The parameters of the request. Throws `unknown-parameter`, or `invalid-parameter` for one that occurs twice. */
export function readQuery<Name extends string>(c: RequestView, known: readonly Name[]): ReadonlyMap<Name, string> {
  const start = c.req.url.indexOf('?');
  const values = new Map<Name, string>();
  if (start === -1) return values;
  for (const [name, value] of new URLSearchParams(c.req.url.slice(start + 1))) {
    const parameter = known.find((candidate) => candidate === name);
    if (parameter === undefined) {
      throw new HttpProblem('unknown-parameter', `Known here: ${known.length === 0 ? 'none' : known.join(', ')}.`, {
        errors: [{ parameter: name.slice(0, 100), detail: 'not known at this path' }],
      });
    }
    if (values.has(parameter)) throw invalidParameter(parameter, 'is given more than once');
    values.set(parameter, value);
  }
  return values;
}

export function requiredDecimal<Name extends string>(values: ReadonlyMap<Name, string>, name: Name): number {
  const text = values.get(name);
  if (text === undefined) {
    throw new HttpProblem('missing-parameter', `The query parameter ${name} is needed.`, {
      errors: [{ parameter: name, detail: 'is missing' }],
    });
  }
  return decimal(text, name);
}

/** A canonical decimal up to 2^53−1: no sign, no leading zero. */
export function decimal(text: string, name: string): number {
  try {
    return parseDecimal(text, name);
  } catch (error) {
    if (error instanceof ProofError) throw invalidParameter(name, 'is not a canonical decimal number up to 2^53-1');
    throw error;
  }
}

export function invalidParameter(name: string, detail: string): HttpProblem {
  return new HttpProblem('invalid-parameter', `${name} ${detail}.`, { errors: [{ parameter: name, detail }] });
}
