/** Redaction of whole events: what is kept as it is, what is refused, what is said, and real records. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../proofs/canonical-json.ts';
import { AllowListError, parseAllowList } from '../../src/events/redact/allow-list.ts';
import { makeRedactor, REDACTION_RULES_VERSION } from '../../src/events/redact/redact.ts';
import type { Replacement } from '../../src/events/redact/types.ts';
import { EventProblem } from '../../src/events/types.ts';
import { compileValidate } from '../../src/events/validate.ts';
import { eventOfRecord } from '../../src/sdk/cloudtrail.ts';

const redactor = makeRedactor();
const validate = compileValidate();

const EVENT = {
  event_id: '01JH2K8Q9R3W5T7V9X1Z3B5D7F',
  occurred_at: '2026-01-08T14:32:07.123456Z',
  tenant: 'acme',
  actor: { type: 'user', id: 'u_8842', role: 'admin', session: 's_1f9c', auth: { method: 'password' } },
  action: 'role.grant',
  target: { type: 'user', id: 'u_9013' },
  outcome: { result: 'success' },
  authorization: { decision: 'allow', rule: 'policy.access.grant.v3#owner', ticket: 'CHG-1204' },
  reason: 'on-call rotation',
  changes: [{ path: '/roles', before: ['member'], after: ['member', 'admin'] }],
  context: { ip: '203.0.113.40', request_id: 'req_77', granted_role: 'admin' },
  producer_seq: 4728,
} satisfies JsonObject;

describe('an event', () => {
  it('that holds no secret is returned as the very same object', () => {
    expect(redactor.redactEvent(EVENT)).toEqual({ value: EVENT, replacements: [] });
    expect(redactor.redactEvent(EVENT).value).toBe(EVENT);
    const { auth: _auth, ...actor } = EVENT.actor;
    const plain = { ...EVENT, actor };
    expect(redactor.redactEvent(plain).value).toBe(plain);
  });

  it('keeps every part without a secret as it was, and says where each replacement is', () => {
    const event = {
      ...EVENT,
      details: 'card 4111 1111 1111 1111, password=hunter2',
      context: { ...EVENT.context, headers: { authorization: 'Bearer abcdef123456' } },
    };
    const { value, replacements } = redactor.redactEvent(event);
    expect(value).toEqual({
      ...event,
      details: 'card [redacted:card-number:1111], password=[redacted:password]',
      context: { ...EVENT.context, headers: { authorization: '[redacted:authorization]' } },
    });
    expect(value['actor']).toBe(event.actor);
    expect(new Set(replacements)).toEqual(
      new Set([
        { pointer: '/details', rule: 'password' },
        { pointer: '/details', rule: 'card-number' },
        { pointer: '/context/headers/authorization', rule: 'authorization' },
      ]),
    );
    expect(validate(value)).toBe(value);
  });

  it('gives the same answer when the caller brings its text', () => {
    const event = { ...EVENT, details: 'password=hunter2' };
    expect(redactor.redactEvent(event, JSON.stringify(event))).toEqual(redactor.redactEvent(event));
  });

  it.each([
    ['/event_id', { event_id: '4111111111111111' }],
    ['/tenant', { tenant: '4111-1111-1111-1111' }],
    ['/actor/id', { actor: { type: 'user', id: '4111111111111111' } }],
    ['/actor/delegation/0/id', { actor: { ...EVENT.actor, delegation: [{ type: 'user', id: '4111111111111111' }] } }],
    ['/target/id', { target: { type: 'card', id: '4111111111111111' } }],
    ['/correlation_id', { correlation_id: '5555 5555 5555 4444' }],
    ['/authorization/rule', { authorization: { decision: 'allow', rule: 'password=hunter2' } }],
    ['/producer_seq', { producer_seq: 4111111111111111 }],
  ])('whose %s holds a secret is refused with the pointer, not changed', (pointer, members) => {
    const refused = problemOf(() => redactor.redactEvent({ ...EVENT, ...members }));
    expect(refused.faults.map(({ code, pointer: at }) => [code, at])).toEqual([['secret-in-identifier', pointer]]);
    expect(refused.message).not.toMatch(/4111|5555|hunter2/);
  });

  it('is redacted under a version that names the rules', () => {
    expect(redactor.version).toBe(REDACTION_RULES_VERSION);
  });
});

describe('the allow list', () => {
  const HASH = '9bbef19476623ca56c17da75fd57734dbf82530686043a6e491c6d71befe8f6e';

  it('is read line by line, with comments', () => {
    expect(parseAllowList(`# test cards\n\n${HASH}  visa\n`)).toEqual(new Set([HASH]));
  });

  it.each(['4111111111111111', HASH.toUpperCase(), HASH.slice(1)])('refuses the line %j by its number', (line) => {
    expect(() => parseAllowList(`\n${line}`)).toThrow(AllowListError);
    expect(() => parseAllowList(`\n${line}`)).toThrow(/^line 2:/);
  });
});

describe('the CloudTrail records of a real account', () => {
  const directory = path.resolve(import.meta.dirname, '../../../shared/data/cloudtrail');
  const records = readdirSync(directory)
    .filter((file) => file.endsWith('.json'))
    .flatMap((file): JsonObject[] => JSON.parse(readFileSync(path.join(directory, file), 'utf8')).Records);

  it('lose the session tokens that AWS wrote into them, and nothing else', () => {
    const replaced = new Map<string, number>();
    for (const record of records) {
      const { replacements } = redactor.redactEvent(eventOfRecord(record));
      for (const { pointer, rule } of replacements) {
        const key = `${rule} ${pointer}`;
        replaced.set(key, (replaced.get(key) ?? 0) + 1);
      }
    }
    expect(records).toHaveLength(2_900);
    expect([...replaced]).toEqual([['token /context/response_elements/credentials/sessionToken', 36]]);
  });

  it('are not looked at less closely because of the first look', () => {
    for (const record of records) {
      const all: readonly Replacement[] = redactor.redactValue(record).replacements;
      const text = JSON.stringify(record);
      expect(all.length === 0 || redactor.redactText(text) !== text).toBe(true);
    }
  });
});

function problemOf(action: () => unknown): EventProblem {
  try {
    action();
  } catch (error) {
    if (error instanceof EventProblem) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
