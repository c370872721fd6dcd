/**
 * A copy of a log as files (C2SP tlog-tiles), and a server on loopback that answers with them, or lies: what repair,
 * restore and fsck are given by people whom nobody trusts.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import path from 'node:path';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { decodeEntryBundle, encodeEntryBundle, formatTilePath, newBundles, tilesForSize } from '../../proofs/tile.ts';

/** By their paths below the prefix: `checkpoint`, `tile/…`. */
export type CopyFiles = ReadonlyMap<string, Uint8Array>;

/** Everything that a log serves at this URL. */
export async function readTiledCopy(url: string): Promise<CopyFiles> {
  const read = async (name: string): Promise<Uint8Array> => {
    const response = await fetch(`${url}/${name}`);
    if (response.status !== 200) throw new Error(`${name}: ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  };
  const checkpoint = await read('checkpoint');
  const { size } = parseCheckpoint(checkpoint).checkpoint;
  const files = new Map([['checkpoint', checkpoint]]);
  for (const resource of [...tilesForSize(size), ...newBundles(0, size)]) {
    const name = formatTilePath(resource);
    files.set(name, await read(name));
  }
  return files;
}

export async function writeTiledCopy(directory: string, files: CopyFiles): Promise<string> {
  for (const [name, bytes] of files) {
    await mkdir(path.dirname(path.join(directory, name)), { recursive: true });
    await writeFile(path.join(directory, name), bytes);
  }
  return directory;
}

/** The files with some of them replaced, or gone. */
export function changed(
  files: CopyFiles,
  change: (name: string, bytes: Uint8Array) => Uint8Array | undefined,
): CopyFiles {
  return new Map(
    [...files].flatMap(([name, bytes]) => {
      const after = change(name, bytes.slice());
      return after === undefined ? [] : [[name, after] as const];
    }),
  );
}

/** The file of a copy that holds the entry has another one in its place, of the same length. */
export function withAlteredEntries(files: CopyFiles, indices: readonly number[]): CopyFiles {
  return changed(files, (name, bytes) => {
    const first = bundleStart(name);
    if (first === undefined) return bytes;
    const entries = decodeEntryBundle(bytes).map((entry, i) =>
      indices.includes(first + i) ? entry.map((byte, at) => (at === 60 ? byte ^ 1 : byte)) : entry,
    );
    return encodeEntryBundle(entries);
  });
}

function bundleStart(name: string): number | undefined {
  const match = /^tile\/entries\/([0-9]{3})(\.p\/[0-9]+)?$/.exec(name);
  return match === null ? undefined : Number(match[1]) * 256;
}

export interface CopyServer {
  readonly url: string;
  /** Paths that were asked for. */
  readonly asked: readonly string[];
  readonly close: () => Promise<void>;
}

/** `answer` may take a request over: true when it did. */
export async function serveCopy(
  files: CopyFiles,
  answer: (name: string, response: ServerResponse) => boolean = () => false,
): Promise<CopyServer> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const name = (request.url ?? '').slice(1);
    asked.push(name);
    if (answer(name, response)) return;
    const bytes = files.get(name);
    response.writeHead(bytes === undefined ? 404 : 200);
    response.end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    asked,
    url: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
