/**
 * The path of one event, drawn: from its fields through card and leaf, hash by hash to the root, and to the head that log
 * and witnesses signed. Read from the top like a document, with the signatures at its end. Hashes are abbreviated; focus
 * or a click writes one out below, and the same steps stand beside it as a list.
 */
import { hexEncode } from '../../../proofs/bytes.ts';
import { formatSeconds } from '../../../proofs/existed-by.ts';
import { h, replace, svg } from './dom.ts';
import type { DrawnHead, DrawnWitness, ShownEvent } from './protocol.ts';
import type { TreePath, TreeStep } from './tree-path.ts';
import { formatLeaves, shortHash } from './words.ts';

/** One hash on the way, in the words of the list. */
interface Station {
  readonly label: string;
  readonly hash: Uint8Array;
}

export function pathFigure(event: ShownEvent, path: TreePath, head: DrawnHead): HTMLElement {
  const readout = h('output', { class: 'readout' }, 'Choose a hash to read it in full.');
  const tell = ({ label, hash }: Station): void =>
    replace(readout, h('span', {}, `${label}: `), h('code', {}, hexEncode(hash)));
  const stations: Station[] = [];
  const drawing = new Drawing((station) => {
    stations.push(station);
    return tell;
  });
  drawEvent(drawing, event);
  drawing.node({ label: 'card', hash: event.cardHash }, 'the commitments to all fields');
  drawing.node({ label: `leaf ${event.index}`, hash: event.leafHash }, 'card, producer and log time, hashed');
  for (const step of path.steps) drawStep(drawing, step, path);
  drawHeadBox(drawing, head);
  drawWitnesses(drawing, head.witnesses);
  const title = `Path of event ${event.index} to the root of the tree of ${path.size}, and who signed it`;
  return h(
    'figure',
    { class: 'path' },
    h('figcaption', {}, title),
    h('div', { class: 'path-scroll' }, drawing.finish(title)),
    readout,
    h(
      'details',
      {},
      h('summary', {}, 'The same as a list'),
      h('ol', {}, ...stations.map(({ label, hash }) => h('li', {}, `${label} `, h('code', {}, hexEncode(hash))))),
      h('ul', {}, ...head.witnesses.map((witness) => h('li', {}, `${witness.name}: ${signedWhen(witness)}`))),
    ),
  );
}

const WIDTH = 720;
const CENTRE = WIDTH / 2;
const NODE = { width: 190, height: 34 };
const SIBLING = { width: 150, height: 28 };
const SIBLING_LEFT = 96;
const SIBLING_RIGHT = WIDTH - 96;
/** Between the end of one box and the beginning of the next. */
const GAP = 34;
/** Between a label's base line and the box under it, and between the label and the line that it is about. */
const LABEL_GAP = 11;
const LABEL_ASIDE = 10;
const WITNESSES_A_ROW = 3;
const WITNESS = { width: 214, height: 46, gap: 16 };

/** Boxes from the top down; each is joined to the one above it. */
class Drawing {
  readonly #parts: SVGElement[] = [];
  readonly #register: (station: Station) => (station: Station) => void;
  #bottom = 0;

  constructor(register: (station: Station) => (station: Station) => void) {
    this.#register = register;
  }

  get bottom(): number {
    return this.#bottom;
  }

