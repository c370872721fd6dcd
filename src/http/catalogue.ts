/** Catalogues: published by admins, each version an entry; read by everyone who submits or audits. */
import { Type } from '@sinclair/typebox';
import type { Catalogue } from '../events/catalogue/catalogue.ts';
import { CatalogueError } from '../events/catalogue/errors.ts';
import { parseCatalogue } from '../events/catalogue/parse.ts';
import { catalogueEvent, MAX_PUBLISHED_CHARACTERS, type PublishedCatalogue } from '../trail/catalogues.ts';
import { formatTimeUs } from '../trail/time.ts';
import { tokenActor } from '../trail/trail.ts';
import { readJsonBody } from './json-body.ts';
import { HttpProblem } from './problems.ts';
import { privateJson } from './respond.ts';
import type { TokenExchange, TokenRoute } from './route.ts';

const MAX_FAULTS_SHOWN = 20;
const reference = Type.Optional(Type.String({ minLength: 1, maxLength: 200, pattern: '^[^\\u0000-\\u001f\\u007f]+$' }));

const NewCatalogue = Type.Object(
  {
    text: Type.String({ maxLength: MAX_PUBLISHED_CHARACTERS, description: 'The YAML file.' }),
    approver: reference,
    ticket: reference,
    source: reference,
  },
  { $id: 'NewCatalogue', additionalProperties: false },
);

export const catalogueRoutes: readonly TokenRoute[] = [
  {
    method: 'POST',
    path: '/:log/catalogue',
    access: 'admin',
    description: {
      summary: 'Publish a version of a catalogue; it becomes an entry, and events are checked against it from then on',
      body: { 'application/json': NewCatalogue },
      answers: {
        200: { description: 'This very version was published before.' },
        201: { description: 'It is published.' },
        409: { description: 'This version was published before, with other content.' },
        422: { description: 'Not a valid catalogue; each fault is named with its line.' },
      },
    },
    handle: publishCatalogue,
  },
  {
    method: 'GET',
    path: '/:log/catalogue',
    access: 'auditor',
    description: {
      summary: 'The catalogues in force, and every version that ever was',
      answers: { 200: { description: 'In the order of publication.' } },
    },
    handle: ({ served }) => {
      const { catalogues } = served.trail;
      const inForce = catalogues.inForce();
      const versions = catalogues.history().map((one) => ({ ...catalogueJson(one), in_force: inForce.includes(one) }));
      return privateJson(200, { catalogues: versions, warnings: catalogues.warnings() });
    },
  },
];

async function publishCatalogue({ c, served, services, token }: TokenExchange): Promise<Response> {
  const { text, ...approval } = await readJsonBody(c, services, NewCatalogue);
  const catalogue = parse(text);
  const known = served.trail.catalogues.find(catalogue.id, catalogue.version);
  if (known !== undefined) {
    if (known.catalogue.digest === catalogue.digest)
      return privateJson(200, { ...catalogueJson(known), warnings: served.trail.catalogues.warnings() });
    throw new HttpProblem(
      'catalogue-version-exists',
      `Version ${catalogue.version} of the catalogue ${catalogue.id} was published at index ${known.index} with other ` +
        'content. A version never changes: publish this one under the next version.',
      { members: { index: known.index } },
    );
  }
  const event = catalogueEvent(catalogue, text, tokenActor(token), approval);
  const { index, logTime } = await served.trail.recorder.record(event);
  const warnings = served.trail.catalogues.warnings();
  return privateJson(201, { ...catalogueJson({ catalogue, text, index, logTime }), warnings });
}

function parse(text: string): Catalogue {
  try {
    return parseCatalogue(text);
  } catch (error) {
    if (!(error instanceof CatalogueError)) throw error;
    const errors = error.faults.slice(0, MAX_FAULTS_SHOWN).map(({ line, column, pointer, detail }) => ({
      pointer: '/text',
      detail: `line ${line}, column ${column}: ${pointer === '' ? '' : `${pointer} `}${detail}`,
    }));
    throw new HttpProblem('invalid-catalogue', 'The catalogue is not valid; nothing was published.', { errors });
  }
}

function catalogueJson({ catalogue, index, logTime }: PublishedCatalogue): object {
  return {
    id: catalogue.id,
    version: catalogue.version,
    label: catalogue.label,
    title: catalogue.title,
    actions: catalogue.actions.size,
    patterns: catalogue.patterns.length,
    index,
    published_at: formatTimeUs(logTime),
  };
}
