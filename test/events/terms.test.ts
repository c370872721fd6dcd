import { describe, expect, it } from 'vitest';
import { FILTERS, searchTerm } from '../../src/events/terms.ts';

describe('a search term', () => {
  it('differs between kinds and values', () => {
    const terms = FILTERS.flatMap((name) => ['x', 'y', ':x', ''].map((value) => searchTerm(name, value)));
    expect(new Set(terms).size).toBe(terms.length);
  });

  it('holds no NUL and nothing without UTF-8 form, so that it can be part of a key', () => {
    for (const value of ['a\0b', '\0', '\ud800']) {
      expect(searchTerm('actor', value)).toBe('a!');
      expect(searchTerm('actor', '!')).not.toBe('a!');
    }
  });
});
