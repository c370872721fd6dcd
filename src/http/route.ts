/**
 * What a route is: method, path, who may use it, what it says about itself, and its handler. One list of them makes
 * the application (app.ts) and its description (openapi.ts), so that the two cannot disagree.
 *
 * `register` puts the same frame around every handler, in one function instead of a chain of middleware: find the log,
 * check the token, run, record what was refused to whom, turn an error into a problem, count. The hot path pays for
 * nothing else.
 */
import type { HttpBindings } from '@hono/node-server';
import type { TSchema } from '@sinclair/typebox';
import type { Context, Hono } from 'hono';
import type { IdentityResolver } from '../events/identity.ts';
import type { OffThreadPreparer } from '../events/prepare-off-thread.ts';
import type { PrepareContext } from '../events/types.ts';
import type { EvidenceDesk } from '../evidence/desk.ts';
import type { Reviews } from '../evidence/reviews.ts';
import type { Samples } from '../evidence/samples.ts';
import type { Log, RawLog } from '../log/types.ts';
import type { Principal, Role, TokenStore } from '../trail/access.ts';
import type { OidcVerifier } from '../trail/oidc.ts';
import type { Trail } from '../trail/trail.ts';
import type { Watch } from '../trail/watch/watch.ts';
import { admitted, asHolder, pathOf } from './authenticate.ts';
import type { BodyReader } from './body.ts';
import type { ExportGate } from './export.ts';
import type { NoteHeaders } from './heads.ts';
import type { CheckpointJudge } from './health.ts';
import type { HttpLimits } from './limits.ts';
import type { HttpMetrics } from './metrics.ts';
import { HttpProblem, type Problem, problemAnswer, problemOf } from './problems.ts';
import { type PlainAnswer, responseOf } from './respond.ts';
import type { Waits } from './wait.ts';

/** An audit log as it is served. */
export interface ServedLog {
  readonly log: Log;
  readonly tokens: TokenStore;
  /** What `prepare` needs for a submission by this producer. Called once a request. */
  readonly prepareContext: (producerId: string) => PrepareContext;
  /** Prepares batches in another thread; without it they are prepared where they arrive. */
  readonly preparer?: OffThreadPreparer;
  /** What the log records about itself, and what follows from it. */
  readonly trail: Trail;
  /** Where bundles are made; without it there are none. */
  readonly evidence?: EvidenceDesk;
  /** Samples that auditors committed to; they are shown by the desk, and there are none without it. */
  readonly samples?: Samples;
  /** Periodic reviews of samples. */
  readonly reviews?: Reviews;
  /** Finds the ids of actors that are sent by name; undefined where only ids are taken. */
  readonly identity?: IdentityResolver;
  /** Finds what a person should look at; undefined where nobody watches. */
  readonly watch?: Watch;
  /** Verifies people with tokens of an identity provider; undefined where only tokens of the log are taken. */
  readonly oidc?: OidcVerifier;
}

/** A log of opaque bytes as it is served. */
export interface ServedRawLog {
  readonly log: RawLog;
  readonly tokens: TokenStore;
  /** Anyone may add; otherwise only holders of a producer token. */
  readonly open: boolean;
}

export type AnyServedLog = ServedLog | ServedRawLog;

export interface HttpLogger {
  error(details: object, message: string): void;
}

/** What handlers use besides their own log. */
export interface Services {
  readonly logs: ReadonlyMap<string, AnyServedLog>;
  readonly limits: HttpLimits;
  readonly bodies: BodyReader;
  readonly waits: Waits;
  readonly exports: ExportGate;
  readonly judgeCheckpoint: CheckpointJudge;
  readonly noteHeaders: NoteHeaders;
  readonly metrics: HttpMetrics;
  readonly logger: HttpLogger;
  readonly nowMs: () => number;
  /** A UUID for each problem. */
  readonly newRequestId: () => string;
}

/** What @hono/node-server passes along; under `app.request` there is none of it, not even the object. */
export type AppEnv = { Bindings: Partial<HttpBindings> };
export type AppContext = Context<AppEnv>;
export type App = Hono<AppEnv>;

/** What hot routes use of a request: Hono's context is one, and node:http alone makes one (direct.ts). */
export interface RequestView {
  readonly env?: Partial<HttpBindings>;
  readonly req: {
    readonly method: string;
    /** Absolute. */
    readonly url: string;
    header(name: string): string | undefined;
    readonly raw: { readonly body: ReadableStream<Uint8Array> | null };
  };
}

export interface SiteExchange {
  readonly c: AppContext;
  readonly services: Services;
}

/** About a log of any kind. */
export interface LogExchange extends SiteExchange {
  readonly served: AnyServedLog;
}

/** A request of a hot route. */
export interface HotExchange<S extends AnyServedLog = AnyServedLog> {
  readonly c: RequestView;
  readonly services: Services;
  readonly served: S;
}

export interface TokenExchange extends SiteExchange {
  readonly served: ServedLog;
  /** Who asks. */
  readonly token: Principal;
}

/** A submission to an audit log, on a hot route. */
export interface SubmitExchange extends HotExchange<ServedLog> {
  /** Who submits. */
  readonly token: Principal;
}

type Handler<E> = (exchange: E) => Response | Promise<Response>;

