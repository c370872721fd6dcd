/**
 * The log's policy as entries: with which keys it signs, whose cosignatures it counts, how many of them it takes. The
 * policy is a file that is changed while the log stands still (docs/key-rotation.md), by whoever has the disk; so at each
 * start it is held against the entry that said it last, and what changed becomes an entry with before and after. Who did
 * it, no log can know.
 *
 * Keys are named as in vkeys, name and id, with the directive that bounds them. An entry proves nothing about a key: what
 * is believed is the policy that a verifier pinned, and `object.hash` says whether it is the same file.
 */

import { hash } from 'node:crypto';
import { canonicalJson, type JsonValue } from '../../proofs/canonical-json.ts';
import { memberAt, textAt } from '../../proofs/fields.ts';
import type { Policy, PolicyLog, PolicyWitness } from '../../proofs/policy.ts';
import { formatDirective, isUnlimited, keyLabel } from '../../proofs/validity.ts';
import type { Log } from '../log/types.ts';
import { LOG_ACTOR } from './finding.ts';
import { followOwnEvents } from './own-events.ts';
import type { OwnEvent, Recorder } from './record.ts';

export const CHANGE_POLICY = 'countersign.policy.change';

/** Records the policy if the last entry about it says another, or there is none. Throws LogError when the log takes none. */
export async function recordPolicy(log: Log, recorder: Recorder): Promise<boolean> {
  let said: { readonly hash: string | undefined; readonly policy: JsonValue | undefined } | undefined;
  const stop = await followOwnEvents(log, [CHANGE_POLICY], ({ event }) => {
    said = { hash: textAt(event, 'object', 'hash'), policy: memberAt(event, 'context') };
  });
  stop();
  const policyHash = `sha256:${hash('sha256', log.policyText, 'hex')}`;
  if (said?.hash === policyHash) return false;
  await recorder.record(policyChanged(log, policyHash, said?.policy));
  return true;
}

function policyChanged(log: Log, policyHash: string, before: JsonValue | undefined): OwnEvent {
  const after = describePolicy(log.policy);
  const changes = Object.entries(after).flatMap(([name, value]) => {
    const was = memberAt(before, name);
    if (was === undefined) return [];
    return canonicalJson(was) === canonicalJson(value) ? [] : [{ path: `/${name}`, before: was, after: value }];
  });
  return {
    action: CHANGE_POLICY,
    actor: LOG_ACTOR,
    target: { type: 'log', id: log.origin },
    outcome: { result: 'success' },
    reason: before === undefined ? 'the policy that the log was opened with' : 'found changed when the log was opened',
    object: { hash: policyHash },
    ...(changes.length === 0 ? {} : { changes }),
    context: after,
  };
}

function describePolicy({ logs, witnesses, groups, quorum }: Policy) {
  return {
    log_keys: logs.map(describeKey),
    witness_keys: witnesses.map(describeKey),
    quorum: `${quorum}${groups.map(({ name, threshold, members }) => `; ${name}: ${threshold} of ${members.join(', ')}`).join('')}`,
  };
}

/** `log.example/audit+63ebfb60`, and `until-size 20000` behind it where its validity is bounded. */
function describeKey({ key, validity }: PolicyLog | PolicyWitness): string {
  const label = keyLabel(key);
  if (validity === undefined || isUnlimited(validity)) return label;
  return [label, ...formatDirective({ key: label, validity }).slice(DIRECTIVE_HEAD)].join(' ');
}

/** The marker, `valid` and the key, before the bounds. */
const DIRECTIVE_HEAD = 3;
