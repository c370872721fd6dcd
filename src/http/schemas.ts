/** Shapes of what goes over the wire, for openapi.ts and for the checks of request bodies. Events have their own schema. */
import { type TSchema, Type } from '@sinclair/typebox';
import { ScopeSchema } from '../trail/scope.ts';
import type { Parameter } from './route.ts';

const strict = { additionalProperties: false } as const;

const Decimal = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Index = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'Index of the leaf, from 0.' });
const HashText = Type.String({ contentEncoding: 'base64', description: '32 bytes, base64.' });
const LogTime = Type.String({ description: 'Log time, RFC 3339 in UTC with microseconds.' });
const Receipt = Type.String({ description: 'The cosigned receipt: the text of a C2SP tlog-proof file.' });

/** RFC 9457. */
export const ProblemDocument = Type.Object(
  {
    type: Type.String({ description: 'urn:countersign:problem:…; stable.' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    instance: Type.Optional(Type.String({ description: 'Names this one answer.' })),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          code: Type.Optional(Type.String()),
          pointer: Type.Optional(Type.String({ description: 'RFC 6901, into the body.' })),
          parameter: Type.Optional(Type.String({ description: 'Name of a query parameter.' })),
          detail: Type.String(),
        }),
      ),
    ),
  },
  { $id: 'Problem' },
);

export const Acknowledgement = Type.Object(
  {
    status: Type.Union([Type.Literal('accepted'), Type.Literal('duplicate')]),
    event_id: Type.String(),
    index: Index,
    log_time: LogTime,
    leaf_hash: HashText,
    receipt: Type.Optional(Receipt),
  },
  { $id: 'Acknowledgement' },
);

export const BatchLine = Type.Object(
  {
    line: Type.Integer({ minimum: 1 }),
    status: Type.Union([Type.Literal('accepted'), Type.Literal('duplicate'), Type.Literal('refused')]),
    event_id: Type.Optional(Type.String()),
    index: Type.Optional(Index),
    log_time: Type.Optional(LogTime),
    leaf_hash: Type.Optional(HashText),
    receipt: Type.Optional(Receipt),
    problem: Type.Optional(Type.Ref('Problem')),
  },
  { $id: 'BatchLine', description: 'One line of the answer for each line of the batch that is not blank.' },
);

export const OpenedEventJson = Type.Object(
  {
    index: Index,
    entry: Type.String({ contentEncoding: 'base64', description: 'The bytes that the tree hashes.' }),
    card: Type.String({ contentEncoding: 'base64' }),
    fields: Type.Record(
      Type.String(),
      Type.Object({ salt: Type.String({ contentEncoding: 'base64' }), value: Type.String() }, strict),
    ),
    withheld: Type.Optional(Type.Array(Type.String())),
    erased: Type.Optional(Type.Array(Type.String())),
  },
  { $id: 'OpenedEvent' },
);

export const SearchPage = Type.Object(
  {
    origin: Type.String(),
    tree_size: Decimal,
    published_size: Decimal,
    complete: Type.Boolean({ description: 'True if this page ends the answer; false if `next_cursor` goes on.' }),
    next_cursor: Type.Optional(Type.String()),
    unevaluated: Type.Optional(
      Type.Object(
        { from: Index, to: Index, reason: Type.Literal('contents-lost') },
        { description: 'Entries (half-open) that the question could not be held against: they may or may not match.' },
      ),
    ),
    scope: Type.Optional(ScopeSchema),
    events: Type.Array(
      Type.Object({
        index: Index,
        log_time: LogTime,
        break_glass: Type.Optional(Type.Literal(true, { description: 'The rules were overridden.' })),
        event: Type.Optional(Type.Ref('OpenedEvent')),
        contents_lost: Type.Optional(
          Type.Literal(true, { description: 'In place of `event`, in a log that was restored from a mirror.' }),
        ),
      }),
    ),
  },
  { $id: 'SearchPage' },
);

export const EventProof = Type.Object(
  {
    index: Index,
    size: Decimal,
    leaf_hash: HashText,
    proof: Type.Array(HashText),
    checkpoint: Type.String(),
    entry: Type.String({ contentEncoding: 'base64' }),
    receipt: Receipt,
  },
  { $id: 'EventProof' },
);

