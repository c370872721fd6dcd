/**
 * Catalogues as entries (K1, K2). Publishing one is an entry under `countersign.catalogue.publish` that carries the
 * whole file, so that what an event was checked against can be read from the log itself. This file derives the
 * catalogues in force from those entries: the newest of each id. Without any, events are not checked.
 */
import { textAt } from '../../proofs/fields.ts';
import { PUBLISH_CATALOGUE } from '../../proofs/own-entries.ts';
import { type Catalogue, fallbackOf } from '../events/catalogue/catalogue.ts';
import { CatalogueError } from '../events/catalogue/errors.ts';
import { parseCatalogue } from '../events/catalogue/parse.ts';
import type { Log } from '../log/types.ts';
import { followOwnEvents, type OwnEntry } from './own-events.ts';
import type { OwnEvent } from './record.ts';

/** The file's text stands in one entry, which is an event of at most 64 KiB. */
export const MAX_PUBLISHED_CHARACTERS = 56_000;

export interface PublishedCatalogue {
  readonly catalogue: Catalogue;
  readonly text: string;
  readonly index: number;
  readonly logTime: number;
}

export class CatalogueBook {
  /** In the order of the log. */
  readonly #published: PublishedCatalogue[] = [];
  /** The newest of each id; the id that was published first comes first. */
  readonly #inForce = new Map<string, PublishedCatalogue>();

  /** Takes an entry under `countersign.catalogue.publish`. A version that was published before changes nothing. */
  apply({ event, index, logTime }: OwnEntry): void {
    const text = textAt(event, 'context', 'text');
    if (text === undefined) return;
    let catalogue: Catalogue;
    try {
      catalogue = parseCatalogue(text);
    } catch (error) {
      // Every published text was parsed before it was recorded; one that a later release refuses is not in force.
      if (error instanceof CatalogueError) return;
      throw error;
    }
    const { id, version } = catalogue;
    if (this.#published.some((one) => one.catalogue.id === id && one.catalogue.version === version)) return;
    const published = { catalogue, text, index, logTime };
    this.#published.push(published);
    this.#inForce.set(id, published);
  }

  history(): readonly PublishedCatalogue[] {
    return this.#published;
  }

  inForce(): readonly PublishedCatalogue[] {
    return [...this.#inForce.values()];
  }

  find(id: string, version: string): PublishedCatalogue | undefined {
    return this.#published.find((one) => one.catalogue.id === id && one.catalogue.version === version);
  }

  /**
   * What to know about the catalogues in force together: one with the pattern `*` takes every action, also those that
   * the others were meant to refuse.
   */
  warnings(): readonly string[] {
    const all = this.inForce().map(({ catalogue }) => catalogue);
    if (all.length < 2) return [];
    return all
      .filter((one) => fallbackOf(one) !== undefined)
      .map((one) => {
        const others = all.filter((other) => other !== one).map(({ id }) => id);
        return `${one.id} ${one.version} has the pattern "*": beside it, no action is unknown, and what ${others.join(', ')} would refuse is taken`;
      });
  }

  /**
   * What events are checked against now: all catalogues in force as one, the id published first deciding where several
   * know an action; its label names them all. Null while none was published: then every action is allowed.
   */
  combined(): Catalogue | null {
    const all = this.inForce().map(({ catalogue }) => catalogue);
    const [first] = all;
    if (first === undefined || all.length === 1) return first ?? null;
    const lastFirst = [...all].reverse();
    return {
      ...first,
      label: all.map(({ label }) => label).join(' '),
      classes: new Map(lastFirst.flatMap(({ classes }) => [...classes])),
      actions: new Map(lastFirst.flatMap(({ actions }) => [...actions])),
      patterns: all.flatMap(({ patterns }) => patterns),
    };
  }
}

export async function followCatalogues(
  log: Log,
  onChange: (catalogue: Catalogue | null) => void = () => undefined,
): Promise<{ readonly book: CatalogueBook; readonly stop: () => void }> {
  const book = new CatalogueBook();
  const stop = await followOwnEvents(log, [PUBLISH_CATALOGUE], (entry) => {
    book.apply(entry);
    onChange(book.combined());
  });
  return { book, stop };
}

export interface CatalogueApproval {
  readonly approver?: string | undefined;
  readonly ticket?: string | undefined;
  readonly source?: string | undefined;
}

/** The entry that publishes a catalogue. */
export function catalogueEvent(
  catalogue: Catalogue,
  text: string,
  actor: OwnEvent['actor'],
  { approver, ticket, source }: CatalogueApproval,
): OwnEvent {
  return {
    event_id: `catalogue:${catalogue.id}@${catalogue.version}`.replaceAll(/[^A-Za-z0-9._:-]/g, '-'),
    action: PUBLISH_CATALOGUE,
    actor,
    target: { type: 'catalogue', id: catalogue.id, version: catalogue.version },
    outcome: { result: 'success' },
    authorization: {
      decision: 'allow',
      ...(approver === undefined ? {} : { approver }),
      ...(ticket === undefined ? {} : { ticket }),
    },
    object: { hash: `sha256:${catalogue.digest}`, version: catalogue.version },
    context: { title: catalogue.title, text, ...(source === undefined ? {} : { source }) },
  };
}
