/** `countersign catalogue` and `countersign redact --test`, which need no network. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CatalogueSchema } from '../../src/events/catalogue/file.ts';
import { cli } from '../support/network.ts';
import { withDirectory } from '../support/test-log.ts';

const GOOD = `catalogue: acme
version: 1.0.0
title: What Acme audits
classes: { access: { title: Who may do what } }
actions:
  role.grant: { title: Granted a role, class: access, required: [target.id] }
`;

describe('countersign catalogue', () => {
  it('checks a file, and says what is in it', () =>
    withDirectory(async (directory) => {
      const file = await write(directory, 'a.yaml', GOOD);
      const { code, out } = await cli(['catalogue', 'check', file]);
      expect(code).toBe(0);
      expect(out).toMatch(
        /^acme@1\.0\.0\+sha256:[0-9a-f]{64}\nWhat Acme audits\n1 actions, 0 patterns\n {5}1 {2}access\n$/,
      );
      expect((await cli(['catalogue', 'check', file, '--json'])).json()).toMatchObject({ ok: true, id: 'acme' });
    }));

  it('says what is wrong, with line and column, and exits with 1', () =>
    withDirectory(async (directory) => {
      const file = await write(directory, 'a.yaml', GOOD.replace('class: access', 'class: acess'));
      const { code, out } = await cli(['catalogue', 'check', file]);
      expect(code).toBe(1);
      expect(out).toBe(`${file}:6:40: /actions/role.grant/class is none of the classes: access\n`);
      const json = await cli(['catalogue', 'check', file, '--json']);
      expect(json.json()).toMatchObject({ ok: false, faults: [{ code: 'unknown-class', line: 6, column: 40 }] });
    }));

  it('does not pass a catalogue that redaction would change', () =>
    withDirectory(async (directory) => {
      const file = await write(
        directory,
        'a.yaml',
        GOOD.replace('Granted a role', '"Granted a role, password=hunter2"'),
      );
      const { code, err } = await cli(['catalogue', 'check', file]);
      expect(code).toBe(1);
      expect(err).toContain('password');
      expect(err).not.toContain('hunter2');
    }));

  it('exits with 2 for a file that is not there', async () => {
    expect((await cli(['catalogue', 'check', '/nowhere.yaml'])).code).toBe(2);
    expect((await cli(['catalogue', 'types', '/nowhere.yaml'])).code).toBe(2);
  });

  it('compares two, and with --strict refuses what loosens or was not given a new version', () =>
    withDirectory(async (directory) => {
      const before = await write(directory, 'a.yaml', GOOD);
      const loose = GOOD.replace(', required: [target.id]', '');
      const after = await write(directory, 'b.yaml', loose.replace('1.0.0', '1.1.0'));
      const { code, out } = await cli(['catalogue', 'diff', before, after]);
      expect(code).toBe(0);
      expect(out).toBe('- role.grant  no longer requires target.id\n1 changes, 1 of them loosen something\n');
      expect((await cli(['catalogue', 'diff', '--strict', before, after])).code).toBe(1);
      expect((await cli(['catalogue', 'diff', '--strict', after, before])).code).toBe(1);
      const tight = await write(
        directory,
        'c.yaml',
        GOOD.replace('[target.id]', '[target.id, reason]').replace('1.0.0', '1.0.1'),
      );
      expect((await cli(['catalogue', 'diff', '--strict', before, tight])).code).toBe(0);
      expect((await cli(['catalogue', 'diff', before, before])).out).toBe('no change\n');
    }));

  it('prints types, the schema, and the catalogues that come with it', async () => {
    expect((await cli(['catalogue', 'types', 'starter'])).out).toContain('export type RoleGrantEvent');
    expect(JSON.parse((await cli(['catalogue', 'schema'])).out)).toEqual(JSON.parse(JSON.stringify(CatalogueSchema)));
    const printed = (await cli(['catalogue', 'print', 'starter'])).out;
    expect(printed).toBe(await readFile(new URL('../../src/events/catalogue/starter.yaml', import.meta.url), 'utf8'));
    expect((await cli(['catalogue', 'check', 'cloudtrail'])).code).toBe(0);
    expect((await cli(['catalogue', 'print', 'nonsense'])).code).toBe(2);
  });
});

describe('countersign redact --test', () => {
  const CASES = [
    { input: { note: 'card 4111-1111-1111-1111' }, expect: { note: 'card [redacted:card-number:1111]' } },
    { input: 'nothing here', expect: 'nothing here' },
    {
      name: 'a card as an actor',
      input: { event_id: 'e1', actor: { type: 'user', id: '4111111111111111' } },
      refused: ['/actor/id'],
    },
  ];

  it('passes when every case comes out as expected, from an array and from lines', () =>
    withDirectory(async (directory) => {
      const array = await write(directory, 'cases.json', JSON.stringify(CASES));
      const lines = await write(directory, 'cases.ndjson', CASES.map((one) => `${JSON.stringify(one)}\n`).join(''));
      for (const file of [array, lines]) {
        const { code, out } = await cli(['redact', '--test', file]);
        expect(out).toContain('3 values, 1 replacements, 3 cases, 0 failed');
        expect(code).toBe(0);
      }
    }));

  it('fails with 1 and shows what came out instead', async () => {
    const { code, out } = await cli(
      ['redact', '--test', '-'],
      '{"input":{"a":"password=hunter2"},"expect":{"a":"password=***"}}\n',
    );
    expect(code).toBe(1);
    expect(out).toContain('case 1  FAILED');
    expect(out).toContain('got {"a":"password=[redacted:password]"}');
    expect(out).not.toContain('hunter2');
  });

  it('shows what would be replaced in plain events, never the secret', async () => {
    const events = '{"event_id":"e1","details":"cvv: 123"}\n{"event_id":"e2","details":"fine"}\n';
    const { code, out } = await cli(['redact', '--test', '-'], events);
    expect(code).toBe(0);
    expect(out).toBe('line 1\n  card-cvv  /details\nredaction-1: 2 values, 1 replacements, 0 cases, 0 failed\n');
    const { json } = await cli(['redact', '--test', '-', '--json'], events);
    expect(json()).toMatchObject({
      rules: 'redaction-1',
      replaced: 1,
      results: [{ refused: [] }, { replacements: [] }],
    });
  });

  it('takes an allow list of hashed test numbers', () =>
    withDirectory(async (directory) => {
      const hash = '9bbef19476623ca56c17da75fd57734dbf82530686043a6e491c6d71befe8f6e';
      const allow = await write(directory, 'allow.txt', `# sandbox\n${hash}  visa\n`);
      const { out } = await cli(['redact', '--test', '-', '--allow', allow], '"4111111111111111"');
      expect(out).toContain('1 values, 0 replacements');
      const wrong = await write(directory, 'wrong.txt', '4111111111111111\n');
      const refused = await cli(['redact', '--test', '-', '--allow', wrong], '"x"');
      expect(refused.code).toBe(2);
      expect(refused.err).toContain('line 1');
    }));

  it.each([
    ['nothing', ''],
    ['a line that is no JSON', '{"a":1}\n{"a":\n'],
    ['a case with a strange member', '{"input":1,"expected":1}'],
  ])('exits with 2 for %s', async (_what, text) => {
    expect((await cli(['redact', '--test', '-'], text)).code).toBe(2);
  });
});

async function write(directory: string, name: string, text: string): Promise<string> {
  const file = path.join(directory, name);
  await writeFile(file, text);
  return file;
}
