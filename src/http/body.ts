/**
 * Request bodies: read once, as bytes, up to a size and within a time. A body that is too large is refused at its
 * declared length, before anything is read; one without a length, at the byte that is too many.
 */
import type { IncomingMessage } from 'node:http';
import { HttpProblem } from './problems.ts';
import type { RequestView } from './route.ts';

export interface BodyReader {
  /**
   * All bytes of the body. Throws HttpProblem `body-too-large`, `body-timeout`, `body-aborted`, `too-many-bodies` or
   * `unsupported-content-encoding`.
   */
  read(c: RequestView, maxBytes: number): Promise<Uint8Array>;
}

export interface BodyReaderOptions {
  readonly bodyTimeoutMs: number;
  readonly maxBufferedBytes: number;
}

export function createBodyReader({ bodyTimeoutMs, maxBufferedBytes }: BodyReaderOptions): BodyReader {
  /** What the bodies being read may grow to, together: their declared lengths, or their limits. */
  let reservedBytes = 0;

  return {
    async read(c, maxBytes) {
      const reservation = expectedBytes(c, maxBytes);
      if (reservedBytes + reservation > maxBufferedBytes) {
        throw new HttpProblem('too-many-bodies', 'Many large bodies are being read at this moment; try again shortly.');
      }
      reservedBytes += reservation;
      try {
        const incoming = c.env?.incoming;
        return incoming !== undefined && 'httpVersion' in incoming
          ? await readIncoming(incoming as IncomingMessage, maxBytes, bodyTimeoutMs)
          : await readStream(c.req.raw.body, maxBytes);
      } finally {
        reservedBytes -= reservation;
      }
    },
  };
}

function expectedBytes(c: RequestView, maxBytes: number): number {
  const encoding = c.req.header('content-encoding');
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new HttpProblem('unsupported-content-encoding', 'Send the body as it is, without a content encoding.');
  }
  const length = c.req.header('content-length');
  if (length === undefined) return maxBytes;
  const bytes = Number(length);
  if (!(bytes <= maxBytes)) throw tooLarge(maxBytes);
  return bytes;
}

/** Straight from the connection: no stream objects in between. */
function readIncoming(incoming: IncomingMessage, maxBytes: number, timeoutMs: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let byteCount = 0;
    const timer = setTimeout(() => fail(timedOut(timeoutMs)), timeoutMs);
    const settle = (): void => {
      clearTimeout(timer);
      incoming.off('data', onData);
      incoming.off('end', onEnd);
      incoming.off('error', onAbort);
      incoming.off('close', onAbort);
    };
    const fail = (error: HttpProblem): void => {
      settle();
      reject(error);
    };
    const onData = (chunk: Uint8Array): void => {
      byteCount += chunk.length;
      if (byteCount > maxBytes) fail(tooLarge(maxBytes));
      else chunks.push(chunk);
    };
    const onEnd = (): void => {
      settle();
      resolve(joined(chunks, byteCount));
    };
    const onAbort = (): void => fail(new HttpProblem('body-aborted', 'The connection ended before the body did.'));
    incoming.on('data', onData);
    incoming.on('end', onEnd);
    incoming.on('error', onAbort);
    incoming.on('close', onAbort);
    if (incoming.readableEnded) onEnd();
    else if (incoming.destroyed) onAbort();
  });
}

/** For `app.request`, which has no connection. */
async function readStream(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Uint8Array> {
  if (body === null) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  const reader = body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    byteCount += next.value.length;
    if (byteCount > maxBytes) {
      await reader.cancel();
      throw tooLarge(maxBytes);
    }
    chunks.push(next.value);
  }
  return joined(chunks, byteCount);
}

function joined(chunks: readonly Uint8Array[], byteCount: number): Uint8Array {
  const [first] = chunks;
  if (first !== undefined && chunks.length === 1) return first;
  return Buffer.concat(chunks, byteCount);
}

// The rest of a refused body is not worth reading: the connection is closed behind the answer.
const CLOSE = { headers: { connection: 'close' } };

function tooLarge(maxBytes: number): HttpProblem {
  return new HttpProblem('body-too-large', `The body may have at most ${maxBytes} bytes here.`, {
    ...CLOSE,
    members: { max_bytes: maxBytes },
  });
}

function timedOut(timeoutMs: number): HttpProblem {
  return new HttpProblem('body-timeout', `The whole body must arrive within ${timeoutMs / 1000} seconds.`, CLOSE);
}
