/**
 * Reading a zip of which there is exactly one reading (PKWARE APPNOTE 6.3.10, the part that evidence bundles use). Zip
 * libraries are lenient, each in its own way, so that one file can show two contents to two of them; here the structure
 * must account for every byte:
 *
 *   local header, name, data [, data descriptor]   for each file, one after the other, from byte 0
 *   central directory                              the same files in the same order, saying the same
 *   end of central directory                       22 bytes, no comment, at the very end
 *
 * Refused: names that are not among those expected, that stand twice or lead elsewhere; symbolic links and directories;
 * encryption, zip64, several disks, extra fields that say something else; data before, between or after; and files that
 * inflate beyond the bounds. `inflate` arrives as a parameter: a platform has its own.
 */
import { utf8Decode } from './bytes.ts';
import { ProofError } from './errors.ts';
import { quote } from './quote.ts';

export interface ZipBounds {
  readonly maxFiles: number;
  /** Of all files together, inflated. */
  readonly maxTotalBytes: number;
  /** Largest inflated ÷ compressed size of a file that is not small. */
  readonly maxRatio: number;
}

/** Raw DEFLATE (RFC 1951) to at most `maxBytes`; whatever it throws refuses the zip. It must use up all of its input. */
export type Inflate = (compressed: Uint8Array, maxBytes: number) => Uint8Array;

export const MAX_ZIP_BYTES: number = 1_073_741_824;
export const BUNDLE_ZIP_BOUNDS: ZipBounds = { maxFiles: 16, maxTotalBytes: 1_610_612_736, maxRatio: 100 };
/** Below this, a ratio says nothing. */
const SMALL_FILE_BYTES = 1_048_576;

/** Whether these bytes mean to be a zip. */
export function looksLikeZip(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 0x03 || bytes[2] === 0x05);
}

/** The files by name. Throws `invalid-zip`; `details.file` says which. */
export function readZip(
  zip: Uint8Array,
  inflate: Inflate,
  bounds: ZipBounds = BUNDLE_ZIP_BOUNDS,
): ReadonlyMap<string, Uint8Array> {
  if (zip.length > MAX_ZIP_BYTES) throw invalid(`it is larger than ${MAX_ZIP_BYTES} bytes`);
  const view = new DataView(zip.buffer, zip.byteOffset, zip.byteLength);
  const end = readEnd(view);
  if (end.count > bounds.maxFiles) throw invalid(`it has more than ${bounds.maxFiles} files`);
  const headers = readDirectory(zip, view, end);
  let total = 0;
  for (const { name, size, compressedSize } of headers) {
    total += size;
    if (total > bounds.maxTotalBytes) throw invalid(`its files have more than ${bounds.maxTotalBytes} bytes`, name);
    if (size > SMALL_FILE_BYTES && size > compressedSize * bounds.maxRatio) {
      throw invalid('a file inflates more than evidence does: a zip bomb', name);
    }
  }
  const files = new Map<string, Uint8Array>();
  let offset = 0;
  for (const header of headers) {
    if (header.offset !== offset) throw invalid('there are bytes that belong to no file', header.name);
    if (files.has(header.name)) throw invalid('two files have one name', header.name);
    const data = readLocal(zip, view, header);
    files.set(header.name, contentOf(header, zip.subarray(data.start, data.end), inflate));
    offset = data.next;
  }
  if (offset !== end.directory) throw invalid('there are bytes that belong to no file');
  return files;
}

const END_SIGNATURE = 0x06054b50;
const CENTRAL_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const DESCRIPTOR_SIGNATURE = 0x08074b50;
const END_BYTES = 22;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;
const DESCRIPTOR_BYTES = 16;
const STORED = 0;
const DEFLATED = 8;
/** Sizes follow the data (bit 3), the name is UTF-8 (bit 11); nothing else is understood. */
const FLAG_DESCRIPTOR = 0x0008;
const FLAG_UTF8 = 0x0800;
const MAX_NAME_BYTES = 100;
/** Plain names in one folder: no separators, no drive, no leading dot. */
const NAME = /^[A-Za-z][A-Za-z0-9._-]*$/;
/** Upper half of the external attributes: a Unix mode, or nothing. */
const FILE_TYPE_MASK = 0xf000;
const REGULAR_FILE = 0x8000;

interface Header {
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly offset: number;
}

function readEnd(view: DataView): { readonly count: number; readonly directory: number; readonly at: number } {
  const at = view.byteLength - END_BYTES;
  if (at < 0 || view.getUint32(at, true) !== END_SIGNATURE) {
    throw invalid('it does not end in the end of its directory: it was cut off, or something was appended');
  }
  const [count, length] = [view.getUint16(at + 10, true), view.getUint32(at + 12, true)];
  const directory = view.getUint32(at + 16, true);
  if (
    view.getUint32(at + 4, true) !== 0 ||
    view.getUint16(at + 8, true) !== count ||
    view.getUint16(at + 20, true) !== 0
  ) {
    throw invalid('it has several disks, or a comment');
  }
  if (directory + length !== at) throw invalid('its directory is not where it says');
  return { count, directory, at };
}

