/**
 * The audit side of one log: what the log records about itself, and the state that is derived from those entries. It
 * is opened after the log and closed before it.
 */
import { randomUUID } from 'node:crypto';
import type { Catalogue } from '../events/catalogue/catalogue.ts';
import type { PrepareContext } from '../events/types.ts';
import { type LogLogger, SILENT_LOGGER } from '../log/options.ts';
import type { Log } from '../log/types.ts';
import type { Principal } from './access.ts';
import { type CatalogueBook, followCatalogues } from './catalogues.ts';
import { createDeferredRecorder, type DeferredRecorder } from './defer.ts';
import { createIncidents, type IncidentLimits, type Incidents } from './incidents.ts';
import { countLost } from './lost-contents.ts';
import { followProducerKeys, type ProducerKeys } from './producer-keys.ts';
import { createRecorder, type OwnEvent, type Recorder } from './record.ts';
import { followRules, type RuleBook } from './rules.ts';

export interface Trail {
  readonly recorder: Recorder;
  /** For what must be recorded and may happen while the log takes no entries: reads, revocations. */
  readonly deferred: DeferredRecorder;
  /** For what was refused. */
  readonly incidents: Incidents;
  readonly catalogues: CatalogueBook;
  readonly rules: RuleBook;
  readonly keys: ProducerKeys;
  /** Entries before this index have lost their contents. */
  readonly lostBefore: number;
  close(): Promise<void>;
}

export interface TrailOptions {
  readonly log: Log;
  readonly prepareContext: (producerId: string) => PrepareContext;
  readonly nowMs?: () => number;
  readonly newId?: () => string;
  readonly logger?: LogLogger;
  readonly incidentLimits?: Partial<IncidentLimits>;
  /** Told of the catalogue in force at start and at each publication, before the next event is prepared. */
  readonly onCatalogue?: (catalogue: Catalogue | null) => void;
}

export async function openTrail(options: TrailOptions): Promise<Trail> {
  const { log, prepareContext, nowMs = Date.now, newId = randomUUID, logger = SILENT_LOGGER } = options;
  const recorder = createRecorder({ log, prepareContext, nowMs, newId });
  const deferred = createDeferredRecorder({
    recorder,
    nowMs,
    newId,
    onWaiting: (waiting, error) => {
      if (waiting === 0) logger.info({}, 'everything that was read meanwhile is recorded now');
      else logger.error({ waiting, err: error }, 'reads wait to be recorded until the log takes entries again');
    },
  });
  const incidents = createIncidents({
    recorder,
    nowMs,
    limits: options.incidentLimits ?? {},
    onFailure: (error) => logger.error({ err: error }, 'refused requests could not be recorded'),
  });
  const catalogues = await followCatalogues(log, options.onCatalogue);
  const rules = await followRules(log);
  const producerKeys = await followProducerKeys(log);
  return {
    recorder,
    deferred,
    incidents,
    catalogues: catalogues.book,
    rules: rules.book,
    keys: producerKeys.keys,
    lostBefore: await countLost(log),
    close: async () => {
      await incidents.close();
      const lost = await deferred.close();
      if (lost > 0)
        logger.error({ lost }, 'reads were answered and their entries are lost: the log took none until the end');
      catalogues.stop();
      rules.stop();
      producerKeys.stop();
    },
  };
}

/**
 * Who an administrator or auditor is in an entry: the token, which is a pseudonym, and the role it has; for a person
 * whom an identity provider vouches for, the pseudonym of the person.
 */
export function tokenActor({ id, role, issuer }: Pick<Principal, 'id' | 'role' | 'issuer'>): OwnEvent['actor'] {
  if (issuer === undefined) return { type: 'token', id, role };
  return { type: 'user', id, role, auth: { method: 'oidc', provider: issuer } };
}
