/**
 * The event as submitted (DESIGN.md, HTTP; REQUIREMENTS E): one TypeBox schema, which is also the JSON Schema of the
 * API description. Every member says in its description what it must be, in words that complete "must be …"; the
 * answer to a bad event is made of them. Unknown members are refused everywhere but in `context` and inside the values
 * of `changes`.
 */
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import {
  MAX_ACTION_CHARACTERS,
  MAX_CHANGES,
  MAX_CONTEXT_KEYS,
  MAX_DELEGATION_STEPS,
  MAX_EVENT_ID_CHARACTERS,
  MAX_GRANTS,
  MAX_ID_CHARACTERS,
  MAX_NAME_CHARACTERS,
  MAX_POINTER_CHARACTERS,
  MAX_TEXT_CHARACTERS,
} from './limits.ts';

/** No control characters and no line breaks: these values are shown in lines and are parts of keys. */
const ONE_LINE = '^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]+$';
/** The shape only; that the date exists is checked in validate.ts. */
const RFC3339_SHAPE = '^\\d{4}-\\d{2}-\\d{2}[Tt]\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,6})?([Zz]|[+-]\\d{2}:\\d{2})$';
const WORD = '^[A-Za-z][A-Za-z0-9_.:-]*$';

const id = (what: string) =>
  Type.String({
    minLength: 1,
    maxLength: MAX_ID_CHARACTERS,
    pattern: ONE_LINE,
    description: `${what}: 1 to ${MAX_ID_CHARACTERS} characters without control characters`,
  });

const name = (what: string) =>
  Type.String({
    minLength: 1,
    maxLength: MAX_NAME_CHARACTERS,
    pattern: ONE_LINE,
    description: `${what}: 1 to ${MAX_NAME_CHARACTERS} characters without control characters`,
  });

const word = (what: string) =>
  Type.String({
    maxLength: MAX_NAME_CHARACTERS,
    pattern: WORD,
    description: `${what}: a word of letters, digits and _ . : - that begins with a letter`,
  });

const text = (what: string) =>
  Type.String({
    maxLength: MAX_TEXT_CHARACTERS,
    description: `${what}: text of at most ${MAX_TEXT_CHARACTERS} characters`,
  });

const time = (what: string) =>
  Type.String({
    pattern: RFC3339_SHAPE,
    description: `${what}: an RFC 3339 date and time with a zone and at most microseconds, such as 2026-01-08T14:32:07.123456Z`,
  });

const hash = Type.String({
  maxLength: MAX_NAME_CHARACTERS,
  pattern: '^[a-z0-9-]+:[0-9A-Za-z+/=_-]+$',
  description: 'a hash with its algorithm, such as sha256:9f86d0…',
});

const closed = { additionalProperties: false } as const;

const Auth = Type.Object(
  {
    method: word('how the actor authenticated, such as password, sso, api_key or certificate'),
    provider: Type.Optional(name('the identity provider')),
    mfa: Type.Optional(Type.Boolean({ description: 'true or false: whether a second factor was used' })),
    key_id: Type.Optional(name('the id of the key or credential, never the credential itself')),
    authenticated_at: Type.Optional(time('when the actor authenticated')),
  },
  { ...closed, description: 'how the actor authenticated: {method, provider?, mfa?, key_id?, authenticated_at?}' },
);

const principal = {
  type: word('the kind of principal, such as user, service, role, system or job'),
  id: id('the immutable id of the principal, never an e-mail address or a display name'),
  role: Type.Optional(name('the role in which it acted')),
  session: Type.Optional(id('the id of the session')),
  tenant: Type.Optional(id('the tenant that the principal belongs to')),
  auth: Type.Optional(Auth),
};

const Principal = Type.Object(principal, {
  ...closed,
  description: 'a principal: {type, id, role?, session?, tenant?, auth?}',
});

const Actor = Type.Object(
  {
    ...principal,
    delegation: Type.Optional(
      Type.Array(Principal, {
        maxItems: MAX_DELEGATION_STEPS,
        description: `the chain of principals through whom the actor acted, nearest first, at most ${MAX_DELEGATION_STEPS}`,
      }),
    ),
  },
  { ...closed, description: 'who did it: {type, id, role?, session?, tenant?, auth?, delegation?}' },
);

const Target = Type.Object(
  {
    type: name('the kind of resource'),
    id: id('the id of the resource'),
    version: Type.Optional(name('the version of the resource')),
  },
  { ...closed, description: 'what it was done to: {type, id, version?}' },
);

const Outcome = Type.Object(
  {
    result: oneOf(['success', 'failure', 'denied'], 'success, failure or denied'),
    code: Type.Optional(name('an error code, never a stack trace')),
  },
  { ...closed, description: 'how it ended: {result, code?}' },
);

