import { describe, expect, it } from 'vitest';
import { base64Encode } from '../../proofs/bytes.ts';
import type { JsonObject } from '../../proofs/canonical-json.ts';
import { encodeCard } from '../../proofs/card.ts';
import { leafHash } from '../../proofs/hash.ts';
import {
  checkOpenedEvent,
  formatOpenedEvent,
  MAX_OPENED_EVENT_CHARACTERS,
  type OpenedEvent,
  parseOpenedEvent,
} from '../../proofs/opened-event.ts';
import { EVENT, makeEvidence } from '../support/opened.ts';
import { flipBit } from '../support/tree.ts';

const { opened, openedText } = makeEvidence();
const json = JSON.parse(openedText) as Record<string, JsonObject>;

/** The opened event without some fields. */
function without(ids: readonly string[], lists: Partial<OpenedEvent> = {}): OpenedEvent {
  return { ...opened, fields: new Map([...opened.fields].filter(([id]) => !ids.includes(id))), ...lists };
}

function reopened(id: string, change: { readonly salt?: Uint8Array; readonly value?: string }): OpenedEvent {
  const opening = opened.fields.get(id);
  if (opening === undefined) throw new Error(`no field ${id}`);
  return { ...opened, fields: new Map(opened.fields).set(id, { ...opening, ...change }) };
}

describe('an opened event', () => {
  it('comes back from its text', () => {
    expect(parseOpenedEvent(openedText)).toEqual(opened);
    const partly = without(['reason', 'actor.session'], { withheld: ['reason'], erased: ['actor.session'] });
    expect(parseOpenedEvent(formatOpenedEvent(partly))).toEqual(partly);
    expect(formatOpenedEvent(parseOpenedEvent(openedText))).toBe(openedText);
  });

  it('shows the event that was committed to', () => {
    const checked = checkOpenedEvent(opened);
    expect(checked.event).toEqual(EVENT);
    expect(checked.leafHash).toEqual(leafHash(opened.entry));
    expect(checked.fields.get('log')).toEqual({ catalogue: null, raw: 'AA==' });
    expect([checked.withheld, checked.erased]).toEqual([[], []]);
  });

  it('is spaced and ordered as its writer likes', () => {
    const loose = JSON.stringify(Object.fromEntries(Object.entries(json).reverse()), null, 2);
    expect(parseOpenedEvent(loose).entry).toEqual(opened.entry);
  });
});

describe('fields that are not shown', () => {
  it('are named: erased if the sender says so, withheld otherwise', () => {
    const checked = checkOpenedEvent(without(['reason', 'actor.session', 'action'], { erased: ['actor.session'] }));
    expect(checked.withheld).toEqual(['action', 'reason']);
    expect(checked.erased).toEqual(['actor.session']);
    expect(checked.event).not.toHaveProperty('reason');
  });

  it('may be the parent of one that is', () => {
    expect(checkOpenedEvent(without(['actor'])).event['actor']).toEqual({ session: 's_1f9c' });
  });

  it('may be all of them, and the log’s own', () => {
    const ids = [...opened.fields.keys()];
    expect(checkOpenedEvent(without(ids)).withheld).toEqual(ids.toSorted());
  });

  it.each<[string, Partial<OpenedEvent>]>([
    ['not in the card', { withheld: ['nothing'] }],
    ['opened', { withheld: ['action'] }],
    ['opened, and said to be erased', { erased: ['action'] }],
    ['named twice', { withheld: ['reason', 'reason'] }],
    ['named in both lists', { withheld: ['reason'], erased: ['reason'] }],
  ])('are not said to be missing when they are %s', (_, lists) => {
    expect(() => checkOpenedEvent(without(['reason'], lists))).toThrow(
      expect.objectContaining({ code: 'invalid-opened-event' }),
    );
  });
});

