/** Every claim that was checked, what came of it, and where it failed; then what the evidence says and nothing proves. */
import type { Claim } from '../../../proofs/claims.ts';
import type { FileReport } from '../../../proofs/judge-file.ts';
import { type Child, h, sentence, svg } from './dom.ts';
import { claimTitle, RESULT_WORD } from './words.ts';

export function claimsTable({ claims, failure }: FileReport): HTMLElement | undefined {
  if (claims.length === 0) return undefined;
  // Only the first failure has a place, and of several failed claims nobody can say whose it is.
  const failed = claims.filter(({ result }) => result === 'fail');
  const place = failed.length === 1 ? failure : undefined;
  const heads = ['Result', 'Claim', 'What was found', ...(place === undefined ? [] : ['Where'])];
  return h(
    'table',
    { class: 'claims' },
    h('caption', {}, 'Claims'),
    h('thead', {}, h('tr', {}, ...heads.map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', {}, ...claims.map((claim) => claimRow(claim, place))),
  );
}

export function notesList({ notes }: FileReport): HTMLElement | undefined {
  if (notes.length === 0) return undefined;
  return h(
    'div',
    { class: 'notes' },
    h('h4', {}, 'Said by the evidence, and proved by nothing here'),
    h('ul', {}, ...notes.map((note) => h('li', {}, sentence(note)))),
  );
}

function claimRow({ claim, result, detail }: Claim, place: FileReport['failure']): HTMLElement {
  return h(
    'tr',
    { class: result },
    h('td', { class: 'result' }, h('span', { class: `mark ${result}` }, resultSign(result), RESULT_WORD[result])),
    h('th', { scope: 'row' }, claimTitle(claim), h('code', {}, claim)),
    h('td', {}, sentence(detail)),
    place !== undefined && h('td', { class: 'where' }, ...(result === 'fail' ? whereOf(place) : [])),
  );
}

function whereOf({ index, field, file }: NonNullable<FileReport['failure']>): readonly Child[] {
  return [
    index !== undefined && h('span', {}, `index ${index}`),
    field !== undefined && h('span', {}, 'field ', h('bdi', {}, field)),
    file !== undefined && h('span', {}, 'file ', h('bdi', {}, file)),
  ];
}

const MARKS: Readonly<Record<Claim['result'], string>> = {
  pass: 'M3 8.5l3.5 3.5L13 4.5',
  fail: 'M4 4l8 8M12 4l-8 8',
  incomplete: 'M5.5 6c0-3.6 5-3.6 5 0 0 2-2.5 2.200-2.500 4M8 12.900v.1',
};

function resultSign(result: Claim['result']): SVGSVGElement {
  return svg(
    'svg',
    { viewBox: '0 0 16 16', 'aria-hidden': 'true', focusable: 'false' },
    svg('path', { d: MARKS[result] }),
  );
}
