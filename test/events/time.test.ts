import { describe, expect, it } from 'vitest';
import { parseTimeUs } from '../../src/events/time.ts';

describe('a time', () => {
  it.each([
    ['1970-01-01T00:00:00Z', 0],
    ['2026-01-08T14:32:07.123456Z', 1_767_882_727_123_456],
    ['2026-01-08T14:32:07.1Z', 1_767_882_727_100_000],
    ['2026-01-08T16:32:07.123456+02:00', 1_767_882_727_123_456],
    ['2026-01-08T09:02:07.123456-05:30', 1_767_882_727_123_456],
    ['2026-01-08T14:32:07-00:00', 1_767_882_727_000_000],
    ['2026-01-08t14:32:07z', 1_767_882_727_000_000],
    ['2024-02-29T00:00:00Z', 1_709_164_800_000_000],
    ['2000-02-29T23:59:59.999999Z', 951_868_799_999_999],
    ['2200-12-31T23:59:59.999999Z', 7_289_654_399_999_999],
    ['2016-12-31T23:59:60Z', 1_483_228_800_000_000],
    ['2017-01-01T00:59:60.5+01:00', 1_483_228_800_500_000],
  ])('%s is %i microseconds', (text, us) => {
    expect(parseTimeUs(text)).toBe(us);
    expect(Number.isSafeInteger(us)).toBe(true);
  });

  it('agrees with the platform at any millisecond', () => {
    for (let ms = 0; ms < 7_289_654_400_000; ms += 9_999_999_973) {
      expect(parseTimeUs(new Date(ms).toISOString())).toBe(ms * 1000);
    }
  });

  it('is taken for one exactly where the grammar of RFC 3339 says so', () => {
    const grammar = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})$/;
    const bases = ['2026-01-08T14:32:07.123456Z', '2026-01-08T14:32:07+02:00', '2026-01-08t14:32:07.1-05:30'];
    const units = [...'0189-+:.TtZz ,/;@', '\u0000', '\u0660', '１'];
    for (const base of bases) {
      for (let at = 0; at <= base.length; at++) {
        for (const unit of ['', ...units]) {
          for (const cut of [0, 1]) {
            const text = base.slice(0, at) + unit + base.slice(at + cut);
            const says = parseTimeUs(text) !== undefined;
            // A text of the grammar may still be no date; nothing else is ever taken.
            if (!grammar.test(text)) expect(says, text).toBe(false);
            else expect(says, text).toBe(isRealTime(text));
          }
        }
      }
    }
  });

  it.each([
    '',
    '2026-01-08',
    '2026-01-08T14:32:07',
    '2026-01-08 14:32:07Z',
    '2026-01-08T14:32Z',
    '2026-01-08T14:32:07.Z',
    '2026-01-08T14:32:07.1234567Z',
    '2026-01-08T14:32:07,5Z',
    '2026-01-08T14:32:07+0200',
    '2026-01-08T14:32:07+02',
    '2026-01-08T14:32:07 Z',
    ' 2026-01-08T14:32:07Z',
    '2026-01-08T14:32:07Z\n',
    '2026-1-8T14:32:07Z',
    '26-01-08T14:32:07Z',
    '+2026-01-08T14:32:07Z',
    '2026-02-29T00:00:00Z',
    '2100-02-29T00:00:00Z',
    '2026-04-31T00:00:00Z',
    '2026-00-08T00:00:00Z',
    '2026-13-08T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '2026-01-32T00:00:00Z',
    '2026-01-08T24:00:00Z',
    '2026-01-08T23:60:00Z',
    '2026-01-08T23:59:61Z',
    '2026-01-08T14:32:60Z',
    '2026-01-08T14:32:07+24:00',
    '2026-01-08T14:32:07+02:60',
    '1969-12-31T23:59:59Z',
    '1970-01-01T00:00:00+00:01',
    '2201-01-01T00:00:00Z',
    '９026-01-08T14:32:07Z',
    'now',
  ])('is refused: %j', (text) => {
    expect(parseTimeUs(text)).toBeUndefined();
  });
});

/** By the platform, for the plausible years. */
function isRealTime(text: string): boolean {
  const [year, month, day] = [text.slice(0, 4), text.slice(5, 7), text.slice(8, 10)].map(Number);
  const [hour, minute, second] = [text.slice(11, 13), text.slice(14, 16), text.slice(17, 19)].map(Number);
  const date = new Date(Date.UTC(year ?? 0, (month ?? 0) - 1, day, hour, minute, second));
  const isDate = date.getUTCFullYear() === year && date.getUTCMonth() + 1 === month && date.getUTCDate() === day;
  const zone = /[+-](\d{2}):(\d{2})$/.exec(text);
  const isZone = zone === null || (Number(zone[1]) <= 23 && Number(zone[2]) <= 59);
  const isClock = date.getUTCHours() === hour && date.getUTCMinutes() === minute && date.getUTCSeconds() === second;
  return isDate && isClock && isZone && (year ?? 0) >= 1970 && (year ?? 0) <= 2200;
}
