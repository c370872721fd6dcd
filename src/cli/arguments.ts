/** Numbers on the command line: one spelling, within a bound, or the usage is wrong. */
import { InvalidArgumentError } from 'commander';

const MAX_PORT = 65_535;
const MAX_PAGE_EVENTS = 1_000;
const MAX_SHOWN = 1_000_000;
/** A day. */
const MAX_TIMEOUT_SECONDS = 86_400;

export function parsePort(text: string): number {
  return parseWhole(text, MAX_PORT, 'a port');
}

export function parseIndex(text: string): number {
  return parseWhole(text, Number.MAX_SAFE_INTEGER, 'an index');
}

export function parseEntries(text: string): number {
  return parseWhole(text, Number.MAX_SAFE_INTEGER, 'a number of entries');
}

/** Events of one page; what a server allows at most, it says. */
export function parsePageSize(text: string): number {
  const size = parseWhole(text, MAX_PAGE_EVENTS, 'a number of events');
  if (size === 0) throw new InvalidArgumentError(`It must be a number of events from 1 to ${MAX_PAGE_EVENTS}.`);
  return size;
}

export function parseCount(text: string): number {
  return parseWhole(text, MAX_SHOWN, 'a number');
}

/** Seconds on the command line, milliseconds inside. */
export function parseTimeoutMs(text: string): number {
  return parseWhole(text, MAX_TIMEOUT_SECONDS, 'a number of seconds') * 1000;
}

function parseWhole(text: string, max: number, what: string): number {
  if (!/^(0|[1-9][0-9]{0,15})$/.test(text) || Number(text) > max) {
    throw new InvalidArgumentError(`It must be ${what} from 0 to ${max}.`);
  }
  return Number(text);
}
