/** Zips byte by byte, good ones and such as no zip program would write. */
import { deflateRawSync } from 'node:zlib';
import { crc32 } from '../../proofs/zip.ts';

export interface ZipEntry {
  readonly name: string;
  readonly data: Uint8Array;
  readonly deflate?: boolean;
  /** Unix mode. */
  readonly mode?: number;
  readonly flags?: number;
  /** What the headers say instead of the truth. */
  readonly says?: { readonly size?: number; readonly crc?: number; readonly localName?: string };
  /** Bytes between this file and the next. */
  readonly gap?: Uint8Array;
}

export interface ZipOptions {
  readonly before?: Uint8Array;
  readonly after?: Uint8Array;
  readonly comment?: Uint8Array;
}

const FIXED_DATE = 0x00210000;

export function makeZip(entries: readonly ZipEntry[], options: ZipOptions = {}): Uint8Array {
  const { before = new Uint8Array(0), after = new Uint8Array(0), comment = new Uint8Array(0) } = options;
  const parts: Buffer[] = [Buffer.from(before)];
  const directory: Buffer[] = [];
  let offset = before.length;
  for (const entry of entries) {
    const { name, data, deflate = true, mode = 0o100644, flags = 0x0800, says = {}, gap = new Uint8Array(0) } = entry;
    const body = deflate ? deflateRawSync(data) : Buffer.from(data);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(flags, 2);
    common.writeUInt16LE(deflate ? 8 : 0, 4);
    common.writeUInt32LE(FIXED_DATE, 6);
    common.writeUInt32LE(says.crc ?? crc32(data), 10);
    common.writeUInt32LE(body.length, 14);
    common.writeUInt32LE(says.size ?? data.length, 18);
    common.writeUInt16LE(Buffer.byteLength(name), 22);
    const localName = Buffer.from(says.localName ?? name);
    const local = Buffer.concat([word(0x04034b50), common, localName, body, Buffer.from(gap)]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([word(0x02014b50), half(0x0314), common, tail, Buffer.from(name)]));
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  end.writeUInt16LE(comment.length, 16);
  const whole = Buffer.concat([...parts, central, word(0x06054b50), end, Buffer.from(comment), Buffer.from(after)]);
  return new Uint8Array(whole);
}

export function zipOf(files: ReadonlyMap<string, Uint8Array>, deflate: boolean = true): Uint8Array {
  return makeZip([...files].map(([name, data]) => ({ name, data, deflate })));
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value, 0);
  return bytes;
}

function half(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value, 0);
  return bytes;
}
