/**
 * `GET /openapi.json`: OpenAPI 3.1, put together from the very routes that the application serves, and from the schemas
 * that check what comes in. A schema with an `$id` becomes a component of that name.
 */
import { type TSchema, Type } from '@sinclair/typebox';
import { openApiPath } from './metrics.ts';
import { PROBLEM_CONTENT_TYPE } from './problems.ts';
import { JSON_CONTENT_TYPE, PUBLIC_HEADERS, respond } from './respond.ts';
import type { Answer, Route, SiteRoute } from './route.ts';
import { ProblemDocument } from './schemas.ts';

type Json = Record<string, unknown>;

export function openApiRoute(logRoutes: readonly Route[], siteRoutes: readonly SiteRoute[]): SiteRoute {
  const route: SiteRoute = {
    method: 'GET',
    path: '/openapi.json',
    access: 'site',
    description: {
      summary: 'This description',
      answers: { 200: { description: 'OpenAPI 3.1.', content: { 'application/json': Type.Object({}) } } },
    },
    handle: () => {
      const document = openApiDocument([...siteRoutes, route, ...logRoutes]);
      return respond(200, `${JSON.stringify(document)}\n`, {
        ...PUBLIC_HEADERS,
        'content-type': JSON_CONTENT_TYPE,
        'cache-control': 'no-cache',
      });
    },
  };
  return route;
}

export function openApiDocument(routes: readonly Route[]): Json {
  const components = new Map<string, unknown>();
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = openApiPath(route.path).replace('/*', '/{path}');
    const operations = paths[path] ?? {};
    operations[route.method.toLowerCase()] = operation(route, path, components);
    paths[path] = operations;
  }
  component(ProblemDocument, components);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Countersign',
      version: '1',
      summary: 'An audit trail that its own operator cannot rewrite.',
      description:
        'Errors are RFC 9457 problem documents with stable types. Several logs may be served; each path below begins ' +
        'with the name of one. Values of 64 bits stay below 2^53; hashes and other bytes are base64.',
    },
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'A token of the log, with a role.' } },
      schemas: Object.fromEntries([...components].sort(([a], [b]) => (a < b ? -1 : 1))),
    },
  };
}

function roleFor(access: Route['access']): string {
  if (access === 'raw') return 'producer, or anyone where the log is open';
  return access === 'submit' ? 'producer' : access;
}

function operation(route: Route, path: string, components: Map<string, unknown>): Json {
  const { summary, parameters = [], body, answers } = route.description;
  const ofLog = route.access !== 'site';
  const needsToken = route.access !== 'site' && route.access !== 'public' && route.access !== 'hot';
  const role = roleFor(route.access);
  return {
    operationId: `${route.method.toLowerCase()}${path.replace(/[^A-Za-z0-9]+([A-Za-z0-9])?/g, (_, next = '') => next.toUpperCase())}`,
    summary,
    ...(needsToken ? { description: `Role: ${role}.`, security: [{ token: [] }] } : { security: [] }),
    parameters: [
      ...(ofLog
        ? [{ name: 'log', in: 'path', required: true, description: 'Name of the log.', schema: { type: 'string' } }]
        : []),
      ...parameters.map((parameter) => ({ ...parameter, schema: plain(parameter.schema, components) })),
    ],
    ...(body === undefined ? {} : { requestBody: { required: true, content: contentOf(body, components) } }),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, answerOf(answer, components)])),
      ...(needsToken ? { 401: problemAnswer('No token, or one that is not valid here.') } : {}),
      ...(needsToken ? { 403: problemAnswer('The role of the token does not allow this.') } : {}),
      default: problemAnswer('Any other failure.'),
    },
  };
}

function answerOf({ description, content }: Answer, components: Map<string, unknown>): Json {
  return content === undefined ? { description } : { description, content: contentOf(content, components) };
}

function contentOf(content: Readonly<Record<string, TSchema>>, components: Map<string, unknown>): Json {
  return Object.fromEntries(
    Object.entries(content).map(([type, schema]) => [type, { schema: plain(schema, components) }]),
  );
}

function problemAnswer(description: string): Json {
  return { description, content: { [PROBLEM_CONTENT_TYPE]: { schema: reference('Problem') } } };
}

function reference(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}

function component(schema: { readonly $id?: string }, components: Map<string, unknown>): unknown {
  return plain(schema, components);
}

/** A schema as plain JSON: named ones move to the components, references point there. */
function plain(value: unknown, components: Map<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map((item) => plain(item, components));
  if (typeof value !== 'object' || value === null) return value;
  const { $id, $ref, ...rest } = value as Json;
  if (typeof $ref === 'string') return reference($ref);
  const json = Object.fromEntries(Object.entries(rest).map(([name, member]) => [name, plain(member, components)]));
  if (typeof $id !== 'string') return json;
  components.set($id, json);
  return reference($id);
}
