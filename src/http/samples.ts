/**
 * `POST samples` and what follows: an auditor commits to a nonce, opens it once a cosigned head is fixed, and asks for the
 * report, which is made and fetched like any evidence (evidence.ts). docs/samples.md says why in this order.
 */
import { type Static, Type } from '@sinclair/typebox';
import { base64Decode, base64Encode } from '../../proofs/bytes.ts';
import type { JsonObject } from '../../proofs/canonical-json.ts';
import { BUNDLE_FILTER_NAMES, describeFilter } from '../../proofs/filter.ts';
import { headSizeOf, isStratum, MAX_DELAY } from '../../proofs/sample-entries.ts';
import { designJson, readDesign, type SampleDesign } from '../../proofs/sample-size.ts';
import { EvidenceError } from '../evidence/error.ts';
import { DEFAULT_DELAY, type Sample, type Samples } from '../evidence/samples.ts';
import { MAX_QUERY_CHARACTERS, pairOf, parsePairs, queryOf } from '../trail/query.ts';
import { formatTimeUs } from '../trail/time.ts';
import { deskOf, EvidenceState, stateAnswer } from './evidence.ts';
import { readJsonBody } from './json-body.ts';
import { HttpProblem } from './problems.ts';
import { decimal, readQuery } from './query.ts';
import { recordRead } from './reads.ts';
import { privateJson } from './respond.ts';
import type { Parameter, ServedLog, TokenExchange, TokenRoute } from './route.ts';

const base64 = (what: string) => Type.String({ maxLength: 100, description: `${what}, base64.` });

export const SampleQuestion = Type.Object(
  {
    query: Type.Optional(
      Type.String({ maxLength: MAX_QUERY_CHARACTERS, description: 'As in `?q=`; empty means every event.' }),
    ),
    from: Type.Optional(Type.String({ description: 'Log time, as in a query.' })),
    to: Type.Optional(Type.String({ description: 'Log time, as in a query; at most the moment of the commit.' })),
    nonce_hash: base64('SHA-256(cbor(["countersign/sample-nonce/v1", nonce])) of your nonce of 32 random bytes'),
    design: Type.Object(
      {},
      {
        additionalProperties: true,
        description:
          '{"size": 25}, {"rate_bp": 500}, or {"confidence": 95, "tolerable_bp": 500, "deviations": 0}; bp are 1/10,000.',
      },
    ),
    strata: Type.Optional(
      Type.Union(
        BUNDLE_FILTER_NAMES.filter(isStratum).map((name) => Type.Literal(name)),
        { description: 'Divide the population by this member.' },
      ),
    ),
    delay: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MAX_DELAY,
        description: `The head of tree size commit + 1 + delay goes into the seed (default: ${DEFAULT_DELAY}).`,
      }),
    ),
    drand_round: Type.Optional(Type.Integer({ minimum: 1, description: 'A round of quicknet that is to come.' })),
  },
  { $id: 'SampleQuestion', additionalProperties: false },
);

const SampleOpening = Type.Object(
  {
    nonce: base64('The nonce that the commit has the hash of'),
    drand_signature: Type.Optional(base64('The signature of the round that the commit named')),
  },
  { $id: 'SampleOpening', additionalProperties: false },
);

const ReportQuestion = Type.Object(
  { pinned_size: Type.Optional(Type.Integer({ minimum: 0, description: 'Size of a head that you hold.' })) },
  { $id: 'SampleReportQuestion', additionalProperties: false },
);

export const SampleDocument = Type.Object(
  {
    sample: Type.Integer({ description: 'Index of the commit: the name of the sample.' }),
    committed_at: Type.String(),
    query: Type.String(),
    start: Type.Integer(),
    end: Type.Integer(),
    design: Type.Object({}),
    strata: Type.Union([Type.String(), Type.Null()]),
    operator_nonce: Type.String(),
    head_size: Type.Integer({ description: 'Size of the tree whose root goes into the seed.' }),
    drand_round: Type.Union([Type.Integer(), Type.Null()]),
    number: Type.Integer({ description: 'Commits of yours before this one.' }),
    previous: Type.Union([Type.Integer(), Type.Null()]),
    reveal: Type.Union([Type.Integer(), Type.Null()], { description: 'Index of the entry that opened the nonce.' }),
    matches: Type.Optional(Type.Integer({ description: 'Events of the population, as the search index has them.' })),
  },
  { $id: 'Sample' },
);

const INDEX: Parameter = {
  name: 'sample',
  in: 'path',
  required: true,
  description: 'Index of the commit.',
  schema: Type.Integer({ minimum: 0 }),
};
const ONE = { description: 'The sample.', content: { 'application/json': SampleDocument } };

