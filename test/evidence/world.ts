/**
 * A small log made of proofs/ alone, with the keys of everybody in it, and good evidence from it: the ground on which the
 * corpus of tampered files stands. Keys, salts and times are fixed, so that every run makes the same bytes.
 */
import {
  type BundleMode,
  contentFiles,
  formatProvenEvent,
  MANIFEST_FILE,
  SIGNATURE_FILE,
} from '../../proofs/bundle.ts';
import { utf8Encode } from '../../proofs/bytes.ts';
import { canonicalJson, type JsonValue } from '../../proofs/canonical-json.ts';
import { type CardField, cardHash, encodeCard } from '../../proofs/card.ts';
import { LIMITS } from '../../proofs/claims.ts';
import { commitField, deriveSalt } from '../../proofs/commitment.ts';
import { formatConsistency } from '../../proofs/consistency.ts';
import { sign } from '../../proofs/ed25519.ts';
import { encodeEntry, submissionMessage } from '../../proofs/entry.ts';
import { splitFields } from '../../proofs/fields.ts';
import { type BundleFilter, evaluateFilter, filterFieldIds } from '../../proofs/filter.ts';
import { type Hash, leafHash, sha256 } from '../../proofs/hash.ts';
import { type SignerKey, verifierKeyOf } from '../../proofs/key.ts';
import { type FileDigest, formatManifest, manifestText } from '../../proofs/manifest.ts';
import { formatNote, signNote } from '../../proofs/note.ts';
import { formatOpenedEvent, type OpenedEvent, type Opening } from '../../proofs/opened-event.ts';
import { OWN_PRODUCER, RELATED_IN_RANGE, RELATED_SO_FAR } from '../../proofs/own-entries.ts';
import { formatPopulationEntry, formatPopulationHead } from '../../proofs/population.ts';
import { proveConsistency, proveInclusion } from '../../proofs/prove.ts';
import { proveRange } from '../../proofs/range.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import { populationRun } from '../../proofs/verify-population.ts';
import { signedCheckpoint, testSigner } from '../support/signed.ts';
import { memoryReader } from '../support/tree.ts';
import { classAt, eventAt, type HappenedEvent, producerOf, SIGNED, type Signing } from './world-events.ts';

export const ORIGIN = 'log.example/corpus';
export const START_US = 1_767_882_727_000_000;
export const HEAD_SECONDS = 1_767_882_800;
export const SIZE = 40;

export const logKey: SignerKey = testSigner(ORIGIN, 1);
export const witnessKeys: readonly SignerKey[] = ['w1', 'w2', 'w3'].map((name) =>
  testSigner(`witness.example/${name}`, 4),
);
export const twoWitnesses: readonly SignerKey[] = witnessKeys.slice(0, 2);

export function policyOf(log: SignerKey, witnesses: readonly SignerKey[]): string {
  return [
    `log ${verifierKeyOf(log).vkey}`,
    ...witnesses.map((witness, i) => `witness w${i + 1} ${verifierKeyOf(witness).vkey}`),
    `group all 2 ${witnesses.map((_, i) => `w${i + 1}`).join(' ')}`,
    'quorum all',
    '',
  ].join('\n');
}

export const POLICY: string = policyOf(logKey, witnessKeys);

/** One event with everything that opens it. */
export interface WorldEvent {
  readonly index: number;
  readonly entry: Uint8Array;
  readonly card: Uint8Array;
  readonly commitments: readonly CardField[];
  readonly openings: ReadonlyMap<string, Opening>;
  readonly values: ReadonlyMap<string, JsonValue>;
  readonly producerId: string;
}

export interface World {
  readonly events: readonly WorldEvent[];
  readonly leaves: readonly Hash[];
}

export interface WorldChange {
  /** From this index on it is another history of the same log. */
  readonly branch?: number;
  /** What happened otherwise. */
  readonly happened?: ReadonlyMap<number, HappenedEvent>;
  /** Log time of the first entry. */
  readonly startUs?: number;
  /** Events that are signed otherwise. */
  readonly signed?: ReadonlyMap<number, Signing>;
}

export function makeWorld(count: number = SIZE, change: WorldChange = {}): World {
  const events = Array.from({ length: count }, (_, index) => worldEvent(index, change));
  return { events, leaves: events.map(({ entry }) => leafHash(entry)) };
}

