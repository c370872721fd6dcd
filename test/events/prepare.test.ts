import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { canonicalJson, type JsonObject, type JsonValue } from '../../proofs/canonical-json.ts';
import { type CardField, encodeCard } from '../../proofs/card.ts';
import { commitField } from '../../proofs/commitment.ts';
import { encodeEntry } from '../../proofs/entry.ts';
import { nobleHasher } from '../../proofs/hash.ts';
import { checkOpenedEvent } from '../../proofs/opened-event.ts';
import { fieldTexts } from '../../src/events/contents.ts';
import { prepareCloudEvent, prepareEvent, prepareValue } from '../../src/events/prepare.ts';
import { EventProblem, type PrepareContext, type Prepared } from '../../src/events/types.ts';
import { decodeDisclosure } from '../../src/log/disclosure.ts';
import { bytesOf, DESIGN_EVENT, testContext } from '../support/prepare.ts';

const prepare = (event: unknown, change: Partial<PrepareContext> = {}): Prepared =>
  prepareEvent(bytesOf(event), testContext(change));

function refusalOf(work: () => unknown): { readonly code: string; readonly pointer: string | undefined } {
  try {
    work();
  } catch (error) {
    if (error instanceof EventProblem) return { code: error.code, pointer: error.faults[0]?.pointer };
    throw error;
  }
  throw new Error('the event was accepted');
}

/** What the log does with a prepared event, opened again. */
function opened(prepared: Prepared): ReturnType<typeof checkOpenedEvent> {
  const fields = decodeDisclosure(prepared.contents, nobleHasher).map(({ id, opening }) => {
    if (opening === undefined) throw new Error(`the field ${id} is not opened`);
    return [id, opening] as const;
  });
  const card = fields.slice(0, -1).map(([id, { salt, value }]): CardField => [id, commitField(salt, id, value)]);
  return checkOpenedEvent({
    index: 0,
    entry: encodeEntry({ logTime: 1, ...prepared }),
    card: encodeCard(card),
    fields: new Map(fields),
    withheld: [],
    erased: [],
  });
}

describe('a prepared event', () => {
  it('opens to exactly what was submitted, and what the log adds', () => {
    const context = { catalogueVersion: 'cat-3', redactionVersion: 'red-1', clockOffsetUs: -42 };
    const prepared = prepare(DESIGN_EVENT, context);
    const checked = opened(prepared);
    expect(checked.event).toEqual(DESIGN_EVENT);
    const raw = createHmac('sha256', new Uint8Array(32).fill(1)).update(bytesOf(DESIGN_EVENT)).digest('base64');
    const versions = { catalogue: 'cat-3', redaction: 'red-1', class: null };
    expect(checked.fields.get('log')).toEqual({ ...versions, clock_offset_us: -42, raw });
    expect(prepared).toMatchObject({
      eventId: DESIGN_EVENT['event_id'],
      producerId: 'tok_test',
      producerSeq: 4728,
      signature: null,
      occurredAtUs: 1_767_882_727_123_456,
      byteCount: canonicalJson(DESIGN_EVENT).length,
    });
  });

  it('says in the field of the log which class its action has', () => {
    const classOf = (action: string): string | undefined => (action === 'role.grant' ? 'access' : undefined);
    const checked = opened(prepare(DESIGN_EVENT, { classOf }));
    expect(checked.fields.get('log')).toMatchObject({ class: 'access' });
    const other = opened(prepare({ ...DESIGN_EVENT, action: 'no.such' }, { classOf }));
    expect(other.fields.get('log')).toMatchObject({ class: null });
  });

  it('has its fields in the order of the card', () => {
    const ids = fieldTexts(prepare(DESIGN_EVENT).contents).map(([id]) => id);
    expect(ids).toEqual(ids.toSorted());
    expect(ids).toEqual(Object.keys(DESIGN_EVENT).toSorted());
  });

  it('has paths of its own where the catalogue says so', () => {
    const prepared = prepare(DESIGN_EVENT, { separatePaths: () => ['actor.session', 'context.ip', 'context.nothing'] });
    const fields = new Map(fieldTexts(prepared.contents));
    expect(fields.get('actor.session')).toBe('"s_1f9c"');
    expect(fields.get('context')).toBe('{"granted_role":"admin","request_id":"req_77"}');
    expect([...fields.keys()]).toEqual([...fields.keys()].toSorted());
    expect(opened(prepared).event).toEqual(DESIGN_EVENT);
  });

  it('draws a new secret for every event, so that equal events have different cards', () => {
    const context = testContext();
    const [a, b] = [prepareEvent(bytesOf(DESIGN_EVENT), context), prepareEvent(bytesOf(DESIGN_EVENT), context)];
    expect(a.cardHash).not.toEqual(b.cardHash);
    expect(a.logCommitment).not.toEqual(b.logCommitment);
    expect(a.contentMac).toEqual(b.contentMac);
  });

  it('has one content MAC however it is spelt, and another for any other content', () => {
    const reversed = Object.fromEntries(Object.entries(DESIGN_EVENT).reverse());
    const same = [
      prepare(DESIGN_EVENT),
      prepare(JSON.stringify(reversed, null, 3)),
      prepare(DESIGN_EVENT, { producerId: 'x' }),
    ];
    for (const { contentMac } of same) expect(contentMac).toEqual(same[0]?.contentMac);
    expect(same[0]?.contentMac).toHaveLength(16);
    const others: readonly JsonObject[] = [
      { ...DESIGN_EVENT, reason: 'on-call rotatioN' },
      { ...DESIGN_EVENT, producer_seq: 4729 },
      { ...DESIGN_EVENT, context: {} },
      { ...DESIGN_EVENT, occurred_at: '2026-01-08T14:32:07.123456+00:00' },
    ];
    for (const other of others) expect(prepare(other).contentMac).not.toEqual(same[0]?.contentMac);
    const otherKey = { raw: new Uint8Array(32), content: new Uint8Array(32) };
    expect(prepare(DESIGN_EVENT, { macKeys: otherKey }).contentMac).not.toEqual(same[0]?.contentMac);
  });

  it('can be searched for by who, what, on what, how it ended and why', () => {
    for (const term of [
      'a:u_8842',
      'v:role.grant',
      'o:success',
      't:u_9013',
      'n:acme',
      'r:policy.access.grant.v3#owner',
    ]) {
      expect(prepare(DESIGN_EVENT).terms).toContain(term);
    }
    for (const change of [{ break_glass: true }, { authorization: { decision: 'bypass' } }]) {
      expect(prepare({ ...DESIGN_EVENT, ...change }).terms).toContain('b:true');
    }
  });

  it('keeps what was submitted to the last digit and letter', () => {
    const event = {
      ...DESIGN_EVENT,
      context: { n: 0.1, big: 9007199254740991, text: '\u0000\u2028😀"\\', nested: { __proto_: null } },
    };
    expect(opened(prepare(event)).event).toEqual(event);
  });
});

