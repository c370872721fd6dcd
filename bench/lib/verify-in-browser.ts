/**
 * One file of evidence in the browser verifier, measured: the time that the page says it took, and the most memory that the
 * process of the page had. The browser is a fresh one each time, so that nothing is warm and no peak is another file's.
 */
import { readFile } from 'node:fs/promises';
import { openBrowserVerifier, verifyInPage } from '../../test/support/browser-verifier.ts';

export interface BrowserRun {
  readonly verdict: string;
  /** From the first byte to the verdict, in the worker, without drawing. */
  readonly verifyMs: number;
  /** From the choice of the file to the report on the page. */
  readonly untilShownMs: number;
  /** Peak resident set of the page's process, its worker included. */
  readonly peakBytes: number;
  /** `Chromium 156.0…`. */
  readonly browser: string;
}

/** `file` is a path. */
export async function verifyInBrowser(file: string, policy: string): Promise<BrowserRun> {
  const opened = await openBrowserVerifier();
  try {
    const startedMs = performance.now();
    const [judged] = await verifyInPage(opened, { policy, files: [file] });
    const untilShownMs = performance.now() - startedMs;
    if (judged === undefined) throw new Error(`the page gave no verdict on ${file}`);
    return {
      verdict: judged.verdict,
      verifyMs: judged.durationMs,
      untilShownMs,
      peakBytes: await peakOfRenderers(opened),
      browser: `Chromium ${opened.browser.version()}`,
    };
  } finally {
    await opened.close();
  }
}

interface ProcessInfo {
  readonly type: string;
  readonly id: number;
}

async function peakOfRenderers({ browser }: Awaited<ReturnType<typeof openBrowserVerifier>>): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo }: { readonly processInfo: readonly ProcessInfo[] } =
    await session.send('SystemInfo.getProcessInfo');
  const renderers = processInfo.filter(({ type }) => type === 'renderer');
  const peaks = await Promise.all(renderers.map(({ id }) => peakOf(id)));
  return Math.max(0, ...peaks);
}

/** VmHWM of proc(5), which counts in KiB. */
async function peakOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
}
