import { beforeAll, describe, expect, it } from 'vitest';
import { canonicalJson, type JsonObject, type JsonValue } from '../../proofs/canonical-json.ts';
import { isObject } from '../../proofs/fields.ts';
import { MAX_EVENT_BYTES } from '../../src/events/limits.ts';
import { compileValidate } from '../../src/events/validate.ts';
import { eventOfRecord, recordOfEvent } from '../../src/sdk/cloudtrail.ts';
import { CloudTrailError, memberOf, readRecords } from '../../src/sdk/cloudtrail-record.ts';
import { cloudTrailFiles, cloudTrailMissing, haveCloudTrail } from '../support/cloudtrail-data.ts';

const validate = compileValidate();

/** Every string and number anywhere in a value. */
function leaves(value: JsonValue): readonly (string | number)[] {
  if (typeof value === 'string' || typeof value === 'number') return [value];
  if (Array.isArray(value)) return value.flatMap(leaves);
  return isObject(value) ? Object.values(value).flatMap(leaves) : [];
}

function record(members: JsonObject = {}): JsonObject {
  return {
    eventVersion: '1.08',
    userIdentity: { type: 'IAMUser', principalId: 'AIDAEXAMPLE', accountId: '111122223333', userName: 'alice' },
    eventTime: '2026-01-08T14:32:07Z',
    eventSource: 's3.amazonaws.com',
    eventName: 'GetBucketAcl',
    requestParameters: { bucketName: 'b' },
    eventID: '293ba626-3be5-4a26-ab1b-0f4c54f49959',
    readOnly: true,
    ...members,
  };
}

const map = (members: JsonObject): JsonObject => {
  const event = eventOfRecord(record(members));
  validate(event);
  expect(recordOfEvent(event)).toEqual(record(members));
  return event;
};

describe.skipIf(!haveCloudTrail)(`the 2,900 real records${cloudTrailMissing}`, () => {
  let pairs: readonly { readonly one: JsonObject; readonly event: JsonObject }[] = [];
  beforeAll(() => {
    pairs = cloudTrailFiles()
      .flatMap(readRecords)
      .map((one) => ({ one, event: eventOfRecord(one) }));
  });

  it('are all there', () => {
    expect(pairs).toHaveLength(2900);
    expect(new Set(pairs.map(({ event }) => event['event_id'])).size).toBe(2900);
  });

  it('become events that pass validation, within the bounds', () => {
    for (const { event } of pairs) {
      validate(event);
      expect(Buffer.byteLength(canonicalJson(event))).toBeLessThanOrEqual(MAX_EVENT_BYTES);
    }
  });

  it('can be had back from their events, member for member', () => {
    for (const { one, event } of pairs) expect(canonicalJson(recordOfEvent(event))).toBe(canonicalJson(one));
  });

  it('have every string and number of theirs in the event', () => {
    for (const { one, event } of pairs) {
      const found = new Set(leaves(event));
      for (const leaf of leaves(one)) expect(found.has(leaf), String(leaf)).toBe(true);
    }
  });

  it('have all six facts', () => {
    for (const { event } of pairs) {
      for (const name of ['actor', 'action', 'occurred_at', 'authorization', 'target', 'outcome', 'context']) {
        expect(event[name], name).toBeDefined();
      }
    }
  });

  it('keep the 300 failures as failures and denials', () => {
    const results = pairs.map(({ event }) => memberOf(event, 'outcome', 'result'));
    expect(results.filter((result) => result !== 'success')).toHaveLength(300);
    const denied = pairs.filter(({ one }) => /AccessDenied|Unauthorized/.test(String(one['errorCode'])));
    expect(denied.length).toBeGreaterThan(0);
    for (const { event } of denied) {
      expect(memberOf(event, 'outcome', 'result')).toBe('denied');
      expect(memberOf(event, 'authorization', 'decision')).toBe('deny');
    }
  });

  it('have a session and a chain for every assumed role', () => {
    const assumed = pairs.filter(({ one }) => memberOf(one, 'userIdentity', 'type') === 'AssumedRole');
    expect(assumed).toHaveLength(76);
    for (const { one, event } of assumed) {
      const [id, session] = String(memberOf(one, 'userIdentity', 'principalId')).split(':');
      const { actor } = event;
      expect(memberOf(actor, 'type')).toBe('role');
      expect([memberOf(actor, 'id'), memberOf(actor, 'session')]).toEqual([id, session]);
      const chain = memberOf(event, 'actor', 'delegation');
      const issuer = memberOf(one, 'userIdentity', 'sessionContext', 'sessionIssuer', 'arn');
      const ids = (Array.isArray(chain) ? chain : []).map((step: JsonValue) => memberOf(step, 'id'));
      expect(ids).toContain(issuer);
    }
  });

  it('have the calling service as the actor where there is no identity type', () => {
    const untyped = pairs.filter(({ one }) => memberOf(one, 'userIdentity', 'type') === undefined);
    expect(untyped).toHaveLength(42);
    for (const { one, event } of untyped) {
      expect(memberOf(event, 'actor', 'type')).toBe('service');
      expect(memberOf(event, 'actor', 'id')).toBe(memberOf(one, 'userIdentity', 'invokedBy'));
    }
  });
});

