/**
 * The HTTP face of one or several logs: a list of routes, each in the file of its group, put into one Hono application.
 * No handler holds log logic; no middleware stands in front of the hot path. server.ts listens.
 */
import { randomUUID } from 'node:crypto';
import { Hono } from 'hono';
import { addRoutes } from './add.ts';
import { createBodyReader } from './body.ts';
import { catalogueRoutes } from './catalogue.ts';
import { createDirect, type DirectHandler } from './direct.ts';
import { eventRoutes } from './events.ts';
import { evidenceRoutes } from './evidence.ts';
import { createExportGate, exportRoutes } from './export.ts';
import { findingRoutes } from './findings.ts';
import { createNoteHeaders, headRoutes } from './heads.ts';
import { createCheckpointJudge, healthRoutes } from './health.ts';
import { indexRoute } from './index-page.ts';
import { DEFAULT_HTTP_LIMITS, type HttpLimits } from './limits.ts';
import { createMetrics, metricsRoute } from './metrics.ts';
import { openApiRoute } from './openapi.ts';
import { HttpProblem } from './problems.ts';
import { producerKeyRoutes } from './producer-keys.ts';
import { proofRoutes } from './proofs.ts';
import { reviewRoutes } from './reviews.ts';
import {
  type AnyServedLog,
  type App,
  type AppContext,
  type AppEnv,
  type HttpLogger,
  isHot,
  METHODS,
  type Route,
  refuse,
  register,
  type Services,
} from './route.ts';
import { ruleRoutes } from './rules.ts';
import { sampleRoutes } from './samples.ts';
import { searchRoutes } from './search.ts';
import { submitRoutes } from './submit.ts';
import { tileRoutes } from './tiles.ts';
import { tokenRoutes } from './tokens.ts';
import { verifierRoute } from './verifier.ts';
import { createWaits } from './wait.ts';

export interface AppOptions {
  /** By the name that begins their paths. */
  readonly logs: ReadonlyMap<string, AnyServedLog>;
  readonly limits?: Partial<HttpLimits>;
  /** Told about every answer of 500 and above. */
  readonly logger?: HttpLogger;
  readonly nowMs?: () => number;
  readonly newRequestId?: () => string;
  /** Also report memory, event loop and garbage collection of this process at /metrics. */
  readonly processMetrics?: boolean;
}

/** Names that a log cannot have, because the site itself answers there. */
export const RESERVED_LOG_NAMES: ReadonlySet<string> = new Set([
  'healthz',
  'readyz',
  'metrics',
  'openapi.json',
  'verify',
]);

const LOG_ROUTES: readonly Route[] = [
  ...headRoutes,
  ...tileRoutes,
  ...proofRoutes,
  ...submitRoutes,
  ...addRoutes,
  ...searchRoutes,
  ...eventRoutes,
  ...evidenceRoutes,
  ...sampleRoutes,
  ...reviewRoutes,
  ...exportRoutes,
  ...tokenRoutes,
  ...catalogueRoutes,
  ...ruleRoutes,
  ...findingRoutes,
  ...producerKeyRoutes,
];

/** Every route there is, those of the site first. */
export const ROUTES: readonly Route[] = [
  indexRoute,
  verifierRoute,
  ...healthRoutes,
  metricsRoute,
  openApiRoute(LOG_ROUTES, [indexRoute, verifierRoute, ...healthRoutes, metricsRoute]),
  ...LOG_ROUTES,
];

/** The application, and the hot routes that the listener may answer without it. */
export interface Site {
  readonly app: App;
  readonly direct: DirectHandler;
}

export function createApp(options: AppOptions): Site {
  const limits = { ...DEFAULT_HTTP_LIMITS, ...options.limits };
  const services: Services = {
    logs: options.logs,
    limits,
    bodies: createBodyReader(limits),
    waits: createWaits(limits),
    exports: createExportGate(limits),
    judgeCheckpoint: createCheckpointJudge(),
    noteHeaders: createNoteHeaders(),
    metrics: createMetrics(options.logs, { withProcess: options.processMetrics ?? false }),
    logger: options.logger ?? { error() {} },
    nowMs: options.nowMs ?? Date.now,
    newRequestId: options.newRequestId ?? randomUUID,
  };
  const app = new Hono<AppEnv>();
  for (const route of ROUTES) register(app, route, services);
  const unmatched = services.metrics.route('any', '(unmatched)');
  app.notFound((c) => {
    const response = refuse(unmatchedProblem(app, c), c, services);
    unmatched(response.status, 0);
    return response;
  });
  app.onError((error, c) => refuse(error, c, services));
  return { app, direct: createDirect(ROUTES.filter(isHot), services) };
}

/** 405 if another method is at home at this path, 404 otherwise. */
function unmatchedProblem(app: App, c: AppContext): HttpProblem {
  const allowed = METHODS.filter((method) => app.router.match(method, c.req.path)[0].length > 0);
  if (allowed.length === 0) return new HttpProblem('unknown-path', 'GET /openapi.json lists every path.');
  return new HttpProblem('method-not-allowed', `This path takes ${allowed.join(' and ')}.`, {
    headers: { allow: allowed.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ') },
  });
}
