/** The types for producers, given to the compiler together with events that fit and events that do not. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parseCatalogue } from '../../src/events/catalogue/parse.ts';
import { producerTypes } from '../../src/events/catalogue/producer-types.ts';
import { readShippedCatalogue } from '../../src/events/catalogue/shipped.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const COMPILER = path.join(ROOT, 'node_modules/typescript/bin/tsc');

const ROLE_GRANT = `{
  event_id: 'e1', occurred_at: '2026-01-08T14:32:07Z', actor: { type: 'user', id: 'u_1' },
  action: 'role.grant', target: { type: 'user', id: 'u_2' }, outcome: { result: 'success' },
  authorization: { decision: 'allow' }, context: { granted_role: 'admin', ip: '203.0.113.40' },
}`;
const ROLE_CREATE = `{
  event_id: 'e1', occurred_at: '2026-01-08T14:32:07Z', actor: { type: 'user', id: 'u_1' },
  action: 'role.create', target: { type: 'role', id: 'r_1' }, outcome: { result: 'success' },
  changes: [{ path: '/roles', after: 'r_1' }],
}`;

/** What the compiler says about the types and these files that use them; '' if it is content. */
async function compile(types: string, uses: Readonly<Record<string, string>>): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'countersign-types-'));
  try {
    await writeFile(path.join(directory, 'audit.ts'), types);
    const files = Object.keys(uses).map((name) => path.join(directory, `${name}.ts`));
    for (const [name, code] of Object.entries(uses)) {
      await writeFile(path.join(directory, `${name}.ts`), `import type * as audit from './audit.ts';\n${code}\n`);
    }
    const strict = ['--ignoreConfig', '--noEmit', '--strict', '--exactOptionalPropertyTypes'];
    const target = ['--module', 'nodenext', '--target', 'es2023', '--types', '', '--allowImportingTsExtensions'];
    await promisify(execFile)(process.execPath, [COMPILER, ...strict, ...target, ...files]);
    return '';
  } catch (error) {
    if (error instanceof Error && 'stdout' in error) return String(error.stdout);
    throw error;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

describe('the types for producers', () => {
  it('of the shipped catalogues compile, and let in what the catalogue takes', async () => {
    const starter = producerTypes(parseCatalogue(await readShippedCatalogue('starter')));
    const good = `
export const a: audit.RoleGrantEvent = ${ROLE_GRANT};
export const b: audit.AuditEvent = a;
export const c: audit.RoleCreateEvent = ${ROLE_CREATE};
export const d: audit.RoleCreateEvent = ${ROLE_CREATE.replace("'success'", "'denied'").replace(/changes.*\n/, '')};
export const name: audit.AuditAction = 'role.grant';
`;
    expect(await compile(starter, { good })).toBe('');
    const cloudtrail = producerTypes(parseCatalogue(await readShippedCatalogue('cloudtrail')));
    expect(await compile(cloudtrail, { good: "export const name: audit.AuditAction = 'ec2.RunInstances';" })).toBe('');
  });

  it('do not let in what the catalogue refuses', async () => {
    const types = producerTypes(parseCatalogue(await readShippedCatalogue('starter')));
    const grant = (from: string, to: string): string =>
      `export const a: audit.RoleGrantEvent = ${ROLE_GRANT.replace(from, to)};`;
    const said = await compile(types, {
      field_missing: grant("granted_role: 'admin', ", ''),
      field_null: grant("'admin'", 'null'),
      member_missing: grant("authorization: { decision: 'allow' }, ", ''),
      another_action: grant("'role.grant'", "'role.grants'"),
      unknown_decision: grant("'allow'", "'maybe'"),
      unknown_action: "export const a: audit.AuditAction = 'role.grants';",
      success_without_changes: `export const a: audit.RoleCreateEvent = ${ROLE_CREATE.replace(/changes.*\n/, '')};`,
    });
    const faulty = new Set([...said.matchAll(/(\w+)\.ts\(\d+,\d+\): error/g)].map(([, name]) => name));
    expect([...faulty].sort()).toEqual([
      'another_action',
      'field_missing',
      'field_null',
      'member_missing',
      'success_without_changes',
      'unknown_action',
      'unknown_decision',
    ]);
  });

  it('stay apart for names that differ in punctuation only, and cannot be broken out of', async () => {
    const types = producerTypes(
      parseCatalogue(`
catalogue: odd
version: 1.0.0
title: 'Ends a comment */ export const evil = 1; /*'
classes: { access: { title: Who may do what } }
actions:
  role.grant: { title: 'Granted */ throw 1; /*', class: access, required: ["context.it's-a \\\\ name", context.__proto__] }
  role-grant.x: { title: Granted x, class: access }
  role.grant-x: { title: Granted y, class: access }
  any.event: { title: Any event, class: access }
  '9.*': { title: Did something, class: access }
`),
    );
    expect(types).not.toContain('evil = 1; /*\n */\nexport');
    const use = 'export type A = [audit.RoleGrantXEvent, audit.RoleGrantXEvent2, audit._9AnyEvent];';
    expect(await compile(types, { use })).toBe('');
  });
});