export const sampleRoutes: readonly TokenRoute[] = [
  {
    method: 'POST',
    path: '/:log/samples',
    access: 'auditor',
    description: {
      summary: 'Commit to drawing a sample; it becomes an entry, with a nonce of the log in it',
      body: { 'application/json': SampleQuestion },
      answers: {
        201: ONE,
        403: { description: 'The question reaches beyond the scope of the token, or a complete answer does.' },
        422: { description: 'A sample cannot be drawn like this, or there is nothing to draw from.' },
      },
    },
    handle: commitSample,
  },
  {
    method: 'GET',
    path: '/:log/samples',
    access: 'auditor',
    description: {
      summary: 'Your samples, oldest first',
      answers: {
        200: {
          description: 'All of them.',
          content: { 'application/json': Type.Object({ samples: Type.Array(Type.Ref('Sample')) }) },
        },
      },
    },
    handle: listSamples,
  },
  {
    method: 'POST',
    path: '/:log/samples/:sample{[0-9]+}/reveal',
    access: 'auditor',
    description: {
      summary: 'Open the nonce; it becomes an entry, and the sample is drawn',
      parameters: [INDEX],
      body: { 'application/json': SampleOpening },
      answers: {
        200: ONE,
        404: { description: 'You have no such sample.' },
        409: { description: 'No cosigned checkpoint fixes the head yet, or it was opened before with another nonce.' },
        422: { description: 'This is not the nonce, or not the round, that was committed to.' },
      },
    },
    handle: revealSample,
  },
  {
    method: 'POST',
    path: '/:log/samples/:sample{[0-9]+}/report',
    access: 'auditor',
    description: {
      summary: 'Ask for the report; it is made in the background and fetched like any evidence',
      parameters: [INDEX],
      body: { 'application/json': ReportQuestion },
      answers: {
        202: { description: 'It is being made.', content: { 'application/json': EvidenceState } },
        404: { description: 'You have no such sample.' },
        409: { description: 'The nonce was not opened yet.' },
      },
    },
    handle: reportSample,
  },
];

async function commitSample({ c, served, services, token }: TokenExchange): Promise<Response> {
  const body = await readJsonBody(c, services, SampleQuestion);
  const { query = '', from, to, strata, delay, drand_round: round } = body;
  const pairs = [
    ...parsePairs(query, 'query'),
    ...(from === undefined ? [] : [pairOf('from', from, from, 'from')]),
    ...(to === undefined ? [] : [pairOf('to', to, to, 'to')]),
  ];
  const { sample, matches } = await samplesOf(served).commit(
    {
      ...{ query: queryOf(pairs), nonceHash: bytesAt('nonce_hash', body.nonce_hash), design: designAt(body) },
      ...{ strata: strata ?? null, delay, drandRound: round ?? null },
    },
    token,
  );
  return privateJson(201, { ...sampleJson(sample), matches });
}

async function listSamples(exchange: TokenExchange): Promise<Response> {
  readQuery(exchange.c, []);
  const samples = samplesOf(exchange.served).list(exchange.token).map(sampleJson);
  const read = await recordRead(exchange, {
    action: 'countersign.read.samples',
    results: samples.length,
    context: {},
  });
  return privateJson(200, { samples }, read);
}

async function revealSample({ c, served, services, token }: TokenExchange): Promise<Response> {
  const { nonce, drand_signature: signature } = await readJsonBody(c, services, SampleOpening);
  const opening = {
    nonce: bytesAt('nonce', nonce),
    drandSignature: signature === undefined ? null : bytesAt('drand_signature', signature),
  };
  const index = decimal(c.req.param('sample') ?? '', 'sample');
  return privateJson(200, sampleJson(await samplesOf(served).reveal(index, opening, token)));
}

async function reportSample({ c, served, services, token }: TokenExchange): Promise<Response> {
  const { pinned_size: pinned } = await readJsonBody(c, services, ReportQuestion);
  const sample = samplesOf(served).find(decimal(c.req.param('sample') ?? '', 'sample'), token);
  return stateAnswer(served, await deskOf(served).requestSample(sample, pinned, token));
}

function sampleJson({ index, committedAtUs, commit, reveal }: Sample): JsonObject {
  const { query, range, design, strata, operatorNonce, delay, drandRound, number, previous } = commit;
  return {
    ...{ sample: index, committed_at: formatTimeUs(committedAtUs), query: describeFilter(query) },
    ...{ start: range.start, end: range.end, design: designJson(design), strata },
    ...{ operator_nonce: base64Encode(operatorNonce), head_size: headSizeOf(index, delay), drand_round: drandRound },
    ...{ number, previous, reveal: reveal?.index ?? null },
  };
}

function samplesOf({ samples }: Pick<ServedLog, 'samples'>): Samples {
  if (samples !== undefined) return samples;
  throw new EvidenceError('no-evidence-here', 'This server makes no evidence bundles.');
}

/** Throws HttpProblem `invalid-body`. */
function designAt({ design }: Static<typeof SampleQuestion>): SampleDesign {
  // What was parsed from JSON and is an object is a JSON object.
  return atPointer('design', () => readDesign(design as JsonObject));
}

function bytesAt(name: string, text: string): Uint8Array {
  return atPointer(name, () => base64Decode(text));
}

function atPointer<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const detail = error instanceof Error ? error.message : 'is not valid';
    throw new HttpProblem('invalid-body', 'The body is not what is expected here; each fault is named.', {
      errors: [{ pointer: `/${name}`, detail }],
    });
  }
}
