/** watch.json: what it may say, what holds without it, and what is refused with the name of the member. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readWatchConfig, WatchConfigError, watchConfig } from '../../src/trail/watch/config.ts';
import { matcher } from '../../src/trail/watch/patterns.ts';
import { withDirectory } from '../support/test-log.ts';

describe('watch.json', () => {
  it('need not exist, and then a heartbeat comes every minute and nobody is asked for the time', () =>
    withDirectory(async (directory) => {
      const config = await readWatchConfig(join(directory, 'watch.json'));
      expect(config).toEqual(watchConfig({}));
      expect(config).toMatchObject({
        heartbeatMs: 60_000,
        settleUs: 2_000_000,
        skew: { limitUs: 2_000_000 },
        offHours: null,
        alerts: null,
        clock: { servers: [], chrony: false, maxOffsetUs: 50_000, refuseUnsynchronised: false },
      });
    }));

  it('may say everything at once', () => {
    const config = watchConfig({
      heartbeat_seconds: 10,
      window_seconds: 600,
      sequence: { settle_ms: 0 },
      silence: { after_seconds: 60 },
      skew: { limit_ms: 500, late_after_seconds: 3_600 },
      correlation: { timeout_seconds: 30, budget: 4, start_words: ['go'], outcome_words: ['gone'] },
      mass_export: { actions: ['x.*'], events: 1, records: 2, record_members: ['n'] },
      off_hours: {
        timezone: 'Europe/Berlin',
        days: ['mon'],
        from: '09:30',
        to: '24:00',
        actions: ['*'],
        actor_types: ['user'],
      },
      privilege: { actions: ['x.grant'], roles: ['boss'] },
      producers: { tok_a: { silent_after_seconds: null, skew_limit_ms: 9, historic: true } },
      clock: {
        servers: ['ntp.example:123'],
        chrony: true,
        check_seconds: 60,
        max_offset_ms: 0.5,
        refuse_unsynchronised: true,
      },
      alerts: { url: 'https://alerts.example/x', secret_file: 'keys/alerts.secret', min_severity: 'low' },
    });
    expect(config.silence).toEqual({ afterUs: 60_000_000, learn: false });
    expect(config.offHours).toMatchObject({ fromMinute: 570, toMinute: 1_440 });
    expect(config.producers.get('tok_a')).toEqual({ silentAfterUs: null, skewLimitUs: 9_000, historic: true });
    expect(config.clock).toMatchObject({ maxOffsetUs: 500, checkMs: 60_000 });
  });

  it.each([
    [{ heartbeat: 5 }, '/heartbeat'],
    [{ heartbeat_seconds: -1 }, '/heartbeat_seconds'],
    [{ skew: { limit_ms: 1.5 } }, '/skew/limit_ms'],
    [{ off_hours: {} }, '/off_hours/timezone'],
    [{ off_hours: { timezone: 'Middle-earth/Shire' } }, '/off_hours/timezone'],
    [{ off_hours: { timezone: 'UTC', from: '18:00', to: '08:00' } }, '/off_hours'],
    [{ off_hours: { timezone: 'UTC', from: '25:00' } }, '/off_hours/from'],
    [{ off_hours: { timezone: 'UTC', days: ['monday'] } }, '/off_hours/days/0'],
    [{ clock: { refuse_unsynchronised: true } }, '/clock/refuse_unsynchronised'],
    [{ clock: { servers: Array.from({ length: 9 }, () => 'x') } }, '/clock/servers'],
    [{ alerts: { url: 'ftp://x', secret_file: 'x' } }, '/alerts/url'],
    [{ alerts: { url: 'https://x' } }, '/alerts/secret_file'],
    [{ producers: { tok_a: { silent: 1 } } }, '/producers/tok_a/silent'],
    [[], 'it: Expected object'],
    [null, 'it: Expected object'],
  ])('is refused with the member at fault: %j', (file, member) => {
    expect(() => watchConfig(file)).toThrow(WatchConfigError);
    expect(() => watchConfig(file)).toThrow(member);
  });

  it('is refused by its name when it is not JSON', () =>
    withDirectory(async (directory) => {
      const file = join(directory, 'watch.json');
      await writeFile(file, '{');
      await expect(readWatchConfig(file)).rejects.toThrow(file);
      await expect(readWatchConfig(directory)).rejects.toMatchObject({ code: 'invalid-watch-config' });
    }));
});

describe('a list of patterns', () => {
  it('matches whole words, and anything where an asterisk stands', () => {
    const matches = matcher(['role.grant', '*.export', 'a.*.z', 'x+y', '[b]']);
    for (const text of ['role.grant', 'a.export', 'a.b.export', 'a..z', 'a.b.c.z', 'x+y', '[b]']) {
      expect(matches(text), text).toBe(true);
      expect(matches(text), text).toBe(true);
    }
    for (const text of ['role.grants', 'xrole.grant', 'export', 'a.z', 'xxy', 'b', ''])
      expect(matches(text), text).toBe(false);
  });
});
