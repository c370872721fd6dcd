/**
 * npm run bench:stages -- [--only name,…] [--json FILE]
 *
 * Where the time of a submitted event goes: each stage of the write path alone, in this process, on the same events and
 * in groups of 200, in microseconds an event. The smallest of many groups is shown, because whatever else the machine does
 * can only add; the median stands beside it. What is not here is HTTP, garbage collection and waiting: bench:submit has them.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { canonicalJson, type JsonObject } from '../proofs/canonical-json.ts';
import { LOG_FIELD_ID } from '../proofs/card.ts';
import { encodeCbor } from '../proofs/cbor.ts';
import { SALT_BYTES } from '../proofs/commitment.ts';
import { splitFields } from '../proofs/fields.ts';
import { openPrepareSource } from '../src/cli/prepare-source.ts';
import { CanonicalWriter } from '../src/events/canonical-writer.ts';
import { parseCatalogue } from '../src/events/catalogue/parse.ts';
import { readShippedCatalogue } from '../src/events/catalogue/shipped.ts';
import { type CommitInput, commit, type FieldPlace } from '../src/events/commit.ts';
import { fieldTexts, logText } from '../src/events/contents.ts';
import { type PackedLines, packLines, unpackLines } from '../src/events/packed-lines.ts';
import { prepareEvent } from '../src/events/prepare.ts';
import { parseEventJson } from '../src/events/strict-json.ts';
import { termsOf } from '../src/events/terms.ts';
import type { Prepared } from '../src/events/types.ts';
import { compileValidate, type ValidEvent } from '../src/events/validate.ts';
import { acknowledgement } from '../src/http/submission.ts';
import { findOccurrences } from '../src/log/deduplicate.ts';
import { EMPTY_STATE } from '../src/log/integrate.ts';
import { indexed, integrateEvents } from '../src/log/plan-events.ts';
import { idKey } from '../src/log/rows.ts';
import { type Sequenced, sequence } from '../src/log/sequence.ts';
import { openLevelStore } from '../src/store/leveldb.ts';
import { nativeHasher } from '../src/store/native-hasher.ts';
import { addGroup, type BlockTerms, type GroupTerms, groupTerms, tailRow } from '../src/trail/postings.ts';
import { createEvents, eventBytes } from './lib/events.ts';
import { median } from './lib/latency.ts';
import { describeMachine, machineLines } from './lib/machine.ts';

const GROUP = 200;
const BATCHES = 400;
const WARM_BATCHES = 60;
/** Groups that take turns. */
const GROUPS = 20;
/** Times that each of them has its turn at most. */
const TURNS = Math.ceil((BATCHES + WARM_BATCHES) / GROUPS);

interface Stage {
  readonly name: string;
  readonly title: string;
  /** Does its work for one group. */
  readonly run: (batch: Batch) => unknown;
}

/** One group at every point of the path. */
interface Batch {
  readonly raw: readonly Buffer[];
  readonly values: readonly ValidEvent[];
  readonly texts: readonly string[];
  readonly placed: readonly CommitInput[];
  readonly prepared: readonly Prepared[];
  readonly packed: PackedLines;
  readonly sequenced: readonly Sequenced[];
  readonly idKeys: readonly Uint8Array[];
  readonly rows: ReturnType<typeof integrateEvents>['rows'];
  /** For each turn anew: the index keeps the lists that it is given. */
  readonly terms: (readonly GroupTerms[])[];
}

const { values: options } = parseArgs({ options: { only: { type: 'string' }, json: { type: 'string' } } });
const directory = await mkdtemp(join(tmpdir(), 'countersign-stages-'));
const store = await openLevelStore(join(directory, 'db'));
const source = await openPrepareSource(new Uint8Array(32).fill(7), join(directory, 'allowed-cards.txt'));
source.useCatalogue(parseCatalogue(await readShippedCatalogue('starter')));
const context = source.contextFor('tok_0123456789abcdef');
const validate = compileValidate();
const writer = new CanonicalWriter();
const events = createEvents('abcdef');
let blockTerms: BlockTerms = new Map();

