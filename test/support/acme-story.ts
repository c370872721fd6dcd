/**
 * What happened to the billing address of one customer in half a year: every kind of change that an auditor asks about,
 * and the versions of the rule that allowed it, some of which nobody should have used.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { AcmeEvent } from './acme-events.ts';

export const CUSTOMER = 'cus_4711';
export const RULE = 'policy.billing.address';

/** One person under two names; her id never changes. */
export const RENAMED = { id: 'u_1007', before: 'ann.smith@acme.example', after: 'ann.jones@acme.example' };

/** Before each of these days the rules of the day before it are published. */
export const CHAPTERS = ['2026-05-01', '2026-07-01', '2026-09-01', '2026-09-25'] as const;

/** A change of the address, and what is to be said of the rule that it cites. */
export interface Chapter {
  readonly event: AcmeEvent;
  readonly verdict: 'in-force' | 'unapproved' | 'superseded' | 'unknown';
}

const customer = { type: 'customer', id: CUSTOMER };
const agent = (id: string) => ({
  type: 'user',
  id,
  role: 'agent',
  auth: { method: 'sso', provider: 'okta', mfa: true },
});
const update = { action: 'billing.address.update', tenant: 'acme-de', target: customer } as const;
const street = (before: string, after: string) => [{ path: '/street', before, after }];
const success = { result: 'success' } as const;

/** In the order of their time, which is that of the log. */
export const STORY: readonly Chapter[] = [
  {
    verdict: 'in-force',
    event: {
      ...update,
      event_id: 'address-1',
      occurred_at: '2026-05-12T09:41:07.113Z',
      actor: agent('u_1003'),
      outcome: success,
      authorization: { decision: 'allow', rule: `${RULE}.v1#agent`, ticket: 'CASE-3301' },
      reason: 'The customer moved',
      changes: [
        { path: '/street', before: 'Alte Gasse 1', after: 'Hafenweg 5' },
        { path: '/city', before: 'Bonn', after: 'Köln' },
      ],
    },
  },
  {
    verdict: 'in-force',
    event: {
      ...update,
      event_id: 'address-2',
      occurred_at: '2026-06-03T15:02:44Z',
      actor: { type: 'user', name: RENAMED.before, role: 'agent' },
      outcome: success,
      authorization: { decision: 'allow', rule: `${RULE}.v1#agent`, ticket: 'CASE-3518' },
      changes: street('Hafenweg 5', 'Hafenweg 5a'),
    },
  },
  {
    verdict: 'in-force',
    event: {
      ...update,
      event_id: 'address-3',
      occurred_at: '2026-06-20T23:58:01Z',
      actor: { ...agent('u_1021'), role: 'contractor' },
      outcome: { result: 'denied', code: 'not-an-agent' },
      authorization: { decision: 'deny', rule: `${RULE}.v1#agent` },
      changes: street('Hafenweg 5a', 'Postfach 9'),
    },
  },
  {
    verdict: 'in-force',
    event: {
      ...update,
      event_id: 'address-4',
      occurred_at: '2026-07-15T08:11:30Z',
      actor: { type: 'user', name: RENAMED.after, role: 'agent' },
      outcome: success,
      authorization: { decision: 'allow', rule: `${RULE}.v2#agent`, ticket: 'CASE-4002', approver: 'u_1001' },
      changes: street('Hafenweg 5a', 'Hafenweg 7'),
    },
  },
  {
    verdict: 'in-force',
    event: {
      ...update,
      event_id: 'address-5',
      occurred_at: '2026-08-09T02:17:55Z',
      actor: { ...agent('u_1001'), role: 'on-call' },
      outcome: success,
      authorization: { decision: 'bypass', rule: `${RULE}.v2#emergency`, ticket: 'INC-77', approver: 'u_1002' },
      break_glass: true,
      reason: 'Invoices of the night run went to the wrong address',
      changes: street('Hafenweg 7', 'Hafenweg 7b'),
    },
  },
  {
    verdict: 'unapproved',
    event: {
      ...update,
      event_id: 'address-6',
      occurred_at: '2026-09-02T10:30:00Z',
      actor: agent('u_1003'),
      outcome: success,
      authorization: { decision: 'allow', rule: `${RULE}.v3#agent` },
      changes: street('Hafenweg 7b', 'Am Markt 2'),
    },
  },
  {
    verdict: 'superseded',
    event: {
      ...update,
      event_id: 'address-7',
      occurred_at: '2026-09-20T16:45:12Z',
      actor: agent('u_1003'),
      outcome: success,
      authorization: { decision: 'allow', rule: `${RULE}.v2#agent`, ticket: 'CASE-5110' },
      changes: street('Am Markt 2', 'Am Markt 2a'),
    },
  },
  {
    verdict: 'in-force',
    event: {
      ...update,
      event_id: 'address-8',
      occurred_at: '2026-10-10T12:00:00.000001Z',
      actor: {
        ...{ type: 'service', id: 'svc-portal', role: 'self-service' },
        delegation: [{ type: 'customer', id: CUSTOMER }],
      },
      outcome: success,
      authorization: { decision: 'allow', rule: `${RULE}.v4#self-service` },
      changes: street('Am Markt 2a', 'Am Markt 3'),
    },
  },
  {
    verdict: 'in-force',
    event: {
      ...update,
      event_id: 'address-9',
      occurred_at: '2026-10-28T09:00:00Z',
      actor: agent('u_1003'),
      outcome: { result: 'failure', code: 'address-service-unavailable' },
      authorization: { decision: 'allow', rule: `${RULE}.v4#agent`, ticket: 'CASE-6034' },
      changes: street('Am Markt 3', 'Am Markt 4'),
    },
  },
];

