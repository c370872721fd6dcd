/** The clock and its sources: SNTP against servers on the loopback interface, chrony by what it prints. */
import { createSocket, type RemoteInfo } from 'node:dgram';
import { describe, expect, it } from 'vitest';
import {
  type ClockReading,
  type ClockSources,
  checkClock,
  clockEvent,
  systemSources,
  UNCHECKED,
} from '../../src/trail/clock/check-clock.ts';
import { ChronyError, parseTracking } from '../../src/trail/clock/chrony.ts';
import { querySntp, readAnswer, SntpError } from '../../src/trail/clock/sntp.ts';
import { watchConfig } from '../../src/trail/watch/config.ts';

const NOW_US = 1_767_882_727_123_456;
const NTP_UNIX = 2_208_988_800;

/** The answer of an honest server whose clock is this far from ours. */
function answerTo(
  request: Uint8Array,
  serverUs: number,
  changes: (packet: Uint8Array, view: DataView) => void = () => undefined,
): Uint8Array {
  const packet = new Uint8Array(48);
  const view = new DataView(packet.buffer);
  packet.set([0x24, 2, 6, 0xec]);
  packet.set(request.subarray(40, 48), 24);
  for (const at of [32, 40]) {
    view.setUint32(at, (Math.floor(serverUs / 1e6) + NTP_UNIX) % 2 ** 32);
    view.setUint32(at + 4, Math.floor(((serverUs % 1e6) * 2 ** 32) / 1e6));
  }
  changes(packet, view);
  return packet;
}

type Reply = (request: Uint8Array, send: (packet: Uint8Array) => void, from: RemoteInfo) => void;

