import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeLine } from '../../proofs/escape-line.ts';
import { csvCell, csvRow } from '../../src/trail/display.ts';

describe('text shown as a line', () => {
  it.each([
    ['plain text, Grüße, 漢字, 👩‍💻', 'plain text, Grüße, 漢字, 👩‍💻'],
    ['a\n{"event_id":"forged"}', 'a\\n{"event_id":"forged"}'],
    ['a\r\nb\tc', 'a\\r\\nb\\tc'],
    ['\u0000\u001b[2J\u007f\u0085', '\\u0000\\u001b[2J\\u007f\\u0085'],
    ['a\u2028b\u2029c', 'a\\u2028b\\u2029c'],
    ['user\u202etxt.exe', 'user\\u202etxt.exe'],
    ['a\u2066b\u2069\u200e\u200f\u061c', 'a\\u2066b\\u2069\\u200e\\u200f\\u061c'],
    ['a\u200bb\ufeffc\u00add', 'a\\u200bb\\ufeffc\\u00add'],
    ['a\u{e0041}b', 'a\\u{e0041}b'],
    ['C:\\temp\\n', 'C:\\\\temp\\\\n'],
    ['a\ud800b', 'a\\ud800b'],
  ])('writes %j as %j', (text, line) => {
    expect(escapeLine(text)).toBe(line);
  });

  it('never holds a line break or a control, and never looks like another text (the seed is printed on failure)', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (one, other) => {
        const line = escapeLine(one);
        expect(line).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
        expect(line.isWellFormed()).toBe(true);
        if (one !== other) expect(line).not.toBe(escapeLine(other));
      }),
    );
  });
});

describe('a cell of a CSV file', () => {
  it.each([
    ['plain', '"plain"'],
    ['a "quoted" word', '"a ""quoted"" word"'],
    ['a,b;c', '"a,b;c"'],
    ['=HYPERLINK("http://x","y")', '"\'=HYPERLINK(""http://x"",""y"")"'],
    ['+1', '"\'+1"'],
    ['-2+3', '"\'-2+3"'],
    ['@SUM(A1)', '"\'@SUM(A1)"'],
    ['\t=1', '"\'\\t=1"'],
    ['\r=1', '"\'\\r=1"'],
    ['\nx', '"\'\\nx"'],
    ['  =1', '"\'  =1"'],
    ['"=1', '"\'""=1"'],
    ["'=1", '"\'\'=1"'],
    ['＝1', '"\'＝1"'],
    ['a=1', '"a=1"'],
    ['line\nbreak', '"line\\nbreak"'],
    ['', '""'],
  ])('writes %j as %s', (text, cell) => {
    expect(csvCell(text)).toBe(cell);
  });

  it('writes numbers, truth values and nothing as they are', () => {
    expect(csvRow([-5, 1.5, true, null, '-5'])).toBe('-5,1.5,true,,"\'-5"\r\n');
  });

  it('is read back by a parser as one cell that begins no formula (the seed is printed on failure)', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }), (texts) => {
        const row = csvRow(texts);
        expect(row.indexOf('\n')).toBe(row.length - 1);
        const cells = [...row.slice(0, -2).matchAll(/"((?:[^"]|"")*)"(?:,|$)/g)].map(([, cell = '']) =>
          cell.replaceAll('""', '"'),
        );
        expect(cells).toHaveLength(texts.length);
        for (const cell of cells) expect(cell).not.toMatch(/^\s*[=+\-@\t\r]/);
      }),
    );
  });
});
