/**
 * Break-glass (E9, S6): every override of the rules is a finding of its own. Privilege escalation (S6): somebody was
 * granted a role that the configuration calls privileged, or granted a role to themselves.
 */

import type { JsonValue } from '../../../proofs/canonical-json.ts';
import { memberAt, textAt } from '../../../proofs/fields.ts';
import type { Finding } from '../finding.ts';
import type { WatchConfig } from './config.ts';
import { type Detector, STATELESS } from './detector.ts';
import { Episodes, type Report } from './episodes.ts';
import { type Examined, outcomeOf, principalOf } from './examined.ts';
import { matcher } from './patterns.ts';

const MAX_PRINCIPALS = 10_000;
/** What stands for a principal whose id was erased. */
const UNKNOWN = { type: 'principal', id: 'unknown', key: '' };

export function breakGlassDetector(): Detector {
  return {
    ...STATELESS,
    name: 'break-glass',
    examine: (event) => (isBreakGlass(event) ? [breakGlassFinding(event)] : []),
  };
}

function isBreakGlass(event: Examined): boolean {
  if (event.isOwn) return false;
  if (event.textOf('break_glass') === 'true') return true;
  const mayBypass = event.textOf('authorization')?.includes('"bypass"') === true;
  return mayBypass && textAt(event.field('authorization'), 'decision') === 'bypass';
}

function breakGlassFinding(event: Examined): Finding {
  const { type, id } = principalOf(event) ?? UNKNOWN;
  const { index, logTimeUs } = event;
  return {
    kind: 'break-glass',
    severity: 'critical',
    subject: { type, id },
    firstIndex: index,
    lastIndex: index,
    firstTimeUs: logTimeUs,
    lastTimeUs: logTimeUs,
    count: 1,
    message: `Entry ${index} (${event.action}) overrode the normal rules. Its outcome: ${outcomeOf(event) ?? 'unknown'}.`,
    evidence: { action: event.action },
  };
}

export type PrivilegeConfig = Pick<WatchConfig, 'privilege' | 'windowUs'>;

export function privilegeDetector({ privilege, windowUs }: PrivilegeConfig): Detector {
  const isGrant = matcher(privilege.actions);
  const isPrivileged = matcher(privilege.roles);
  const episodes = new Episodes({ windowUs, maxEpisodes: MAX_PRINCIPALS, reportFirst: true });
  const toFinding = (report: Report): Finding => privilegeFinding(report);
  return {
    name: 'privilege-escalation',
    examine: (event) => {
      if (event.isOwn || !isGrant(event.action) || outcomeOf(event) !== 'success') return [];
      const { type, id, key } = principalOf(event) ?? UNKNOWN;
      const target = event.field('target');
      const toSelf = textAt(target, 'id') === id && textAt(target, 'type') === type;
      if (!toSelf && !grantedRoles(event).some(isPrivileged)) return [];
      return episodes.note(key, event, toSelf ? 1 : 0).map(toFinding);
    },
    dueUs: () => episodes.dueUs,
    tick: (nowUs) => episodes.tick(nowUs).map(toFinding),
    save: () => episodes.save(),
    restore: (state) => episodes.restore(state),
  };
}

/** `context.granted_role`, and what a change of roles adds. */
function grantedRoles(event: Examined): readonly string[] {
  const granted = texts(memberAt(event.field('context'), 'granted_role'));
  const changes = event.field('changes');
  if (!Array.isArray(changes)) return granted;
  const added = (changes as readonly JsonValue[]).flatMap((change) => {
    if (!/roles?$/.test(textAt(change, 'path') ?? '')) return [];
    const before = texts(memberAt(change, 'before'));
    return texts(memberAt(change, 'after')).filter((role) => !before.includes(role));
  });
  return [...granted, ...added];
}

function texts(value: JsonValue | undefined): readonly string[] {
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value)) return [];
  return (value as readonly JsonValue[]).filter((one): one is string => typeof one === 'string');
}

function privilegeFinding({
  key,
  isFirst,
  firstIndex,
  lastIndex,
  firstTimeUs,
  lastTimeUs,
  count,
  most,
}: Report): Finding {
  const subject = subjectOfKey(key);
  const what = isFirst
    ? `Entry ${firstIndex} grants a privileged role${most > 0 ? ', or a role to the one who grants it' : ''}.`
    : `${count} more grants of privileged roles by the same principal${most > 0 ? ', some of them to itself' : ''}.`;
  return {
    kind: 'privilege-escalation',
    severity: 'high',
    subject,
    firstIndex,
    lastIndex,
    firstTimeUs,
    lastTimeUs,
    count,
    message: what,
    evidence: { to_itself: most > 0 },
    discriminator: key,
  };
}

/** The principal that a key of `principalOf` names. */
export function subjectOfKey(key: string): Finding['subject'] {
  if (key === '') return { type: UNKNOWN.type, id: UNKNOWN.id };
  const [, type, id]: readonly (string | null | undefined)[] = JSON.parse(key);
  return { type: type ?? UNKNOWN.type, id: id ?? UNKNOWN.id };
}
