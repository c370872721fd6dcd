/**
 * Rules: published by admins, each version an entry; read by auditors with their history and its proofs. The verdict on
 * what an event cites is derived from the same entries (src/trail/rules.ts).
 */
import { Type } from '@sinclair/typebox';
import { formatOpenedEvent } from '../../proofs/opened-event.ts';
import type { Log } from '../log/types.ts';
import { openedEventOf } from '../trail/open.ts';
import { isApproved, RULE_ID_PATTERN, RULE_VERSION_PATTERN, type RuleVersion, ruleEvent } from '../trail/rules.ts';
import { formatTimeUs } from '../trail/time.ts';
import { tokenActor } from '../trail/trail.ts';
import { readJsonBody } from './json-body.ts';
import { HttpProblem } from './problems.ts';
import { decimal, readQuery } from './query.ts';
import { privateJson } from './respond.ts';
import type { TokenExchange, TokenRoute } from './route.ts';

const MAX_RULE_ID_LENGTH = 80;
const MAX_VERSION_LENGTH = 20;
const MAX_REFERENCE_LENGTH = 200;

const text = (description: string) =>
  Type.String({ minLength: 1, maxLength: MAX_REFERENCE_LENGTH, pattern: '^[^\\u0000-\\u001f\\u007f]+$', description });

export const NewRule = Type.Object(
  {
    id: Type.String({ pattern: RULE_ID_PATTERN, maxLength: MAX_RULE_ID_LENGTH, description: 'policy.access.grant' }),
    version: Type.String({ pattern: RULE_VERSION_PATTERN, maxLength: MAX_VERSION_LENGTH, description: 'v3' }),
    definition_hash: Type.String({ pattern: '^sha256:[0-9a-f]{64}$', description: 'SHA-256 of the definition.' }),
    source: text('Where the definition is: repository, commit and path.'),
    author: text('Immutable id of the author.'),
    approver: Type.Optional(text('Immutable id of who approved it; someone else than the author.')),
    approval: Type.Optional(text('Ticket or pull request in which it was approved.')),
  },
  { $id: 'NewRule', additionalProperties: false },
);

export const RuleHistory = Type.Object(
  {
    id: Type.String(),
    versions: Type.Array(
      Type.Object({
        version: Type.String(),
        definition_hash: Type.String(),
        source: Type.String(),
        author: Type.String(),
        approver: Type.Union([Type.String(), Type.Null()]),
        approval: Type.Union([Type.String(), Type.Null()]),
        approved: Type.Boolean(),
        index: Type.Integer(),
        published_at: Type.String(),
        superseded_by: Type.Union([Type.String(), Type.Null()]),
        event: Type.Optional(Type.Ref('OpenedEvent')),
        receipt: Type.Optional(Type.Union([Type.String(), Type.Null()])),
      }),
    ),
  },
  { $id: 'RuleHistory' },
);

export const ruleRoutes: readonly TokenRoute[] = [
  {
    method: 'POST',
    path: '/:log/rules',
    access: 'admin',
    description: {
      summary: 'Publish one version of a rule; it becomes an entry and never changes',
      body: { 'application/json': NewRule },
      answers: {
        200: { description: 'This very version was published before.' },
        201: { description: 'It is published.' },
        409: { description: 'This version was published before, with another definition.' },
      },
    },
    handle: publishRule,
  },
  {
    method: 'GET',
    path: '/:log/rules',
    access: 'auditor',
    description: { summary: 'The ids of all rules', answers: { 200: { description: 'Sorted ids.' } } },
    handle: ({ served }) => privateJson(200, { rules: served.trail.rules.ids() }),
  },
  {
    method: 'GET',
    path: '/:log/rules/:id',
    access: 'auditor',
    description: {
      summary: 'The history of a rule, each version with its entry and receipt; `at` asks for the one in force there',
      parameters: [
        { name: 'id', in: 'path', required: true, description: 'The id, without version.', schema: Type.String() },
        { name: 'at', in: 'query', description: 'Index of an event.', schema: Type.Integer({ minimum: 0 }) },
      ],
      answers: {
        200: { description: 'Oldest version first.', content: { 'application/json': RuleHistory } },
        404: { description: 'No such rule was published, or none was in force at that index.' },
      },
    },
    handle: readRule,
  },
];

async function publishRule({ c, served, services, token }: TokenExchange): Promise<Response> {
  const { definition_hash, approver, approval, ...rest } = await readJsonBody(c, services, NewRule);
  const rule = { ...rest, definitionHash: definition_hash, approver: approver ?? null, approval: approval ?? null };
  const known = served.trail.rules.find(rule.id, rule.version);
  if (known !== undefined) return answerKnown(known, rule);
  const { index, logTime } = await served.trail.recorder.record(ruleEvent(rule, tokenActor(token)));
  return privateJson(201, ruleJson({ ...rule, index, logTime }, undefined));
}

function answerKnown(known: RuleVersion, rule: Omit<RuleVersion, 'index' | 'logTime'>): Response {
  // Where the definition was found may differ, what it is may not.
  const { index, logTime, source } = known;
  const same =
    JSON.stringify(ruleJson(known, undefined)) ===
    JSON.stringify(ruleJson({ ...rule, index, logTime, source }, undefined));
  if (same) return privateJson(200, ruleJson(known, undefined));
  throw new HttpProblem(
    'rule-version-exists',
    `Version ${rule.version} of ${rule.id} was published at index ${index} with another definition or approval. ` +
      'A version never changes: publish the new one under the next version.',
    { members: { index } },
  );
}

async function readRule({ c, served }: TokenExchange): Promise<Response> {
  const id = c.req.param('id') ?? '';
  const at = readQuery(c, ['at'] as const).get('at');
  const history = served.trail.rules.history(id);
  const inForce = at === undefined ? undefined : served.trail.rules.inForceAt(id, decimal(at, 'at'));
  const versions = at === undefined ? history : inForce === undefined ? [] : [inForce];
  if (versions.length === 0) {
    throw new HttpProblem(
      'unknown-rule',
      `No version of a rule ${id} was published${at === undefined ? '' : ' before that index'}.`,
    );
  }
  const rows: object[] = [];
  for (const version of versions) {
    const next = history[history.indexOf(version) + 1];
    rows.push({ ...ruleJson(version, next?.version), ...(await proofOf(served.log, version.index)) });
  }
  return privateJson(200, { id, versions: rows });
}

async function proofOf(log: Log, index: number): Promise<object> {
  const stored = await log.eventAt(index);
  if (stored === undefined) return {};
  return { event: JSON.parse(formatOpenedEvent(openedEventOf(stored))), receipt: (await log.receipt(index)) ?? null };
}

function ruleJson(rule: RuleVersion, supersededBy: string | undefined): object {
  return {
    id: rule.id,
    version: rule.version,
    definition_hash: rule.definitionHash,
    source: rule.source,
    author: rule.author,
    approver: rule.approver,
    approval: rule.approval,
    approved: isApproved(rule),
    index: rule.index,
    published_at: formatTimeUs(rule.logTime),
    superseded_by: supersededBy ?? null,
  };
}