describe('an action', () => {
  it('is the service and the name of the event', () => {
    expect(map({})['action']).toBe('s3.GetBucketAcl');
  });

  it.each([
    ['strange source!', 'Some Name', 'strange-source-.Some-Name'],
    ['cognito-idp.amazonaws.com', 'Token_POST', 'cognito-idp.Token_POST'],
    ['9lives.amazonaws.com', 'Go', 'aws-9lives.Go'],
    ['', '', 'aws.unknown'],
    ['signin.amazonaws.com', 'a..b.', 'signin.a.b'],
  ])('is made of any source and name: %j %j', (eventSource, eventName, action) => {
    expect(map({ eventSource, eventName })['action']).toBe(action);
  });
});

describe('an actor', () => {
  it('is a digest where its id is an e-mail address, which stays in the context', () => {
    const userIdentity = { type: 'SAMLUser', principalId: 'Idp:bob@example.com', userName: 'bob@example.com' };
    const event = map({ userIdentity });
    expect(memberOf(event, 'actor', 'id')).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(memberOf(event, 'context', 'user_identity')).toEqual(userIdentity);
  });

  it('has an e-mail address that names a role session as its session', () => {
    const event = map({ userIdentity: { type: 'AssumedRole', principalId: 'AROAX:bob@example.com' } });
    expect(event['actor']).toMatchObject({ type: 'role', id: 'AROAX', session: 'bob@example.com' });
  });

  it('has its chain in order: service, role, provider, source identity, the user it acts for', () => {
    const event = map({
      userIdentity: {
        type: 'AssumedRole',
        principalId: 'AROAX:s',
        invokedBy: 'athena.amazonaws.com',
        onBehalfOf: { userId: 'u-1', identityStoreArn: 'arn:aws:identitystore::1:identitystore/d-1' },
        sessionContext: {
          sessionIssuer: { type: 'Role', principalId: 'AROAX', arn: 'arn:aws:iam::1:role/r', userName: 'r' },
          webIdFederationData: { federatedProvider: 'arn:aws:iam::1:oidc-provider/x' },
          sourceIdentity: 'alice',
          attributes: { mfaAuthenticated: 'true', creationDate: '2026-01-08T14:00:00Z' },
        },
      },
    });
    expect(memberOf(event, 'actor', 'delegation')).toEqual([
      { type: 'service', id: 'athena.amazonaws.com' },
      { type: 'role', id: 'arn:aws:iam::1:role/r', role: 'r' },
      { type: 'identity_provider', id: 'arn:aws:iam::1:oidc-provider/x' },
      { type: 'source_identity', id: 'alice' },
      { type: 'user', id: 'u-1' },
    ]);
    expect(memberOf(event, 'actor', 'auth')).toMatchObject({ method: 'federation', mfa: true });
  });

  it.each([
    [
      { type: 'Root', principalId: '111122223333' },
      { type: 'user', id: '111122223333', role: 'root' },
    ],
    [
      { type: 'AWSAccount', accountId: '1' },
      { type: 'account', id: '1' },
    ],
    [
      { type: 'AWSService', invokedBy: 'x.amazonaws.com' },
      { type: 'service', id: 'x.amazonaws.com' },
    ],
    [{ accountId: '1' }, { type: 'account', id: '1' }],
    [{ type: 'Brand New!' }, { type: 'brand_new_', id: 's3.amazonaws.com' }],
    [{}, { type: 'service', id: 's3.amazonaws.com' }],
    [null, { type: 'service', id: 's3.amazonaws.com' }],
    ['text', { type: 'service', id: 's3.amazonaws.com' }],
  ])('is found in whatever identity there is: %j', (userIdentity, actor) => {
    expect(map({ userIdentity })['actor']).toMatchObject(actor);
  });
});

