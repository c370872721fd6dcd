/**
 * Everyone around the log hangs: a witness that takes connections and says nothing, clients that never finish their
 * body, readers that take one packet and no more. Submissions go on, and checkpoints with the witness that answers.
 */
import { createConnection, type Socket } from 'node:net';
import type { FaultKind } from '../kind.ts';
import { pause, settle, startLoad } from '../load.ts';
import { checkPromises } from '../oracle.ts';
import { mustStart, type RunningLog, type World } from '../world.ts';

const UNFINISHED = 40;
const SLOW_READERS = 4;
const LASTING_MS = 500;
const WITHIN_MS = 20_000;
const POLL_MS = 20;

export const hangingPeers: FaultKind = {
  name: 'hung witness, slow readers, unfinished bodies',
  counts: { full: 10, quick: 1 },
  needs: { witness: true, hungWitness: true },
  async run({ world, ledger, heads, random, tally, count, progress }) {
    const log = await mustStart(world);
    for (let done = 0; done < count; done++) {
      const sockets = [
        ...Array.from({ length: UNFINISHED }, () => unfinishedBody(log, world)),
        ...Array.from({ length: SLOW_READERS }, () => slowReader(log, world)),
      ];
      tally.faults += 1;
      const load = startLoad(log, world, ledger, random);
      await pause(LASTING_MS);
      const answers = load.answers();
      for (const deadline = Date.now() + WITHIN_MS; load.answers() === answers; await pause(POLL_MS)) {
        if (Date.now() > deadline) throw new Error(`no answer beside clients that hang: ${log.said()}`);
      }
      await load.stop();
      await settle(log, world, ledger);
      tally.checked += (await checkPromises(log, world, ledger, heads)).events;
      await mustPublish(log);
      for (const socket of sockets) socket.destroy();
      progress(done + 1);
    }
    await log.stop();
  },
};

function unfinishedBody(log: RunningLog, { tokens }: World): Socket {
  const head = `POST /audit/events HTTP/1.1\r\nHost: log.example\r\nAuthorization: Bearer ${tokens.producer}\r\n`;
  return connect(log, `${head}Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{"event_id":`);
}

function slowReader(log: RunningLog, { tokens }: World): Socket {
  const head = `GET /audit/export.ndjson HTTP/1.1\r\nHost: log.example\r\nAuthorization: Bearer ${tokens.auditor}\r\n\r\n`;
  const socket = connect(log, head);
  socket.once('data', () => socket.pause());
  return socket;
}

function connect({ baseUrl }: RunningLog, text: string): Socket {
  const { hostname, port } = new URL(baseUrl);
  const socket = createConnection(Number(port), hostname, () => socket.write(text));
  return socket.on('error', () => undefined);
}

/** The witness that answers is the quorum: the other one must not hold it up. */
async function mustPublish({ url, said }: RunningLog): Promise<void> {
  const sizeOf = async (name: string): Promise<number> =>
    Number((await (await fetch(`${url}/${name}`)).text()).split('\n')[1]);
  const wanted = await sizeOf('head');
  for (const deadline = Date.now() + WITHIN_MS; (await sizeOf('checkpoint')) < wanted; await pause(POLL_MS)) {
    if (Date.now() > deadline) throw new Error(`no checkpoint of ${wanted} beside a witness that hangs: ${said()}`);
  }
}
