/** Mappings of controls: the shipped one, and what is refused with line and column. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parseCatalogue } from '../../src/events/catalogue/parse.ts';
import { readShippedCatalogue } from '../../src/events/catalogue/shipped.ts';
import {
  ControlsError,
  ControlsSchema,
  controlOf,
  fileStem,
  parseControls,
} from '../../src/evidence/controls/mapping.ts';
import { readShippedControls } from '../../src/evidence/controls/shipped.ts';

const MINE = `mapping: mine
version: 1.0.0
title: Mine
questions:
  changes: { title: Changes, query: 'class:access outcome:success', shows: Changes., expect: some }
controls:
  SOC2:CC6.3: { title: Roles, asks: Roles., questions: [changes], leaves_open: [Much.] }
`;

function faultsOf(text: string): readonly string[] {
  try {
    parseControls(text);
  } catch (error) {
    if (error instanceof ControlsError) return error.faults.map(({ code, line }) => `${code} ${line}`);
    throw error;
  }
  return [];
}

describe('a mapping of controls', () => {
  it('comes with the program, with every framework that is promised, and asks for classes that the starter has', async () => {
    const mapping = parseControls(await readShippedControls());
    const catalogue = parseCatalogue(await readShippedCatalogue('starter'));
    const ids = [...mapping.controls.keys()];
    for (const id of ['CC6.1', 'CC6.2', 'CC6.3', 'CC7.2', 'CC7.3', 'CC8.1']) expect(ids).toContain(`SOC2:${id}`);
    for (const id of [15, 16, 17]) expect(ids).toContain(`ISO27001:A.8.${id}`);
    for (const id of [2, 3, 6, 8, 9, 10, 11, 12]) expect(ids).toContain(`NIST800-53:AU-${id}`);
    for (const id of [2, 3, 4, 5, 6]) expect(ids).toContain(`PCI4:10.${id}`);
    expect(ids).toContain('HIPAA:164.312(b)');
    const classes = mapping.questions.flatMap(({ query }) => query.filters.get('class') ?? []);
    expect(classes.filter((id) => !catalogue.classes.has(id))).toEqual([]);
    expect(new Set(ids.map(fileStem)).size).toBe(ids.length);
  });

  it('has a JSON Schema for editors beside it that is the one the program reads by', async () => {
    const file = new URL('../../src/evidence/controls/controls.schema.json', import.meta.url);
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(JSON.parse(JSON.stringify(ControlsSchema)));
  });

  it('gives a question with its control and the hash of the file to the manifest', () => {
    const mapping = parseControls(MINE);
    const control = mapping.controls.get('SOC2:CC6.3');
    const [question] = control?.questions ?? [];
    if (control === undefined || question === undefined) throw new TypeError('no question');
    expect(controlOf(mapping, control, question)).toEqual({
      id: 'SOC2:CC6.3',
      part: 'changes',
      mapping: mapping.sha256,
    });
    expect(question.query.filters.get('class')).toEqual(['access']);
  });

  it.each([
    ['a filter that is none', MINE.replace('class:access', 'clas:access'), 'invalid-query 5'],
    ['a time in a question', MINE.replace('class:access', 'from:2026-01-01'), 'invalid-query 5'],
    ['a question that is not there', MINE.replace('[changes]', '[changes, other]'), 'unknown-question 7'],
    [
      'a question that nobody asks',
      MINE.replace('controls:', '  b: { title: B, query: "", shows: B }\ncontrols:'),
      'unused-question 6',
    ],
    ['an id without a framework', MINE.replace('SOC2:CC6.3', 'CC6.3'), 'unknown-member 7'],
    ['a control that leaves nothing open', MINE.replace('[Much.]', '[]'), 'invalid-member 7'],
    ['an alias', MINE.replace('[Much.]', '&a [Much.]'), 'forbidden-yaml 7'],
    ['what is not YAML', `${MINE}\t}`, 'not-yaml 8'],
  ])('is refused with its line for %s', (_, text, fault) => {
    expect(faultsOf(MINE)).toEqual([]);
    expect(faultsOf(text)[0]).toBe(fault);
  });
});