describe('the parameters of a call', () => {
  it('are its changes when it writes', () => {
    const event = map({
      eventName: 'PutBucketAcl',
      readOnly: false,
      requestParameters: { 'a/b~c': { x: [1] }, d: null },
    });
    expect(event['changes']).toEqual([
      { path: '/a~1b~0c', after: { x: [1] } },
      { path: '/d', after: null },
    ]);
  });

  it.each([[null], [{}], ['HIDDEN_DUE_TO_SECURITY_REASONS'], [['a']]])(
    'stay in the context when they are no members: %j',
    (requestParameters) => {
      const event = map({ readOnly: false, requestParameters });
      expect(event['changes']).toBeUndefined();
      expect(memberOf(event, 'context', 'request_parameters')).toEqual(requestParameters);
    },
  );

  it('stay in the context when they are more than an event may have changes', () => {
    const many = Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`p${i}`, i]));
    expect(map({ readOnly: false, requestParameters: many })['changes']).toBeUndefined();
  });
});

describe('a record of a kind never seen', () => {
  it('keeps unknown members under their own names', () => {
    expect(memberOf(map({ brandNew: { deep: [1, 2] } }), 'context', 'brandNew')).toEqual({ deep: [1, 2] });
  });

  it('keeps members that look like ours apart', () => {
    const event = map({ ip: '1', other: 2, user_agent: 'x', eventID: 'not an id', ['__proto__']: 'p' });
    expect(memberOf(event, 'context', 'other')).toMatchObject({ ip: '1', other: 2, user_agent: 'x' });
    expect(event['event_id']).toMatch(/^cloudtrail:[0-9a-f]{64}$/);
  });

  it('keeps any number of members', () => {
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`member${i}`, i]));
    expect(Object.keys((map(many)['context'] ?? {}) as object).length).toBeLessThanOrEqual(50);
  });

  it('keeps long text whole', () => {
    const long = 'x'.repeat(20_000);
    const event = map({ errorCode: long, errorMessage: long, userAgent: long, eventSource: long, sharedEventID: long });
    expect(memberOf(event, 'context', 'error_code')).toBe(long);
  });

  it('is refused without a valid time', () => {
    expect(() => eventOfRecord(record({ eventTime: 'yesterday' }))).toThrow(CloudTrailError);
  });

  it('gets the same id every time when it has none', () => {
    const { eventID: _, ...rest } = record();
    expect(eventOfRecord(rest)['event_id']).toBe(eventOfRecord(rest)['event_id']);
    expect(recordOfEvent(eventOfRecord(rest))).toEqual(rest);
  });
});

describe('a failed call', () => {
  it.each([
    [{ errorCode: 'AccessDenied' }, 'denied', 'deny'],
    [{ errorCode: 'AccessDeniedException' }, 'denied', 'deny'],
    [{ errorCode: 'Client.UnauthorizedOperation' }, 'denied', 'deny'],
    [{ errorCode: 'UnauthorizedOperation' }, 'denied', 'deny'],
    [{ errorCode: 'NoSuchBucket' }, 'failure', 'allow'],
    [{ errorMessage: 'Failed authentication' }, 'failure', 'allow'],
    [{ eventName: 'ConsoleLogin', responseElements: { ConsoleLogin: 'Failure' } }, 'failure', 'allow'],
    [{ eventName: 'ConsoleLogin', responseElements: { ConsoleLogin: 'Success' } }, 'success', 'allow'],
    [{ errorCode: null }, 'success', 'allow'],
  ])('is judged by what the record says: %j', (members, result, decision) => {
    const event = map(members);
    expect(memberOf(event, 'outcome', 'result')).toBe(result);
    expect(event['authorization']).toEqual({ decision });
  });
});

describe('reading records', () => {
  it('takes a delivered file, a list, a single record and NDJSON', () => {
    const one = JSON.stringify(record());
    for (const text of [
      `{"Records":[${one},${one}]}`,
      `[${one},${one}]`,
      `${one}\n${one}\n`,
      `\uFEFF[${one},${one}]`,
    ]) {
      expect(readRecords(text)).toEqual([record(), record()]);
    }
    expect(readRecords(one)).toEqual([record()]);
  });

  it('keeps the digits of numbers that a double cannot hold', () => {
    const text =
      '{"Records":[{"a":9223372036854775807,"b":1688560107.857,"c":-9007199254740993,"d":9007199254740991,"e":"12345678901234567890"}]}';
    expect(readRecords(text)).toEqual([
      {
        a: '9223372036854775807',
        b: 1688560107.857,
        c: '-9007199254740993',
        d: 9007199254740991,
        e: '12345678901234567890',
      },
    ]);
  });

  it.each([
    ['not json', 'not-json'],
    ['{"a":1}\n{"a"', 'not-json'],
    ['{"a":1,"a":2}', 'not-json'],
    ['{"Records":3}', 'not-records'],
    ['{"Records":[3]}', 'not-records'],
    ['', 'not-records'],
    ['7', 'not-records'],
  ])('refuses %j with %s', (text, code) => {
    expect(() => readRecords(text)).toThrow(expect.objectContaining({ code }));
  });
});
