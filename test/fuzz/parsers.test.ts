/**
 * Every parser of proofs/ over mutated valid inputs: it gives a ProofError, or a value that encodes to the same bytes
 * again (formats with several spellings: to a value that is the same). Nothing else is thrown, nothing hangs.
 *
 * FUZZ_RUNS is the number of inputs for each parser, FUZZ_SEED repeats a run; both are printed.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { equalBytes, hexEncode, utf8Encode } from '../../proofs/bytes.ts';
import { canonicalJson, parseCanonicalJson } from '../../proofs/canonical-json.ts';
import { cardHash, decodeCard, encodeCard } from '../../proofs/card.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../../proofs/cbor.ts';
import { formatCheckpointBody, parseCheckpoint, parseCheckpointBody } from '../../proofs/checkpoint.ts';
import { commitField } from '../../proofs/commitment.ts';
import { readTimestamp } from '../../proofs/cosignature.ts';
import { decodeEntry, encodeEntry } from '../../proofs/entry.ts';
import { ProofError } from '../../proofs/errors.ts';
import { leafHash, sha256 } from '../../proofs/hash.ts';
import { formatHeadUpdate, parseHeadUpdate } from '../../proofs/head-update.ts';
import {
  formatSignerKey,
  formatVerifierKey,
  parseSignerKey,
  parseVerifierKey,
  verifierKeyOf,
} from '../../proofs/key.ts';
import { formatLogList, parseLogList } from '../../proofs/log-list.ts';
import { formatNote, formatSignatureLines, parseNote, parseSignatureLines } from '../../proofs/note.ts';
import { parseDecimal } from '../../proofs/numbers.ts';
import { openNote } from '../../proofs/open-note.ts';
import { formatOpenedEvent, parseOpenedEvent } from '../../proofs/opened-event.ts';
import { formatPinBlock, formatPinCode, parsePin, pinNote } from '../../proofs/pin.ts';
import { checkCheckpoint, formatPolicy, parsePolicy } from '../../proofs/policy.ts';
import { COMMIT_SAMPLE, readSampleCommit, sampleCommitJson } from '../../proofs/sample-entries.ts';
import { formatSampleReport, parseSampleReport } from '../../proofs/sample-report.ts';
import {
  decodeEntryBundle,
  decodeTile,
  encodeEntryBundle,
  encodeTile,
  formatTilePath,
  parseTilePath,
} from '../../proofs/tile.ts';
import { checkTlogProof, formatTlogProof, parseTlogProof } from '../../proofs/tlog-proof.ts';
import { keyLabel } from '../../proofs/validity.ts';
import { signedCheckpoint, testSigner } from '../support/signed.ts';
import { mutated } from './mutate.ts';

const runs = Number(process.env['FUZZ_RUNS'] ?? 500);
const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** No single input may take longer: the largest of them have a few kilobytes. */
const MAX_PARSE_MS = 2_000;

/** Either `again` gives the input's bytes back, or `same` compares what was parsed with itself, written and reread. */
interface Parser<T> {
  readonly name: string;
  readonly seeds: readonly (string | Uint8Array)[];
  /** One of the two. A parser of text is given what a caller makes of the bytes: U+FFFD where they are no UTF-8. */
  readonly parse?: (bytes: Uint8Array) => T;
  readonly parseText?: (text: string) => T;
  readonly again?: (value: T) => string | Uint8Array;
  readonly same?: (value: T) => T;
}

function parser<T>(definition: Parser<T>): Parser<unknown> {
  const { again, same, ...rest } = definition;
  // The checks get back what their own parser returned.
  return {
    ...rest,
    ...(again && { again: (value) => again(value as T) }),
    ...(same && { same: (value) => same(value as T) }),
  };
}

const log = testSigner('example.com/log', 1);
const logPq = testSigner('example.com/log', 6);
const witness = testSigner('w', 4);
const vkey = verifierKeyOf(log).vkey;
const witnessVkey = verifierKeyOf(witness).vkey;
const leaf = leafHash(utf8Encode('entry'));
const head = { origin: 'example.com/log', size: 1, root: leaf };
const checkpoint = signedCheckpoint(head, [log, witness]);
const checkpointPq = signedCheckpoint(head, [logPq]);
const body = formatCheckpointBody(head);
const policyText = `# trust\nlog ${vkey} https://log.example/\n\nwitness w ${witnessVkey}\ngroup g any w\nquorum g\n`;
const policy = parsePolicy(policyText);
const salt = new Uint8Array(16).fill(3);
const commitment = commitField(salt, 'action', '"role.grant"');
const card = encodeCard([
  ['action', commitment],
  ['actor.session', commitField(salt, 'actor.session', '"s"')],
]);
const entryParts = { producerId: 'key-1', cardHash: cardHash(card), logCommitment: commitField(salt, 'log', '{}') };
const entries = [
  encodeEntry({ ...entryParts, logTime: 1_767_882_727_123_456, producerSeq: 4728, signature: new Uint8Array(64) }),
  encodeEntry({ ...entryParts, logTime: 1, producerSeq: null, signature: null }),
];
const opened = formatOpenedEvent({
  index: 3,
  entry: entries[0] ?? new Uint8Array(0),
  card,
  fields: new Map([['action', { salt, value: '"role.grant"' }]]),
  withheld: [],
  erased: ['actor.session'],
});
const cborSeeds: CborValue[] = [
  0,
  23,
  24,
  255,
  2 ** 32,
  2 ** 53 - 1,
  '',
  'é',
  salt,
  null,
  [],
  [[1, ['a', null]], salt],
];
const jsonSeeds = ['{"a":[1,2.5,-1.5e-9],"b":null,"é":"\\n\\u0001"}', '[]', '"text"', '1e-7', 'true', '{"":{}}'];

