/** RFC 3339 times with a zone, to the microsecond (REQUIREMENTS E3). The text stays as it was; this reads it. */
import { MAX_YEAR, MIN_YEAR } from './limits.ts';

const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,6}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

/**
 * Microseconds since the Unix epoch; undefined if the text is not an RFC 3339 time of a real calendar date, in a year
 * that is plausible, with a zone and at most six digits of fraction. A leap second counts as the second after it.
 */
export function parseTimeUs(text: string): number | undefined {
  const parts = RFC3339.exec(text);
  if (parts === null) return undefined;
  const part = (group: number): number => Number(parts[group] ?? 0);
  const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)];
  if (year < MIN_YEAR || year > MAX_YEAR || month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) {
    return undefined;
  }
  const [offsetHours, offsetMinutes] = [part(9), part(10)];
  if (hour > 23 || minute > 59 || second > 60 || offsetHours > 23 || offsetMinutes > 59) return undefined;
  const offset = (parts[8] === '-' ? -1 : 1) * (offsetHours * 60 + offsetMinutes);
  const seconds = Date.UTC(year, month - 1, day, hour, minute, second) / 1000 - offset * 60;
  // RFC 3339 §5.6: second 60 only as a leap second, which ends a day in UTC.
  if (second === 60 && seconds % 86_400 !== 0) return undefined;
  const us = seconds * 1_000_000 + Number((parts[7] ?? '').padEnd(6, '0'));
  return us < 0 ? undefined : us;
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

function daysIn(year: number, month: number): number {
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return (DAYS[month - 1] ?? 0) + (leap ? 1 : 0);
}
