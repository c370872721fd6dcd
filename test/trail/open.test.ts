import { describe, expect, it } from 'vitest';
import { utf8Encode } from '../../proofs/bytes.ts';
import { formatOpenedEvent } from '../../proofs/opened-event.ts';
import type { StoredEvent, StoredField } from '../../src/log/types.ts';
import { openedEventOf, openedEventText } from '../../src/trail/open.ts';

const hash = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

function storedEvent(values: Readonly<Record<string, string | null>>): StoredEvent {
  const fields = Object.entries(values).map(([id, value], i): StoredField => {
    const commitment = hash(i);
    return value === null ? { id, commitment } : { id, commitment, opening: { salt: hash(i).subarray(0, 16), value } };
  });
  const [entry, card] = [utf8Encode('an entry'), utf8Encode('a card?>~')];
  return { index: 7, entry, leafHash: hash(9), logTime: 1, producerId: 'tok_1', producerSeq: null, card, fields };
}

describe('the text of an opened event', () => {
  it.each([
    ['of every field', { action: '"role.grant"', actor: '{"id":"u_1"}', log: '{"raw":"x"}' }],
    ['with erased fields', { action: '"a"', 'actor.session': null, reason: null, log: '{}' }],
    ['with everything erased', { action: null, log: null }],
    ['with names that sort otherwise in UTF-16 than in UTF-8', { '\u{1f600}': '1', '\uff5e': '2', a: '3', log: '4' }],
    ['with text that is escaped', { reason: '"a\\nb\\u0000\\"\u2028<é>"', 'context."x\\y"': '[1,null]', log: '{}' }],
    ['with names that look like numbers or members of objects', { 10: '1', 9: '2', __proto__x: '3', log: '{}' }],
  ])('is that of proofs/: %s', (_, values) => {
    const stored = storedEvent(values);
    expect(openedEventText(stored)).toBe(formatOpenedEvent(openedEventOf(stored)));
  });
});
