/**
 * Findings: what the watch over the log saw that a person should look at, and whether somebody has. Read by auditors,
 * newest first; acknowledged by admins, with a reason, which is an entry like the finding itself.
 */
import { Type } from '@sinclair/typebox';
import { MAX_TEXT_CHARACTERS } from '../events/limits.ts';
import { FINDING_KINDS, SEVERITIES } from '../trail/finding.ts';
import { findingJson } from '../trail/finding-json.ts';
import type { FindingQuery, ListedFinding } from '../trail/findings.ts';
import { isInScope, OutOfScope } from '../trail/scope.ts';
import { tokenActor } from '../trail/trail.ts';
import type { Watch } from '../trail/watch/watch.ts';
import { readJsonBody } from './json-body.ts';
import { HttpProblem } from './problems.ts';
import { decimal, invalidParameter, readQuery } from './query.ts';
import { recordRead } from './reads.ts';
import { privateJson } from './respond.ts';
import type { Parameter, TokenExchange, TokenRoute } from './route.ts';
import { queryParameter } from './schemas.ts';

const STATES = ['open', 'acknowledged'] as const;
const PARAMETERS = ['state', 'kind', 'severity', 'limit', 'before'] as const;

const oneOf = <T extends string>(values: readonly T[]) => Type.Union(values.map((value) => Type.Literal(value)));
const index = Type.Integer({ minimum: 0 });
const time = Type.String({ description: 'Log time, RFC 3339 in UTC with microseconds.' });

export const FindingDocument = Type.Object(
  {
    id: Type.String(),
    kind: oneOf(FINDING_KINDS),
    severity: oneOf(SEVERITIES),
    state: oneOf(STATES),
    message: Type.String(),
    subject: Type.Union([Type.Object({ type: Type.String(), id: Type.String() }), Type.Null()]),
    first_index: index,
    last_index: index,
    first_time: time,
    last_time: time,
    count: Type.Integer(),
    evidence: Type.Object({}, { description: 'What was measured; members depend on the kind.' }),
    index: Type.Integer({ description: 'Index of the entry that raised it.' }),
    raised_at: time,
    acknowledgement: Type.Union([
      Type.Object({
        index,
        time,
        by: Type.Union([Type.String(), Type.Null()]),
        reason: Type.String(),
      }),
      Type.Null(),
    ]),
  },
  { $id: 'Finding' },
);

const FindingListAnswer = Type.Object({
  findings: Type.Array(Type.Ref('Finding'), { description: 'Newest first.' }),
  complete: Type.Boolean({ description: 'True if this page ends the list.' }),
  next_before: Type.Optional(Type.Integer({ description: 'Value of `before` for the next page.' })),
  examined_size: Type.Integer({ description: 'Entries below this have been examined.' }),
  tree_size: Type.Integer(),
});

const NewAcknowledgement = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: MAX_TEXT_CHARACTERS, description: 'What was found out.' }) },
  { $id: 'NewAcknowledgement', additionalProperties: false },
);

const ID: Parameter = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'The id of the finding.',
  schema: Type.String(),
};
const ONE = { description: 'The finding.', content: { 'application/json': FindingDocument } };

export const findingRoutes: readonly TokenRoute[] = [
  {
    method: 'GET',
    path: '/:log/findings',
    access: 'auditor',
    description: {
      summary: 'Findings: what a person should look at, newest first',
      parameters: [
        queryParameter('state', 'Only open or only acknowledged ones.', oneOf(STATES)),
        queryParameter('kind', 'Only of this kind.', oneOf(FINDING_KINDS)),
        queryParameter('severity', 'Only of this severity.', oneOf(SEVERITIES)),
        queryParameter('limit', 'Most findings in this page.', Type.Integer({ minimum: 1 })),
        queryParameter('before', '`next_before` of the page before.', index),
      ],
      answers: { 200: { description: 'A page.', content: { 'application/json': FindingListAnswer } } },
    },
    handle: listFindings,
  },
  {
    method: 'GET',
    path: '/:log/findings/:id',
    access: 'auditor',
    description: {
      summary: 'One finding',
      parameters: [ID],
      answers: { 200: ONE, 404: { description: 'There is no such finding.' } },
    },
    handle: readFinding,
  },
  {
    method: 'POST',
    path: '/:log/findings/:id/acknowledgements',
    access: 'admin',
    description: {
      summary: 'Acknowledge a finding, once, with a reason; it becomes an entry',
      parameters: [ID],
      body: { 'application/json': NewAcknowledgement },
      answers: {
        201: ONE,
        404: { description: 'There is no such finding.' },
        409: { description: 'It was acknowledged before.' },
      },
    },
    handle: acknowledgeFinding,
  },
];

