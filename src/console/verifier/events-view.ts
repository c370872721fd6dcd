/** The events of a file as cards: overrides of the rules first, a few at a time, and none of them proven if the file failed. */
import { type Child, h } from './dom.ts';
import { type CardContext, eventCard } from './event-card.ts';
import type { EventChoice, Judged, ShownEvent } from './protocol.ts';
import { formatCount } from './words.ts';

/** Cards that are made at once; a button makes as many again, and printing makes all. */
const CARDS_A_TIME = 20;

export function eventsSection({ report, events, head }: Judged): HTMLElement | undefined {
  const { shown } = events;
  const { verdict, claims, existed_by: existedBy } = report;
  if (shown.length === 0) return undefined;
  // An answer that is open at its end is not complete, and every event in it can be proven all the same.
  const holds = (name: string): boolean => claims.some(({ claim, result }) => claim === name && result === 'pass');
  const isProven = verdict !== 'FAIL' && holds('log-signature') && holds('witnesses');
  const context: CardContext = { head, existedBy, isProven, withPath: shown.length === 1, headingLevel: 'h5' };
  const counts = countsOf(events);
  const contents = [...asides(events), ...cardList(shown, context)];
  switch (verdict) {
    case 'PASS':
      return h('section', { class: 'events' }, h('h4', {}, counts), ...contents);
    case 'INCOMPLETE': {
      const warning = 'The verdict is not PASS. Read each event together with the claims above.';
      return h('section', { class: 'events' }, h('h4', {}, counts), h('p', { class: 'warning' }, warning), ...contents);
    }
    case 'FAIL': {
      const summary = h('summary', {}, `${counts}: what the file says, and nothing proves`);
      const warning = 'The file failed. None of these events is proven.';
      return h('details', { class: 'events' }, summary, h('p', { class: 'warning' }, warning), ...contents);
    }
  }
}

function countsOf({ total, overrides, denied, failed }: EventChoice): string {
  return [
    formatCount(total, 'event', 'events'),
    ...(overrides > 0 ? [`${overrides} break-glass`] : []),
    ...(denied > 0 ? [`${denied} denied`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
  ].join(', ');
}

function asides({ shown, total, overrides }: EventChoice): readonly Child[] {
  const aside = (text: string): HTMLElement => h('p', { class: 'aside' }, text);
  return [
    overrides > 0 && total > 1 && aside('Break-glass events come first; the others follow in the order of the log.'),
    shown.length < total && aside(`${shown.length} of them are shown here. All ${total} were verified.`),
  ];
}

function cardList(shown: readonly ShownEvent[], context: CardContext): readonly HTMLElement[] {
  const cards = h('div', { class: 'cards' });
  const more = h('button', { type: 'button' });
  const paragraph = h('p', { class: 'more no-print' }, more);
  const show = (count: number): void => {
    const from = cards.childElementCount;
    cards.append(...shown.slice(from, from + count).map((event) => eventCard(event, context)));
    const rest = shown.length - cards.childElementCount;
    more.textContent = `Show ${Math.min(CARDS_A_TIME, rest)} more`;
    paragraph.hidden = rest === 0;
  };
  more.addEventListener('click', () => {
    const first = cards.childElementCount;
    show(CARDS_A_TIME);
    const card = cards.children[first];
    if (!(card instanceof HTMLElement)) return;
    card.tabIndex = -1;
    card.focus();
  });
  window.addEventListener('beforeprint', () => {
    if (cards.isConnected) show(shown.length);
  });
  show(CARDS_A_TIME);
  return [cards, paragraph];
}