const STAGES: readonly Stage[] = [
  { name: 'parse', title: 'parse, strictly', run: ({ raw }) => raw.map((bytes) => parseEventJson(bytes)) },
  { name: 'validate', title: 'validate (schema, dates)', run: ({ values }) => values.map((value) => validate(value)) },
  { name: 'canonicalise', title: 'canonicalise (RFC 8785)', run: ({ values }) => values.map(writeCanonical) },
  {
    name: 'redact',
    title: 'catalogue, redaction, minimisation',
    run: ({ values, texts }) => values.map((value, i) => context.redact(value, texts[i] ?? '', false)),
  },
  {
    name: 'split',
    title: 'split into fields',
    run: ({ values }) => values.map((value) => splitFields(value, context.separatePaths(value.action))),
  },
  { name: 'random', title: 'random salts', run: ({ raw }) => raw.map(() => context.randomBytes(16 * SALT_BYTES)) },
  {
    name: 'commit',
    title: 'commitments, card, contents',
    run: ({ placed }) => placed.map((input) => commit(input)),
  },
  {
    name: 'terms',
    title: 'search terms',
    run: ({ values, prepared }) =>
      values.map((value, i) =>
        termsOf(value, { producerId: context.producerId, occurredAtUs: prepared[i]?.occurredAtUs ?? 0 }),
      ),
  },
  {
    name: 'prepare',
    title: '**prepare, all of the above** (and two HMACs)',
    run: ({ raw }) => raw.map((bytes) => prepareEvent(bytes, context)),
  },
  { name: 'pack', title: 'packed for the other thread', run: ({ prepared }) => packLines(prepared) },
  { name: 'unpack', title: 'unpacked there', run: ({ packed }) => unpackLines(packed, () => context.producerId) },
  {
    name: 'sequence',
    title: 'entry and leaf hash',
    run: ({ prepared }) => sequence(prepared, { size: 0, lastLogTime: 0 }, Date.now() * 1000, nativeHasher),
  },
  {
    name: 'contents',
    title: 'contents in rows',
    run: ({ prepared }) => encodeCbor(prepared.map(({ contents }) => contents)),
  },
  {
    name: 'tail',
    title: 'search rows of the group',
    run: ({ sequenced }) => groupTerms(indexed(sequenced)).map((part) => tailRow(part, nativeHasher)),
  },
  {
    name: 'integrate',
    title: '**integrate, both of the above** (tree, tiles, id rows)',
    run: ({ sequenced, idKeys }) => integrateEvents(EMPTY_STATE, sequenced, idKeys, nativeHasher),
  },
  {
    name: 'index',
    title: 'search index in memory',
    run: ({ terms }) => {
      for (const part of terms.pop() ?? []) addGroup(blockTerms, part);
      if (blockTerms.size > 50_000) blockTerms = new Map();
    },
  },
  {
    name: 'look-up',
    title: 'look-up of the event ids',
    run: ({ prepared }) => findOccurrences(store, new Map(), prepared),
  },
  { name: 'store', title: 'store, fsynced', run: ({ rows }) => store.write(rows) },
  {
    name: 'reply',
    title: 'acknowledgements as JSON',
    run: ({ sequenced }) =>
      sequenced
        .map(
          ({ index, logTime, leafHash, event }) =>
            `${JSON.stringify({ line: index, ...acknowledgement(event.eventId, { status: 'accepted', index, logTime, leafHash }) })}\n`,
        )
        .join(''),
  },
];

const machine = describeMachine(`npm run bench:stages -- ${process.argv.slice(2).join(' ')}`.trim());
process.stdout.write(machineLines(machine));
process.stdout.write(`\n| stage | µs an event, least | median |\n|---|---:|---:|\n`);
const wanted = options.only?.split(',');
const results: Record<string, { least: number; median: number }> = {};
const batches = Array.from({ length: GROUPS }, (_, i) => makeBatch(i * GROUP));
for (const stage of STAGES) {
  if (wanted !== undefined && !wanted.includes(stage.name)) continue;
  const us = await time(stage);
  results[stage.name] = us;
  process.stdout.write(`| ${stage.title} | ${us.least.toFixed(2)} | ${us.median.toFixed(2)} |\n`);
}
await store.close();
await rm(directory, { recursive: true, force: true });
if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify({ machine, results }, null, 2)}\n`);

function makeBatch(first: number): Batch {
  const raw = Array.from({ length: GROUP }, (_, i) => eventBytes(events, first + i));
  const values = raw.map((bytes) => validate(parseEventJson(bytes)));
  const texts = values.map((value: JsonObject) => canonicalJson(value));
  const prepared = raw.map((bytes) => prepareEvent(bytes, context));
  const sequenced = sequence(prepared, { size: first, lastLogTime: 0 }, Date.now() * 1000, nativeHasher);
  const idKeys = prepared.map(({ eventId, producerId }) => idKey(eventId, producerId));
  const { rows } = integrateEvents(EMPTY_STATE, sequenced, idKeys, nativeHasher);
  const terms = Array.from({ length: TURNS }, () => groupTerms(indexed(sequenced)));
  const placed = prepared.map(placeAgain);
  const packed = packLines(prepared);
  return { raw, values, texts, placed, prepared, packed, sequenced, idKeys, rows, terms };
}

function writeCanonical(value: JsonObject): void {
  writer.restart();
  writer.write(value);
}

/** What `prepare` hands to `commit`, from what came of it. */
function placeAgain({ contents }: Prepared): CommitInput {
  const fields = [...fieldTexts(contents), [LOG_FIELD_ID, logText(contents)] as const];
  const texts = Buffer.from(fields.map(([, text]) => text).join(''), 'utf8');
  let end = 0;
  const places = fields.map(([id, text]): FieldPlace => {
    const start = end;
    end += Buffer.byteLength(text);
    return { id, start, end };
  });
  const log = places.pop();
  if (log === undefined) throw new Error('an event has no fields');
  return { texts, fields: places, log, salts: context.randomBytes(SALT_BYTES * fields.length) };
}

async function time({ run }: Stage): Promise<{ readonly least: number; readonly median: number }> {
  const all: number[] = [];
  for (let i = 0; i < WARM_BATCHES + BATCHES; i++) {
    const batch = batches[i % batches.length];
    if (batch === undefined) continue;
    const startedMs = performance.now();
    const done = run(batch);
    if (done instanceof Promise) await done;
    if (i >= WARM_BATCHES) all.push((1000 * (performance.now() - startedMs)) / GROUP);
  }
  return { least: Math.min(...all), median: median(all) };
}