describe('redaction', () => {
  it('is done before anything is committed to, and leaves the content MAC as it was', () => {
    const redact = (event: JsonObject): JsonObject => ({ ...event, reason: '[redacted]' });
    const prepared = prepare(DESIGN_EVENT, { redact });
    expect(opened(prepared).event).toEqual({ ...DESIGN_EVENT, reason: '[redacted]' });
    expect(Buffer.from(prepared.contents).toString('latin1')).not.toContain('on-call');
    expect(prepared.contentMac).toEqual(prepare(DESIGN_EVENT).contentMac);
  });

  it('must give an event, and the same one', () => {
    expect(() => prepare(DESIGN_EVENT, { redact: (event) => ({ ...event, actor: null }) })).toThrow(EventProblem);
    expect(() => prepare(DESIGN_EVENT, { redact: (event) => ({ ...event, event_id: 'other' }) })).toThrow(/event_id/);
  });
});

describe('bad input is refused with its place', () => {
  const text = JSON.stringify(DESIGN_EVENT);
  const nest = (depth: number): JsonValue => (depth === 0 ? 1 : [nest(depth - 1)]);

  it.each<[string, Uint8Array, string, string]>([
    ['nothing', new Uint8Array(0), 'empty-body', ''],
    ['half an event', bytesOf(text.slice(0, -1)), 'invalid-json', ''],
    ['two events', bytesOf(text + text), 'invalid-json', ''],
    ['a byte order mark', bytesOf(`\ufeff${text}`), 'invalid-json', ''],
    ['bytes that are not UTF-8', bytesOf(text).with(20, 0xff), 'invalid-utf8', ''],
    ['UTF-8 with a surrogate', Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22), 'invalid-utf8', ''],
    ['UTF-16', Buffer.from(text, 'utf16le'), 'invalid-json', ''],
    ['a member twice', bytesOf(text.replace('{', '{"reason":"x",')), 'duplicate-member', '/reason'],
    [
      'a member twice in the context',
      bytesOf(text.replace('"ip":', '"ip":"x","ip":')),
      'duplicate-member',
      '/context/ip',
    ],
    [
      'a sequence number beyond 2^53-1',
      bytesOf(text.replace('4728', '9007199254740992')),
      'unsafe-integer',
      '/producer_seq',
    ],
    [
      'an integer beyond 2^53-1 in the context',
      bytesOf(text.replace('"req_77"', '-9007199254740993')),
      'unsafe-integer',
      '/context/request_id',
    ],
    [
      'a number beyond a double',
      bytesOf(text.replace('"req_77"', '1e999')),
      'number-out-of-range',
      '/context/request_id',
    ],
    ['a lone surrogate', bytesOf(text.replace('req_77', '\\ud800')), 'lone-surrogate', '/context/request_id'],
    ['a lone surrogate in a name', bytesOf(text.replace('"ip"', '"\\udfff"')), 'lone-surrogate', '/context'],
    ['deep nesting', bytesOf({ ...DESIGN_EVENT, context: { a: nest(31) } }), 'too-deep', ''],
    ['very deep nesting', bytesOf('['.repeat(200_000)), 'too-deep', ''],
    ['very many values', bytesOf({ ...DESIGN_EVENT, context: { a: Array(10_001).fill(0) } }), 'too-many-members', ''],
    ['an event that is too large', bytesOf({ ...DESIGN_EVENT, context: { a: 'x'.repeat(65_536) } }), 'too-large', ''],
    ['an input that is too large', bytesOf(`${text}${' '.repeat(262_144)}`), 'too-large', ''],
    ['a list of events', bytesOf([DESIGN_EVENT]), 'not-an-object', ''],
    ['no actor', bytesOf({ ...DESIGN_EVENT, actor: undefined }), 'missing-member', '/actor'],
    ['an unknown member', bytesOf({ ...DESIGN_EVENT, 'a/b': 1 }), 'unknown-member', '/a~1b'],
  ])('%s', (_, bytes, code, pointer) => {
    expect(refusalOf(() => prepareEvent(bytes, testContext()))).toEqual({ code, pointer });
  });

  it('at the bounds and not before', () => {
    const base = canonicalJson({ ...DESIGN_EVENT, context: { a: '' } }).length;
    const sized = (bytes: number): JsonObject => ({ ...DESIGN_EVENT, context: { a: 'x'.repeat(bytes - base) } });
    expect(prepare(sized(65_536)).byteCount).toBe(65_536);
    expect(refusalOf(() => prepare(sized(65_537))).code).toBe('too-large');
    expect(prepare({ ...DESIGN_EVENT, context: { a: nest(30) } }).byteCount).toBeGreaterThan(0);
  });

  it('and draws no randomness', () => {
    const randomBytes = (): Uint8Array => {
      throw new Error('drawn');
    };
    expect(refusalOf(() => prepare({}, { randomBytes })).code).toBe('missing-member');
  });
});