function readDirectory(zip: Uint8Array, view: DataView, end: ReturnType<typeof readEnd>): readonly Header[] {
  const headers: Header[] = [];
  let at = end.directory;
  for (let i = 0; i < end.count; i++) {
    if (at + CENTRAL_BYTES > end.at || view.getUint32(at, true) !== CENTRAL_SIGNATURE) {
      throw invalid('its directory is damaged');
    }
    const [nameBytes, extra, comment] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    const name = readName(zip, at + CENTRAL_BYTES, nameBytes ?? 0);
    if (extra !== 0 || comment !== 0) throw invalid('a file has extra fields or a comment', name);
    const type = (view.getUint32(at + 38, true) >>> 16) & FILE_TYPE_MASK;
    if (type !== 0 && type !== REGULAR_FILE) throw invalid('it is a link, or no regular file', name);
    if ((view.getUint32(at + 38, true) & 0x10) !== 0) throw invalid('it is a directory', name);
    if (view.getUint16(at + 34, true) !== 0) throw invalid('it is on another disk', name);
    headers.push({
      name,
      flags: view.getUint16(at + 8, true),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      compressedSize: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      offset: view.getUint32(at + 42, true),
    });
    at += CENTRAL_BYTES + (nameBytes ?? 0);
  }
  if (at !== end.at) throw invalid('its directory has more than it counts');
  return headers;
}

function readLocal(
  zip: Uint8Array,
  view: DataView,
  header: Header,
): { readonly start: number; readonly end: number; readonly next: number } {
  const { name, flags, method, crc, compressedSize, size, offset } = header;
  const damaged = (): ProofError => invalid('its own header says something else than the directory', name);
  if ((flags & ~(FLAG_DESCRIPTOR | FLAG_UTF8)) !== 0) throw invalid('it is encrypted, or of a kind unknown here', name);
  if (offset + LOCAL_BYTES > view.byteLength || view.getUint32(offset, true) !== LOCAL_SIGNATURE) throw damaged();
  const nameBytes = view.getUint16(offset + 26, true);
  if (view.getUint16(offset + 6, true) !== flags || view.getUint16(offset + 8, true) !== method) throw damaged();
  if (view.getUint16(offset + 28, true) !== 0) throw invalid('it has extra fields', name);
  if (readName(zip, offset + LOCAL_BYTES, nameBytes) !== name) throw damaged();
  const streamed = (flags & FLAG_DESCRIPTOR) !== 0;
  const sizesAt = (at: number): boolean =>
    view.getUint32(at, true) === crc &&
    view.getUint32(at + 4, true) === compressedSize &&
    view.getUint32(at + 8, true) === size;
  const start = offset + LOCAL_BYTES + nameBytes;
  const end = start + compressedSize;
  const next = streamed ? end + DESCRIPTOR_BYTES : end;
  if (next > view.byteLength) throw damaged();
  if (!streamed && !sizesAt(offset + 14)) throw damaged();
  if (streamed && (view.getUint32(end, true) !== DESCRIPTOR_SIGNATURE || !sizesAt(end + 4))) throw damaged();
  return { start, end, next };
}

function contentOf({ name, method, crc, size }: Header, data: Uint8Array, inflate: Inflate): Uint8Array {
  if (method !== STORED && method !== DEFLATED) throw invalid('it is compressed in a way unknown here', name);
  const content = method === STORED ? data : inflateChecked(name, data, size, inflate);
  if (content.length !== size || crc32(content) !== crc) throw invalid('its content is damaged', name);
  return content;
}

function inflateChecked(name: string, data: Uint8Array, size: number, inflate: Inflate): Uint8Array {
  try {
    return inflate(data, size);
  } catch {
    throw invalid('it does not inflate to what it says', name);
  }
}

function readName(zip: Uint8Array, at: number, length: number): string {
  if (length > MAX_NAME_BYTES || at + length > zip.length) throw invalid('a name is too long');
  let name: string;
  try {
    name = utf8Decode(zip.subarray(at, at + length));
  } catch {
    throw invalid('a name is not UTF-8');
  }
  if (!NAME.test(name)) throw invalid(`${quote(name)} is no plain file name`);
  return name;
}

const CRC_TABLE: Uint32Array = makeCrcTable();

function makeCrcTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    table[n] = c;
  }
  return table;
}

/** CRC-32 as zip has it: unsigned. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = (CRC_TABLE[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function invalid(what: string, file?: string): ProofError {
  const message = file === undefined ? `zip: ${what}` : `zip: ${quote(file)}: ${what}`;
  return new ProofError('invalid-zip', message, file === undefined ? {} : { file });
}
