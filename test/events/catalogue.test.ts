/** Catalogue files: what is read, what is refused and where, and what holds for an action. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../proofs/canonical-json.ts';
import { classOf, findAction, separatePathsOf } from '../../src/events/catalogue/catalogue.ts';
import { checkAgainstCatalogue } from '../../src/events/catalogue/check.ts';
import { CatalogueError } from '../../src/events/catalogue/errors.ts';
import { CatalogueSchema } from '../../src/events/catalogue/file.ts';
import { parseCatalogue } from '../../src/events/catalogue/parse.ts';

const TEXT = `# What Acme audits
catalogue: acme
version: 1.4.0
title: What Acme audits
defaults:
  personal: [context.ip]
  minimise: { context.ip: ip-prefix, context.seen_at: to-hour }
classes:
  access:
    title: Who may do what
    retention: soc2
    required: [target.id]
  bypass: { title: Rules overridden, break_glass: true, required: [reason] }
actions:
  role.grant:
    title: Granted a role
    class: access
    required: [context.granted_role]
    required_on_success: [changes]
    personal: [actor.session]
    sensitive: [changes, context.note]
    retention: sox
  role.*: { title: Did something with roles, class: access }
  '*.delete': { title: Deleted something, class: access, minimise: { context.ip: to-day } }
  'role.*.old': { title: Did something old, class: access }
  door.force: { title: Forced a door, class: bypass }
`;
const CATALOGUE = parseCatalogue(TEXT);

describe('a catalogue', () => {
  it('is named by id, version and the hash of its content, whatever its layout', () => {
    expect(CATALOGUE.label).toBe(`acme@1.4.0+sha256:${CATALOGUE.digest}`);
    expect(CATALOGUE.digest).toMatch(/^[0-9a-f]{64}$/);
    const laidOut = TEXT.replace('# What Acme audits\n', '# another remark\n\n').replace(
      '[context.ip]',
      '\n    - context.ip',
    );
    expect(parseCatalogue(laidOut).digest).toBe(CATALOGUE.digest);
    expect(parseCatalogue(TEXT.replace('Granted a role', 'Gave a role')).digest).not.toBe(CATALOGUE.digest);
    const [head = '', ...actions] = TEXT.split('\n  role.');
    expect(parseCatalogue([head, ...[...actions].reverse()].join('\n  role.')).patterns[0]?.name).toBe('role.*.old');
  });

  it('puts defaults, class and action together', () => {
    expect(findAction(CATALOGUE, 'role.grant')).toEqual({
      name: 'role.grant',
      title: 'Granted a role',
      class: 'access',
      breakGlass: false,
      retention: 'sox',
      required: ['context.granted_role', 'target.id'],
      requiredOnSuccess: ['changes'],
      personal: ['actor.session', 'context.ip'],
      sensitive: ['changes', 'context.note'],
      separatePaths: ['actor.session', 'context.ip', 'context.note'],
      minimise: [
        { steps: ['context', 'ip'], how: 'ip-prefix' },
        { steps: ['context', 'seen_at'], how: 'to-hour' },
      ],
    });
    expect(findAction(CATALOGUE, 'door.force')?.breakGlass).toBe(true);
    expect(separatePathsOf(CATALOGUE, 'door.force')).toEqual(['context.ip']);
    expect(separatePathsOf(CATALOGUE, 'door.open')).toEqual([]);
  });

  it.each([
    ['role.grant', 'role.grant'],
    ['role.revoke', 'role.*'],
    ['role.delete', 'role.*'],
    ['role.x.old', 'role.*.old'],
    ['group.delete', '*.delete'],
    ['group.delete.all', undefined],
    ['rolex.grant', undefined],
    ['door.forced', undefined],
  ])('finds for %s the rule %s: the whole name, or the pattern that begins longest', (action, name) => {
    expect(findAction(CATALOGUE, action)?.name).toBe(name);
  });

  it('lets the action win over class and defaults', () => {
    expect(findAction(CATALOGUE, 'group.delete')?.minimise[0]).toEqual({ steps: ['context', 'ip'], how: 'to-day' });
  });

  it('knows the own actions of the log, which are in a class of their own', () => {
    expect(classOf(CATALOGUE, 'countersign.token.create')).toBe('countersign');
    expect(findAction(CATALOGUE, 'countersign.token.create')?.title).toBe('Created a token for the audit trail');
    expect(findAction(CATALOGUE, 'countersign.brand.new')?.title).toBe('The audit trail: brand new');
    const open = parseCatalogue(`${TEXT}  '*': { title: Did something, class: access }\n`);
    expect(classOf(open, 'countersign.heartbeat')).toBe('countersign');
    expect(classOf(open, 'some.thing')).toBe('access');
  });
});

describe('a catalogue file is refused, with line and column', () => {
  it.each([
    ['that is no YAML', 'title: What', 'title: [What', 'not-yaml', 5, ''],
    ['in which a key stands twice', '  role.*:', '  role.grant:', 'duplicate-key', 23, ''],
    ['with a second document', '# What Acme audits\n', 'a: 1\n---\n', 'not-yaml', 2, ''],
    ['with an anchor', 'personal: [context.ip]', 'personal: &p [context.ip]', 'forbidden-yaml', 6, ''],
    ['with an alias', 'personal: [actor.session]', 'personal: *p', 'forbidden-yaml', 20, ''],
    ['with a tag', 'title: What', 'title: !x What', 'not-yaml', 4, ''],
    ['with a key that is no text', '  door.force:', '  12:', 'forbidden-yaml', 26, ''],
    ['that is empty', TEXT, '', 'invalid-member', 1, ''],
    ['with an unknown member', 'defaults:', 'default:', 'unknown-member', 5, '/default'],
    [
      'with an unknown member of an action',
      'sensitive:',
      'sensitve:',
      'unknown-member',
      21,
      '/actions/role.grant/sensitve',
    ],
    ['without a version', 'version: 1.4.0\n', '', 'missing-member', 2, '/version'],
    ['with a version of two numbers', 'version: 1.4.0', 'version: 1.4', 'invalid-member', 3, '/version'],
    ['with an action of one word', 'door.force:', 'door:', 'unknown-member', 26, '/actions/door'],
    ['with a path as an action', 'door.force:', 'PATCH /api/v3:', 'unknown-member', 26, '/actions/PATCH ~1api~1v3'],
    [
      'with an action without a title',
      '{ title: Forced a door, ',
      '{ ',
      'missing-member',
      26,
      '/actions/door.force/title',
    ],
    [
      'with a title of two lines',
      'Forced a door',
      '"Forced\\na door"',
      'invalid-member',
      26,
      '/actions/door.force/title',
    ],
    [
      'with a class that does not exist',
      'class: bypass',
      'class: bypas',
      'unknown-class',
      26,
      '/actions/door.force/class',
    ],
    ['with the class of the log', '  bypass:', '  countersign:', 'reserved-class', 13, '/classes/countersign'],
    [
      'with an action of the log',
      'door.force:',
      'countersign.door:',
      'reserved-action',
      26,
      '/actions/countersign.door',
    ],
    [
      'with a path that no event has',
      'context.granted_role',
      'contxt.granted_role',
      'unknown-path',
      18,
      '/actions/role.grant/required/0',
    ],
    [
      'with a path that no actor has',
      'actor.session',
      'actor.sesion',
      'unknown-path',
      20,
      '/actions/role.grant/personal/0',
    ],
    [
      'with a path into a list',
      'sensitive: [changes,',
      'sensitive: [changes.0,',
      'unknown-path',
      21,
      '/actions/role.grant/sensitive/0',
    ],
    ['with a path into a text', 'context.note', 'action.x', 'unknown-path', 21, '/actions/role.grant/sensitive/1'],
    ['that would hide the action', 'context.note', 'action', 'forbidden-path', 21, '/actions/role.grant/sensitive/1'],
    [
      'that would change when it happened',
      'context.seen_at:',
      'occurred_at:',
      'forbidden-path',
      7,
      '/defaults/minimise/occurred_at',
    ],
    [
      'that would change who it was',
      'context.seen_at:',
      'actor.id:',
      'forbidden-path',
      7,
      '/defaults/minimise/actor.id',
    ],
    ['with an unknown minimisation', 'to-hour', 'to-year', 'invalid-member', 7, '/defaults/minimise/context.seen_at'],
    [
      'with an unknown retention class',
      'retention: sox',
      'retention: soxx',
      'invalid-member',
      22,
      '/actions/role.grant/retention',
    ],
    [
      'with a path twice',
      '[changes, context.note]',
      '[changes, changes]',
      'invalid-member',
      21,
      '/actions/role.grant/sensitive',
    ],
  ])('%s', (_what, from, to, code, line, pointer) => {
    expect(TEXT).toContain(from);
    const { faults } = errorOf(TEXT.replace(from, to));
    expect(faults[0]).toMatchObject({ code, line, pointer });
    expect(faults[0]?.column).toBeGreaterThan(0);
  });

  it('says all that is wrong at once, each at its own place', () => {
    const { faults, message } = errorOf(TEXT.replace('class: bypass', 'class: no').replace('Granted a role', '""'));
    expect(faults.map(({ line, column, pointer }) => [line, column, pointer])).toEqual([
      [16, 5, '/actions/role.grant/title'],
    ]);
    expect(message).toContain('line 16, column 5: /actions/role.grant/title must be what was done');
    const two = errorOf(TEXT.replace('class: bypass', 'class: no').replaceAll('context.granted_role', 'contxt.x'));
    expect(two.faults.map(({ code, line }) => [code, line])).toEqual([
      ['unknown-path', 18],
      ['unknown-class', 26],
    ]);
  });

  it('that is larger than any catalogue, before it is parsed', () => {
    expect(errorOf(`${TEXT}#${'x'.repeat(1_048_576)}`).code).toBe('too-large');
  });

  it('that is nested deeply, without a crash', () => {
    expect(errorOf(`a: ${'['.repeat(5_000)}${']'.repeat(5_000)}`)).toBeInstanceOf(CatalogueError);
  });
});

describe('an event checked against the catalogue', () => {
  const EVENT: JsonObject = {
    event_id: 'e1',
    occurred_at: '2026-01-08T14:32:07Z',
    actor: { type: 'user', id: 'u_1' },
    action: 'role.grant',
    target: { type: 'user', id: 'u_2' },
    outcome: { result: 'success' },
    changes: [{ path: '/roles', after: ['admin'] }],
    context: { granted_role: 'admin' },
  };
  const faultsOf = (members: JsonObject): readonly (readonly [string, string])[] =>
    checkAgainstCatalogue({ ...EVENT, ...members }, CATALOGUE).map(({ code, pointer }) => [code, pointer]);

  it('is taken when all that is required is there', () => {
    expect(faultsOf({})).toEqual([]);
    expect(faultsOf({ action: 'countersign.heartbeat', context: {} })).toEqual([]);
  });

  it('is refused for an unknown action, with what is known of the same kind', () => {
    const [fault] = checkAgainstCatalogue({ ...EVENT, action: 'door.open' }, CATALOGUE);
    expect(fault).toMatchObject({ code: 'unknown-action', pointer: '/action' });
    expect(fault?.detail).toContain('door.force');
    expect(fault?.detail).toContain('acme 1.4.0');
  });

  it.each([
    ['that is not there', {}],
    ['that is null', { granted_role: null }],
    ['that is empty', { granted_role: '' }],
    ['that is an empty list', { granted_role: [] }],
    ['that is an empty object', { granted_role: {} }],
  ])('is refused for a required field %s', (_what, context) => {
    expect(faultsOf({ context })).toEqual([['missing-field', '/context/granted_role']]);
  });

  it('takes zero and false for something', () => {
    expect(faultsOf({ context: { granted_role: 0 } })).toEqual([]);
    expect(faultsOf({ context: { granted_role: false } })).toEqual([]);
  });

  it('needs on success what a denied attempt cannot have', () => {
    const { changes: _changes, ...without } = EVENT;
    const check = (result: string) => checkAgainstCatalogue({ ...without, outcome: { result } }, CATALOGUE);
    expect(check('success').map(({ pointer }) => pointer)).toEqual(['/changes']);
    expect(check('denied')).toEqual([]);
  });

  it('is refused if a time that is to be cut down is none', () => {
    expect(faultsOf({ context: { granted_role: 'x', seen_at: 'yesterday' } })).toEqual([
      ['invalid-member', '/context/seen_at'],
    ]);
    expect(faultsOf({ context: { granted_role: 'x', seen_at: 1767882727 } })).toEqual([
      ['invalid-member', '/context/seen_at'],
    ]);
    expect(
      faultsOf({ context: { granted_role: 'x', seen_at: '2026-01-08T14:32:07+01:00', ip: 'AWS Internal' } }),
    ).toEqual([]);
  });
});

describe('the schema for editors', () => {
  it('is the one that files are checked with', async () => {
    const file = new URL('../../src/events/catalogue/catalogue.schema.json', import.meta.url);
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(JSON.parse(JSON.stringify(CatalogueSchema)));
  });
});

function errorOf(text: string): CatalogueError {
  try {
    parseCatalogue(text);
  } catch (error) {
    if (error instanceof CatalogueError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