const Authorization = Type.Object(
  {
    decision: oneOf(['allow', 'deny', 'bypass'], 'allow, deny or bypass'),
    rule: Type.Optional(id('the stable id of the rule, such as policy.access.grant.v3#owner, never its text')),
    ticket: Type.Optional(name('the change or incident ticket')),
    approver: Type.Optional(id('the immutable id of who approved it')),
    grants: Type.Optional(
      Type.Array(id('a grant that was used'), {
        maxItems: MAX_GRANTS,
        description: `the exact grants that were used, at most ${MAX_GRANTS}`,
      }),
    ),
  },
  { ...closed, description: 'why it was allowed or denied: {decision, rule?, ticket?, approver?, grants?}' },
);

const RecordReference = Type.Object(
  { id: id('the id of the record'), version: Type.Optional(name('the version of the record')), hash },
  { ...closed, description: 'a versioned record that holds the values: {id, version?, hash}' },
);

const Change = Type.Object(
  {
    path: Type.String({
      maxLength: MAX_POINTER_CHARACTERS,
      pattern: '^(/([^~/]|~[01])*)*$',
      description: 'a JSON pointer (RFC 6901) to what changed, such as /roles; empty for the whole',
    }),
    before: Type.Optional(Type.Unknown({ description: 'the value before, any JSON' })),
    after: Type.Optional(Type.Unknown({ description: 'the value after, any JSON' })),
    record: Type.Optional(RecordReference),
  },
  { ...closed, description: 'one change: {path, before?, after?, record?}' },
);

const Extras = Type.Object(
  {
    hash: Type.Optional(hash),
    version: Type.Optional(name('the version of the object')),
    size: Type.Optional(safeUnsigned('the size of the object in bytes')),
    protocol: Type.Optional(name('the protocol of the transfer')),
    host: Type.Optional(name('the resolved name of the other host')),
  },
  { ...closed, description: 'the object that was transferred: {hash?, version?, size?, protocol?, host?}' },
);

export const EventSchema = Type.Object(
  {
    event_id: Type.String({
      pattern: `^[A-Za-z0-9._:-]{1,${MAX_EVENT_ID_CHARACTERS}}$`,
      description: `an id that the producer never uses again: 1 to ${MAX_EVENT_ID_CHARACTERS} of A-Z a-z 0-9 . _ : -`,
    }),
    occurred_at: time('when it happened'),
    tenant: Type.Optional(id('the tenant or scope')),
    actor: Actor,
    action: Type.String({
      maxLength: MAX_ACTION_CHARACTERS,
      pattern: '^[A-Za-z][A-Za-z0-9_-]*(\\.[A-Za-z0-9_-]+)+$',
      description: `an action of the vocabulary, words joined by dots such as role.grant, at most ${MAX_ACTION_CHARACTERS} characters`,
    }),
    target: Type.Optional(Target),
    outcome: Outcome,
    authorization: Type.Optional(Authorization),
    break_glass: Type.Optional(Type.Boolean({ description: 'true if the normal rules were overridden, or false' })),
    reason: Type.Optional(text('why it was done')),
    details: Type.Optional(text('a note')),
    changes: Type.Optional(
      Type.Array(Change, { maxItems: MAX_CHANGES, description: `a list of at most ${MAX_CHANGES} changes` }),
    ),
    object: Type.Optional(Extras),
    correlation_id: Type.Optional(id('the id that joins related events')),
    context: Type.Optional(
      Type.Object(
        {},
        {
          additionalProperties: true,
          maxProperties: MAX_CONTEXT_KEYS,
          description: `an object with at most ${MAX_CONTEXT_KEYS} keys and any JSON values, such as ip, user_agent and request_id`,
        },
      ),
    ),
    producer_seq: Type.Optional(safeUnsigned("the producer's own number of this event")),
  },
  { ...closed, title: 'Audit event', description: 'a JSON object: one audit event' },
);

/** An event that passed validation. */
export type AuditEvent = Static<typeof EventSchema>;

function oneOf<const T extends string>(values: readonly T[], what: string) {
  return Type.Unsafe<T>(Type.String({ enum: [...values], pattern: `^(${values.join('|')})$`, description: what }));
}

function safeUnsigned(what: string): ReturnType<typeof Type.Integer> {
  return Type.Integer({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: `${what}: an integer from 0 to 2^53-1`,
  });
}

/** The words that complete "must be …" for a value that does not fit this part of the schema. */
export function expectation(schema: TSchema): string {
  return schema.description ?? 'something else';
}
