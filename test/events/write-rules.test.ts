/** Catalogue, redaction and minimisation together, as an event meets them in `prepare`. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../proofs/canonical-json.ts';
import { parseCatalogue } from '../../src/events/catalogue/parse.ts';
import { fieldTexts, logText } from '../../src/events/contents.ts';
import { ipPrefix } from '../../src/events/minimise.ts';
import { prepareEvent } from '../../src/events/prepare.ts';
import { makeRedactor } from '../../src/events/redact/redact.ts';
import { EventProblem } from '../../src/events/types.ts';
import { writeRules } from '../../src/events/write-rules.ts';
import { bytesOf, testContext } from '../support/prepare.ts';

const CATALOGUE = parseCatalogue(`
catalogue: acme
version: 1.0.0
title: What Acme audits
classes:
  access: { title: Who may do what, personal: [context.ip], required: [context.granted_role] }
actions:
  role.grant:
    title: Granted a role
    class: access
    sensitive: [actor.session]
    minimise: { context.ip: ip-prefix, context.seen_at: to-minute, actor.auth.authenticated_at: to-day }
  role.list: { title: Listed roles, class: access }
  role.force: { title: Took a role by force, class: access, break_glass: true }
`);
const RULES = writeRules(makeRedactor(), CATALOGUE, ['context.request_id']);

const EVENT: JsonObject = {
  event_id: 'e1',
  occurred_at: '2026-01-08T14:32:07.123456Z',
  actor: { type: 'user', id: 'u_1', session: 's_1', auth: { method: 'sso', authenticated_at: '2026-01-08T09:10:11Z' } },
  action: 'role.grant',
  outcome: { result: 'success' },
  details: 'see card 4111 1111 1111 1111',
  context: { granted_role: 'admin', ip: '203.0.113.40', seen_at: '2026-01-08T14:32:07.5+01:00' },
};
const prepare = (event: JsonObject) => prepareEvent(bytesOf(event), testContext(RULES));

describe('an event under the rules in force', () => {
  it('is redacted and minimised before its fields are committed to, and names the versions', () => {
    const prepared = prepare(EVENT);
    expect(Object.fromEntries(fieldTexts(prepared.contents))).toMatchObject({
      'actor.session': '"s_1"',
      'context.ip': '"203.0.113.0/24"',
      actor: '{"auth":{"authenticated_at":"2026-01-08T00:00:00Z","method":"sso"},"id":"u_1","type":"user"}',
      context: '{"granted_role":"admin","seen_at":"2026-01-08T14:32:00+01:00"}',
      details: '"see card [redacted:card-number:1111]"',
      occurred_at: '"2026-01-08T14:32:07.123456Z"',
    });
    const log: unknown = JSON.parse(logText(prepared.contents));
    expect(log).toMatchObject({ catalogue: CATALOGUE.label, redaction: 'redaction-1' });
    expect(prepared.terms).toContain('c:access');
  });

  it('holds nothing of what was taken out in anything that is stored', () => {
    const stored = Buffer.from(prepare(EVENT).contents).toString('latin1');
    expect(stored).not.toMatch(/4111 ?1111 ?1111|113\.40|14:32:07\.5|09:10:11/);
  });

  it('has the paths apart that its own action asks for', () => {
    const ids = fieldTexts(prepare({ ...EVENT, action: 'role.list' }).contents).map(([id]) => id);
    expect(ids).toContain('context.ip');
    expect(ids).not.toContain('actor.session');
  });

  it('is refused for an unknown action and for a missing field, with pointers', () => {
    expect(problemOf(() => prepare({ ...EVENT, action: 'role.destroy' })).code).toBe('unknown-action');
    const missing = problemOf(() => prepare({ ...EVENT, context: {} }));
    expect(missing.faults.map(({ code, pointer }) => [code, pointer])).toEqual([
      ['missing-field', '/context/granted_role'],
    ]);
  });

  it('is refused, not changed, when it is signed, with a pointer for each place', () => {
    const text = JSON.stringify(EVENT);
    const refused = problemOf(() => RULES.redact(EVENT, text, true));
    expect(refused.faults.map(({ code, pointer }) => `${code} ${pointer}`).sort()).toEqual([
      'signed-needs-redaction /actor/auth/authenticated_at',
      'signed-needs-redaction /context/ip',
      'signed-needs-redaction /context/seen_at',
      'signed-needs-redaction /details',
    ]);
    const clean: JsonObject = {
      ...EVENT,
      details: 'fine',
      actor: { type: 'user', id: 'u_1' },
      context: { granted_role: 'x' },
    };
    expect(RULES.redact(clean, JSON.stringify(clean), true)).toBe(clean);
  });

  it('is marked as break-glass where the catalogue says so, and nowhere can that be denied', () => {
    const force: JsonObject = { ...EVENT, action: 'role.force', details: 'fine', actor: { type: 'user', id: 'u_1' } };
    const bypass = { authorization: { decision: 'bypass' } };
    const marked = prepare(force);
    expect(Object.fromEntries(fieldTexts(marked.contents))['break_glass']).toBe('true');
    expect(marked.terms).toContain('b:true');
    expect(fieldTexts(prepare(EVENT).contents).map(([id]) => id)).not.toContain('break_glass');
    expect(fieldTexts(prepare({ ...force, ...bypass }).contents).map(([id]) => id)).not.toContain('break_glass');
    const faultOf = (event: JsonObject, isSigned: boolean): string =>
      problemOf(() => RULES.redact(event, JSON.stringify(event), isSigned))
        .faults.map(({ code, pointer }) => `${code} ${pointer}`)
        .join();
    expect(faultOf({ ...force, break_glass: false }, false)).toBe('invalid-member /break_glass');
    expect(faultOf(force, true)).toBe('missing-field /break_glass');
    const said = { ...force, break_glass: true };
    expect(RULES.redact(said, JSON.stringify(said), true)).toBe(said);
  });

  it('is only redacted while there is no catalogue', () => {
    const rules = writeRules(makeRedactor(), null, ['context.request_id']);
    expect(rules.separatePaths('any.thing')).toEqual(['context.request_id']);
    expect(rules.catalogueVersion).toBeNull();
    expect(rules.redact(EVENT, JSON.stringify(EVENT), false)).toEqual({
      ...EVENT,
      details: 'see card [redacted:card-number:1111]',
    });
  });
});

describe('addresses', () => {
  it.each([
    ['203.0.113.40', '203.0.113.0/24'],
    ['203.0.113.0/24', '203.0.113.0/24'],
    ['203.0.113.40/28', '203.0.113.0/24'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['203.0.113.40:8080', '203.0.113.0/24'],
    ['203.0.113.40, 198.51.100.7', '203.0.113.0/24, 198.51.100.0/24'],
    ['for=192.0.2.60;proto=http', 'for=192.0.2.0/24;proto=http'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48'],
    ['2001:db8::7', '2001:db8::/48'],
    ['2001:db8:1::/48', '2001:db8:1::/48'],
    ['2001:db8:1:2::/64', '2001:db8:1::/48'],
    ['2001:db8:1::/32', '2001:db8::/32'],
    ['[2001:db8:1:2::7]:443', '[2001:db8:1::/48]:443'],
    ['::ffff:203.0.113.40', '203.0.113.0/24'],
    ['::1', '::/48'],
    ['fe80::1%eth0', 'fe80::/48%eth0'],
    ['ec2.amazonaws.com', 'ec2.amazonaws.com'],
    ['AWS Internal', 'AWS Internal'],
    ['14:32:07', '14:32:07'],
    ['1.2.3', '1.2.3'],
    ['999.1.1.1', '999.1.1.1'],
  ])('%s becomes %s, and stays so', (text, expected) => {
    expect(ipPrefix(text)).toBe(expected);
    expect(ipPrefix(expected)).toBe(expected);
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
