import { describe, expect, it } from 'vitest';
import type { JsonObject, JsonValue } from '../../proofs/canonical-json.ts';
import { EventSchema } from '../../src/events/schema.ts';
import { EventProblem } from '../../src/events/types.ts';
import { compileValidate } from '../../src/events/validate.ts';
import { DESIGN_EVENT } from '../support/prepare.ts';

const validate = compileValidate();

/** The smallest event. */
const LEAST: JsonObject = {
  event_id: 'e1',
  occurred_at: '2026-01-08T14:32:07Z',
  actor: { type: 'job', id: 'nightly-backup' },
  action: 'backup.run',
  outcome: { result: 'success' },
};

function problemOf(event: JsonValue): EventProblem {
  try {
    validate(event);
  } catch (error) {
    if (error instanceof EventProblem) return error;
    throw error;
  }
  throw new Error('the event was accepted');
}

function faultsOf(event: JsonValue): readonly (readonly [string, string])[] {
  return problemOf(event).faults.map(({ code, pointer }) => [code, pointer]);
}

const actor = (change: JsonObject): JsonObject => ({ ...LEAST, actor: { type: 'user', id: 'u_1', ...change } });
const text = (length: number): string => 'x'.repeat(length);
const keys = (count: number): JsonObject => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i]));

describe('an event is accepted', () => {
  it('as DESIGN.md shows it', () => {
    expect(validate(DESIGN_EVENT)).toBe(DESIGN_EVENT);
  });

  it.each<[string, JsonObject]>([
    ['with the least that an event has', LEAST],
    ['with a job or a system as its actor', actor({ type: 'system', id: 'kernel' })],
    ['with an action as CloudTrail names them', { ...LEAST, action: 's3.GetBucketAcl' }],
    ['with an action of many words', { ...LEAST, action: 'billing-api.invoice.line_item.void-2' }],
    [
      'with everything that an actor has',
      actor({
        role: 'r',
        session: 's',
        tenant: 't',
        auth: {
          method: 'sso',
          provider: 'okta',
          mfa: true,
          key_id: 'k',
          authenticated_at: '2026-01-08T14:00:00+01:00',
        },
      }),
    ],
    [
      'with a chain of 16',
      actor({ delegation: Array.from({ length: 16 }, (_, i) => ({ type: 'service', id: `s${i}` })) }),
    ],
    ['with a target version', { ...LEAST, target: { type: 'file', id: '/a b', version: '3' } }],
    [
      'with a denial and its code',
      { ...LEAST, outcome: { result: 'denied', code: 'E403' }, authorization: { decision: 'deny', rule: 'r#1' } },
    ],
    ['with break-glass said outright', { ...LEAST, break_glass: true }],
    [
      'with grants, an approver and a ticket',
      { ...LEAST, authorization: { decision: 'bypass', approver: 'u_2', ticket: 'INC-1', grants: ['a', 'b'] } },
    ],
    [
      'with what a file transfer adds',
      { ...LEAST, object: { hash: 'sha256:9f86d081', version: '7', size: 12, protocol: 'sftp', host: 'h.example' } },
    ],
    ['with 50 context keys, nested as they like', { ...LEAST, context: { ...keys(49), deep: { a: [{ b: null }] } } }],
    ['with an empty context', { ...LEAST, context: {} }],
    ['with details and reason of 500 characters', { ...LEAST, details: text(500), reason: text(500) }],
    ['with line breaks in free text, which readers escape', { ...LEAST, details: 'a\r\nb\u001b[31m' }],
    [
      'with a change that points to a record',
      { ...LEAST, changes: [{ path: '', record: { id: 'r', version: '2', hash: 'sha256:00' } }] },
    ],
    [
      'with a change from null to something',
      { ...LEAST, changes: [{ path: '/a~1b/~0', before: null, after: { x: [1.5] } }] },
    ],
    ['with sequence number 0', { ...LEAST, producer_seq: 0 }],
    ['with the largest sequence number', { ...LEAST, producer_seq: Number.MAX_SAFE_INTEGER }],
    ['with an id of 128 characters', { ...LEAST, event_id: 'aZ0._:-'.padEnd(128, 'x') }],
    ['with a mail address as the id of what is no user', actor({ type: 'mailbox', id: 'a@example.com' })],
    ['with a correlation id', { ...LEAST, correlation_id: 'flow 1' }],
  ])('%s', (_, event) => {
    expect(validate(event)).toBe(event);
  });
});

