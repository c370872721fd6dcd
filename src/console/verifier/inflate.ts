/**
 * Raw DEFLATE for the zip of a bundle, in the page: into room for exactly what the zip says, and not a byte more. A pure
 * library, and not the browser's own decompression, so that every browser refuses the same streams as the command line.
 */
import { Z_FINISH, Z_STREAM_END, ZStream, zlibInflate, zlibInflateEnd, zlibInflateInit2 } from 'pako';
import type { Inflate } from '../../../proofs/zip.ts';

/** Negative: no zlib header and no check sum around the stream (RFC 1951 alone), with the largest window. */
const RAW_WINDOW_BITS = -15;

export const inflate: Inflate = (compressed, maxBytes) => {
  const stream = new ZStream();
  zlibInflateInit2(stream, RAW_WINDOW_BITS);
  stream.input = compressed;
  stream.next_in = 0;
  stream.avail_in = compressed.length;
  // A stream of nothing needs room, too; one byte too many is as good a refusal.
  stream.output = new Uint8Array(Math.max(1, maxBytes));
  stream.next_out = 0;
  stream.avail_out = stream.output.length;
  const status = zlibInflate(stream, Z_FINISH);
  zlibInflateEnd(stream);
  if (status !== Z_STREAM_END) throw new RangeError('the stream does not end within its size');
  if (stream.avail_in !== 0) throw new RangeError('there is data behind the end of the stream');
  return stream.output.subarray(0, stream.total_out);
};
