/** Attacks on a whole evidence bundle, one each and named after it, for corpus.ts: good files in, bad files out. */
import { makeSignerKey } from '../../proofs/key.ts';
import { testSigner } from '../support/signed.ts';
import { zipOf } from '../support/zip.ts';
import { type CorpusFile, type Expected, fail, incomplete, PASS } from './corpus.ts';
import {
  copyField,
  copyPart,
  count,
  drop,
  drops,
  EMPTY,
  edit,
  erase,
  flipProof,
  flipSignature,
  proofLines,
  resignedHead,
  rootFlipped,
  selectedAsComplete,
  setField,
  setMember,
  swap,
  swapProofs,
  textLine,
  twice,
  withhold,
  withholdAll,
  ZERO,
} from './edits.ts';
import { asObject, change, flipCharacter, type Json, jsonLine, lines, textOf, without } from './tamper.ts';
import {
  type BundleOptions,
  type Files,
  HEAD_SECONDS,
  headOf,
  logKey,
  makeBundle,
  makeWorld,
  ORIGIN,
  policyOf,
  signManifest,
  timeOf,
  twoWitnesses,
  witnessKeys,
} from './world.ts';

const EVENTS = 'events.ndjson';
const ERASED = new Map([[9, ['reason']]]);

export async function bundleFiles(): Promise<readonly CorpusFile[]> {
  const world = makeWorld();
  const good = await makeBundle(world);
  const files: CorpusFile[] = [];
  const add = (name: string, bundle: Files, expect: Expected, more: Partial<CorpusFile> = {}): void => {
    files.push({ name, suffix: '.zip', bytes: zipOf(bundle), expect, ...more });
  };
  const made = async (name: string, options: BundleOptions, expect: Expected, more: Partial<CorpusFile> = {}) =>
    add(name, await makeBundle(world, options), expect, more);

  add('good-complete', good, PASS);
  await made('good-complete-with-erased-field', { erased: ERASED }, PASS);
  await made('good-selected', { mode: 'selected' }, PASS);
  await made('good-empty-range', { range: { start: 7, end: 7 } }, PASS);
  await made('good-from-the-beginning', { range: { start: 0, end: 20 } }, PASS);
  await made('good-all-events', { query: { filters: new Map() } }, PASS);
  await made('good-break-glass', { query: { filters: new Map([['break_glass', ['true']]]) } }, PASS);
  await made('good-pinned', { pinned: 12 }, PASS, { pin: headOf(world, 12) });
  await made('good-pinned-same-head', {}, PASS, { pin: headOf(world, 40) });

  // Lines of events.
  add('event-line-removed', lines(good, EVENTS, drop(5), { resign: false }), fail('digests', 'digest-mismatch'));
  add('event-line-removed-resigned', lines(good, EVENTS, drop(5)), fail('events', 'missing-event', { index: 9 }));
  add('match-removed-resigned', lines(good, EVENTS, drop(4)), fail('events', 'missing-event', { index: 8 }));
  add('first-event-removed-resigned', lines(good, EVENTS, drop(0)), fail('events', 'missing-event', { index: 4 }));
  add('truncated-tail-resigned', lines(good, EVENTS, drop(28)), fail('events', 'missing-event', { index: 32 }));
  add(
    'truncated-in-a-line-resigned',
    change(good, { resign: true, text: { [EVENTS]: (text) => text.slice(0, -9) } }),
    fail('events', 'invalid-bundle'),
  );
  add(
    'duplicate-index-resigned',
    lines(good, EVENTS, (all) => [...all.slice(0, 6), ...all.slice(5)]),
    {
      ...fail('events', 'unexpected-event', { index: 9 }),
    },
  );
  add('events-swapped-resigned', lines(good, EVENTS, swap(3, 4)), fail('events', 'missing-event', { index: 7 }));
  add(
    'event-beyond-range-resigned',
    lines(good, EVENTS, (all) => [...all, all[3] ?? '']),
    {
      ...fail('events', 'unexpected-event', { index: 7 }),
    },
  );
  add(
    'empty-line-resigned',
    lines(good, EVENTS, (all) => ['', ...all]),
    fail('events', 'invalid-json'),
  );
  add(
    'event-with-duplicate-member-resigned',
    lines(
      good,
      EVENTS,
      edit(1, (line) => `{"index":5,${line.slice(1)}`),
    ),
    {
      ...fail('events', 'duplicate-member'),
    },
  );
  add('event-with-unknown-member-resigned', jsonLine(good, EVENTS, 1, setMember('note', 1)), {
    ...fail('events', 'invalid-opened-event'),
  });

  // Contents of events.
  add(
    'value-changed',
    jsonLine(good, EVENTS, 0, setField('reason', 'value', '"for a good cause"'), { resign: false }),
    fail('digests', 'digest-mismatch'),
  );
  add('value-changed-resigned', jsonLine(good, EVENTS, 0, setField('reason', 'value', '"for a good cause"')), {
    ...fail('events', 'commitment-mismatch', { index: 4, field: 'reason' }),
  });
  add('salt-changed-resigned', jsonLine(good, EVENTS, 0, setField('reason', 'salt', 'AAAAAAAAAAAAAAAAAAAAAA==')), {
    ...fail('events', 'commitment-mismatch', { index: 4, field: 'reason' }),
  });
  add(
    'filter-field-of-a-non-match-altered-resigned',
    jsonLine(good, EVENTS, 1, setField('action', 'value', '"role.revoke"')),
    fail('events', 'commitment-mismatch', { index: 5, field: 'action' }),
  );
  add(
    'match-turned-into-a-non-match-resigned',
    jsonLine(good, EVENTS, 4, setField('action', 'value', '"role.grant"')),
    {
      ...fail('events', 'commitment-mismatch', { index: 8, field: 'action' }),
    },
  );
  add('filter-field-of-a-non-match-withheld-resigned', jsonLine(good, EVENTS, 1, withhold('action')), {
    ...incomplete('completeness'),
  });
  add(
    'match-hidden-by-withholding-resigned',
    jsonLine(good, EVENTS, 4, withholdAll, { manifest: count('matched', 7) }),
    incomplete('completeness'),
  );
  add(
    'match-hidden-as-erased-resigned',
    jsonLine(good, EVENTS, 4, erase('action'), {
      manifest: (json) => count('erased', 1)(asObject(count('matched', 7)(json))),
    }),
    incomplete('completeness'),
  );
  add(
    'erased-field-claimed-as-value-resigned',
    jsonLine(await makeBundle(world, { erased: new Map([[8, ['reason']]]) }), EVENTS, 4, (json) => {
      asObject(json['fields'])['reason'] = { salt: 'AAAAAAAAAAAAAAAAAAAAAA==', value: '"nothing"' };
      delete json['erased'];
    }),
    fail('events', 'commitment-mismatch', { index: 8, field: 'reason' }),
  );
  await made('filter-field-erased', { erased: new Map([[9, ['action']]]) }, incomplete('completeness'));
  add('field-of-another-event-resigned', jsonLine(good, EVENTS, 1, copyField(world, 7, 'action')), {
    ...fail('events', 'commitment-mismatch', { index: 5, field: 'action' }),
  });
  add('field-that-the-card-has-not-resigned', jsonLine(good, EVENTS, 1, copyField(world, 21, 'break_glass')), {
    ...fail('events', 'card-mismatch', { index: 5, field: 'break_glass' }),
  });
  add('card-of-another-event-resigned', jsonLine(good, EVENTS, 1, copyPart(world, 7, 'card')), {
    ...fail('events', 'card-mismatch', { index: 5 }),
  });
  add('entry-of-another-event-resigned', jsonLine(good, EVENTS, 1, copyPart(world, 7, 'entry')), {
    ...fail('events', 'entry-mismatch', { index: 5 }),
  });
  const other = makeWorld(40, { branch: 5 });
  add(
    'event-of-another-history-resigned',
    lines(
      good,
      EVENTS,
      edit(1, () => textLine(other, 5)),
    ),
    {
      ...fail('events', 'entry-mismatch', { index: 5 }),
    },
  );
  add('index-changed-resigned', jsonLine(good, EVENTS, 1, setMember('index', 4)), {
    ...fail('events', 'unexpected-event', { index: 4 }),
  });

  // The population.
  const population = (name: string, editing: (all: string[]) => string[], code: string, claim = 'population'): void =>
    add(name, lines(good, 'population', editing), fail(claim, code));
  const first = 4 + proofLines(good);
  population(
    'population-entry-changed-resigned',
    edit(first + 3, (line) => flipCharacter(line, 60)),
    'bad-range-proof',
  );
  population('population-entry-removed-resigned', drop(first + 3), 'invalid-bundle');
  population(
    'population-entry-removed-and-counted-resigned',
    (all) => drop(first + 3)(all).map((line) => line.replace(/^count 31$/, 'count 30')),
    'range-mismatch',
  );
  population('population-entries-swapped-resigned', swap(first + 3, first + 4), 'bad-range-proof');
  population(
    'population-start-shifted-resigned',
    edit(1, () => 'start 4'),
    'range-mismatch',
  );
  population(
    'population-proof-altered-resigned',
    edit(4, (line) => flipCharacter(line, 3)),
    'bad-range-proof',
  );
  population('population-proofs-swapped-resigned', swap(4, 5), 'bad-range-proof');
  population(
    'population-proof-shortened-resigned',
    (all) => drop(4)(all).map((line) => line.replace(/^proof (\d+)$/, (_, n) => `proof ${Number(n) - 1}`)),
    'bad-range-proof',
  );
  population(
    'population-of-another-version-resigned',
    edit(0, () => 'countersign/population/v2'),
    'invalid-bundle',
  );

  // The range.
  const off = (name: string, start: number, end: number, index: number): Promise<void> =>
    made(name, { claimedRange: { start, end } }, fail('range', 'range-mismatch', { index }));
  await off('range-begins-one-late', 5, 33, 4);
  await off('range-ends-one-early', 4, 32, 32);
  await off('range-begins-one-early', 3, 33, 3);
  await off('range-ends-one-late', 4, 34, 33);
  await made('tail-left-out-by-an-older-head', { size: 30, claimedRange: { start: 4, end: 30 } }, incomplete('range'));

  // The manifest.
  const manifest = (name: string, editing: (json: Json) => Json, expect: Expected): void =>
    add(name, change(good, { resign: true, manifest: editing }), expect);
  manifest('matches-miscounted-resigned', count('matched', 7), fail('counts', 'count-mismatch'));
  manifest('withheld-miscounted-resigned', count('withheld', 1), fail('counts', 'count-mismatch'));
  manifest('erased-miscounted-resigned', count('erased', 1), fail('counts', 'count-mismatch'));
  manifest('population-miscounted-resigned', count('population', 28), fail('manifest', 'invalid-bundle'));
  manifest('format-of-another-version', (json) => ({ ...json, format: 'countersign/bundle/v2' }), {
    ...fail('manifest', 'invalid-bundle'),
  });
  manifest('manifest-with-unknown-member', (json) => ({ ...json, note: 1 }), fail('manifest', 'invalid-bundle'));
  manifest('unknown-filter', (json) => ({ ...json, query: { filters: { actr: ['x'] } } }), {
    ...fail('manifest', 'invalid-filter'),
  });
  manifest('manifest-of-another-log', (json) => ({ ...json, origin: 'log.example/other' }), {
    ...fail('manifest', 'invalid-bundle'),
  });
  manifest('manifest-of-another-size', (json) => ({ ...json, size: 41 }), fail('manifest', 'invalid-bundle'));
  manifest(
    'digest-of-a-file-wrong',
    (json) => ({ ...json, files: { ...asObject(json['files']), 'README.txt': ZERO } }),
    {
      ...fail('digests', 'digest-mismatch'),
    },
  );
  manifest('complete-called-selected', (json) => ({ ...json, mode: 'selected', files: drops(json, 'population') }), {
    ...fail('files', 'unexpected-file'),
  });
  add(
    'query-replaced-without-the-key',
    change(good, { manifest: (json) => ({ ...json, query: { ...asObject(json['query']), filters: {} } }) }),
    fail('manifest-signature', 'digest-mismatch'),
  );
  add('manifest-with-white-space', change(good, { resign: true, manifestText: (text) => `${text}\n` }), {
    ...fail('manifest', 'invalid-bundle'),
  });
  add(
    'manifest-with-duplicate-member',
    change(good, { resign: true, manifestText: (text) => text.replace('{', '{"mode":"selected",') }),
    fail('manifest', 'invalid-bundle'),
  );
  const impostor = makeSignerKey(ORIGIN, 1, new Uint8Array(32).fill(77));
  const stranger = testSigner('log.example/other', 1);
  add('manifest-signed-by-a-stranger', signManifest(good, stranger), fail('manifest-signature', 'invalid-signature'));
  add('manifest-signed-by-an-impostor', signManifest(good, impostor), fail('manifest-signature', 'invalid-signature'));
  add('manifest-signature-flipped', change(good, { text: { 'manifest.sig': flipSignature } }), {
    ...fail('manifest-signature', 'bad-signature'),
  });
  const elsewhere = await makeBundle(world, { mode: 'selected' });
  add(
    'manifest-signature-of-another-bundle',
    new Map([...good, ['manifest.sig', elsewhere.get('manifest.sig') ?? EMPTY]]),
    {
      ...fail('manifest-signature', 'digest-mismatch'),
    },
  );

  // The checkpoint, its witnesses, and whom to trust.
  const head = (name: string, signers: BundleOptions['signers'] & object, expect: Expected): void =>
    add(name, resignedHead(good, headOf(world, 40, signers)), expect);
  head('checkpoint-without-witnesses', [logKey], fail('witnesses', 'quorum-not-met'));
  head('checkpoint-with-one-witness', [logKey, ...twoWitnesses.slice(0, 1)], fail('witnesses', 'quorum-not-met'));
  const strangers = ['x1', 'x2'].map((name) => testSigner(name, 4));
  head('quorum-of-unknown-witnesses', [logKey, ...strangers], fail('witnesses', 'quorum-not-met'));
  const [w1 = logKey] = witnessKeys;
  add('witness-counted-twice', resignedHead(good, twice(world, w1)), fail('witnesses', 'quorum-not-met'));
  head('checkpoint-not-signed-by-the-log', twoWitnesses, fail('log-signature', 'no-log-signature'));
  add('witness-signature-flipped', resignedHead(good, flipSignature(headOf(world, 40))), {
    ...fail('log-signature', 'bad-signature'),
  });
  add('checkpoint-root-altered', resignedHead(good, rootFlipped(headOf(world, 40))), {
    ...fail('log-signature', 'bad-log-signature'),
  });
  add('checkpoint-of-another-history', resignedHead(good, headOf(other, 40)), fail('population', 'bad-range-proof'));
  add('checkpoint-of-another-size', resignedHead(good, headOf(world, 39)), fail('manifest', 'invalid-bundle'));
  await made(
    'policy-swapped-for-that-of-an-impostor',
    { signers: [impostor, ...strangers], policy: policyOf(impostor, strangers) },
    fail('log-signature', 'no-log-signature'),
  );
  await made(
    'bundle-of-another-log',
    { origin: 'log.example/other', signers: [stranger, ...twoWitnesses], policy: policyOf(stranger, witnessKeys) },
    fail('log-signature', 'wrong-origin'),
  );
  add('policy-inside-changed', change(good, { text: { 'policy.txt': () => policyOf(impostor, strangers) } }), {
    ...fail('digests', 'digest-mismatch'),
  });
  add('cosigned-after-the-time-asked-for', good, fail('witnesses', 'quorum-not-met'), {
    at: new Date((HEAD_SECONDS - 1) * 1000).toISOString(),
  });

  await made('replayed-older-bundle-against-a-newer-pin', { size: 36 }, incomplete('pin'), { pin: headOf(world, 40) });
  add('pin-without-a-proof', good, incomplete('pin'), { pin: headOf(world, 12) });
  add('pin-of-another-root', good, fail('pin', 'pin-mismatch'), { pin: headOf(other, 40) });
  const pinned = await makeBundle(world, { pinned: 12 });
  add('pin-of-another-history', pinned, fail('pin', 'bad-consistency-proof'), { pin: headOf(other, 12) });
  add(
    'consistency-proof-altered-resigned',
    lines(
      pinned,
      'consistency',
      edit(3, (line) => flipCharacter(line, 3)),
    ),
    {
      ...fail('pin', 'bad-consistency-proof'),
      ...{},
    },
  );
  const last = files.pop();
  if (last !== undefined) files.push({ ...last, pin: headOf(world, 12) });

  // Selected bundles, and what comes along.
  const selected = await makeBundle(world, { mode: 'selected' });
  add('selected-proofs-swapped-resigned', lines(selected, EVENTS, swapProofs(0, 1)), {
    ...fail('events', 'bad-inclusion-proof', { index: 4 }),
  });
  add(
    'selected-event-twice-resigned',
    lines(selected, EVENTS, (all) => [...all.slice(0, 2), ...all.slice(1)]),
    {
      ...fail('events', 'unexpected-event', { index: 8 }),
    },
  );
  add('selected-event-removed-uncounted-resigned', lines(selected, EVENTS, drop(2)), fail('counts', 'count-mismatch'));
  const all = await makeBundle(world, { mode: 'selected', query: { filters: new Map() } });
  add(
    'selected-event-that-does-not-match-resigned',
    lines(selected, EVENTS, (own) => [own[0] ?? '', textOf(all, EVENTS).split('\n')[1] ?? '', ...own.slice(1)]),
    fail('matches', 'filter-mismatch', { index: 5 }),
  );
  await made(
    'selected-event-out-of-time',
    { mode: 'selected', query: { toUs: timeOf(20) } },
    {
      ...fail('events', 'range-mismatch', { index: 20 }),
    },
  );
  await made(
    'selected-nothing',
    { mode: 'selected', query: { filters: new Map([['actor', ['nobody']]]) } },
    {
      ...incomplete('range'),
    },
  );
  add('related-proof-altered-resigned', jsonLine(good, 'related.ndjson', 0, flipProof), {
    ...fail('related', 'bad-inclusion-proof', { index: 1 }),
  });
  add(
    'related-entry-that-is-none-of-the-logs-resigned',
    change(good, { resign: true, text: { 'related.ndjson': () => `${textOf(selected, EVENTS).split('\n')[0]}\n` } }),
    fail('related', 'unexpected-event', { index: 4 }),
  );
  add('selected-called-complete', selectedAsComplete(selected), fail('files', 'missing-file'));

  for (const name of ['manifest.json', 'manifest.sig', 'checkpoint', 'population', EVENTS, 'related.ndjson']) {
    add(`without-${name.replace('.', '-')}`, without(good, name), fail('files', 'missing-file'));
  }
  add('nothing-inside', new Map(), fail('files', 'missing-file'));
  return files;
}