async function withServer<T>(reply: Reply, work: (port: number) => Promise<T>): Promise<T> {
  const server = createSocket('udp4');
  server.on('message', (request, from) =>
    reply(request, (packet) => server.send(packet, from.port, from.address), from),
  );
  await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
  try {
    return await work(server.address().port);
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

const options = { timeoutMs: 2_000, nowUs: () => NOW_US, elapsedMs: () => performance.now() };

describe('SNTP', () => {
  it.each([0, 4_000_000, -4_000_000, 123_000, 3_600_000_000])('measures a clock that is %i µs ahead', async (ahead) => {
    const answer = await withServer(
      (request, send) => send(answerTo(request, NOW_US - ahead)),
      (port) => querySntp('127.0.0.1', port, options),
    );
    expect(Math.abs(answer.offsetUs - ahead)).toBeLessThanOrEqual(answer.delayUs / 2 + 2);
    expect(answer.stratum).toBe(2);
  });

  it('sends 48 bytes as a client of version 4, and nothing about its own clock', async () => {
    const requests: Uint8Array[] = [];
    for (let i = 0; i < 2; i++) {
      await withServer(
        (request, send) => {
          requests.push(new Uint8Array(request));
          send(answerTo(request, NOW_US));
        },
        (port) => querySntp('127.0.0.1', port, options),
      );
    }
    for (const request of requests) {
      expect(request).toHaveLength(48);
      expect(request[0]).toBe(0x23);
      expect(request.subarray(1, 40).every((byte) => byte === 0)).toBe(true);
    }
    expect(requests[0]?.subarray(40)).not.toEqual(requests[1]?.subarray(40));
  });

  it('waits for the answer to its question, whatever else arrives before it', async () => {
    const answer = await withServer(
      (request, send) => {
        send(new Uint8Array(0));
        send(new Uint8Array(47));
        send(answerTo(request, NOW_US + 9e6, (packet) => packet.set([1, 2, 3, 4, 5, 6, 7, 8], 24)));
        send(answerTo(request, NOW_US + 9e6, (packet) => packet.set([0x23])));
        send(answerTo(request, NOW_US + 9e6, (_, view) => view.setUint32(40, 0)));
        send(answerTo(request, NOW_US));
      },
      (port) => querySntp('127.0.0.1', port, options),
    );
    expect(Math.abs(answer.offsetUs)).toBeLessThan(1_000_000);
  });

  it('gives up after its time', async () => {
    const asked = withServer(
      () => undefined,
      (port) => querySntp('127.0.0.1', port, { ...options, timeoutMs: 50 }),
    );
    await expect(asked).rejects.toMatchObject({ code: 'timeout' });
  });

  it.each([
    [
      'a kiss of death',
      'refused',
      (packet: Uint8Array) => packet.set([0x24, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x52, 0x41, 0x54, 0x45]),
    ],
    ['an alarm', 'server-unsynchronised', (packet: Uint8Array) => packet.set([0xe4])],
    ['stratum 16', 'server-unsynchronised', (packet: Uint8Array) => packet.set([0x24, 16])],
    ['a root that is 16 seconds away', 'server-unsynchronised', (packet: Uint8Array) => packet.set([0, 16, 0, 0], 8)],
  ])('does not take the time from a server with %s', async (_, code, changes) => {
    const asked = withServer(
      (request, send) => send(answerTo(request, NOW_US, changes)),
      (port) => querySntp('127.0.0.1', port, options),
    );
    await expect(asked).rejects.toMatchObject({ code });
  });

  it('says that nobody is there', async () => {
    const port = await withServer(
      () => undefined,
      async (free) => free,
    );
    await expect(querySntp('127.0.0.1', port, { ...options, timeoutMs: 500 })).rejects.toBeInstanceOf(SntpError);
    await expect(querySntp('nobody.invalid', 123, options)).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('reads times beyond 2036, when the seconds of NTP begin anew', () => {
    const later = 2_200_000_000_000_000;
    const request = new Uint8Array(48).fill(7);
    const { offsetUs } = readAnswer(answerTo(request, later - 5_000), request.subarray(40), later, 0);
    expect(offsetUs).toBe(5_000);
  });

  it('refuses an answer with any byte of the cookie changed', () => {
    const request = new Uint8Array(48).fill(7);
    for (let i = 24; i < 32; i++) {
      const answer = answerTo(request, NOW_US, (packet) => packet.set([8], i));
      expect(() => readAnswer(answer, request.subarray(40), NOW_US, 0)).toThrow(SntpError);
    }
  });
});

const TRACKING = `Reference ID    : C0A80101 (192.168.1.1)
Stratum         : 3
Ref time (UTC)  : Thu Jan 08 14:32:07 2026
System time     : 0.000123456 seconds slow of NTP time
Last offset     : -0.000000747 seconds
RMS offset      : 0.000035822 seconds
Frequency       : 3.225 ppm slow
Root delay      : 0.013639022 seconds
Root dispersion : 0.001100737 seconds
Leap status     : Normal
`;

describe('chrony', () => {
  it('says how far the clock is off, and in which direction', () => {
    expect(parseTracking(TRACKING)).toEqual({ offsetUs: -123, stratum: 3 });
    expect(parseTracking(TRACKING.replace('slow of', 'fast of'))).toEqual({ offsetUs: 123, stratum: 3 });
  });

  it.each([
    ['a clock that is not synchronised', TRACKING.replace('Normal', 'Not synchronised')],
    ['no reference', TRACKING.replace(': 3', ': 0')],
    ['another report', '506 Cannot talk to daemon\n'],
    ['nothing', ''],
    ['no direction', TRACKING.replace('slow of NTP', 'of NTP')],
  ])('is no confirmation with %s', (_, report) => {
    expect(() => parseTracking(report)).toThrow(ChronyError);
  });
});

describe('a check of the clock', () => {
  const { clock } = watchConfig({ clock: { servers: ['a', 'b:1234', 'c'] } });
  const sources = (offsets: readonly (number | null)[]): ClockSources => {
    const left = [...offsets];
    return {
      nowMs: () => NOW_US / 1_000,
      query: async () => {
        const offsetUs = left.shift();
        if (offsetUs === null || offsetUs === undefined) throw new SntpError('unreachable', 'nobody');
        return { offsetUs, delayUs: 100, stratum: 2 };
      },
      tracking: async () => TRACKING,
    };
  };
  const check = (offsets: readonly (number | null)[], before?: ClockReading) =>
    checkClock(clock, sources(offsets), before);

  it('is synchronised up to 50 ms, by the median of its sources, and off beyond', async () => {
    expect(await check([50_000, 50_000, 50_000])).toMatchObject({ state: 'synchronised', offsetUs: 50_000 });
    expect(await check([50_001, 50_001, 50_001])).toMatchObject({ state: 'offset', offsetUs: 50_001 });
    expect(await check([-50_001, -50_001, -50_001])).toMatchObject({ state: 'offset' });
    expect(await check([10, 9_000_000, 20])).toMatchObject({ state: 'synchronised', offsetUs: 20 });
    expect(await check([10, 9_000_000, null])).toMatchObject({ state: 'offset', offsetUs: 9_000_000 });
    expect(await check([null, 30, null])).toMatchObject({ state: 'synchronised', offsetUs: 30 });
  });

  it('is unsynchronised when nobody answered, not at the first failure after a good check', async () => {
    const none = [null, null, null];
    expect(await check(none)).toMatchObject({ state: 'unsynchronised', offsetUs: null });
    const once = await check(none, await check([1, 2, 3]));
    expect(once).toMatchObject({ state: 'synchronised', offsetUs: null });
    expect(await check(none, once)).toMatchObject({ state: 'unsynchronised' });
  });

  it('is unchecked without sources, and asks chrony where it is told to', async () => {
    expect(await checkClock(watchConfig({}).clock, sources([]))).toEqual(UNCHECKED);
    const chrony = await checkClock(watchConfig({ clock: { chrony: true } }).clock, sources([]));
    expect(chrony).toMatchObject({ state: 'synchronised', offsetUs: -123, sources: [{ source: 'chrony' }] });
  });

  it('asks a server again that lost a datagram, and not one that refused', async () => {
    const asked: string[] = [];
    const one = watchConfig({ clock: { servers: ['[::1]:99'] } }).clock;
    const query =
      (code: 'timeout' | 'refused'): ClockSources['query'] =>
      async (host, port) => {
        asked.push(`${code} ${host} ${port}`);
        throw new SntpError(code, 'no');
      };
    for (const code of ['timeout', 'refused'] as const) await checkClock(one, { ...sources([]), query: query(code) });
    expect(asked).toEqual(['timeout ::1 99', 'timeout ::1 99', 'timeout ::1 99', 'refused ::1 99']);
  });

  it('works with real sockets, and its entry says what each source said', async () => {
    await withServer(
      (request, send) => send(answerTo(request, Date.now() * 1_000)),
      async (port) => {
        const servers = [`127.0.0.1:${port}`, '127.0.0.1:1'];
        const config = watchConfig({ clock: { servers } }).clock;
        const reading = await checkClock(config, systemSources({ timeoutMs: 300 }));
        expect(reading.state).toBe('synchronised');
        const event = clockEvent(reading);
        expect(event).toMatchObject({ action: 'countersign.clock.check', outcome: { result: 'success' } });
        expect(event.context).toMatchObject({ sources: [{ source: servers[0], error: null }, { offset_us: null }] });
      },
    );
  });
});