/** What openapi.ts needs to describe the operation. */
export interface Description {
  readonly summary: string;
  readonly parameters?: readonly Parameter[];
  /** Content type → schema of the body. */
  readonly body?: Readonly<Record<string, TSchema>>;
  /** Status → what it means and carries. Problems that every route has are added. */
  readonly answers: Readonly<Record<number, Answer>>;
}

export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path' | 'header';
  readonly required?: boolean;
  readonly description: string;
  readonly schema: TSchema;
}

export interface Answer {
  readonly description: string;
  readonly content?: Readonly<Record<string, TSchema>>;
}

export const METHODS = ['GET', 'POST', 'DELETE'] as const;

interface RouteBase {
  readonly method: (typeof METHODS)[number];
  /** In Hono's notation. Routes of a log begin with `/:log/`. */
  readonly path: string;
  readonly description: Description;
}

export interface SiteRoute extends RouteBase {
  readonly access: 'site';
  readonly handle: Handler<SiteExchange>;
}

/** Anyone may use it. */
export interface PublicRoute extends RouteBase {
  readonly access: 'public';
  readonly handle: Handler<LogExchange>;
}

/** A hot route that anyone may use: it is answered without Hono where that is possible (direct.ts). */
export interface HotReadRoute extends RouteBase {
  readonly access: 'hot';
  readonly answer: HotHandler<AnyServedLog>;
}

/** Of raw logs: for holders of a producer token, and for anyone where the log is open. Hot as well. */
export interface RawRoute extends RouteBase {
  readonly access: 'raw';
  readonly answer: HotHandler<ServedRawLog>;
}

/** Of audit logs: for holders of a producer token. Hot as well. */
export interface SubmitRoute extends RouteBase {
  readonly access: 'submit';
  readonly answer: (exchange: SubmitExchange) => Promise<PlainAnswer>;
}

export type HotRoute = HotReadRoute | RawRoute | SubmitRoute;

type HotHandler<S extends AnyServedLog> = (exchange: HotExchange<S>) => PlainAnswer | Promise<PlainAnswer>;

/** Of audit logs. */
export interface TokenRoute extends RouteBase {
  readonly access: Role;
  readonly handle: Handler<TokenExchange>;
}

export type Route = SiteRoute | PublicRoute | HotRoute | TokenRoute;

export function register(app: App, route: Route, services: Services): void {
  const observe = services.metrics.route(route.method, route.path);
  app.on(route.method, route.path, async (c) => {
    const startedMs = performance.now();
    const response = await answer(c, route, services);
    observe(response.status, performance.now() - startedMs);
    return response;
  });
}

/** Answers with the problem that an error is, and notes the unexpected ones in the server's own log. */
export function refuse(error: unknown, c: RequestView, services: Services): Response {
  return responseOf(refusal(error, c, services));
}

export function refusal(error: unknown, c: RequestView, services: Services): PlainAnswer {
  const problem: Problem = problemOf(error);
  const instance = `urn:uuid:${services.newRequestId()}`;
  if (problem.status >= 500) {
    services.logger.error(
      { instance, code: problem.code, method: c.req.method, path: pathOf(c), err: error },
      'refused',
    );
  }
  return problemAnswer(problem, instance);
}

async function answer(c: AppContext, route: Route, services: Services): Promise<Response> {
  try {
    if (route.access === 'site') return await route.handle({ c, services });
    const any = servedLog(c, services);
    if (route.access === 'public') return await route.handle({ c, services, served: any });
    if (isHot(route)) return responseOf(await answerHot(route, c, any, services));
    const served = auditLog(any);
    return await asHolder(c, served, route.access, (token) => route.handle({ c, services, served, token }));
  } catch (error) {
    return refuse(error, c, services);
  }
}

/** The answer of a hot route about this log. Throws what the frame around it turns into a problem. */
export function answerHot(
  route: HotRoute,
  c: RequestView,
  served: AnyServedLog,
  services: Services,
): PlainAnswer | Promise<PlainAnswer> {
  if (route.access === 'hot') return route.answer({ c, services, served });
  if (route.access === 'raw') return route.answer({ c, services, served: admitted(c, rawLog(served)) });
  const log = auditLog(served);
  return asHolder(c, log, 'producer', (token) => route.answer({ c, services, served: log, token }));
}

export function isHot(route: Route): route is HotRoute {
  return route.access === 'hot' || route.access === 'raw' || route.access === 'submit';
}

function servedLog(c: AppContext, services: Services): AnyServedLog {
  const served = services.logs.get(c.req.param('log') ?? '');
  if (served === undefined)
    throw new HttpProblem('unknown-log', 'No log of this name is served here; GET / lists them.');
  return served;
}

export function isRaw(served: AnyServedLog): served is ServedRawLog {
  return served.log.kind === 'raw';
}

function rawLog(served: AnyServedLog): ServedRawLog {
  if (isRaw(served)) return served;
  throw new HttpProblem('not-a-raw-log', 'This log holds audit events: POST them to its events.');
}

function auditLog(served: AnyServedLog): ServedLog {
  if (!isRaw(served)) return served;
  throw new HttpProblem('not-an-audit-log', 'This log holds opaque bytes: POST them to add, GET its tiles and proofs.');
}