export const timeOf = (index: number, startUs: number = START_US): number => startUs + index * 1_000_000;

function worldEvent(index: number, change: WorldChange): WorldEvent {
  const { branch = index + 1, signed = new Map(), happened, startUs } = change;
  const plain = happened?.get(index) ?? eventAt(index);
  const event = index >= branch ? { ...plain, reason: 'another history' } : plain;
  const signing: Signing | undefined = signed.get(index) ?? SIGNED.get(index);
  const secret = sha256(utf8Encode(`secret ${index}`)).slice(0, 16);
  const openings = new Map<string, Opening>();
  const values = new Map<string, JsonValue>();
  const commit = (id: string, value: JsonValue): Hash => {
    const opening = { salt: deriveSalt(secret, id), value: canonicalJson(value) };
    openings.set(id, opening);
    values.set(id, value);
    return commitField(opening.salt, id, opening.value);
  };
  const commitments = splitFields(event, ['actor.session']).map(([id, value]): CardField => [id, commit(id, value)]);
  const card = encodeCard(commitments);
  const logCommitment = commit('log', { catalogue: null, raw: 'AA==', ...classAt(index, event) });
  const producerId = producerOf(event, signing);
  const message = submissionMessage(ORIGIN, producerId, index, cardHash(card));
  const entry = encodeEntry({
    ...{ logTime: timeOf(index, startUs), producerId, producerSeq: index, cardHash: cardHash(card), logCommitment },
    signature: signing === undefined ? null : sign(message, signing.with.secret),
  });
  return { index, entry, card, commitments, openings, values, producerId };
}

export interface OpenOptions {
  /** Open these only. */
  readonly only?: readonly string[];
  readonly erased?: readonly string[];
}

export function openEvent(event: WorldEvent, { only, erased = [] }: OpenOptions = {}): OpenedEvent {
  const ids = [...event.openings.keys()].filter((id) => !erased.includes(id));
  const shown = ids.filter((id) => only === undefined || only.includes(id));
  const { index, entry, card, openings } = event;
  const fields = new Map([...openings].filter(([id]) => shown.includes(id)));
  return { index, entry, card, fields, withheld: ids.filter((id) => !shown.includes(id)), erased };
}

/** An event whose contents the log has lost. */
export function lostEvent({ index, entry }: WorldEvent): OpenedEvent {
  const nothing = { card: new Uint8Array(0), fields: new Map(), withheld: [], erased: [] };
  return { index, entry, ...nothing, contentsLost: true };
}

export function headOf(
  world: World,
  size: number,
  signers: readonly SignerKey[] = [logKey, ...twoWitnesses],
  seconds: number = HEAD_SECONDS,
  origin: string = ORIGIN,
): string {
  return signedCheckpoint({ origin, size, root: rootOfHashes(world.leaves.slice(0, size)) }, signers, seconds);
}

export interface BundleOptions {
  readonly mode?: BundleMode;
  readonly query?: Partial<BundleFilter>;
  /** Indices; the time of the query follows from them. */
  readonly range?: { readonly start: number; readonly end: number };
  /** Where the range says to be, if somewhere else than the query's time. */
  readonly claimedRange?: { readonly start: number; readonly end: number };
  readonly size?: number;
  readonly pinned?: number;
  readonly signers?: readonly SignerKey[];
  readonly policy?: string;
  readonly erased?: ReadonlyMap<number, readonly string[]>;
  /** Events whose contents are lost. */
  readonly lost?: ReadonlySet<number>;
  /** Entries of the log's own that are left out. */
  readonly unrelated?: ReadonlySet<number>;
  readonly origin?: string;
}

export type Files = Map<string, Uint8Array>;

