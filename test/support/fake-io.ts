/** An Io for the command line that keeps what was said, with the parts of the world that a test gives it. */
import type { Io } from '../../src/cli/io.ts';

export interface FakeIo {
  readonly io: Io;
  readonly out: () => string;
  readonly err: () => string;
}

export function fakeIo(world: Partial<Io> = {}): FakeIo {
  let out = '';
  let err = '';
  const io: Io = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    interactive: false,
    env: {},
    nowMs: Date.now,
    readStdin: async () => new Uint8Array(),
    fetch: () => Promise.reject(new Error('this test has no network')),
    exitWith: () => undefined,
    ...world,
  };
  return { io, out: () => out, err: () => err };
}
