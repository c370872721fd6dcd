/**
 * The trust policy of a local network, and the rule that it never changes by itself: at a later start the keys must be
 * those that were pinned at the first one. Only URLs, which are no part of trust, may differ.
 */
import { parsePolicy } from '../../proofs/policy.ts';
import { CliError } from './errors.ts';
import { readIfExists } from './files.ts';
import { WITNESS_QUORUM } from './plan-network.ts';

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

/** Throws CliError `refused` when a policy was pinned before and names other keys than `text`. */
export async function checkPinnedPolicy(file: string, text: string): Promise<void> {
  const pinned = await readIfExists(file);
  if (pinned === undefined || trustOf(pinned) === trustOf(text)) return;
  throw new CliError(
    'refused',
    `the keys of this network are not those that ${file} pins`,
    'Someone replaced the keys of the log or of a witness, or the policy was edited. Nothing is started.',
    'Restore the data directory from a copy; or begin a new network with another --data.',
  );
}

/** Everything of a policy that trust rests on; URLs and comments do not. */
function trustOf(text: string): string {
  const { logs, witnesses, groups, quorum } = parsePolicy(text);
  return JSON.stringify([
    logs.map(({ key }) => key.vkey),
    witnesses.map(({ name, key }) => [name, key.vkey]),
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