/** A good bundle of this world, as its files. */
export async function makeBundle(world: World, options: BundleOptions = {}): Promise<Files> {
  const { mode = 'complete', range = { start: 4, end: 33 }, size = SIZE, pinned = null, erased = new Map() } = options;
  const { signers = [logKey, ...twoWitnesses], policy = POLICY, claimedRange = range, origin = ORIGIN } = options;
  const { lost = new Set(), unrelated = new Set() } = options;
  const query: BundleFilter = {
    filters: new Map([['action', ['role.revoke']]]),
    fromUs: timeOf(range.start),
    toUs: timeOf(range.end),
    ...options.query,
  };
  const leaves = world.leaves.slice(0, size);
  const read = memoryReader(leaves);
  const files: Files = new Map();
  files.set('checkpoint', utf8Encode(headOf(world, size, signers, HEAD_SECONDS, origin)));
  if (pinned !== null) {
    const proof = await proveConsistency(pinned, size, read);
    files.set('consistency', utf8Encode(formatConsistency({ from: pinned, to: size, proof })));
  }
  const inRange = world.events.slice(claimedRange.start, claimedRange.end);
  const counts = { population: inRange.length, matched: 0, withheld: 0, erased: 0 };
  const lines: string[] = [];
  for (const event of inRange) {
    const gone: readonly string[] = erased.get(event.index) ?? [];
    const isLost = lost.has(event.index);
    const fields = new Map([...event.values].filter(([id]) => !gone.includes(id)));
    const { producerId, commitments: card } = event;
    const { result } = evaluateFilter(query, { producerId, card, fields, ...(isLost && { contentsLost: true }) });
    if (result !== 'match' && mode === 'selected') continue;
    const own = producerId === OWN_PRODUCER ? ['action'] : [];
    const only = result === 'match' ? {} : { only: [...filterFieldIds(query, card), ...own] };
    const opened = isLost ? lostEvent(event) : openEvent(event, { ...only, erased: gone });
    if (result === 'match') counts.matched++;
    counts.erased += gone.length;
    if (mode === 'complete') lines.push(formatOpenedEvent(opened));
    else lines.push(formatProvenEvent({ opened, proof: await proveInclusion(event.index, size, read) }));
  }
  if (mode === 'complete') {
    const run = populationRun({ range: claimedRange, size });
    const proof = await proveRange(run.start, run.end, size, read);
    const head = formatPopulationHead({ start: run.start, count: run.end - run.start, proof });
    const entries = world.events.slice(run.start, run.end).map(({ entry }) => formatPopulationEntry(entry));
    files.set('population', utf8Encode(head + entries.join('')));
  }
  files.set('events.ndjson', utf8Encode(lines.map((line) => `${line}\n`).join('')));
  files.set('related.ndjson', utf8Encode(await relatedLines(world, claimedRange, size, unrelated)));
  files.set('policy.txt', utf8Encode(policy));
  files.set('README.txt', utf8Encode('evidence\n'));
  const manifest = formatManifest({
    ...{ origin, mode, asked: 'action:role.revoke', query, scope: null, range: claimedRange, size, pinned, counts },
    files: digestsOf(files, contentFiles({ mode, pinned })),
    limits: LIMITS,
  });
  return signManifest(new Map([[MANIFEST_FILE, manifest], ...files]), signers[0] ?? logKey, origin);
}

async function relatedLines(
  world: World,
  { start, end }: { readonly start: number; readonly end: number },
  size: number,
  without: ReadonlySet<number>,
): Promise<string> {
  const lines: string[] = [];
  for (const event of world.events.slice(0, end)) {
    const action = String(event.values.get('action'));
    const belongs = RELATED_SO_FAR.includes(action) || (event.index >= start && RELATED_IN_RANGE.includes(action));
    if (!belongs || without.has(event.index)) continue;
    const proof = await proveInclusion(event.index, size, memoryReader(world.leaves.slice(0, size)));
    lines.push(`${formatProvenEvent({ opened: openEvent(event), proof })}\n`);
  }
  return lines.join('');
}

export function digestsOf(files: ReadonlyMap<string, Uint8Array>, names: readonly string[]): Map<string, FileDigest> {
  return new Map(
    names.map((name) => {
      const file = files.get(name) ?? new Uint8Array(0);
      return [name, { bytes: file.length, sha256: sha256(file) }];
    }),
  );
}

/** The files with a signature over the manifest that is among them. */
export function signManifest(files: Files, signer: SignerKey = logKey, origin: string = ORIGIN): Files {
  const text = manifestText(origin, files.get(MANIFEST_FILE) ?? new Uint8Array(0));
  const signature = formatNote({ text, signatures: [signNote(text, signer)] });
  return new Map([...files, [SIGNATURE_FILE, utf8Encode(signature)]]);
}
