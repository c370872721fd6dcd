/**
 * The server of a benchmark of raw logs: one raw log as `serve` runs it, with a policy without witnesses, open to anyone
 * as the servers of peers are. Started by lib/server-process.ts, which it talks to over IPC.
 */
import process from 'node:process';
import { createApp } from '../src/http/app.ts';
import { serveApp } from '../src/http/server.ts';
import { memoryTokenStore } from '../src/trail/access.ts';
import { fillRawLog, openBenchRawLog, RAW_LOG_NAME } from './lib/raw-log.ts';
import type { ServerSettings } from './lib/server-process.ts';
import { answerParent } from './lib/server-side.ts';

const [, , settingsText = ''] = process.argv;
const { directory, fillEvents, raw = { deduplicate: false } }: ServerSettings = JSON.parse(settingsText);
const startedMs = performance.now();
const { log, vkey } = await openBenchRawLog(directory, raw);
const openMs = performance.now() - startedMs;
await fillRawLog(log, fillEvents);
const app = createApp({ logs: new Map([[RAW_LOG_NAME, { log, tokens: memoryTokenStore(), open: true }]]) });
const server = await serveApp(app);

answerParent({
  ready: {
    logUrl: `${server.url}/${RAW_LOG_NAME}`,
    ...{ producerToken: '', auditorToken: '', vkey, openMs },
    has: { catalogue: false, redaction: false, search: false, watch: false },
  },
  treeSize: () => log.treeSize(),
  close: async () => {
    await server.close();
    await log.close();
  },
});
