/**
 * The server of a benchmark: one audit log as `serve` runs it, on a fresh directory, with a policy without witnesses, and
 * with options that only a benchmark has. Started by lib/server-process.ts, which it talks to over IPC.
 */

import { join } from 'node:path';
import process from 'node:process';
import { OWN_PRODUCER } from '../proofs/own-entries.ts';
import { createLog, loadLogIfExists } from '../src/cli/init.ts';
import { openLogWatch, withClock } from '../src/cli/open-watch.ts';
import { openPrepareSource } from '../src/cli/prepare-source.ts';
import { parseCatalogue } from '../src/events/catalogue/parse.ts';
import { readShippedCatalogue } from '../src/events/catalogue/shipped.ts';
import type { PrepareContext } from '../src/events/types.ts';
import { createApp } from '../src/http/app.ts';
import { serveApp } from '../src/http/server.ts';
import { openLog } from '../src/log/audit-log.ts';
import { SILENT_LOGGER } from '../src/log/options.ts';
import type { Store } from '../src/store/contract.ts';
import { openLevelStore } from '../src/store/leveldb.ts';
import { openTokenStore } from '../src/trail/access.ts';
import { openTrail } from '../src/trail/trail.ts';
import { saveState } from '../src/trail/watch/state-file.ts';
import { fillLog } from './lib/search-events.ts';
import type { ServerSettings } from './lib/server-process.ts';
import { answerParent } from './lib/server-side.ts';

const LOG_NAME = 'bench';

const [, , settingsText = ''] = process.argv;
const settings: ServerSettings = JSON.parse(settingsText);
const { directory, features, syncDelayMs, fillEvents } = settings;
const config = { name: LOG_NAME, origin: 'bench.example/audit', kind: 'audit' } as const;
const identity = (await loadLogIfExists(directory, LOG_NAME)) ?? (await createLog(directory, config));
const logDirectory = join(directory, 'logs', LOG_NAME);

const log = await openLog({
  name: LOG_NAME,
  origin: identity.config.origin,
  directory: logDirectory,
  signers: identity.signers,
  policyText: `${identity.vkeys.map((vkey) => `log ${vkey}\n`).join('')}${settings.witnessLines ?? 'quorum none\n'}`,
  // What is only filled is signed seldom, and not read again.
  ...(fillEvents > 0 && { limits: { signIntervalMs: 10_000, scrubEntriesPerSecond: 0 } }),
  openStore: async (path) => slowStore(await openLevelStore(path), syncDelayMs),
});
const allowedCards = join(logDirectory, 'allowed-cards.txt');
const catalogue = parseCatalogue(await readShippedCatalogue('starter'));
const { contextFor: fullContext, useCatalogue } = await openPrepareSource(identity.secret, allowedCards);
useCatalogue(catalogue);
const { redaction: redacts, search: searchable } = features;
const preparer = await openPrepareSource(identity.secret, allowedCards, { redacts, searchable });
if (features.catalogue) preparer.useCatalogue(catalogue);
const trail = await openTrail({ log, prepareContext: fullContext });
if (fillEvents > 0) {
  await fillLog(log, preparer.contextFor('tok_filled'), fillEvents);
  // As if the watch had seen them: it begins where the log ends.
  const state = { examinedSize: log.treeSize(), parts: new Map(), alertFrom: null };
  await saveState(join(logDirectory, 'watch.state'), log, state);
}
const watch = features.watch
  ? await openLogWatch(logDirectory, { log, trail, logger: SILENT_LOGGER, fetch })
  : undefined;
const contextFor = (producerId: string): PrepareContext =>
  producerId === OWN_PRODUCER ? fullContext(producerId) : preparer.contextFor(producerId);
const prepareContext = watch === undefined ? contextFor : withClock(contextFor, watch);
const tokens = await openTokenStore(join(logDirectory, 'tokens.json'));
const { token: producerToken } = await tokens.create({ role: 'producer', name: 'bench' });
const { token: auditorToken } = await tokens.create({ role: 'auditor', name: 'bench' });
const app = createApp({
  logs: new Map([[LOG_NAME, { log, tokens, preparer, prepareContext, trail }]]),
  processMetrics: true,
});
const server = await serveApp(app);

answerParent({
  ready: {
    logUrl: `${server.url}/${LOG_NAME}`,
    producerToken,
    auditorToken,
    has: { catalogue: fullContext('any').catalogueVersion !== null, redaction: true, search: true, watch: true },
  },
  treeSize: () => log.treeSize(),
  close: async () => {
    await server.close();
    await preparer.close();
    await watch?.close();
    await trail.close();
    await log.close();
  },
});

/** Each write takes this much longer: a disk with a slower fsync. */
function slowStore(store: Store, delayMs: number): Store {
  if (delayMs === 0) return store;
  return {
    ...store,
    write: async (rows) => {
      await store.write(rows);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    },
  };
}