  /** Room for a box of this height; returns its top. */
  next(height: number): number {
    const top = this.#bottom === 0 ? 1 : this.#bottom + GAP;
    if (this.#bottom > 0) this.line(`M${CENTRE} ${this.#bottom}V${top}`);
    this.#bottom = top + height;
    return top;
  }

  add(...parts: readonly SVGElement[]): void {
    this.#parts.push(...parts);
  }

  line(d: string, kind = 'edge'): void {
    this.#parts.unshift(svg('path', { d, class: kind }));
  }

  node(station: Station, note: string): void {
    const top = this.next(NODE.height);
    this.hash(station, { x: CENTRE, y: top, ...NODE }, 'own');
    this.add(text(CENTRE + LABEL_ASIDE, top - LABEL_GAP, note, 'small to-right'));
  }

  hash(station: Station, box: { x: number; y: number; width: number; height: number }, kind: string): void {
    const { x, y, width, height } = box;
    const tell = this.#register(station);
    const { label, hash } = station;
    const group = svg(
      'g',
      { class: `hash ${kind}`, tabindex: 0, role: 'button', 'aria-label': `${label}, ${hexEncode(hash)}` },
      svg('title', {}, `${label}\n${hexEncode(hash)}`),
      svg('rect', { x: x - width / 2, y, width, height, rx: 6 }),
      text(x, y + height / 2 + 4, shortHash(hash), 'digits'),
    );
    for (const type of ['click', 'focus', 'mouseenter'] as const) group.addEventListener(type, () => tell(station));
    this.add(group);
  }

  finish(title: string): SVGSVGElement {
    const height = this.#bottom + 2;
    return svg('svg', { viewBox: `0 0 ${WIDTH} ${height}`, role: 'group', 'aria-label': title }, ...this.#parts);
  }
}

function drawEvent(drawing: Drawing, { index, title, event, fields }: ShownEvent): void {
  const top = drawing.next(54);
  const action = typeof event['action'] === 'string' ? event['action'] : `event ${index}`;
  const count = (state: string): number => fields.filter((field) => field.state === state).length;
  const parts = [
    [count('shown'), 'shown'],
    [count('withheld'), 'withheld'],
    [count('erased'), 'erased'],
  ] as const;
  const said = parts.filter(([number]) => number > 0).map(([number, word]) => `${number} ${word}`);
  drawing.add(
    svg('rect', { class: 'box', x: CENTRE - 170, y: top, width: 340, height: 54, rx: 8 }),
    text(CENTRE, top + 23, clip(title ?? action, 44), 'strong'),
    text(CENTRE, top + 42, `fields: ${said.length === 0 ? 'none given' : said.join(', ')}`, 'small'),
  );
}

/** The sibling at its side, and the node that both make. */
function drawStep(drawing: Drawing, { sibling, beside, node, covers }: TreeStep, { size, index }: TreePath): void {
  const isLeft = beside.start === covers.start;
  const from = drawing.bottom;
  const x = isLeft ? SIBLING_LEFT : SIBLING_RIGHT;
  const y = from - NODE.height + (NODE.height - SIBLING.height) / 2;
  drawing.hash({ label: `beside it: ${formatLeaves(beside)}`, hash: sibling }, { x, y, ...SIBLING }, 'sibling');
  drawing.add(text(x, y + SIBLING.height + 15, formatLeaves(beside), 'small'));
  const isRoot = covers.start === 0 && covers.end === size;
  const top = drawing.next(NODE.height);
  const side = isLeft ? x + SIBLING.width / 2 : x - SIBLING.width / 2;
  const near = isLeft ? CENTRE - NODE.width / 2 : CENTRE + NODE.width / 2;
  const turn = (side + near) / 2;
  drawing.line(
    `M${side} ${y + SIBLING.height / 2}C${turn} ${y + SIBLING.height / 2} ${turn} ${top + NODE.height / 2} ${near} ${top + NODE.height / 2}`,
    'edge soft',
  );
  const label = isRoot ? `root of all ${size} entries` : formatLeaves(covers);
  const station = { label: `${label}, with event ${index} among them`, hash: node };
  drawing.hash(station, { x: CENTRE, y: top, ...NODE }, isRoot ? 'root' : 'own');
  // On the side where no curve comes in.
  const [aside, direction] = isLeft ? [LABEL_ASIDE, 'to-right'] : [-LABEL_ASIDE, 'to-left'];
  drawing.add(text(CENTRE + aside, top - LABEL_GAP, label, `${isRoot ? 'strong' : 'small'} ${direction}`));
}

function drawHeadBox(drawing: Drawing, { origin, size }: DrawnHead): void {
  const top = drawing.next(54);
  drawing.add(
    svg('rect', { class: 'box head', x: CENTRE - 200, y: top, width: 400, height: 54, rx: 8 }),
    text(CENTRE, top + 23, clip(origin, 50), 'strong'),
    text(CENTRE, top + 42, `head of ${size} entries, signed by the log`, 'small'),
  );
}

function drawWitnesses(drawing: Drawing, witnesses: readonly DrawnWitness[]): void {
  for (let first = 0; first < witnesses.length; first += WITNESSES_A_ROW) {
    const row = witnesses.slice(first, first + WITNESSES_A_ROW);
    const above = drawing.bottom;
    const top = drawing.next(WITNESS.height);
    const width = row.length * WITNESS.width + (row.length - 1) * WITNESS.gap;
    for (const [i, witness] of row.entries()) {
      const left = CENTRE - width / 2 + i * (WITNESS.width + WITNESS.gap);
      const middle = left + WITNESS.width / 2;
      if (first === 0)
        drawing.line(`M${CENTRE} ${above}C${CENTRE} ${top} ${middle} ${above} ${middle} ${top}`, 'edge soft');
      const isCounted = witness.seconds !== undefined && !witness.isLate;
      drawing.add(
        svg('rect', {
          class: isCounted ? 'stamp' : 'stamp absent',
          ...{ x: left, y: top, width: WITNESS.width, height: WITNESS.height, rx: WITNESS.height / 2 },
        }),
        text(middle, top + 20, `${isCounted ? '✓ ' : ''}${clip(witness.name, 22)}`, 'strong'),
        text(middle, top + 36, signedWhen(witness), 'small'),
      );
    }
  }
}

function signedWhen({ seconds, isLate, keys }: DrawnWitness): string {
  if (seconds === undefined) return 'has not signed';
  const when = seconds === 0 ? 'without a time' : formatSeconds(seconds);
  if (isLate) return `too late: ${when}`;
  return keys > 1 ? `${when}, ${keys} keys` : when;
}

function text(x: number, y: number, content: string, kind: string): SVGTextElement {
  return svg('text', { x, y, class: kind }, content);
}

/** Text in a drawing does not wrap. */
function clip(content: string, max: number): string {
  const characters = [...content];
  return characters.length > max ? `${characters.slice(0, max - 1).join('')}…` : content;
}
