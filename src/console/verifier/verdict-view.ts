/** The verdict, so that nobody can mistake it: a word, a shape, a sentence and a colour, each of which says it alone. */
import type { FileReport } from '../../../proofs/judge-file.ts';
import { h, sentence, svg } from './dom.ts';
import { VERDICT_MEANING } from './words.ts';

type Verdict = FileReport['verdict'];

/** What claims.ts says of a plain PASS; the sentence above it says as much. */
const NO_REASON = 'every claim was checked and holds';

/** `level` is that of the heading. */
export function verdictBanner(
  { verdict, reason, failure }: Pick<FileReport, 'verdict' | 'reason' | 'failure'>,
  level: 'h2' | 'h3',
): HTMLElement {
  const place = failure === undefined ? [] : placeOf(failure);
  return h(
    'div',
    { class: `verdict ${verdict.toLowerCase()}` },
    verdictSign(verdict),
    h(
      'div',
      { class: 'verdict-words' },
      h(level, { class: 'verdict-word' }, verdict),
      h('p', { class: 'verdict-meaning' }, VERDICT_MEANING[verdict]),
      reason !== NO_REASON && h('p', { class: 'verdict-reason' }, sentence(reason)),
      place.length > 0 &&
        h(
          'dl',
          { class: 'places' },
          ...place.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
        ),
    ),
  );
}

/** A tick in a ring, a cross in an octagon, a question in a broken ring. */
export function verdictSign(verdict: Verdict): SVGSVGElement {
  return svg(
    'svg',
    { class: `sign ${verdict.toLowerCase()}`, viewBox: '0 0 64 64', 'aria-hidden': 'true', focusable: 'false' },
    ...SIGNS[verdict].map((d, i) => svg('path', { d, class: i === 0 ? 'sign-frame' : 'sign-mark' })),
  );
}

const SIGNS: Readonly<Record<Verdict, readonly string[]>> = {
  PASS: ['M32 4a28 28 0 1 1-.01 0z', 'M18 33l10 10 19-21'],
  FAIL: ['M21 4h22l17 17v22L43 60H21L4 43V21z', 'M21 21l22 22M43 21L21 43'],
  INCOMPLETE: ['M32 4a28 28 0 1 1-.01 0z', 'M24 25c0-11 16-11 16-1 0 6-8 7-8 14M32 46v.5'],
};

function placeOf(failure: NonNullable<FileReport['failure']>): readonly (readonly [string, string | number])[] {
  const { code, index, field, file } = failure;
  return [
    ...(index === undefined ? [] : [['Index', index] as const]),
    ...(field === undefined ? [] : [['Field', field] as const]),
    ...(file === undefined ? [] : [['File', file] as const]),
    ['Code', code] as const,
  ];
}
