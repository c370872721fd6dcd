/**
 * Where a monitor looks: the log itself, the monitoring endpoints of its witnesses, mirrors. Each is asked for the newest
 * checkpoint that it knows; what comes back is judged under the policy and nothing else.
 *
 *     <log>/head    <log>/checkpoint    <witness>/<origin hash>/checkpoint    <mirror>/<origin hash>/checkpoint
 */
import type { Checkpoint } from '../proofs/checkpoint.ts';
import { parseCheckpoint } from '../proofs/checkpoint.ts';
import { verifyCosignature } from '../proofs/cosignature.ts';
import { ProofError } from '../proofs/errors.ts';
import type { VerifierKey } from '../proofs/key.ts';
import { formatNote, MAX_SIGNATURES, type NoteSignature, parseNote } from '../proofs/note.ts';
import { type CheckedCheckpoint, checkCheckpoint, type Policy } from '../proofs/policy.ts';
import { messageOf, WitnessError } from './errors.ts';
import type { ClientOptions } from './log-client.ts';
import { originHash } from './logs.ts';
import { fetchNote } from './mirror-client.ts';
import { nativeVerifyOptions } from './native-ed25519.ts';

export type SourceKind = 'head' | 'checkpoint' | 'witness' | 'mirror';

export interface Source {
  /** For people, and unique: `log head`, `witness w1`, `mirror https://…`. */
  readonly name: string;
  readonly kind: SourceKind;
  /** Of the checkpoint. */
  readonly url: string;
  /** Where tiles of this history are, if this source has any. */
  readonly tilesUrl?: string;
  /** Names in the policy, of which at least one must have cosigned what a witness shows. */
  readonly witnessNames: readonly string[];
  /** Key of a mirror that is not in the policy: its line must be there, and good. */
  readonly mirrorKey?: VerifierKey;
}

/** A head that the log signed, as one source showed it. */
export interface SeenHead {
  readonly source: Source;
  readonly checkpoint: Checkpoint;
  /** The signed note: the lines that verified under the policy, and no others. */
  readonly note: string;
  readonly quorum: boolean;
}

/** `none`: it answered that it has no checkpoint of this log. */
export type Observation =
  | { readonly source: Source; readonly kind: 'head'; readonly head: SeenHead }
  | { readonly source: Source; readonly kind: 'none' }
  | { readonly source: Source; readonly kind: 'unreachable' | 'bad'; readonly detail: string };

export interface MirrorAddress {
  readonly url: string;
  readonly key: VerifierKey | undefined;
}

/** The log first, then witnesses in the order of the policy, then mirrors. Several keys at one URL are one witness. */
export function sourcesOf(options: {
  readonly origin: string;
  readonly logUrl: string;
  readonly policy: Policy;
  readonly mirrors: readonly MirrorAddress[];
}): readonly Source[] {
  const { origin, logUrl, policy, mirrors } = options;
  const checkpoint = (url: string): string => `${url}/${originHash(origin)}/checkpoint`;
  const byUrl = new Map<string, string[]>();
  for (const { name, url } of policy.witnesses) {
    if (url === undefined) continue;
    const prefix = url.replace(/\/+$/, '');
    byUrl.set(prefix, [...(byUrl.get(prefix) ?? []), name]);
  }
  return [
    { name: 'log head', kind: 'head', url: `${logUrl}/head`, tilesUrl: logUrl, witnessNames: [] },
    { name: 'log checkpoint', kind: 'checkpoint', url: `${logUrl}/checkpoint`, tilesUrl: logUrl, witnessNames: [] },
    ...[...byUrl].map(
      ([url, names]): Source => ({
        name: `witness ${names.join(', ')}`,
        kind: 'witness',
        url: checkpoint(url),
        witnessNames: names,
      }),
    ),
    ...mirrors.map(
      ({ url, key }): Source => ({
        name: `mirror ${url}`,
        kind: 'mirror',
        url: checkpoint(url),
        tilesUrl: `${url}/${originHash(origin)}`,
        witnessNames: [],
        ...(key === undefined ? {} : { mirrorKey: key }),
      }),
    ),
  ];
}

export async function observe(
  client: ClientOptions,
  policy: Policy,
  origin: string,
  source: Source,
): Promise<Observation> {
  try {
    const fetched = await fetchNote(client, source.url);
    if (typeof fetched === 'string') return { source, kind: 'none' };
    return { source, kind: 'head', head: judge(policy, origin, source, fetched.bytes) };
  } catch (error) {
    if (error instanceof WitnessError && error.code === 'log-unreachable') {
      return { source, kind: 'unreachable', detail: messageOf(error) };
    }
    if (error instanceof ProofError) return { source, kind: 'bad', detail: `${error.code}: ${error.message}` };
    if (error instanceof WitnessError) return { source, kind: 'bad', detail: messageOf(error) };
    throw error;
  }
}

/** The head that a stored note holds. Throws what `checkCheckpoint` does. */
export function readHead(policy: Policy, source: Source, note: string): SeenHead {
  return seen(source, checkUnder(policy, note));
}

/** The same heads, each with the lines that any source has for it: a fork proof then names everybody who signed. */
export function mergeLines(heads: readonly SeenHead[]): SeenHead[] {
  const byBody = new Map<string, Map<string, NoteSignature>>();
  for (const { checkpoint, note } of heads) {
    const lines = byBody.get(checkpoint.body) ?? new Map<string, NoteSignature>();
    byBody.set(checkpoint.body, lines);
    for (const line of parseNote(note).signatures) {
      const key = `${line.name}+${line.keyId}`;
      if (!lines.has(key) && lines.size < MAX_SIGNATURES) lines.set(key, line);
    }
  }
  return heads.map((head) => {
    const { body } = head.checkpoint;
    const signatures = [...(byBody.get(body)?.values() ?? [])];
    return { ...head, note: formatNote({ text: body, signatures }) };
  });
}

function judge(policy: Policy, origin: string, source: Source, bytes: Uint8Array): SeenHead {
  const checked = checkUnder(policy, bytes);
  const { checkpoint, witnesses } = checked;
  if (checkpoint.origin !== origin) throw new ProofError('wrong-origin', 'the checkpoint is that of another log');
  const { witnessNames, mirrorKey } = source;
  if (witnessNames.length > 0 && !witnesses.some(({ name }) => witnessNames.includes(name))) {
    throw new ProofError('invalid-signature', 'the witness shows a checkpoint that it did not cosign');
  }
  if (mirrorKey !== undefined) checkMirrorLine(bytes, mirrorKey);
  return seen(source, checked);
}

function checkUnder(policy: Policy, note: Uint8Array | string): CheckedCheckpoint {
  return checkCheckpoint(policy, note, { ...nativeVerifyOptions(), quorum: 'report' });
}

function checkMirrorLine(bytes: Uint8Array, key: VerifierKey): void {
  const { checkpoint, note } = parseCheckpoint(bytes);
  const line = note.signatures.find(({ name, keyId }) => name === key.name && keyId === key.keyId);
  if (line === undefined) throw new ProofError('invalid-signature', 'the mirror did not cosign what it shows');
  verifyCosignature(checkpoint, line, key, nativeVerifyOptions());
}

function seen(source: Source, { checkpoint, note, logKeys, witnesses, quorum }: CheckedCheckpoint): SeenHead {
  const keys = [...logKeys, ...witnesses.map(({ key }) => key)];
  const signatures = note.signatures.filter((line) =>
    keys.some((key) => key.name === line.name && key.keyId === line.keyId),
  );
  return { source, checkpoint, note: formatNote({ text: checkpoint.body, signatures }), quorum };
}