const sampleCommit = canonicalJson(
  sampleCommitJson({
    ...{ nonceHash: leaf, operatorNonce: leaf, range: { start: 4, end: 33 }, strata: 'class', delay: 1 },
    query: { filters: new Map([['action', ['role.*']]]), toUs: 1_767_882_727_123_456 },
    design: { kind: 'attributes', confidence: 95, tolerableBp: 500, deviations: 1 },
    ...{ drandRound: 1_000, number: 1, previous: 35 },
  }),
);
const sampleReport = formatSampleReport({
  ...{ commit: 41, reveal: 44, head: { size: 43, root: leaf, proof: [leaf] }, seed: leaf },
  strata: [{ name: 'access', population: 29, drawn: [17, 5, 30] }],
});

const parsers: readonly Parser<unknown>[] = [
  parser({
    name: 'commits of samples',
    seeds: [sampleCommit],
    parseText: (given) => readSampleCommit({ action: COMMIT_SAMPLE, context: { sample: parseCanonicalJson(given) } }),
    again: (commit) => canonicalJson(sampleCommitJson(commit)),
  }),
  parser({
    name: 'reports of samples',
    seeds: [sampleReport],
    parse: (given) => parseSampleReport(given),
    again: formatSampleReport,
  }),
  parser({
    name: 'decimal numbers',
    seeds: ['0', '7', '20852163', '9007199254740991'],
    parseText: (given) => parseDecimal(given, 'number'),
    again: String,
  }),
  parser({
    name: 'verifier keys',
    seeds: [vkey, witnessVkey, verifierKeyOf(logPq).vkey],
    parseText: (given) => parseVerifierKey(given),
    again: formatVerifierKey,
  }),
  parser({
    name: 'signer keys',
    seeds: [log, witness, logPq].map(formatSignerKey),
    parseText: (given) => parseSignerKey(given),
    again: formatSignerKey,
  }),
  parser({
    name: 'notes',
    seeds: [checkpoint, checkpointPq, `one\n\ntwo\n\n${checkpoint}`],
    parse: parseNote,
    again: formatNote,
  }),
  parser({
    name: 'notes, opened',
    seeds: [checkpoint],
    parse: (bytes) => [openNote(bytes, [verifierKeyOf(log), verifierKeyOf(witness)]).text, bytes] as const,
    again: ([opened_, bytes]) => (opened_ === body ? bytes : 'a text that nobody signed'),
  }),
  parser({
    name: 'signature lines',
    seeds: [formatSignatureLines(parseNote(checkpoint).signatures)],
    parseText: (given) => parseSignatureLines(given),
    again: formatSignatureLines,
  }),
  parser({
    name: 'checkpoint bodies',
    seeds: [body, `${body}extension\nanother\n`],
    parseText: (given) => parseCheckpointBody(given),
    again: formatCheckpointBody,
  }),
  parser({
    name: 'checkpoints',
    seeds: [checkpoint, checkpointPq],
    parse: parseCheckpoint,
    again: ({ checkpoint: { origin, size, root, extensions }, note }) =>
      formatNote({ ...note, text: formatCheckpointBody({ origin, size, root, extensions }) }),
  }),
  parser({
    name: 'checkpoints, under a policy',
    seeds: [checkpoint],
    parse: (bytes) => [checkCheckpoint(policy, bytes).checkpoint.body, bytes] as const,
    again: ([believed, bytes]) => (believed === body ? bytes : 'a head that nobody signed'),
  }),
  parser({
    name: 'timestamped signatures',
    seeds: parseNote(checkpoint)
      .signatures.slice(1)
      .map(({ signature }) => signature),
    parse: (bytes) => [readTimestamp(bytes), bytes] as const,
    again: ([time, bytes]) => Uint8Array.from([...bigEndian(time), ...bytes.subarray(8)]),
  }),
  parser({
    name: 'policies',
    seeds: [
      policyText,
      'quorum none\n',
      `${policyText}#countersign: valid ${keyLabel(log)} from-size 1 until-size 9\n`,
    ],
    parse: parsePolicy,
    same: (value) => parsePolicy(formatPolicy(value)),
  }),
  parser({
    name: 'log lists',
    seeds: [`# list\nlogs/v0\n\n vkey ${vkey}\norigin o\nqpd 24\ncontact c\nvkey ${vkey}\nqpd 1\n`],
    parse: parseLogList,
    same: (value) => parseLogList(formatLogList(value)),
  }),
  parser({
    name: 'kept heads',
    seeds: [checkpoint, formatPinBlock(checkpoint), formatPinCode(parseCheckpointBody(body))],
    parse: parsePin,
    same: (value) => {
      const note = pinNote(value);
      return parsePin(note === undefined ? formatPinCode(value) : formatPinBlock(note));
    },
  }),
  parser({
    name: 'later heads',
    seeds: [formatHeadUpdate({ consistency: { from: 1, to: 1, proof: [leaf] }, checkpoint })],
    parse: parseHeadUpdate,
    again: formatHeadUpdate,
  }),
  parser({
    name: 'tlog-proofs',
    seeds: [
      formatTlogProof({ index: 0, proof: [], checkpoint, extra: utf8Encode('entry') }),
      formatTlogProof({ index: 6, proof: [leaf, sha256(leaf)], checkpoint: 'a checkpoint\n' }),
    ],
    parse: parseTlogProof,
    again: formatTlogProof,
  }),
  parser({
    name: 'tlog-proofs, verified',
    seeds: [formatTlogProof({ index: 0, proof: [], checkpoint })],
    parse: (bytes) => [checkTlogProof(parseTlogProof(bytes), leaf, policy).checkpoint.body, bytes] as const,
    again: ([believed, bytes]) => (believed === body ? bytes : 'a head that nobody signed'),
  }),
  parser({
    name: 'tile paths',
    seeds: ['tile/0/x001/234', 'tile/63/000.p/255', 'tile/entries/x001/x234/067.p/1'],
    parseText: (given) => parseTilePath(given),
    again: formatTilePath,
  }),
  parser({
    name: 'tiles',
    seeds: [encodeTile([leaf]), encodeTile(Array.from({ length: 256 }, () => leaf))],
    parse: decodeTile,
    again: encodeTile,
  }),
  parser({
    name: 'entry bundles',
    seeds: [encodeEntryBundle(entries), encodeEntryBundle([new Uint8Array(0), utf8Encode('a')]), new Uint8Array(0)],
    parse: decodeEntryBundle,
    again: encodeEntryBundle,
  }),
  parser({ name: 'CBOR', seeds: cborSeeds.map(encodeCbor), parse: decodeCbor, again: encodeCbor }),
  parser({ name: 'cards', seeds: [card, encodeCard([])], parse: decodeCard, again: encodeCard }),
  parser({ name: 'entries', seeds: entries, parse: decodeEntry, again: encodeEntry }),
  parser({
    name: 'canonical JSON',
    seeds: jsonSeeds.map((json) => canonicalJson(JSON.parse(json))),
    parseText: (given) => parseCanonicalJson(given),
    again: canonicalJson,
  }),
  parser({
    name: 'opened events',
    seeds: [opened],
    parseText: (given) => parseOpenedEvent(given),
    same: (value) => parseOpenedEvent(formatOpenedEvent(value)),
  }),
];

