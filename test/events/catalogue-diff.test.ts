import { describe, expect, it } from 'vitest';
import { diffCatalogues } from '../../src/events/catalogue/diff.ts';
import { parseCatalogue } from '../../src/events/catalogue/parse.ts';

const TEXT = `
catalogue: acme
version: 1.9.0
title: What Acme audits
defaults: { personal: [context.ip] }
classes:
  access: { title: Who may do what, retention: soc2 }
  bypass: { title: Rules overridden, break_glass: true }
actions:
  role.grant:
    title: Granted a role
    class: access
    required: [target.id]
    required_on_success: [changes]
    sensitive: [context.note]
    minimise: { context.ip: ip-prefix }
  door.force: { title: Forced a door, class: bypass }
`;
const BEFORE = parseCatalogue(TEXT);
const changesOf = (from: string, to: string): readonly string[] => {
  expect(TEXT).toContain(from);
  const { changes } = diffCatalogues(BEFORE, parseCatalogue(TEXT.replaceAll(from, to)));
  return changes.map(({ action, part, effect }) => `${effect} ${action} ${part}`);
};

describe('what a new version of a catalogue changes', () => {
  it('is nothing for another layout', () => {
    expect(diffCatalogues(BEFORE, parseCatalogue(`# remark\n${TEXT}`))).toMatchObject({ isSame: true, changes: [] });
  });

  it.each([
    ['a required field dropped', '    required: [target.id]\n', '', ['loosens role.grant required']],
    ['a required field added', '[target.id]', '[target.id, reason]', ['tightens role.grant required']],
    [
      'a field required always, not only on success',
      'required_on_success: [changes]',
      'retention: soc2',
      ['loosens role.grant required_on_success'],
    ],
    [
      'a personal mark dropped by the defaults',
      'personal: [context.ip]',
      'personal: []',
      ['loosens door.force personal', 'loosens role.grant personal'],
    ],
    ['a sensitive mark added', '[context.note]', '[context.note, reason]', ['tightens role.grant sensitive']],
    ['a minimisation dropped', '    minimise: { context.ip: ip-prefix }\n', '', ['loosens role.grant minimise']],
    ['a shorter retention of a class', 'retention: soc2', 'retention: noise', ['loosens role.grant retention']],
    ['a longer retention of a class', 'retention: soc2', 'retention: sox', ['tightens role.grant retention']],
    ['a break-glass flag taken off', ', break_glass: true', '', ['loosens door.force break_glass']],
    ['another title', 'Granted a role', 'Gave a role', ['neutral role.grant title']],
    [
      'an action in another class',
      'Forced a door, class: bypass',
      'Forced a door, class: access',
      ['loosens door.force class', 'loosens door.force break_glass', 'tightens door.force retention'],
    ],
    [
      'an action removed',
      '  door.force: { title: Forced a door, class: bypass }\n',
      '',
      ['tightens door.force action'],
    ],
    ['an action added', 'actions:\n', 'actions:\n  a.b: { title: Did a, class: access }\n', ['neutral a.b action']],
    ['a pattern added', 'actions:\n', "actions:\n  'a.*': { title: Did a, class: access }\n", ['loosens a.* action']],
  ])('is, for %s, said with its effect', (_what, from, to, expected) => {
    expect(changesOf(from, to)).toEqual(expected);
  });

  it('has to raise the version', () => {
    const raised = (version: string): boolean =>
      diffCatalogues(BEFORE, parseCatalogue(TEXT.replace('1.9.0', version))).isRaised;
    expect([raised('1.10.0'), raised('2.0.0'), raised('1.9.1')]).toEqual([true, true, true]);
    expect([raised('1.9.0'), raised('1.8.9'), raised('0.99.0')]).toEqual([false, false, false]);
  });
});
