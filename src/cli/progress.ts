/**
 * Progress of long work, on stderr only: a bar on a terminal, a line every few seconds elsewhere.
 */
import { SingleBar } from 'cli-progress';
import type { Io } from './io.ts';

export interface Progress {
  /** `done` of the total so far; `note` is a short remark such as "log is restarting, retrying". */
  readonly update: (done: number, note?: string) => void;
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
    stop: () => bar.stop(),
  };
}

function startLines(io: Io, label: string, total: number): Progress {
  let saidAtMs = io.nowMs();
  let saidNote = '';
  return {
    update: (done, note = '') => {
      const nowMs = io.nowMs();
      if (nowMs - saidAtMs < LINE_INTERVAL_MS && note === saidNote) return;
      saidAtMs = nowMs;
      saidNote = note;
      io.err(`${label}: ${done}/${total}${note === '' ? '' : ` (${note})`}\n`);
    },
    stop: () => undefined,
  };
}
