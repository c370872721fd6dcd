/**
 * What `prepare` gets for each submission to one log: its keys, its redaction rules, its catalogue of this moment. Settings
 * and catalogue are plain data, so that another thread that has a copy of both prepares alike (prepare-worker.ts).
 */
import type { Catalogue } from './catalogue/catalogue.ts';
import { redactNothing } from './prepare.ts';
import { createRandomPool } from './random-pool.ts';
import { makeRedactor } from './redact/redact.ts';
import type { MacKeys, PrepareContext } from './types.ts';
import { type WriteRules, writeRules } from './write-rules.ts';

/** What does not change while a log is open. */
export interface PrepareSettings {
  readonly macKeys: MacKeys;
  /** Test card numbers that are let through, by their hashes. */
  readonly allowedCards: ReadonlySet<string>;
  /** Fields of their own in every event as long as no catalogue says what is personal. */
  readonly pathsWithoutCatalogue: readonly string[];
  /** Only a benchmark turns these off. */
  readonly redacts: boolean;
  readonly searchable: boolean;
}

export interface ContextSource {
  readonly contextFor: (producerId: string) => PrepareContext;
  /** From now on events are checked against this catalogue; none (null) lets every action through. */
  readonly useCatalogue: (catalogue: Catalogue | null) => void;
}

export function createContextSource(settings: PrepareSettings): ContextSource {
  const { macKeys, allowedCards, pathsWithoutCatalogue, redacts, searchable } = settings;
  const redactor = makeRedactor(allowedCards);
  const randomBytes = createRandomPool();
  const rulesUnder = (catalogue: Catalogue | null): WriteRules => ({
    ...writeRules(redactor, catalogue, pathsWithoutCatalogue),
    ...(redacts ? {} : { redact: redactNothing, redactionVersion: null }),
  });
  let rules = rulesUnder(null);
  return {
    contextFor: (producerId) => ({ producerId, macKeys, randomBytes, clockOffsetUs: null, searchable, ...rules }),
    useCatalogue: (catalogue) => {
      rules = rulesUnder(catalogue);
    },
  };
}