describe('an event is refused, with the place,', () => {
  it.each<[string, JsonObject, string, string]>([
    ['with an unknown member', { ...LEAST, actr: 1 }, 'unknown-member', '/actr'],
    ['with an unknown member of the actor', actor({ name: 'Alice' }), 'unknown-member', '/actor/name'],
    [
      'with an unknown member of auth',
      actor({ auth: { method: 'sso', password: 'x' } }),
      'unknown-member',
      '/actor/auth/password',
    ],
    [
      'with an unknown member of the chain',
      actor({ delegation: [{ type: 'a', id: 'b', c: 1 }] }),
      'unknown-member',
      '/actor/delegation/0/c',
    ],
    [
      'with a chain in the chain',
      actor({ delegation: [{ type: 'a', id: 'b', delegation: [] }] }),
      'unknown-member',
      '/actor/delegation/0/delegation',
    ],
    [
      'with an unknown member of the target',
      { ...LEAST, target: { type: 'a', id: 'b', name: 'c' } },
      'unknown-member',
      '/target/name',
    ],
    [
      'with an unknown member of the outcome',
      { ...LEAST, outcome: { result: 'failure', stack: 'x' } },
      'unknown-member',
      '/outcome/stack',
    ],
    [
      'with an unknown member of the authorization',
      { ...LEAST, authorization: { decision: 'allow', text: 'x' } },
      'unknown-member',
      '/authorization/text',
    ],
    [
      'with an unknown member of a change',
      { ...LEAST, changes: [{ path: '', diff: 1 }] },
      'unknown-member',
      '/changes/0/diff',
    ],
    [
      'with a member called __proto__',
      JSON.parse(JSON.stringify(LEAST).replace('{', '{"__proto__":{},')) as JsonObject,
      'unknown-member',
      '/__proto__',
    ],
    ['with a null for no target', { ...LEAST, target: null }, 'invalid-member', '/target'],
    ['with a list for the actor', { ...LEAST, actor: [] }, 'invalid-member', '/actor'],
    ['with text for the actor', { ...LEAST, actor: 'u_1' }, 'invalid-member', '/actor'],
    ['without the id of the actor', { ...LEAST, actor: { type: 'user' } }, 'missing-member', '/actor/id'],
    ['without the type of the actor', { ...LEAST, actor: { id: 'u_1' } }, 'missing-member', '/actor/type'],
    ['with an empty actor id', actor({ id: '' }), 'invalid-member', '/actor/id'],
    ['with an e-mail address for a user', actor({ id: 'alice@example.com' }), 'invalid-member', '/actor/id'],
    [
      'with an e-mail address for a user in the chain',
      actor({ delegation: [{ type: 'user', id: 'a@b' }] }),
      'invalid-member',
      '/actor/delegation/0/id',
    ],
    ['with a line break in an id', actor({ id: 'a\nb' }), 'invalid-member', '/actor/id'],
    ['with a NUL in an id', actor({ id: 'a\0b' }), 'invalid-member', '/actor/id'],
    ['with a line separator in a tenant', { ...LEAST, tenant: 'a\u2028b' }, 'invalid-member', '/tenant'],
    ['with an id of 2049 characters', actor({ id: text(2049) }), 'invalid-member', '/actor/id'],
    [
      'with a chain of 17',
      actor({ delegation: Array.from({ length: 17 }, () => ({ type: 'a', id: 'b' })) }),
      'too-many-members',
      '/actor/delegation',
    ],
    ['with auth that says no method', actor({ auth: { mfa: true } }), 'missing-member', '/actor/auth/method'],
    ['with a yes for mfa', actor({ auth: { method: 'sso', mfa: 'yes' } }), 'invalid-member', '/actor/auth/mfa'],
    [
      'with a bad time of authentication',
      actor({ auth: { method: 'sso', authenticated_at: '2026-02-30T00:00:00Z' } }),
      'invalid-member',
      '/actor/auth/authenticated_at',
    ],
    ['with one word for an action', { ...LEAST, action: 'grant' }, 'invalid-member', '/action'],
    ['with a path for an action', { ...LEAST, action: 'PATCH /api/v3/users' }, 'invalid-member', '/action'],
    ['with an empty word in an action', { ...LEAST, action: 'role..grant' }, 'invalid-member', '/action'],
    ['with an action that ends in a dot', { ...LEAST, action: 'role.' }, 'invalid-member', '/action'],
    ['with an action that begins with a digit', { ...LEAST, action: '1.a' }, 'invalid-member', '/action'],
    ['with an action outside ASCII', { ...LEAST, action: 'röle.grant' }, 'invalid-member', '/action'],
    ['with an action of the log’s own', { ...LEAST, action: 'countersign.erasure' }, 'invalid-member', '/action'],
    ['with an action of 257 characters', { ...LEAST, action: `a.${text(255)}` }, 'invalid-member', '/action'],
    ['with a number for a time', { ...LEAST, occurred_at: 1_767_882_727 }, 'invalid-member', '/occurred_at'],
    ['with a time without zone', { ...LEAST, occurred_at: '2026-01-08T14:32:07' }, 'invalid-member', '/occurred_at'],
    [
      'with a date that does not exist',
      { ...LEAST, occurred_at: '2026-02-29T14:32:07Z' },
      'invalid-member',
      '/occurred_at',
    ],
    ['with nanoseconds', { ...LEAST, occurred_at: '2026-01-08T14:32:07.123456789Z' }, 'invalid-member', '/occurred_at'],
    ['with another result', { ...LEAST, outcome: { result: 'Success' } }, 'invalid-member', '/outcome/result'],
    [
      'with a stack trace for a code',
      { ...LEAST, outcome: { result: 'failure', code: 'Error\n at x' } },
      'invalid-member',
      '/outcome/code',
    ],
    [
      'with another decision',
      { ...LEAST, authorization: { decision: 'maybe' } },
      'invalid-member',
      '/authorization/decision',
    ],
    [
      'with a rule and no decision',
      { ...LEAST, authorization: { rule: 'r' } },
      'missing-member',
      '/authorization/decision',
    ],
    [
      'with 65 grants',
      { ...LEAST, authorization: { decision: 'allow', grants: Array(65).fill('g') } },
      'too-many-members',
      '/authorization/grants',
    ],
    ['with details of 501 characters', { ...LEAST, details: text(501) }, 'invalid-member', '/details'],
    ['with a reason of 501 characters', { ...LEAST, reason: text(501) }, 'invalid-member', '/reason'],
    ['with 51 context keys', { ...LEAST, context: keys(51) }, 'too-many-members', '/context'],
    ['with a list for a context', { ...LEAST, context: [1] }, 'invalid-member', '/context'],
    ['with an empty context key', { ...LEAST, context: { '': 1 } }, 'invalid-member', '/context/'],
    [
      'with a context key of 257 characters',
      { ...LEAST, context: { [text(257)]: 1 } },
      'invalid-member',
      `/context/${text(257)}`,
    ],
    ['with 257 changes', { ...LEAST, changes: Array(257).fill({ path: '' }) }, 'too-many-members', '/changes'],
    ['with a change without a path', { ...LEAST, changes: [{ after: 1 }] }, 'missing-member', '/changes/0/path'],
    ['with a path that is no pointer', { ...LEAST, changes: [{ path: 'roles' }] }, 'invalid-member', '/changes/0/path'],
    [
      'with a path that is escaped wrongly',
      { ...LEAST, changes: [{ path: '/a~2' }] },
      'invalid-member',
      '/changes/0/path',
    ],
    [
      'with a record without a hash',
      { ...LEAST, changes: [{ path: '', record: { id: 'r' } }] },
      'missing-member',
      '/changes/0/record/hash',
    ],
    ['with a negative sequence number', { ...LEAST, producer_seq: -1 }, 'invalid-member', '/producer_seq'],
    ['with a fraction for a sequence number', { ...LEAST, producer_seq: 1.5 }, 'invalid-member', '/producer_seq'],
    ['with text for a sequence number', { ...LEAST, producer_seq: '1' }, 'invalid-member', '/producer_seq'],
    ['with a space in its id', { ...LEAST, event_id: 'a b' }, 'invalid-member', '/event_id'],
    ['with an empty id', { ...LEAST, event_id: '' }, 'invalid-member', '/event_id'],
    ['with an id of 129 characters', { ...LEAST, event_id: text(129) }, 'invalid-member', '/event_id'],
    ['with a number for an id', { ...LEAST, event_id: 7 }, 'invalid-member', '/event_id'],
    ['with break-glass in words', { ...LEAST, break_glass: 'yes' }, 'invalid-member', '/break_glass'],
    ['with a hash without its algorithm', { ...LEAST, object: { hash: '9f86d081' } }, 'invalid-member', '/object/hash'],
  ])('%s', (_, event, code, pointer) => {
    const problem = problemOf(event);
    expect(problem.faults[0]).toMatchObject({ code, pointer });
    expect(problem.code).toBe(code);
  });

  it.each(['event_id', 'occurred_at', 'actor', 'action', 'outcome'])('without its %s', (name) => {
    const { [name]: _, ...rest } = LEAST;
    expect(faultsOf(rest)).toEqual([['missing-member', `/${name}`]]);
  });

  it.each([[null], [[]], ['text'], [7], [true]])('when it is %j', (value) => {
    expect(faultsOf(value)).toEqual([['not-an-object', '']]);
  });
});

