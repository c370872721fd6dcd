/** The server's side of lib/server-process.ts: it says that it is ready, answers how it is, and ends when it is told to. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import type { ServerMessage, ServerReady, ServerRequest, ServerStats } from './server-process.ts';

export interface ServerSide {
  readonly ready: ServerReady;
  readonly treeSize: () => number;
  /** Closes everything, the log last. */
  readonly close: () => Promise<void>;
}

export function answerParent({ ready, treeSize, close }: ServerSide): void {
  process.on('message', (request: ServerRequest) => {
    if (request === 'stats') tell({ kind: 'stats', stats: statsOf(treeSize()) });
    else void close().then(() => process.disconnect());
  });
  // The parent is gone: nobody wants this server any more.
  process.on('disconnect', () => process.exit(1));
  tell({ kind: 'ready', ready });
}

function statsOf(treeSize: number): ServerStats {
  const { user, system } = process.cpuUsage();
  return {
    cpuMs: (user + system) / 1000,
    residentMiB: Math.round(process.memoryUsage.rss() / 2 ** 20),
    fileMiB: residentOfFilesMiB(),
    treeSize,
  };
}

/** LevelDB maps the files that it has open: the kernel takes those pages back when anybody needs them. */
function residentOfFilesMiB(): number {
  const kiB = /^RssFile:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Math.round(Number(kiB ?? 0) / 1024);
}

function tell(message: ServerMessage): void {
  process.send?.(message);
}
