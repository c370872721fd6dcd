/**
 * Requests that were valid once, mutated. The parser gives a typed refusal or a value that spells the same bytes again;
 * the witness gives one of the answers of the specification, signs nothing but what it should, and stays well.
 *
 *     FUZZ_RUNS=1000000 FUZZ_SEED=7 npx vitest run test/witness/fuzz.test.ts
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { base64Encode, concatBytes, utf8Encode } from '../../proofs/bytes.ts';
import { formatNote } from '../../proofs/note.ts';
import { Refused } from '../../witness/reply.ts';
import {
  type AddCheckpointRequest,
  parseAddCheckpoint,
  parseSignSubtree,
  type SignSubtreeRequest,
  type UnverifiedHead,
} from '../../witness/request.ts';
import { memoryWitness, testLog } from './support/witness.ts';

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 10_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const MS_PER_RUN = 5;

const log = testLog();
const hash = base64Encode(log.tree.root(0, 4));
const addSeeds = [log.request(0, 5), log.request(5, 8), log.request(7, 600), log.request(0, 0)];
const subtreeSeeds = [
  concatBytes(utf8Encode(`subtree 0 4\n${hash}\n\n`), utf8Encode(log.head(5))),
  concatBytes(utf8Encode(`subtree 8 13\n${hash}\n${hash}\n${hash}\n\n`), utf8Encode(log.head(14))),
];

/** A valid request with a few bytes changed, cut out, doubled or put in. */
function mutated(seeds: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const interesting = fc.constantFrom(
    ...[0x00, 0x0a, 0x0d, 0x20, 0x2b, 0x30, 0x31, 0x39, 0x3d, 0x41, 0x7f, 0x80, 0xe2, 0xff],
  );
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    remove: fc.constantFrom(0, 0, 1, 1, 2, 44, 45),
    insert: fc.oneof(
      fc.array(interesting, { maxLength: 3 }).map((bytes) => Uint8Array.from(bytes)),
      fc
        .constantFrom('\n', '\n\n', '\u2014 ', 'old ', '0', '18446744073709551616', `${hash}\n`, '\ufeff')
        .map(utf8Encode),
    ),
  });
  return fc.tuple(fc.constantFrom(...seeds), fc.array(edit, { minLength: 1, maxLength: 4 })).map(([seed, edits]) => {
    let bytes = seed;
    for (const { at, remove, insert } of edits) {
      const start = Math.floor(at * bytes.length);
      bytes = concatBytes(bytes.subarray(0, start), insert, bytes.subarray(start + remove));
    }
    return bytes;
  });
}

function spell(first: string, { proof, head }: { proof: AddCheckpointRequest['proof']; head: UnverifiedHead }): string {
  return `${first}\n${proof.map((one) => `${base64Encode(one)}\n`).join('')}\n${formatNote(head.note)}`;
}

const spellAdd = (request: AddCheckpointRequest): string => spell(`old ${request.oldSize}`, request);
const spellSubtree = (request: SignSubtreeRequest): string =>
  spell(`subtree ${request.start} ${request.end}\n${base64Encode(request.subtreeHash)}`, request);

function holdsFor<T extends { head: UnverifiedHead }>(parse: (body: Uint8Array) => T, write: (request: T) => string) {
  return (body: Uint8Array): void => {
    let request: T;
    try {
      request = parse(body);
    } catch (error) {
      expect(error).toBeInstanceOf(Refused);
      return;
    }
    // Stray bits are kept only to be refused; what was read without them is spelled without them.
    if (request.head.strayBits !== true) expect(write(request)).toBe(Buffer.from(body).toString('utf8'));
  };
}

it(
  `reads ${RUNS} mutated requests of each kind, or refuses them (FUZZ_SEED=${SEED})`,
  () => {
    const options = { numRuns: RUNS, seed: SEED };
    fc.assert(fc.property(mutated(addSeeds), holdsFor(parseAddCheckpoint, spellAdd)), options);
    fc.assert(fc.property(mutated(subtreeSeeds), holdsFor(parseSignSubtree, spellSubtree)), options);
  },
  60_000 + RUNS * MS_PER_RUN,
);

it(
  `answers ${RUNS / 10} mutated requests of each kind by the specification (FUZZ_SEED=${SEED})`,
  async () => {
    const witness = await memoryWitness([log.known], { rateLimit: { perSecond: 1e9, burst: 1e9 } });
    expect((await witness.addCheckpoint(log.request(0, 5))).status).toBe(200);
    const statuses = new Set<number>();
    const options = { numRuns: Math.ceil(RUNS / 10), seed: SEED };
    await fc.assert(
      fc.asyncProperty(mutated(addSeeds), mutated(subtreeSeeds), async (add, subtree) => {
        const answers = [await witness.addCheckpoint(add), await witness.signSubtree(subtree)];
        for (const { status, body } of answers) {
          statuses.add(status);
          expect([200, 400, 403, 404, 409, 422]).toContain(status);
          expect(body.includes('\u2014 ')).toBe(status === 200);
        }
      }),
      options,
    );
    expect([...statuses]).toEqual(expect.arrayContaining([400, 403]));
    expect((await witness.health()).healthy).toBe(true);
    await witness.close();
  },
  60_000 + RUNS * MS_PER_RUN,
);
