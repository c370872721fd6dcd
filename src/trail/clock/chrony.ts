/**
 * What chrony says about the clock of this machine: the report of `chronyc tracking`, in its form for people, because
 * that one says "slow" and "fast" in words.
 *
 *   Stratum         : 3
 *   System time     : 0.000006523 seconds slow of NTP time
 *   Leap status     : Normal
 */
import { execFile } from 'node:child_process';

export type RunTracking = () => Promise<string>;

export interface ChronyAnswer {
  /** The local clock minus NTP time, in microseconds: positive when the local clock is fast. */
  readonly offsetUs: number;
  readonly stratum: number;
}

export class ChronyError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ChronyError';
  }
}

const TIMEOUT_MS = 5_000;
const MAX_REPORT_BYTES = 64 * 1024;
const SYSTEM_TIME = /^System time\s*:\s*([0-9]{1,9}(?:\.[0-9]{1,12})?) seconds (slow|fast) of NTP time\s*$/m;
const STRATUM = /^Stratum\s*:\s*([0-9]{1,2})\s*$/m;
const LEAP_STATUS = /^Leap status\s*:\s*(.+?)\s*$/m;
const NOT_SYNCHRONISED = 'Not synchronised';

/** Runs `chronyc -n tracking`, within a time and without asking names. Throws ChronyError. */
export const runTracking: RunTracking = () =>
  new Promise((resolve, reject) => {
    const options = { timeout: TIMEOUT_MS, maxBuffer: MAX_REPORT_BYTES, env: { ...process.env, LC_ALL: 'C' } };
    execFile('chronyc', ['-n', 'tracking'], options, (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(new ChronyError(`chronyc does not answer: ${error.message.split('\n')[0] ?? ''}`));
    });
  });

/** Throws ChronyError for a report of another form, and for a clock that chrony does not hold for synchronised. */
export function parseTracking(report: string): ChronyAnswer {
  const leap = LEAP_STATUS.exec(report)?.[1];
  const stratum = STRATUM.exec(report)?.[1];
  const [, seconds, direction] = SYSTEM_TIME.exec(report) ?? [];
  if (leap === undefined || stratum === undefined || seconds === undefined) {
    throw new ChronyError('chronyc gave a report of an unknown form');
  }
  if (leap === NOT_SYNCHRONISED || stratum === '0')
    throw new ChronyError('chrony says that the clock is not synchronised');
  const us = Math.round(Number(seconds) * 1_000_000);
  return { offsetUs: direction === 'fast' ? us : -us, stratum: Number(stratum) };
}
