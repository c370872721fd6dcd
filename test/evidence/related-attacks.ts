/**
 * Attacks on what goes with the events, one each: signatures of producers, the keys they were made with, the log's own
 * entries beside the events, what the log says of their class, and contents that are said to be lost.
 */
import { producerKeyId } from '../../proofs/producer-keys.ts';
import { testSigner } from '../support/signed.ts';
import { zipOf } from '../support/zip.ts';
import { type CorpusFile, type Expected, fail, incomplete, PASS } from './corpus.ts';
import { copyPart, count, drop, setField, withhold } from './edits.ts';
import { asObject, change, type Json, jsonLine, lines } from './tamper.ts';
import { type BundleOptions, type Files, makeBundle, makeWorld, type WorldChange } from './world.ts';
import { eventAt, type HappenedEvent, producerKey, revokedKey, type Signing } from './world-events.ts';

const EVENTS = 'events.ndjson';
const RELATED = 'related.ndjson';
const CLASS = { filters: new Map([['class' as const, ['financial']]]) };
const PRODUCER: BundleOptions = { query: { filters: new Map([['producer' as const, ['tok_corpus']]]) } };

export async function relatedFiles(): Promise<readonly CorpusFile[]> {
  const good = await makeBundle(makeWorld());
  const selected = await makeBundle(makeWorld(), { mode: 'selected' });
  const files: CorpusFile[] = [];
  const add = (name: string, bundle: Files, expect: Expected): void => {
    files.push({ name, suffix: '.zip', bytes: zipOf(bundle), expect });
  };
  const made = async (name: string, change: WorldChange, options: BundleOptions, expect: Expected): Promise<void> =>
    add(name, await makeBundle(makeWorld(undefined, change), options), expect);
  const signed = (index: number, signing: Signing): WorldChange => ({ signed: new Map([[index, signing]]) });

  // Signatures of producers. Each is in the tree as it is: the operator put it there.
  const another = { as: producerKey, with: testSigner('producer-3', 1) };
  await made(
    'producer-signature-by-another-key',
    signed(15, another),
    {},
    {
      ...fail('producer-signatures', 'bad-signature', { index: 15 }),
    },
  );
  await made(
    'producer-signature-by-another-key-in-a-selection',
    signed(16, another),
    { mode: 'selected' },
    {
      ...fail('producer-signatures', 'bad-signature', { index: 16 }),
    },
  );
  const late = { as: revokedKey, with: revokedKey };
  await made(
    'producer-key-revoked-before',
    signed(29, late),
    {},
    {
      ...fail('producer-signatures', 'producer-key-not-valid', { index: 29 }),
    },
  );
  await made(
    'producer-key-registered-afterwards',
    signed(17, late),
    {},
    {
      ...fail('producer-signatures', 'producer-key-not-valid', { index: 17 }),
    },
  );
  const underAnother: HappenedEvent = {
    ...eventAt(25),
    target: { type: 'producer-key', id: producerKeyId(producerKey.publicKey) },
  };
  await made(
    'producer-key-registered-under-the-id-of-another',
    { happened: new Map([[25, underAnother]]) },
    {},
    {
      ...fail('related', 'invalid-key', { index: 25 }),
    },
  );
  const early = new Set([1]);
  await made('producer-key-registration-left-out', {}, { unrelated: early }, incomplete('producer-signatures'));
  await made(
    'producer-key-registration-left-out-of-a-selection',
    {},
    { unrelated: early, mode: 'selected' },
    {
      ...incomplete('producer-signatures'),
    },
  );
  await made(
    'producer-key-revocation-left-out',
    signed(29, late),
    { unrelated: new Set([27]) },
    {
      ...fail('related', 'missing-event', { index: 27 }),
    },
  );
  const asStranger = { as: testSigner('producer-3', 1), with: testSigner('producer-3', 1) };
  await made('producer-key-never-registered', signed(15, asStranger), {}, incomplete('producer-signatures'));

  // The control that a question was asked for.
  const control = { id: 'SOC2:CC7.2', part: 'findings', mapping: '00'.repeat(32) };
  const withControl = (json: Json): Files =>
    change(good, { resign: true, manifest: (own) => ({ ...own, control: json }) });
  add('good-with-a-control', withControl(control), PASS);
  add('control-with-unknown-member', withControl({ ...control, met: true }), fail('manifest', 'invalid-bundle'));
  add('control-added-without-the-key', change(good, { manifest: (own) => ({ ...own, control }) }), {
    ...fail('manifest-signature', 'digest-mismatch'),
  });

  // What belongs beside the events.
  await made(
    'related-rule-of-the-range-left-out',
    {},
    { unrelated: new Set([10]) },
    {
      ...fail('related', 'missing-event', { index: 10 }),
    },
  );
  await made(
    'related-finding-of-the-range-left-out',
    {},
    { unrelated: new Set([11]) },
    {
      ...fail('related', 'missing-event', { index: 11 }),
    },
  );
  const hide = (member: 'withheld' | 'erased') => (json: Record<string, unknown>) => {
    json['fields'] = {};
    json[member] = ['action'];
  };
  await made('good-producer', {}, PRODUCER, PASS);
  const byProducer = await makeBundle(makeWorld(), { ...PRODUCER, unrelated: new Set([10]) });
  add('related-action-of-an-own-entry-withheld', jsonLine(byProducer, EVENTS, 6, hide('withheld')), {
    ...incomplete('related'),
  });
  add(
    'related-action-of-an-own-entry-erased',
    jsonLine(byProducer, EVENTS, 6, hide('erased'), { manifest: count('erased', 1) }),
    incomplete('related'),
  );
  add(
    'related-entry-twice',
    lines(good, RELATED, (all) => [...all, all.at(-1) ?? '']),
    {
      ...fail('related', 'unexpected-event', { index: 27 }),
    },
  );
  add(
    'related-entry-of-another',
    jsonLine(good, RELATED, 1, (json) => copyPart(makeWorld(), 10, 'entry')(asObject(json['event']))),
    {
      ...fail('related', 'card-mismatch', { index: 2 }),
    },
  );
  add('good-selected-without-related', lines(selected, RELATED, drop(1)), PASS);

  // The class that the log says an action has.
  const world = makeWorld();
  await made('good-class', {}, { query: CLASS }, PASS);
  const ofClass = await makeBundle(world, { query: CLASS });
  add(
    'class-of-a-non-match-altered-resigned',
    jsonLine(ofClass, EVENTS, 1, setField('log', 'value', '{"catalogue":null,"class":"financial","raw":"AA=="}')),
    fail('events', 'commitment-mismatch', { index: 5, field: 'log' }),
  );
  add('class-of-a-non-match-withheld-resigned', jsonLine(ofClass, EVENTS, 1, withhold('log')), {
    ...incomplete('completeness'),
  });
  await made(
    'class-of-entries-from-before',
    {},
    { query: CLASS, range: { start: 0, end: 20 } },
    incomplete('completeness'),
  );

  // Contents that the log lost with its disk.
  await made('contents-of-an-event-lost', {}, { lost: new Set([9]) }, incomplete('completeness'));
  await made('contents-of-a-match-lost', {}, { lost: new Set([8]) }, incomplete('completeness'));
  await made('contents-of-an-own-entry-lost', {}, { ...PRODUCER, lost: new Set([13]) }, incomplete('related'));
  await made(
    'good-contents-lost-of-what-another-producer-sent',
    {},
    {
      query: { filters: new Map([['producer', ['tok_nobody']]]) },
      lost: new Set([9]),
    },
    PASS,
  );
  const lost = await makeBundle(makeWorld(), { lost: new Set([8]) });
  add(
    'contents-lost-and-shown',
    jsonLine(lost, EVENTS, 4, (json) => Object.assign(json, { fields: {} })),
    {
      ...fail('events', 'invalid-opened-event'),
    },
  );
  add(
    'contents-lost-said-to-be-false',
    jsonLine(lost, EVENTS, 4, (json) => Object.assign(json, { contents_lost: false })),
    {
      ...fail('events', 'invalid-opened-event'),
    },
  );
  return files;
}
