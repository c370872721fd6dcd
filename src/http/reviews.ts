/** Periodic reviews: what is due and what was done, read by auditors; a completed one becomes an entry (docs/reviews.md). */
import { Type } from '@sinclair/typebox';
import type { JsonObject } from '../../proofs/canonical-json.ts';
import { EvidenceError } from '../evidence/error.ts';
import type { Reviews } from '../evidence/reviews.ts';
import type { CompletedReview } from '../trail/review-entries.ts';
import { REVIEW_RESULTS } from '../trail/review-report.ts';
import { ReviewDefinition, type ReviewSchedule } from '../trail/review-schedule.ts';
import { formatTimeUs } from '../trail/time.ts';
import { readJsonBody } from './json-body.ts';
import { readQuery } from './query.ts';
import { recordRead } from './reads.ts';
import { privateJson } from './respond.ts';
import type { Parameter, ServedLog, TokenExchange, TokenRoute } from './route.ts';

const digest = (what: string) =>
  Type.String({ pattern: '^[A-Za-z0-9+/]{43}=$', description: `SHA-256 of ${what}, base64.` });
const index = Type.Integer({ minimum: 0 });

const outcome = {
  definition: digest("the review's definition, RFC 8785"),
  report: digest('the report'),
  sample: Type.Integer({ minimum: 0, description: "Index of the sample's commit." }),
  drawn: index,
  exceptions: Type.Integer({ minimum: 0, description: 'Events that failed a check.' }),
  result: Type.Union(REVIEW_RESULTS.map((result) => Type.Literal(result))),
};

const FinishedReview = Type.Object(outcome, { $id: 'FinishedReview', additionalProperties: false });

const CompletedReviewDocument = Type.Object(
  {
    review: Type.String(),
    index,
    completed_at: Type.String(),
    by: Type.Union([Type.String(), Type.Null()]),
    ...outcome,
    seed: Type.String(),
    start: index,
    end: index,
    until: Type.String({ description: 'Log time at which its range ends, and the next one begins.' }),
  },
  { $id: 'CompletedReview' },
);

const ReviewsAnswer = Type.Object({
  reviews: Type.Array(
    Type.Object({
      definition: ReviewDefinition,
      digest: Type.String(),
      due: Type.String({ description: 'When the next one has to be completed.' }),
      completed: Type.Array(CompletedReviewDocument, { description: 'Oldest first.' }),
    }),
  ),
});

const NAME: Parameter = {
  name: 'review',
  in: 'path',
  required: true,
  description: 'The name of the review.',
  schema: Type.String(),
};

export const reviewRoutes: readonly TokenRoute[] = [
  {
    method: 'GET',
    path: '/:log/reviews',
    access: 'auditor',
    description: {
      summary: 'Periodic reviews: their definitions, when they are due, and those that were completed',
      answers: {
        200: { description: 'In the order of reviews.json.', content: { 'application/json': ReviewsAnswer } },
      },
    },
    handle: listReviews,
  },
  {
    method: 'POST',
    path: '/:log/reviews/:review',
    access: 'auditor',
    description: {
      summary: 'Say that a review was completed, over which sample and with which report; it becomes an entry',
      parameters: [NAME],
      body: { 'application/json': FinishedReview },
      answers: {
        201: { description: 'It is recorded.', content: { 'application/json': CompletedReviewDocument } },
        404: { description: 'There is no such review, or you have no such sample.' },
        409: { description: 'The sample was not drawn yet.' },
        422: {
          description: 'The sample or the definition is not that of the schedule, or events before it are left out.',
        },
      },
    },
    handle: completeReview,
  },
];

async function listReviews(exchange: TokenExchange): Promise<Response> {
  readQuery(exchange.c, []);
  const reviews = reviewsOf(exchange.served);
  const rows = reviews.schedules.map((schedule) => scheduleJson(schedule, reviews.completed(schedule.name)));
  const read = await recordRead(exchange, {
    action: 'countersign.read.reviews',
    results: reviews.completed().length,
    context: {},
  });
  return privateJson(200, { reviews: rows }, read);
}

async function completeReview({ c, served, services, token }: TokenExchange): Promise<Response> {
  const finished = await readJsonBody(c, services, FinishedReview);
  const name = c.req.param('review') ?? '';
  return privateJson(201, completedJson(await reviewsOf(served).complete(name, finished, token)));
}

function scheduleJson(schedule: ReviewSchedule, completed: readonly CompletedReview[]): JsonObject {
  const { definition, digest: sha256, everyUs, sinceUs } = schedule;
  const dueUs = (completed.at(-1)?.completedAtUs ?? sinceUs) + everyUs;
  return { definition, digest: sha256, due: formatTimeUs(dueUs), completed: completed.map(completedJson) };
}

function completedJson({ name, completedAtUs, actorId, ...rest }: CompletedReview): JsonObject {
  return { review: name, completed_at: formatTimeUs(completedAtUs), by: actorId, ...rest };
}

function reviewsOf({ reviews }: Pick<ServedLog, 'reviews'>): Reviews {
  if (reviews !== undefined) return reviews;
  throw new EvidenceError('no-evidence-here', 'This server makes no evidence bundles, and has no reviews of them.');
}
