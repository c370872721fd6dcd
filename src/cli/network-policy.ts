/**
 * The trust policy of a local network, and the rule that it never changes by itself: at a later start every process
 * must have keys that were pinned before. Only URLs, which are no part of trust, may differ.
 */
import { parsePolicy } from '../../proofs/policy.ts';
import { CliError } from './errors.ts';
import { readIfExists } from './files.ts';
import { WITNESS_QUORUM } from './plan-network.ts';
import { rewritePolicy } from './rotate-policy.ts';

export interface WitnessOfPolicy {
  readonly name: string;
  readonly url: string;
  /** Its verifier keys, Ed25519 first: a cosignature by any of them counts, and counts once. */
  readonly vkeys: readonly string[];
}

/** A C2SP tlog-policy file: this log, and a quorum of these witnesses. */
export function networkPolicy(
  logVkeys: readonly string[],
  logUrl: string,
  witnesses: readonly WitnessOfPolicy[],
): string {
  const lines = [
    '# What a verifier of this network believes: the keys of its log, and the witnesses of which',
    `# ${WITNESS_QUORUM} have to cosign. Keep a copy where the operator of the log cannot change it.`,
    ...logVkeys.map((vkey) => `log ${vkey} ${logUrl}`),
    ...witnesses.flatMap(witnessLines),
    `group quorum-of-witnesses ${WITNESS_QUORUM} ${witnesses.map(({ name }) => groupOf(name)).join(' ')}`,
    'quorum quorum-of-witnesses',
  ];
  const text = lines.map((line) => `${line}\n`).join('');
  parsePolicy(text);
  return text;
}

/**
 * The pinned policy with the URLs of today, which are no part of trust; undefined before the first start. It is never
 * made anew, because it also holds the keys that were changed (rotate-keys.ts). Throws CliError `refused` when a process
 * has a key that it does not name, or when it is not the policy that the log itself uses.
 */
export async function renewPinnedPolicy(
  files: { readonly pinned: string; readonly own: string },
  logVkeys: readonly string[],
  logUrl: string,
  witnesses: readonly WitnessOfPolicy[],
): Promise<string | undefined> {
  const text = await readIfExists(files.pinned);
  if (text === undefined) return undefined;
  const policy = parsePolicy(text);
  const named = new Set([...policy.logs, ...policy.witnesses].map(({ key }) => key.vkey));
  const used = [...logVkeys, ...witnesses.flatMap(({ vkeys }) => vkeys)];
  const own = await readIfExists(files.own);
  if (!used.every((vkey) => named.has(vkey)) || (own !== undefined && trustOf(own) !== trustOf(text))) {
    throw new CliError(
      'refused',
      `the keys of this network are not those that ${files.pinned} pins`,
      'Someone replaced the keys of the log or of a witness, or the policy was edited. Nothing is started.',
      'Restore the data directory from a copy; or begin a new network with another --data.',
    );
  }
  const urls = new Map(witnesses.flatMap(({ vkeys, url }) => vkeys.map((vkey) => [nameOfVkey(vkey), url] as const)));
  return rewritePolicy(text, {
    ...policy,
    logs: policy.logs.map((log) => ({ ...log, url: logUrl })),
    witnesses: policy.witnesses.map((witness) => ({ ...witness, ...urlOf(urls.get(witness.key.name)) })),
  });
}

function urlOf(url: string | undefined): { readonly url?: string } {
  return url === undefined ? {} : { url };
}

function nameOfVkey(vkey: string): string {
  return vkey.slice(0, vkey.indexOf('+'));
}

/** Everything of a policy that trust rests on; URLs and comments do not. */
function trustOf(text: string): string {
  const { logs, witnesses, groups, quorum } = parsePolicy(text);
  return JSON.stringify([
    logs.map(({ key, validity }) => [key.vkey, validity]),
    witnesses.map(({ name, key, validity }) => [name, key.vkey, validity]),
    groups.map(({ name, threshold, members }) => [name, threshold, members]),
    quorum,
  ]);
}

/** One witness with several keys is one group of which any member is enough, so that it counts once. */
function witnessLines({ name, url, vkeys }: WitnessOfPolicy): readonly string[] {
  const named = vkeys.map((vkey, index) => ({
    vkey,
    key: index === 0 ? name : `${name}-pq${index === 1 ? '' : index}`,
  }));
  return [
    ...named.map(({ key, vkey }) => `witness ${key} ${vkey} ${url}`),
    `group ${groupOf(name)} any ${named.map(({ key }) => key).join(' ')}`,
  ];
}

function groupOf(name: string): string {
  return `${name}-any`;
}
