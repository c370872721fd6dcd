/**
 * Elements made of plain data. Every text goes in as text, after `escapeLine` made visible what nobody would see, and
 * every attribute the same way; there is no way here to make HTML out of a text.
 */
import { escapeLine } from '../../../proofs/escape-line.ts';

export type Child = Node | string | number | undefined | false | readonly Child[];

type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Characters of one text that are shown; an event is longer than anyone reads. */
const MAX_SHOWN_CHARACTERS = 4_000;
const SVG = 'http://www.w3.org/2000/svg';

export function h<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  return fill(document.createElement(name), attributes, children);
}

export function svg<Name extends keyof SVGElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly (string | SVGElement)[]
): SVGElementTagNameMap[Name] {
  // A drawing shows nothing of the elements of HTML that `shown` would mark an escape with.
  const nodes = children.map((child) =>
    typeof child === 'string' ? document.createTextNode(escapeLine(child.toWellFormed())) : child,
  );
  return fill(document.createElementNS(SVG, name), attributes, nodes);
}

/** Text of others; what was escaped in it stands out. */
export function shown(text: string): readonly Node[] {
  const cut = text.length > MAX_SHOWN_CHARACTERS ? text.slice(0, MAX_SHOWN_CHARACTERS) : text;
  const pieces = escapeLine(cut.toWellFormed()).split(ESCAPE);
  const nodes = pieces.map((piece, i): Node => {
    if (i % 2 === 0) return document.createTextNode(piece);
    const mark = document.createElement('span');
    mark.className = 'escape';
    mark.title = 'a character that would not be seen';
    mark.textContent = piece;
    return mark;
  });
  const rest = text.length - cut.length;
  return rest === 0 ? nodes : [...nodes, document.createTextNode(`… (${rest} more characters)`)];
}

/** A sentence of a verifier, whose names are quoted and escaped already: escapes are not escaped again. */
export function sentence(text: string): Text {
  return document.createTextNode(text.split('\\').map(escapeLine).join('\\'));
}

/** Runs of text that reads in its own direction and cannot turn its neighbours around. */
export function isolated(text: string): HTMLElement {
  return h('bdi', {}, text);
}

export function replace(parent: Element, ...children: readonly Child[]): void {
  parent.replaceChildren(...nodesOf(children));
}

/** The element that the page's own HTML has under this id. */
export function byId<T extends Element>(id: string, type: abstract new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new TypeError(`the page has no ${id}`);
  return found;
}

/** An odd number of capture groups, so that every second piece is an escape. */
const ESCAPE = /(\\(?:n|r|t|u[0-9a-f]{4}|u\{[0-9a-f]+\}))/;

function fill<T extends Element>(element: T, attributes: Attributes, children: readonly Child[]): T {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? '' : escapeLine(String(value).toWellFormed()));
  }
  element.append(...nodesOf(children));
  return element;
}

function nodesOf(children: readonly Child[]): readonly Node[] {
  return children.flatMap((child): readonly Node[] => {
    if (child === undefined || child === false) return [];
    if (child instanceof Node) return [child];
    if (typeof child === 'string' || typeof child === 'number') return shown(String(child));
    return nodesOf(child);
  });
}
