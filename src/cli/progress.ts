/**
 * Progress of long work, on stderr only: a bar on a terminal, a line every few seconds elsewhere.
 */
import { SingleBar } from 'cli-progress';
import type { Io } from './io.ts';

export interface Progress {
  /** `done` of the total so far; `note` is a short remark such as a second count. */
  readonly update: (done: number, note?: string) => void;
  /** Work is held up, and why. */
  readonly waiting: (done: number, reason: string) => void;
  readonly stop: () => void;
}

const LINE_INTERVAL_MS = 5_000;

/** Starts a progress display. `total` is the number of things that `label` names. */
export function startProgress(io: Io, label: string, total: number): Progress {
  return io.interactive ? startBar(label, total) : startLines(io, label, total);
}

function startBar(label: string, total: number): Progress {
  const bar = new SingleBar({
    format: `${label} [{bar}] {value}/{total} {note}`,
    hideCursor: true,
    stream: process.stderr,
    clearOnComplete: false,
  });
  bar.start(total, 0, { note: '' });
  return {
    update: (done, note = '') => bar.update(done, { note }),
    waiting: (done, reason) => bar.update(done, { note: reason }),
    stop: () => bar.stop(),
  };
}

function startLines(io: Io, label: string, total: number): Progress {
  let saidAtMs = io.nowMs();
  let saidReason = '';
  const say = (done: number, remark: string): void => {
    saidAtMs = io.nowMs();
    io.err(`${label}: ${done}/${total}${remark === '' ? '' : ` (${remark})`}\n`);
  };
  return {
    update: (done, note = '') => {
      saidReason = '';
      if (io.nowMs() - saidAtMs >= LINE_INTERVAL_MS) say(done, note);
    },
    waiting: (done, reason) => {
      if (reason !== saidReason || io.nowMs() - saidAtMs >= LINE_INTERVAL_MS) say(done, reason);
      saidReason = reason;
    },
    stop: () => undefined,
  };
}
