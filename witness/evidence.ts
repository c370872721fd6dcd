/**
 * Evidence of misbehaviour, one JSON file each, so that it can be listed while the witness runs, copied and sent to
 * whom it concerns. What is kept are heads that a log signed; a forged head never gets here.
 *
 * `conclusive` means that the file alone proves it: both heads carry the log's signature and cannot both be true.
 * `two-roots` always is. `failed-consistency` is when `prefix_root` is there: `proof` shows that the offered tree has
 * that root at the held size, and the held one is another. What is not conclusive may have an innocent cause (a proof
 * garbled on its way, a stale cache) and says where to look.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { base64Encode } from '../proofs/bytes.ts';
import { type Checkpoint, parseCheckpoint } from '../proofs/checkpoint.ts';
import type { Hash } from '../proofs/hash.ts';
import { formatNote } from '../proofs/note.ts';
import { WitnessError } from './errors.ts';
import { formatHead, type HeadRecord } from './head-record.ts';
import { syncDirectory } from './keys.ts';
import { type JudgedHead, originHash } from './logs.ts';

/** `two-roots`: for one size. `failed-consistency`: no extension of ours. `rollback`: the log serves a smaller head. */
export type EvidenceKind = 'two-roots' | 'failed-consistency' | 'rollback';

export interface Evidence {
  readonly format: typeof EVIDENCE_FORMAT;
  readonly kind: EvidenceKind;
  readonly conclusive: boolean;
  readonly origin: string;
  /** RFC 3339. */
  readonly seen_at: string;
  /** Whether the head was brought to us or fetched by us. */
  readonly via: 'add-checkpoint' | 'poll';
  /** Signed notes: the head that we had vouched for, with our cosignatures, and the one that does not go with it. */
  readonly held: string;
  readonly offered: string;
  /** Base64, for `failed-consistency`. */
  readonly proof?: readonly string[];
  readonly prefix_root?: string;
}

export interface EvidenceStore {
  /** Durable when it resolves. False when it was known already, or when the log has too much of it. */
  keep(evidence: Evidence): Promise<boolean>;
  list(): Promise<readonly Evidence[]>;
}

export const EVIDENCE_FORMAT = 'countersign/witness-evidence/v1';

/** Per log. The first ones are kept: they say most, and nobody can push them out by making more. */
export const MAX_CONCLUSIVE_PER_LOG = 256;
export const MAX_SUSPICIONS_PER_LOG = 64;
const SUFFIX = '.json';

export interface Finding {
  readonly kind: EvidenceKind;
  readonly held: HeadRecord;
  readonly offered: JudgedHead;
  readonly via: Evidence['via'];
  readonly nowMs: number;
  readonly proof?: readonly Hash[];
  /** The root that the offered tree was shown to have at the held size. */
  readonly prefixRoot?: Hash;
}

export function makeEvidence(finding: Finding): Evidence {
  const { kind, held, offered, via, nowMs, proof, prefixRoot } = finding;
  return {
    format: EVIDENCE_FORMAT,
    kind,
    conclusive: kind === 'two-roots' || prefixRoot !== undefined,
    origin: held.checkpoint.origin,
    seen_at: new Date(nowMs).toISOString(),
    via,
    held: formatHead(held),
    offered: formatNote({ text: offered.checkpoint.body, signatures: offered.signatures }),
    ...(proof === undefined ? {} : { proof: proof.map(base64Encode) }),
    ...(prefixRoot === undefined ? {} : { prefix_root: base64Encode(prefixRoot) }),
  };
}

/** The two checkpoints of a piece of evidence, parsed. */
export function headsOf(evidence: Evidence): { readonly held: Checkpoint; readonly offered: Checkpoint } {
  return {
    held: parseCheckpoint(evidence.held).checkpoint,
    offered: parseCheckpoint(evidence.offered).checkpoint,
  };
}

export function memoryEvidence(): EvidenceStore {
  const kept = new Map<string, Evidence>();
  return boundedStore(new Set(), {
    write: async (name, evidence) => void kept.set(name, evidence),
    list: async () => [...kept.values()],
  });
}

/** Evidence as files of a directory, which is made if it is not there. */
export async function directoryEvidence(directory: string): Promise<EvidenceStore> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const names = (await readdir(directory)).filter((name) => name.endsWith(SUFFIX));
  return boundedStore(new Set(names), {
    write: async (name, evidence) => {
      const draft = join(directory, `${name}.new`);
      const file = await open(draft, 'w', 0o600);
      await file.writeFile(`${JSON.stringify(evidence, null, 2)}\n`);
      await file.sync();
      await file.close();
      await rename(draft, join(directory, name));
      await syncDirectory(directory);
    },
    list: () => listEvidence(directory),
  });
}

/** What a directory holds, oldest first. Throws `state-corrupt` for a file that is no evidence: it is not skipped. */
export async function listEvidence(directory: string): Promise<readonly Evidence[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(SUFFIX)).sort();
  const all = await Promise.all(names.map(async (name) => parseEvidence(name, await readFile(join(directory, name)))));
  return all.sort((a, b) => Date.parse(a.seen_at) - Date.parse(b.seen_at));
}

/** Bounds and deduplicates by file name: log, class, and a digest of what was offered. */
function boundedStore(
  names: Set<string>,
  files: { write(name: string, evidence: Evidence): Promise<void>; list(): Promise<readonly Evidence[]> },
): EvidenceStore {
  return {
    keep: async (evidence) => {
      const prefix = `${originHash(evidence.origin)}-${evidence.conclusive ? 'conclusive' : 'suspicion'}-`;
      const name = `${prefix}${evidence.kind}-${digestOf(evidence)}${SUFFIX}`;
      const count = [...names].filter((one) => one.startsWith(prefix)).length;
      const bound = evidence.conclusive ? MAX_CONCLUSIVE_PER_LOG : MAX_SUSPICIONS_PER_LOG;
      if (names.has(name) || count >= bound) return false;
      names.add(name);
      try {
        await files.write(name, evidence);
      } catch (error) {
        names.delete(name);
        throw error;
      }
      return true;
    },
    list: files.list,
  };
}

/** The same head offered again, with fewer or more signature lines, is the same evidence. */
function digestOf(evidence: Evidence): string {
  return createHash('sha256').update(headsOf(evidence).offered.body, 'utf8').digest('hex').slice(0, 16);
}

function parseEvidence(name: string, bytes: Uint8Array): Evidence {
  const damaged = new WitnessError('state-corrupt', `${name} in the evidence directory is not readable`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw damaged;
  }
  if (!isEvidence(parsed)) throw damaged;
  return parsed;
}

function isEvidence(value: unknown): value is Evidence {
  if (typeof value !== 'object' || value === null) return false;
  const member = new Map<string, unknown>(Object.entries(value));
  const texts = ['kind', 'origin', 'seen_at', 'via', 'held', 'offered'];
  return (
    member.get('format') === EVIDENCE_FORMAT &&
    typeof member.get('conclusive') === 'boolean' &&
    texts.every((name) => typeof member.get(name) === 'string')
  );
}