describe('an altered event is refused, naming index and field', () => {
  it('for each changed value', () => {
    for (const [id, { value }] of opened.fields) {
      const altered = reopened(id, { value: value === '"x"' ? '"y"' : '"x"' });
      const details = { field: id, index: 2 };
      expect(() => checkOpenedEvent(altered)).toThrow(
        expect.objectContaining({ code: 'commitment-mismatch', details }),
      );
    }
  });

  it('for each flipped bit of a salt, the entry and the card', () => {
    const salt = opened.fields.get('action')?.salt ?? new Uint8Array();
    for (let bit = 0; bit < 8 * salt.length; bit++) {
      const altered = reopened('action', { salt: flipBit(salt, bit) });
      expect(() => checkOpenedEvent(altered)).toThrow(expect.objectContaining({ code: 'commitment-mismatch' }));
    }
    for (let bit = 0; bit < 8 * opened.card.length; bit++) {
      expect(() => checkOpenedEvent({ ...opened, card: flipBit(opened.card, bit) })).toThrow();
    }
    for (let bit = 0; bit < 8 * opened.entry.length; bit++) {
      let hash: Uint8Array;
      try {
        hash = checkOpenedEvent({ ...opened, entry: flipBit(opened.entry, bit) }).leafHash;
      } catch {
        continue;
      }
      // Time, producer and number are in nothing but the leaf hash: the inclusion proof is what holds them.
      expect(hash).not.toEqual(leafHash(opened.entry));
    }
  });

  it('for a value in another spelling', () => {
    expect(() => checkOpenedEvent(reopened('actor', { value: ' {"type":"user"}' }))).toThrow(
      expect.objectContaining({ code: 'commitment-mismatch' }),
    );
  });

  it('for a field that the card does not have', () => {
    const added = {
      ...opened,
      fields: new Map(opened.fields).set('tenant', { salt: new Uint8Array(16), value: '"x"' }),
    };
    const details = { field: 'tenant', index: 2 };
    expect(() => checkOpenedEvent(added)).toThrow(expect.objectContaining({ code: 'card-mismatch', details }));
  });

  it('for two fields with their openings exchanged', () => {
    const [a, b] = [opened.fields.get('action'), opened.fields.get('reason')];
    if (a === undefined || b === undefined) throw new Error('fields are missing');
    const fields = new Map(opened.fields).set('action', b).set('reason', a);
    expect(() => checkOpenedEvent({ ...opened, fields })).toThrow(
      expect.objectContaining({ code: 'commitment-mismatch' }),
    );
  });

  it('for another event’s card', () => {
    const card = encodeCard([['action', new Uint8Array(32)]]);
    expect(() => checkOpenedEvent({ ...opened, card })).toThrow(expect.objectContaining({ code: 'card-mismatch' }));
  });
});

describe('reading an opened event refuses', () => {
  it.each<[string, unknown]>([
    ['no index', { ...json, index: undefined }],
    ['no entry', { ...json, entry: undefined }],
    ['no card', { ...json, card: undefined }],
    ['no fields', { ...json, fields: undefined }],
    ['an unknown member', { ...json, proof: 1 }],
    ['a negative index', { ...json, index: -1 }],
    ['a fraction', { ...json, index: 0.5 }],
    ['an index that is text', { ...json, index: '2' }],
    ['an entry that is no base64', { ...json, entry: 'AA' }],
    ['an entry with bits under the padding', { ...json, entry: 'AB==' }],
    ['an entry in base64url', { ...json, entry: '-_-_' }],
    ['a card that is no text', { ...json, card: 7 }],
    ['fields in a list', { ...json, fields: [] }],
    ['a field that is text', { ...json, fields: { action: 'x' } }],
    ['a field without salt', { ...json, fields: { action: { value: '1' } } }],
    ['a field without value', { ...json, fields: { action: { salt: base64Encode(new Uint8Array(16)) } } }],
    ['a field with more', { ...json, fields: { action: { ...(json['fields']?.['action'] as object), c: 1 } } }],
    ['a short salt', { ...json, fields: { action: { salt: base64Encode(new Uint8Array(15)), value: '1' } } }],
    ['a value that is no text', { ...json, fields: { action: { salt: base64Encode(new Uint8Array(16)), value: 1 } } }],
    ['withheld that is no list', { ...json, withheld: 'reason' }],
    ['erased that is a list of numbers', { ...json, erased: [1] }],
    ['a list', [json]],
    ['null', null],
  ])('%s', (_, value) => {
    expect(() => parseOpenedEvent(JSON.stringify(value))).toThrow(
      expect.objectContaining({ code: 'invalid-opened-event' }),
    );
  });

  it('the same member twice, which readers would disagree about', () => {
    const twice = openedText.replace('"index":2', '"index":2,"index":3');
    expect(() => parseOpenedEvent(twice)).toThrow(expect.objectContaining({ code: 'duplicate-member' }));
    const forged = openedText.replace(
      '"fields":{',
      '"fields":{"action":{"salt":"AAAAAAAAAAAAAAAAAAAAAA==","value":"1"},',
    );
    expect(() => parseOpenedEvent(forged)).toThrow(expect.objectContaining({ code: 'duplicate-member' }));
  });

  it('text that is not JSON, too deep or too long', () => {
    expect(() => parseOpenedEvent('')).toThrow(expect.objectContaining({ code: 'invalid-json' }));
    expect(() => parseOpenedEvent('['.repeat(100_000))).toThrow(expect.objectContaining({ code: 'json-too-deep' }));
    expect(() => parseOpenedEvent(' '.repeat(MAX_OPENED_EVENT_CHARACTERS + 1))).toThrow(
      expect.objectContaining({ code: 'invalid-opened-event' }),
    );
  });

  it('names in its message nothing that could break a line', () => {
    const bad = JSON.stringify({ ...json, 'x\n\u202e\u001b[31m': 1 });
    let message = '';
    try {
      parseOpenedEvent(bad);
    } catch (error) {
      message = String(error);
    }
    expect(message).toContain('"x\\u{a}\\u{202e}\\u{1b}[31m"');
  });
});
