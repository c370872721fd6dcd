/**
 * One question to an NTP server, as SNTP (RFC 5905 §14, RFC 4330): 48 bytes out, 48 bytes back, four times, one offset.
 * No library on the registry was fit for it: those that are kept take any datagram for the answer, whoever sent it.
 *
 *   byte 0   leap indicator (2 bits), version (3), mode (3)        24-31  originate: our transmit, given back
 *   byte 1   stratum                                               32-39  receive: when the server got it      (T2)
 *   bytes 4-11  root delay, root dispersion, 16.16 seconds         40-47  transmit: when it answered           (T3)
 *
 * Our transmit timestamp is random: it says nothing about us, and an answer that does not give it back is not an answer.
 */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';

export type SntpErrorCode = 'timeout' | 'unreachable' | 'bad-answer' | 'refused' | 'server-unsynchronised';

export class SntpError extends Error {
  readonly code: SntpErrorCode;

  constructor(code: SntpErrorCode, message: string) {
    super(message);
    this.name = 'SntpError';
    this.code = code;
  }
}

export interface SntpAnswer {
  /** The local clock minus the server's, in microseconds: positive when the local clock is ahead. */
  readonly offsetUs: number;
  /** There and back, without the time that the server took. Half of it bounds the error of the offset. */
  readonly delayUs: number;
  readonly stratum: number;
}

export interface SntpOptions {
  readonly timeoutMs: number;
  /** The local clock, in microseconds since the Unix epoch. */
  readonly nowUs: () => number;
  /** Milliseconds that never go back; measures the way there and back. */
  readonly elapsedMs: () => number;
}

export const NTP_PORT = 123;
const PACKET_BYTES = 48;
const ORIGINATE = 24;
const RECEIVE = 32;
const TRANSMIT = 40;
const TIMESTAMP_BYTES = 8;
/** Version 4, mode 3 (client). */
const REQUEST_HEADER = 0x23;
const SERVER_MODE = 4;
const LEAP_UNSYNCHRONISED = 3;
const MAX_STRATUM = 15;
/** RFC 5905 MAXDISP: a server whose own error may be as large knows nothing. */
const MAX_ROOT_DISTANCE_SECONDS = 16;
/** From 1900 to 1970. */
const NTP_UNIX_SECONDS = 2_208_988_800;
const ERA_SECONDS = 2 ** 32;

/** Asks once. Throws SntpError. Nothing stays open. */
export function querySntp(host: string, port: number, options: SntpOptions): Promise<SntpAnswer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const cookie = new Uint8Array(randomBytes(TIMESTAMP_BYTES));
    const timer = setTimeout(() => fail('timeout', 'no answer in time'), options.timeoutMs);
    let sentUs = 0;
    let sentMs = 0;
    let isOpen = true;
    const finish = (): void => {
      clearTimeout(timer);
      if (isOpen) socket.close();
      isOpen = false;
    };
    const fail = (code: SntpErrorCode, message: string): void => {
      finish();
      reject(new SntpError(code, `${host}:${port}: ${message}`));
    };
    socket.on('error', (error) => fail('unreachable', error.message));
    socket.on('message', (packet) => {
      const elapsedUs = (options.elapsedMs() - sentMs) * 1000;
      try {
        const answer = readAnswer(packet, cookie, sentUs, elapsedUs);
        finish();
        resolve(answer);
      } catch (error) {
        // A datagram that is not the answer to this question is no reason to stop waiting for the one that is.
        if (error instanceof SntpError && error.code !== 'bad-answer') fail(error.code, error.message);
      }
    });
    // A connected socket takes datagrams from this one address only. Without a callback, failures are 'error' events.
    socket.on('connect', () => {
      sentUs = options.nowUs();
      sentMs = options.elapsedMs();
      socket.send(requestPacket(cookie));
    });
    socket.connect(port, host);
  });
}

function requestPacket(cookie: Uint8Array): Uint8Array {
  const packet = new Uint8Array(PACKET_BYTES);
  packet[0] = REQUEST_HEADER;
  packet.set(cookie, TRANSMIT);
  return packet;
}

/** The offset and delay of RFC 5905 §8, with T1 and T4 from the local clock. Throws SntpError. */
export function readAnswer(packet: Uint8Array, cookie: Uint8Array, sentUs: number, elapsedUs: number): SntpAnswer {
  const originate = packet.subarray(ORIGINATE, ORIGINATE + TIMESTAMP_BYTES);
  const header = packet[0] ?? 0;
  const isAnswer =
    packet.length >= PACKET_BYTES && (header & 7) === SERVER_MODE && originate.every((b, i) => b === cookie[i]);
  if (!isAnswer) throw new SntpError('bad-answer', 'not the answer to this question');
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const stratum = packet[1] ?? 0;
  // Kiss-o'-death (RFC 5905 §7.4): the reference id says why, in ASCII.
  if (stratum === 0) throw new SntpError('refused', `the server refuses (${asciiWord(packet.subarray(12, 16))})`);
  const rootDistance = view.getUint32(4) / 2 ** 17 + view.getUint32(8) / 2 ** 16;
  if (header >> 6 === LEAP_UNSYNCHRONISED || stratum > MAX_STRATUM || rootDistance >= MAX_ROOT_DISTANCE_SECONDS) {
    throw new SntpError('server-unsynchronised', 'the server says that it is not synchronised itself');
  }
  const nearUs = sentUs + elapsedUs / 2;
  const receivedUs = timestampUs(view, RECEIVE, nearUs);
  const transmittedUs = timestampUs(view, TRANSMIT, nearUs);
  if (view.getUint32(TRANSMIT) === 0 || transmittedUs < receivedUs)
    throw new SntpError('bad-answer', 'impossible times');
  const delayUs = Math.max(0, elapsedUs - (transmittedUs - receivedUs));
  const serverAheadUs = (receivedUs - sentUs + (transmittedUs - (sentUs + elapsedUs))) / 2;
  return { offsetUs: Math.round(-serverAheadUs), delayUs: Math.round(delayUs), stratum };
}

/** An NTP timestamp in microseconds since the Unix epoch, in the era in which it is nearest to the given time. */
function timestampUs(view: DataView, offset: number, nearUs: number): number {
  const seconds = view.getUint32(offset) - NTP_UNIX_SECONDS;
  const fractionUs = (view.getUint32(offset + 4) * 1_000_000) / ERA_SECONDS;
  const eras = Math.round((nearUs / 1_000_000 - seconds) / ERA_SECONDS);
  return (seconds + eras * ERA_SECONDS) * 1_000_000 + fractionUs;
}

function asciiWord(bytes: Uint8Array): string {
  return [...bytes].map((byte) => (byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '')).join('');
}
