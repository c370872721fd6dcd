/**
 * A running witness server and the few requests that tests make, with answers short enough to read in a transcript:
 * `200`, `409 text/x.tlog.size "5\n"`, `422`.
 */
import { utf8Encode } from '../../../proofs/bytes.ts';
import { serveWitness } from '../../../witness/server.ts';
import type { Witness } from '../../../witness/witness.ts';

export interface WitnessClient {
  readonly url: string;
  readonly post: (path: string, body: Uint8Array | string) => Promise<Response>;
  /** Status of `POST /add-checkpoint`, and the type and text of the body where that is a 409. */
  readonly add: (body: Uint8Array | string) => Promise<string>;
  readonly get: (path: string) => Promise<Response>;
  readonly close: () => Promise<void>;
}

export async function serve(witness: Witness): Promise<WitnessClient> {
  const server = await serveWitness(witness, { host: '127.0.0.1', port: 0 });
  return {
    ...clientOf(server.url),
    close: async () => {
      await server.close();
      await witness.close();
    },
  };
}

export function clientOf(url: string): Omit<WitnessClient, 'close'> {
  const post = (path: string, body: Uint8Array | string): Promise<Response> =>
    fetch(url + path, { method: 'POST', body: typeof body === 'string' ? utf8Encode(body) : body });
  return {
    url,
    post,
    add: async (body) => transcript(await post('/add-checkpoint', body)),
    get: (path) => fetch(url + path),
  };
}

async function transcript(response: Response): Promise<string> {
  const body = await response.text();
  const leaked = response.status !== 200 && body.includes('\u2014 ');
  if (leaked) throw new Error(`status ${response.status} with a signature line`);
  if (response.status !== 409) return String(response.status);
  return `409 ${response.headers.get('content-type')} ${JSON.stringify(body)}`;
}
