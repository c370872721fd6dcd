/** The files of a bundle's zip, inflated by the platform within its bounds. What is refused is decided in proofs/zip.ts. */
import { inflateRawSync } from 'node:zlib';
import { type Inflate, readZip } from '../../proofs/zip.ts';

/** Throws ProofError `invalid-zip`. */
export function readBundleZip(zip: Uint8Array): ReadonlyMap<string, Uint8Array> {
  return readZip(zip, inflate);
}

export const inflate: Inflate = (compressed, maxBytes) => {
  // zlib takes no bound of 0; one byte too many is as good a refusal.
  const result: unknown = inflateRawSync(compressed, { maxOutputLength: Math.max(1, maxBytes), info: true });
  const { buffer, used } = readInfo(result);
  if (used !== compressed.length) throw new RangeError('there is data behind the end of the stream');
  return buffer;
};

/** With `info`, zlib answers with the bytes and the engine, which knows how much it has read; the types do not say so. */
function readInfo(result: unknown): { readonly buffer: Uint8Array; readonly used: unknown } {
  if (typeof result !== 'object' || result === null || !('buffer' in result) || !('engine' in result)) {
    throw new TypeError('zlib gave no information');
  }
  const { buffer, engine } = result;
  if (!(buffer instanceof Uint8Array) || typeof engine !== 'object' || engine === null || !('bytesWritten' in engine)) {
    throw new TypeError('zlib gave no information');
  }
  return { buffer, used: engine.bytesWritten };
}