describe('a CloudEvent', () => {
  const { event_id: _, occurred_at: __, ...data } = DESIGN_EVENT;
  const envelope = {
    specversion: '1.0',
    id: 'ce-1',
    source: '/billing',
    type: 'com.example.role.granted',
    time: '2026-01-08T14:32:07Z',
    subject: 's',
  };
  const prepareCloud = (event: unknown): Prepared => prepareCloudEvent(bytesOf(event), testContext());

  it('gives its id and time to an event that has none, and is kept whole', () => {
    expect(opened(prepareCloud({ ...envelope, data })).event).toEqual({
      ...data,
      event_id: 'ce-1',
      occurred_at: '2026-01-08T14:32:07Z',
      context: { ...(data['context'] as JsonObject), cloudevent: envelope },
    });
  });

  it('leaves an event its own id and time', () => {
    const prepared = prepareCloud({ ...envelope, datacontenttype: 'application/json', data: DESIGN_EVENT });
    expect(prepared.eventId).toBe(DESIGN_EVENT['event_id']);
    expect(prepared.occurredAtUs).toBe(1_767_882_727_123_456);
  });

  it.each<[string, unknown, string, string]>([
    ['of another version', { ...envelope, specversion: '0.3', data }, 'invalid-cloudevent', '/specversion'],
    ['without an id', { ...envelope, id: undefined, data }, 'invalid-cloudevent', '/id'],
    ['with an empty source', { ...envelope, source: '', data }, 'invalid-cloudevent', '/source'],
    ['without a type', { ...envelope, type: 7, data }, 'invalid-cloudevent', '/type'],
    ['without data', envelope, 'invalid-cloudevent', '/data'],
    ['with data in base64', { ...envelope, data_base64: 'e30=' }, 'invalid-cloudevent', '/data_base64'],
    [
      'of another content',
      { ...envelope, datacontenttype: 'text/xml', data },
      'invalid-cloudevent',
      '/datacontenttype',
    ],
    [
      'whose context is no object',
      { ...envelope, data: { ...data, context: 1 } },
      'invalid-cloudevent',
      '/data/context',
    ],
    [
      'that brings what would be replaced',
      { ...envelope, data: { ...data, context: { cloudevent: 1 } } },
      'invalid-cloudevent',
      '/data/context/cloudevent',
    ],
    ['whose event is bad', { ...envelope, data: { ...data, actor: 7 } }, 'invalid-member', '/data/actor'],
    ['that is a list', [], 'invalid-cloudevent', ''],
  ])('is refused %s', (_, event, code, pointer) => {
    expect(refusalOf(() => prepareCloud(event))).toEqual({ code, pointer });
  });
});

describe('the log’s own events', () => {
  const own = { ...DESIGN_EVENT, action: 'countersign.heartbeat' };

  it('go the same way, by leave of the caller', () => {
    const prepared = prepareValue(own, bytesOf(own), testContext(), { reservedActions: true });
    expect(opened(prepared).event).toEqual(own);
    expect(refusalOf(() => prepare(own))).toEqual({ code: 'invalid-member', pointer: '/action' });
  });
});
