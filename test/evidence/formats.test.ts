/** The document on formats says what the code does: its examples are made again and compared. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { DOCUMENT, EXAMPLE, formatExamples, withExamples } from './format-examples.ts';

describe('docs/formats.md', () => {
  it('shows the examples as they are made now, and every one of them', async () => {
    const document = await readFile(DOCUMENT, 'utf8');
    const examples = await formatExamples();
    expect(withExamples(document, examples)).toBe(document);
    const shown = [...document.matchAll(EXAMPLE)].map(([, name]) => name);
    expect(shown.sort()).toEqual([...examples.keys()].filter((name) => name !== 'root').sort());
  });
});
