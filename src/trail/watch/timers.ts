/** Work that is done again and again: one run at a time, and the pause begins when a run has ended. */

/** Calls `work` after each interval, until the answer is called. What it throws is its own affair: it must not. */
export function repeat(intervalMs: number, work: () => Promise<void>): () => void {
  let isStopped = false;
  let timer = setTimeout(run, intervalMs);
  timer.unref();
  function run(): void {
    void work().finally(() => {
      if (isStopped) return;
      timer = setTimeout(run, intervalMs);
      timer.unref();
    });
  }
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}
