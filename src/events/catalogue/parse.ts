/**
 * Parses a catalogue file, strictly: what is not understood is refused, with line and column, never passed over
 * (plain-yaml.ts).
 */
import { createHash } from 'node:crypto';
import { canonicalJson, type JsonObject } from '../../../proofs/canonical-json.ts';
import { readPlainYaml, type YamlPlace } from '../plain-yaml.ts';
import type { Catalogue } from './catalogue.ts';
import { compileCatalogue } from './compile.ts';
import { CatalogueError, type CatalogueFault, MAX_CATALOGUE_FAULTS } from './errors.ts';
import { type CatalogueFile, CatalogueSchema } from './file.ts';

/** The catalogue in this text. Throws CatalogueError with every fault, up to a bound, each with its place. */
export function parseCatalogue(text: string): Catalogue {
  const { value, at } = readPlainYaml(text, { schema: CatalogueSchema, unknownMember, refuse });
  const { rules, faults } = compileCatalogue(value);
  const [first, ...more] = faults.map(({ place, ...fault }) => ({ ...fault, ...at(place) }));
  if (first !== undefined) refuse([first, ...more]);
  const digest = digestOf(value);
  const { catalogue: id, version, title } = value;
  return { id, version, digest, label: `${id}@${version}+sha256:${digest}`, title, file: value, ...rules };
}

function refuse([first, ...more]: readonly [CatalogueFault, ...CatalogueFault[]]): never {
  throw new CatalogueError([first, ...more.slice(0, MAX_CATALOGUE_FAULTS - 1)]);
}

/** SHA-256 in hex over the RFC 8785 form of the content. */
function digestOf(file: CatalogueFile): string {
  // A value that fits the schema is JSON.
  return createHash('sha256')
    .update(canonicalJson(file as JsonObject))
    .digest('hex');
}

function unknownMember(place: YamlPlace): string {
  if (place.length === 2 && place[0] === 'actions') {
    return 'is not an action: two or more words joined by dots, such as role.grant, or a pattern with *';
  }
  if (place.length === 2 && place[0] === 'classes') {
    return 'is not the id of a class: a lower-case letter, then lower-case letters, digits and underscores';
  }
  return place.at(-2) === 'minimise' ? 'is not a dotted path into an event' : 'is not known here';
}