describe(`parsers under fuzzing (FUZZ_RUNS=${runs} FUZZ_SEED=${seed})`, () => {
  it.each(parsers)(
    '$name are refused with a typed error or read in their one meaning',
    (subject) => {
      const seeds = subject.seeds.map((given) => (typeof given === 'string' ? utf8Encode(given) : given));
      for (const bytes of seeds) expect(outcomeOf(subject, bytes), 'a seed is not accepted').toBe('same');
      const property = fc.property(mutated(seeds), (bytes) => {
        const start = performance.now();
        const outcome = outcomeOf(subject, bytes);
        if (outcome !== 'same' && outcome !== 'refused') throw new Error(`${outcome}: ${hexEncode(bytes)}`);
        if (performance.now() - start > MAX_PARSE_MS) throw new Error(`too slow: ${hexEncode(bytes)}`);
      });
      fc.assert(property, { seed, numRuns: runs });
    },
    60_000 + 60 * runs,
  );
});

function outcomeOf(subject: Parser<unknown>, bytes: Uint8Array): string {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  let value: unknown;
  try {
    value = subject.parse === undefined ? subject.parseText?.(text) : subject.parse(bytes);
  } catch (error) {
    return error instanceof ProofError ? 'refused' : `threw ${String(error)}`;
  }
  if (subject.same !== undefined) {
    try {
      expect(subject.same(value)).toEqual(value);
      return 'same';
    } catch (error) {
      return `has another meaning when written: ${String(error)}`;
    }
  }
  const again = subject.again?.(value) ?? '';
  if (subject.parse === undefined) return again === text ? 'same' : 'was written as another text';
  const written = typeof again === 'string' ? utf8Encode(again) : again;
  return equalBytes(written, bytes) ? 'same' : 'was written as other bytes';
}

function bigEndian(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}
