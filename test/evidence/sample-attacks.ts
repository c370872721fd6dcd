/** Reports of samples, good ones and attacks, one each and named after it, for make-corpus.ts. */
import { SAMPLE_FILE } from '../../proofs/bundle.ts';
import { utf8Encode } from '../../proofs/bytes.ts';
import { sha256 } from '../../proofs/hash.ts';
import type { DrawnStratum } from '../../proofs/sample-report.ts';
import { zipOf } from '../support/zip.ts';
import { type CorpusFile, type Expected, fail, incomplete, PASS } from './corpus.ts';
import { drops } from './edits.ts';
import {
  COMMIT,
  commitOf,
  DRAND_ROUND,
  DRAND_SIGNATURE,
  DRAND_START_US,
  FIRST_COMMIT,
  HEAD,
  type SampleStory,
  tellSample,
} from './sample-world.ts';
import { change, lines } from './tamper.ts';
import { type Files, START_US, timeOf } from './world.ts';

const OTHER = sha256(utf8Encode('another nonce'));
const EVERYTHING = { filters: new Map(), fromUs: timeOf(4), toUs: timeOf(33) };
const DRAND: SampleStory = {
  startUs: DRAND_START_US,
  commit: { drandRound: DRAND_ROUND },
  reveal: { drandSignature: DRAND_SIGNATURE },
};
/** The verifier in Python knows the time of a round, and does not check its signature. */
const WITHOUT_BLS = { python: incomplete('drand') };

