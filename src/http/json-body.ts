/** Bodies of administration: small JSON, checked against a TypeBox schema, faults with their pointers. */
import type { Static, TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { HttpProblem } from './problems.ts';
import type { AppContext, Services } from './route.ts';

const MAX_FAULTS = 10;

/** The body as the schema describes it. Throws HttpProblem `unsupported-content-type` or `invalid-body`. */
export async function readJsonBody<Schema extends TSchema>(
  c: AppContext,
  services: Services,
  schema: Schema,
): Promise<Static<Schema>> {
  const bytes = await services.bodies.read(c, services.limits.maxAdminBytes);
  if (!/^application\/json *(?:;|$)/i.test(c.req.header('content-type') ?? '')) {
    throw new HttpProblem('unsupported-content-type', 'Send application/json.', {
      headers: { accept: 'application/json' },
    });
  }
  const value = parse(bytes);
  if (Value.Check(schema, value)) return value;
  const errors = [...Value.Errors(schema, value)].slice(0, MAX_FAULTS);
  throw new HttpProblem('invalid-body', 'The body is not what is expected here; each fault is named.', {
    errors: errors.map(({ path, message }) => ({ pointer: path, detail: message })),
  });
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new HttpProblem('invalid-body', 'The body is not JSON.', {
      errors: [{ pointer: '', detail: 'is not JSON' }],
    });
  }
}