async function listFindings(exchange: TokenExchange): Promise<Response> {
  const { c, served, services, token } = exchange;
  const watch = watchOf(exchange);
  const values = readQuery(c, PARAMETERS);
  const query = findingQuery(values, services.limits);
  const page = await watch.findings.page(query);
  const visible: ListedFinding[] = [];
  for (const finding of page.findings) {
    if (await isInScope(served.log, token.scope, entryOf(finding))) visible.push(finding);
  }
  const asked = Object.fromEntries(values);
  const read = await recordRead(exchange, {
    action: 'countersign.read.findings',
    results: visible.length,
    context: { query: asked },
  });
  const answer = {
    findings: visible.map(findingJson),
    complete: page.complete,
    ...(page.next === null ? {} : { next_before: page.next }),
    examined_size: watch.status().examinedSize,
    tree_size: served.log.treeSize(),
  };
  return privateJson(200, answer, read);
}

async function readFinding(exchange: TokenExchange): Promise<Response> {
  const { c, served, token } = exchange;
  readQuery(c, []);
  const finding = await watchOf(exchange).findings.find(c.req.param('id') ?? '');
  if (!(await isInScope(served.log, token.scope, entryOf(finding)))) {
    throw new OutOfScope('id', 'the scope of this token does not cover this finding');
  }
  const read = await recordRead(exchange, {
    action: 'countersign.read.findings',
    index: finding.index,
    results: 1,
    context: { finding: finding.id },
  });
  return privateJson(200, findingJson(finding), read);
}

async function acknowledgeFinding(exchange: TokenExchange): Promise<Response> {
  const { c, services, token } = exchange;
  const { findings } = watchOf(exchange);
  const { reason } = await readJsonBody(c, services, NewAcknowledgement);
  const finding = await findings.acknowledge(c.req.param('id') ?? '', { actor: tokenActor(token), reason });
  return privateJson(201, findingJson(finding));
}

function watchOf({ served }: TokenExchange): Watch {
  if (served.watch === undefined) throw new HttpProblem('unknown-path', 'This log is served without a watch.');
  return served.watch;
}

function entryOf({ index: at, raisedAtUs }: ListedFinding): { readonly index: number; readonly logTime: number } {
  return { index: at, logTime: raisedAtUs };
}

function findingQuery(
  values: ReadonlyMap<(typeof PARAMETERS)[number], string>,
  limits: { readonly defaultPageEvents: number; readonly maxPageEvents: number },
): FindingQuery {
  const state = choice('state', STATES, values.get('state'));
  const kind = choice('kind', FINDING_KINDS, values.get('kind'));
  const severity = choice('severity', SEVERITIES, values.get('severity'));
  const [limitText, beforeText] = [values.get('limit'), values.get('before')];
  const limit = limitText === undefined ? limits.defaultPageEvents : decimal(limitText, 'limit');
  if (limit < 1 || limit > limits.maxPageEvents) throw invalidParameter('limit', `is 1 to ${limits.maxPageEvents}`);
  return {
    limit,
    ...(state === undefined ? {} : { state }),
    ...(kind === undefined ? {} : { kind }),
    ...(severity === undefined ? {} : { severity }),
    ...(beforeText === undefined ? {} : { before: decimal(beforeText, 'before') }),
  };
}

function choice<T extends string>(name: string, values: readonly T[], text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  const value = values.find((one) => one === text);
  if (value === undefined) throw invalidParameter(name, `is one of ${values.join(', ')}`);
  return value;
}