export async function sampleFiles(): Promise<readonly CorpusFile[]> {
  const files: CorpusFile[] = [];
  const add = (name: string, bundle: Files, expect: Expected, more: Partial<CorpusFile> = {}): void => {
    files.push({ name, suffix: '.zip', bytes: zipOf(bundle), expect, ...more });
  };
  const told = async (name: string, story: SampleStory, expect: Expected, more: Partial<CorpusFile> = {}) =>
    add(name, (await tellSample(story)).files, expect, more);
  const { files: good, drawn } = await tellSample();
  const [first = 0, second = 0] = drawn[0]?.drawn ?? [];
  const spare = Array.from({ length: 29 }, (_, i) => i + 4).find(
    (index) => index % 4 !== 0 && index > 13 && index < 25 && !drawn[0]?.drawn.includes(index),
  );

  add('good-sample', good, PASS);
  await told('good-sample-of-a-whole-range', { commit: { query: EVERYTHING } }, PASS);
  await told('good-sample-by-class', { commit: { strata: 'class' } }, PASS);
  await told('good-sample-by-target-of-everything', { commit: { query: EVERYTHING, strata: 'target' } }, PASS);
  await told('good-sample-by-rate', { commit: { design: { kind: 'rate', rateBp: 2_500 } } }, PASS);
  const attributes = { kind: 'attributes', confidence: 95, tolerableBp: 2_000, deviations: 1 } as const;
  await told('good-sample-by-confidence', { commit: { design: attributes } }, PASS);
  await told('good-sample-with-drand', DRAND, PASS, WITHOUT_BLS);

  // The nonces and the seed.
  const mismatch = (claim: string, index?: number) =>
    fail(claim, 'sample-mismatch', index === undefined ? {} : { index });
  await told('sample-with-a-chosen-nonce', { reveal: { nonce: OTHER } }, mismatch('reveal', 41));
  await told('sample-seed-from-another-nonce', { nonce: OTHER }, mismatch('seed'));
  await told('sample-wrong-operator-nonce', { operatorNonce: OTHER }, mismatch('seed'));
  await told('sample-opened-by-another-auditor', { revealedBy: 'tok_other' }, mismatch('reveal', 41));
  await told('sample-opened-before-the-head', { revealAt: HEAD - 1 }, mismatch('reveal', HEAD - 1));
  await told('sample-reveal-of-another-commit', { reveal: { commit: FIRST_COMMIT } }, mismatch('reveal', 41));
  await told('sample-reveal-not-shown', { unrelated: new Set([41]) }, fail('reveal', 'missing-event', { index: 41 }));
  await told(
    'sample-commit-not-shown',
    { unrelated: new Set([COMMIT]) },
    fail('commit', 'missing-event', { index: COMMIT }),
  );

  // The head.
  await told('sample-earlier-head', { headSize: HEAD - 1 }, mismatch('head'));
  await told('sample-later-head', { headSize: HEAD + 1 }, mismatch('head'));
  await told('sample-head-of-another-history', { head: { root: OTHER } }, fail('head', 'bad-consistency-proof'));
  await told('sample-head-without-a-proof', { head: { proof: [] } }, fail('head', 'bad-consistency-proof'));

  // The population.
  await told('sample-population-begins-one-late', { range: { start: 5, end: 33 } }, mismatch('commit', COMMIT));
  await told('sample-population-ends-one-early', { range: { start: 4, end: 32 } }, mismatch('commit', COMMIT));
  const late = { range: { start: 4, end: 39 }, query: { ...commitOf({}, START_US).query, toUs: timeOf(39) } };
  await told('sample-of-events-to-come', { commit: late }, mismatch('commit', COMMIT));
  const nothing = { filters: new Map([['action', ['no.such']] as const]), fromUs: timeOf(4), toUs: timeOf(33) };
  await told('sample-of-nothing', { commit: { query: nothing } }, incomplete('sample'));
  await told('sample-member-hidden', { withheld: new Map([[first, ['action']]]) }, incomplete('completeness'));
  add(
    'sample-of-another-question-resigned',
    change(good, {
      resign: true,
      manifest: (json) => ({
        ...json,
        query: { filters: { action: ['role.*'] }, from_us: timeOf(4), to_us: timeOf(33) },
      }),
    }),
    mismatch('commit', COMMIT),
  );

  // What was drawn, and what is shown of it.
  const redrawn = (name: string, edit: (drawn: readonly number[]) => readonly number[], story: SampleStory = {}) =>
    told(name, { ...story, drawn: (strata) => edited(strata, edit) }, fail('sample', 'sample-mismatch'));
  await redrawn('sample-index-swapped', ([one = 0, two = 0, ...rest]) => [two, one, ...rest]);
  await redrawn('sample-index-replaced', ([, ...rest]) => [spare ?? 0, ...rest]);
  await redrawn('sample-index-twice', ([one = 0, , ...rest]) => [one, one, ...rest]);
  await redrawn('sample-shrunk', (all) => all.slice(1));
  await redrawn('sample-grown', (all) => [...all, spare ?? 0]);
  await redrawn('sample-of-a-range-shrunk', (all) => all.slice(1), { commit: { query: EVERYTHING } });
  const whole = await tellSample({ commit: { query: EVERYTHING } });
  const indices = [...(whole.drawn[0]?.drawn ?? [])].sort((a, b) => a - b);
  add(
    'sample-drawn-event-dropped',
    lines(whole.files, 'events.ndjson', (all) => all.slice(1)),
    fail('events', 'missing-event', { index: indices[0] ?? 0 }),
  );
  add(
    'sample-event-of-the-population-dropped',
    lines(good, 'events.ndjson', (all) => all.filter((_, i) => i !== first - 4)),
    fail('events', 'missing-event', { index: first }),
  );
  await told('sample-drawn-event-not-shown-whole', { withheld: new Map([[first, ['reason']]]) }, incomplete('sample'));
  await told('sample-drawn-event-erased-in-part', { erased: new Map([[second, ['reason']]]) }, incomplete('sample'));
  const byClass = { commit: { strata: 'class' } } as const;
  const strata = (name: string, edit: (all: readonly DrawnStratum[]) => readonly DrawnStratum[]) =>
    told(name, { ...byClass, drawn: edit }, fail('sample', 'sample-mismatch'));
  await strata('sample-stratum-counts-altered', ([one, ...rest]) =>
    one === undefined ? rest : [{ ...one, population: one.population - 1 }, ...rest],
  );
  await strata('sample-stratum-left-out', (all) => all.slice(1));
  await strata('sample-stratum-renamed', ([one, ...rest]) =>
    one === undefined ? rest : [{ ...one, name: 'a' }, ...rest],
  );

  // Earlier commits.
  const count = (index: number) => fail('history', 'count-mismatch', { index });
  await told('sample-earlier-commit-not-shown', { unrelated: new Set([FIRST_COMMIT]) }, count(FIRST_COMMIT));
  await told(
    'sample-says-it-is-the-first',
    { commit: { number: 0, previous: null } },
    fail('history', 'count-mismatch'),
  );
  await told('sample-counts-more-than-there-are', { commit: { number: 2 } }, count(FIRST_COMMIT));

  // drand.
  const beacon = (story: SampleStory) => ({ ...DRAND, ...story });
  await told(
    'sample-drand-round-replaced',
    beacon({ commit: { drandRound: DRAND_ROUND + 1 } }),
    fail('drand', 'bad-beacon'),
    WITHOUT_BLS,
  );
  const flipped = DRAND_SIGNATURE.map((byte, i) => (i === 20 ? byte ^ 1 : byte));
  await told(
    'sample-drand-bad-signature',
    beacon({ reveal: { drandSignature: flipped } }),
    fail('drand', 'bad-beacon'),
    WITHOUT_BLS,
  );
  await told(
    'sample-drand-left-out',
    { startUs: DRAND_START_US, commit: { drandRound: DRAND_ROUND } },
    {
      ...fail('drand', 'bad-beacon'),
    },
  );
  await told('sample-drand-never-named', { reveal: { drandSignature: DRAND_SIGNATURE } }, fail('drand', 'bad-beacon'));
  await told('sample-drand-round-known-before', { ...DRAND, startUs: START_US }, fail('drand', 'bad-beacon'));
  await told('sample-drand-not-in-the-seed', beacon({ beacon: OTHER }), mismatch('seed'));

  // The file itself.
  add(
    'sample-json-with-white-space',
    change(good, { resign: true, text: { [SAMPLE_FILE]: (text) => `${text}\n` } }),
    fail('sample', 'invalid-sample'),
  );
  add(
    'sample-called-complete',
    change(good, {
      resign: true,
      manifest: (json) => ({ ...json, mode: 'complete', files: drops(json, SAMPLE_FILE) }),
    }),
    fail('files', 'unexpected-file'),
  );
  return files;
}

function edited(
  strata: readonly DrawnStratum[],
  edit: (drawn: readonly number[]) => readonly number[],
): readonly DrawnStratum[] {
  return strata.map((stratum) => ({ ...stratum, drawn: edit(stratum.drawn) }));
}
