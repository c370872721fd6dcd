/**
 * Tiles and entry bundles as C2SP tlog-tiles lays them out: immutable, static paths, one spelling each. Whatever is not
 * exactly such a path, a query string included, is 404 without any cache header.
 */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Type } from '@sinclair/typebox';
import { ProofError } from '../../proofs/errors.ts';
import { parseTilePath, type TileResource } from '../../proofs/tile.ts';
import { HttpProblem } from './problems.ts';
import { type PlainAnswer, PUBLIC_HEADERS } from './respond.ts';
import type { HotExchange, HotReadRoute, RequestView } from './route.ts';

const compress = promisify(gzip);
/** Entries are mostly hashes: more effort finds nothing more. */
const GZIP_LEVEL = 1;

const TILE_HEADERS = {
  ...PUBLIC_HEADERS,
  'content-type': 'application/octet-stream',
  'cache-control': 'public, max-age=31536000, immutable',
} as const;

const BUNDLE_HEADERS = { ...TILE_HEADERS, vary: 'accept-encoding' } as const;

export const tileRoutes: readonly HotReadRoute[] = [
  {
    method: 'GET',
    path: '/:log/tile/*',
    access: 'hot',
    description: {
      summary: 'A tile of the tree, or a bundle of entries',
      parameters: [
        {
          name: 'path',
          in: 'path',
          required: true,
          description:
            '`<L>/<N…>[.p/<W>]` or `entries/<N…>[.p/<W>]`, as in C2SP tlog-tiles: `0/x001/234`, `entries/000.p/7`.',
          schema: Type.String(),
        },
      ],
      answers: {
        200: {
          description: 'Hashes of 32 bytes each, or entries with their length in two bytes in front.',
          content: { 'application/octet-stream': Type.String({ format: 'binary' }) },
        },
        404: { description: 'No such tile under the newest signed head, or not its canonical path.' },
      },
    },
    answer: serveTile,
  },
];

async function serveTile({ c, served: { log } }: HotExchange): Promise<PlainAnswer> {
  const resource = tileResource(c, log.name);
  if (resource.level === 'entries')
    return bundleAnswer(c, found(await log.entryBundle(resource.index, resource.width)));
  return { status: 200, headers: TILE_HEADERS, body: found(await log.tile(resource)) };
}

function tileResource(c: RequestView, logName: string): TileResource {
  // The raw path: a percent-encoded spelling of the same tile would be a second name for a cache to keep.
  const url = c.req.url;
  const path = url.slice(url.indexOf('/', url.indexOf('//') + 2));
  const prefix = `/${logName}/`;
  if (!path.startsWith(prefix)) throw noTile();
  try {
    return parseTilePath(path.slice(prefix.length));
  } catch (error) {
    if (error instanceof ProofError) throw noTile();
    throw error;
  }
}

async function bundleAnswer(c: RequestView, bundle: Uint8Array<ArrayBuffer>): Promise<PlainAnswer> {
  if (!acceptsGzip(c.req.header('accept-encoding'))) return { status: 200, headers: BUNDLE_HEADERS, body: bundle };
  const compressed = await compress(bundle, { level: GZIP_LEVEL });
  return { status: 200, headers: { ...BUNDLE_HEADERS, 'content-encoding': 'gzip' }, body: compressed };
}

function acceptsGzip(header: string | undefined): boolean {
  if (header === undefined) return false;
  return header.split(',').some((coding) => /^(?:gzip|\*)(?: *; *q=(?!0(?:\.0*)?$).+)?$/i.test(coding.trim()));
}

function found(bytes: Uint8Array | undefined): Uint8Array<ArrayBuffer> {
  if (bytes === undefined) throw noTile();
  // The store and the tree reader hand out ordinary, unshared buffers.
  return bytes as Uint8Array<ArrayBuffer>;
}

function noTile(): HttpProblem {
  return new HttpProblem('unknown-tile', 'Not a tile or bundle of the newest signed head, or not its canonical path.');
}