/** A repository of rules that grows by one commit a chapter, as `rules publish --from-git` reads it. */
export async function makeRuleRepository(directory: string): Promise<RuleRepository> {
  await mkdir(path.join(directory, 'policies'), { recursive: true });
  git(directory, 'init', '--quiet');
  let manifest = 'rules:\n';
  return {
    directory,
    commit: async (chapter) => {
      for (const { id, version, ...people } of VERSIONS[chapter]) {
        const definition = `policies/${id}.${version}.rego`;
        await writeFile(path.join(directory, definition), `package ${id}\n# ${version}\ndefault allow := false\n`);
        const lines = Object.entries({ version, definition, ...people }).map(
          ([name, value]) => `    ${name}: ${value}\n`,
        );
        manifest += `  - id: ${id}\n${lines.join('')}`;
      }
      await writeFile(path.join(directory, 'rules.yaml'), manifest);
      git(directory, 'add', '.');
      git(
        directory,
        '-c',
        'user.name=acme',
        '-c',
        'user.email=acme@acme.example',
        'commit',
        '-qm',
        `rules of ${chapter}`,
      );
    },
  };
}

export interface RuleRepository {
  readonly directory: string;
  /** Adds the versions of a chapter to the manifest and commits them. */
  readonly commit: (chapter: (typeof CHAPTERS)[number]) => Promise<void>;
}

interface Version {
  readonly id: string;
  readonly version: string;
  readonly author: string;
  readonly approver?: string;
  readonly approval?: string;
}

const VERSIONS: Readonly<Record<(typeof CHAPTERS)[number], readonly Version[]>> = {
  '2026-05-01': [
    { id: 'policy.access.grant', version: 'v1', author: 'u_2001', approver: 'u_2002', approval: 'PR-12' },
    { id: RULE, version: 'v1', author: 'u_2001', approver: 'u_2002', approval: 'PR-40' },
  ],
  '2026-07-01': [{ id: RULE, version: 'v2', author: 'u_2003', approver: 'u_2002', approval: 'PR-77' }],
  '2026-09-01': [{ id: RULE, version: 'v3', author: 'u_2003' }],
  '2026-09-25': [{ id: RULE, version: 'v4', author: 'u_2001', approver: 'u_2004', approval: 'PR-93' }],
};

function git(directory: string, ...args: readonly string[]): void {
  execFileSync('git', ['-C', directory, ...args], { stdio: 'pipe' });
}