describe('the answer', () => {
  it('lists every fault once', () => {
    const event = { ...LEAST, actor: { type: 7 }, action: 'x', more: 1 };
    expect(new Set(faultsOf(event).map(String))).toEqual(
      new Set([
        'unknown-member,/more',
        'missing-member,/actor/id',
        'invalid-member,/actor/type',
        'invalid-member,/action',
      ]),
    );
  });

  it('says what must be there instead', () => {
    expect(problemOf({ ...LEAST, outcome: { result: 'ok' } }).faults[0]?.detail).toBe(
      'must be success, failure or denied',
    );
    const { actor: _, ...nobody } = LEAST;
    expect(problemOf(nobody).faults[0]?.detail).toContain('is required: who did it');
  });

  it('is bounded, however much is wrong', () => {
    const event = { ...LEAST, ...keys(1000) };
    expect(problemOf(event).faults.length).toBeLessThanOrEqual(20);
  });
});

describe('the schema', () => {
  it('is a JSON Schema whose every part says what it must be', () => {
    const schema = JSON.parse(JSON.stringify(EventSchema)) as JsonObject;
    expect(schema['required']).toEqual(['event_id', 'occurred_at', 'actor', 'action', 'outcome']);
    const check = (part: JsonValue, at: string): void => {
      if (typeof part !== 'object' || part === null || Array.isArray(part)) return;
      const { description, properties, items } = part as JsonObject;
      expect(description, at).toBeTypeOf('string');
      for (const [name, child] of Object.entries((properties ?? {}) as JsonObject)) check(child, `${at}/${name}`);
      if (items !== undefined) check(items, `${at}/items`);
    };
    check(schema, '');
  });

  it('lets the log itself use its own actions', () => {
    const own = { ...LEAST, action: 'countersign.heartbeat' };
    expect(validate(own, { reservedActions: true })).toBe(own);
  });
});
