/**
 * One keep-alive HTTP/1.1 connection of the load generator: whole requests as bytes out, status and body in. It shares two
 * processors with the server it measures, so it does as little as it can: no header objects, no streams, no parsing of
 * bodies. It reads answers that have a content-length, which are all of ours.
 */
import { Buffer } from 'node:buffer';
import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

const EMPTY = Buffer.alloc(0);
const HEAD_END = '\r\n\r\n';
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;

export class Connection {
  readonly #url: URL;
  #socket: Socket;
  #held: Buffer = EMPTY;
  #waiting: Waiting | undefined;
  #failure: Error | undefined;
  /** The server closes a connection on which nothing comes for a while; the next request opens it again. */
  #isClosed = false;

  private constructor(url: URL, socket: Socket) {
    this.#url = url;
    this.#socket = socket;
    this.#listen();
  }

  static async open(url: URL): Promise<Connection> {
    return new Connection(url, await openSocket(url));
  }

  /** One request at a time. */
  request(bytes: Buffer): Promise<Answer> {
    if (this.#isClosed) return this.#reopen().then(() => this.request(bytes));
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) reject(this.#failure);
      else if (this.#waiting !== undefined) reject(new Error('this connection waits for an answer'));
      else {
        this.#waiting = { resolve, reject };
        this.#socket.write(bytes);
      }
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  async #reopen(): Promise<void> {
    this.#isClosed = false;
    this.#held = EMPTY;
    this.#socket = await openSocket(this.#url);
    this.#listen();
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on('data', (chunk: Buffer) => {
      // Without a request it is the word that the time to send one is over.
      if (this.#waiting !== undefined) this.#take(chunk);
    });
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => {
      if (this.#waiting === undefined) this.#isClosed = true;
      else this.#fail(new Error('the server closed the connection'));
    });
  }

  #take(chunk: Buffer): void {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const headEnd = this.#held.indexOf(HEAD_END);
    if (headEnd === -1) return;
    const head = this.#held.toString('latin1', 0, headEnd);
    const length = CONTENT_LENGTH.exec(head)?.[1];
    if (length === undefined) {
      this.#fail(new Error(`an answer without content-length: ${head.slice(0, 200)}`));
      return;
    }
    const bodyStart = headEnd + HEAD_END.length;
    const bodyEnd = bodyStart + Number(length);
    if (this.#held.length < bodyEnd) return;
    const body = this.#held.subarray(bodyStart, bodyEnd);
    this.#held = this.#held.length === bodyEnd ? EMPTY : this.#held.subarray(bodyEnd);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve({ status: Number(head.slice(9, 12)), body });
  }

  #fail(error: Error): void {
    if (this.#waiting === undefined) return;
    this.#failure ??= error;
    this.#waiting.reject(error);
    this.#waiting = undefined;
  }
}

function openSocket(url: URL): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

/** The bytes of one request; the body has `bodyBytes` room at the end, for the caller to fill. */
export function requestBytes(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  bodyBytes: number,
): { readonly bytes: Buffer; readonly bodyStart: number } {
  const lines = Object.entries({ host: 'localhost', ...headers, 'content-length': String(bodyBytes) });
  const head = `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  const bytes = Buffer.alloc(head.length + bodyBytes);
  bytes.write(head, 0, 'latin1');
  return { bytes, bodyStart: head.length };
}