export const InclusionProof = Type.Object(
  {
    origin: Type.String(),
    index: Index,
    size: Decimal,
    leaf_hash: HashText,
    root: HashText,
    proof: Type.Array(HashText),
  },
  { $id: 'InclusionProof' },
);

export const ConsistencyProof = Type.Object(
  {
    origin: Type.String(),
    from: Decimal,
    to: Decimal,
    from_root: HashText,
    to_root: HashText,
    proof: Type.Array(HashText),
  },
  { $id: 'ConsistencyProof' },
);

export const CosignaturesAnswer = Type.Object({ accepted: Decimal }, { $id: 'CosignaturesAnswer' });

export const LogDescription = Type.Object(
  {
    name: Type.String(),
    origin: Type.String(),
    kind: Type.Union([Type.Literal('audit'), Type.Literal('raw')]),
    deduplicates: Type.Optional(Type.Boolean({ description: 'Raw logs: the same bytes get the same index.' })),
    open: Type.Optional(Type.Boolean({ description: 'Raw logs: anyone may add.' })),
    vkeys: Type.Array(Type.String()),
    policy: Type.String({ description: 'A C2SP tlog-policy file, as a verifier pins it.' }),
    limits: Type.Record(Type.String(), Decimal),
  },
  { $id: 'LogDescription' },
);

const RoleName = Type.Union([Type.Literal('producer'), Type.Literal('auditor'), Type.Literal('admin')]);

export const NewTokenRequest = Type.Object(
  {
    role: RoleName,
    name: Type.String({ minLength: 1, maxLength: 100 }),
    replaces: Type.Optional(
      Type.String({ description: 'Id of a producer token whose producer this one goes on with.' }),
    ),
    scope: Type.Optional(ScopeSchema),
    expires_at: Type.Optional(Type.String({ description: 'RFC 3339, in the future.' })),
  },
  { ...strict, $id: 'NewToken' },
);

const tokenMembers = {
  id: Type.String(),
  role: RoleName,
  name: Type.String(),
  producer_id: Type.Union([Type.String(), Type.Null()]),
  created_at: Type.String(),
  revoked_at: Type.Union([Type.String(), Type.Null()]),
  expires_at: Type.Optional(Type.String()),
  scope: Type.Optional(ScopeSchema),
};

export const CreatedTokenAnswer = Type.Object(
  { ...tokenMembers, token: Type.String({ description: 'Shown here and never again.' }) },
  { $id: 'CreatedToken' },
);

export const TokenList = Type.Object({ tokens: Type.Array(Type.Object(tokenMembers)) }, { $id: 'TokenList' });

export const HealthReport = Type.Object(
  {
    status: Type.Union([Type.Literal('ok'), Type.Literal('failing')]),
    time: Type.String(),
    logs: Type.Array(
      Type.Object({
        name: Type.String(),
        origin: Type.String(),
        kind: Type.Union([Type.Literal('audit'), Type.Literal('raw')]),
        status: Type.Union([Type.Literal('ok'), Type.Literal('failing')]),
        problems: Type.Array(Type.String({ description: 'What happened, what it means, what to do.' })),
        tree_size: Decimal,
        signed_size: Decimal,
        published_size: Decimal,
        queued_events: Decimal,
        accepting: Type.Boolean(),
        signing: Type.String(),
        head_signed_at: Type.Union([Type.String(), Type.Null()]),
        published_at: Type.Union([Type.String(), Type.Null()]),
        scrub: Type.Object({
          examined: Decimal,
          size: Decimal,
          last_pass_at: Type.Union([Type.String(), Type.Null()]),
          last_pass_size: Type.Union([Decimal, Type.Null()]),
          damaged_indices: Type.Array(Decimal),
          damages: Type.Array(Type.String()),
        }),
        witnesses: Type.Array(Type.Object({ name: Type.String() })),
      }),
    ),
  },
  { $id: 'HealthReport' },
);

export function decimalParameter(name: string, description: string): Parameter {
  return { name, in: 'query', required: true, description, schema: Decimal };
}

export function queryParameter(name: string, description: string, schema: TSchema = Type.String()): Parameter {
  return { name, in: 'query', description, schema };
}
