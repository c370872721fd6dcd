/**
 * The first look at a text: could any rule replace anything in it? One pass over its characters with a table and no
 * backtracking, so that a clean event costs a few microseconds. It may say yes for nothing; it never says no where a rule
 * would match, which test/events/redact-fuzz.test.ts holds.
 *
 * Looked for are: as many digits as a card has with nothing between them that cannot be between a card's; what begins an
 * encoding (% & \); two hyphens; digits of other scripts; an @ after ://; an AWS access key id with much after it; and the
 * literals of the rules, all at once (Aho and Corasick, 1975).
 *
 * Literals are compared in lower case, passing over white space, - _ . [ ] and everything that is not ASCII. One that ends
 * with $ counts only where neither a letter nor a digit follows: `secret$` finds `"secret":` and not `secretsmanager`.
 */
import { MIN_CARD_DIGITS } from './cards.ts';

/** With `decoded` what begins an encoding counts for nothing: the caller has looked behind it. */
export type Suspicion = (text: string, decoded?: boolean) => boolean;

/**
 * What often stands in events and is nothing: how an actor authenticated, actions on passwords, steps of an ARN. The
 * literal that each of these ends with is not counted there.
 */
const HARMLESS: readonly string[] = ['method":"passw', 'method":"apikey"', 'action":"passw', ':secret:'];

/** Compiles the literals, once. */
export function compileSuspicion(literals: readonly string[]): Suspicion {
  const symbols = symbolTable();
  const { next, found } = compileMachine(literals, symbols);
  return (text, decoded = false) => {
    let state = 0;
    let digits = 0;
    let isPending = false;
    let isAuthority = false;
    let accessKeyAt = NOWHERE;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) {
        if (mayBeDigit(unit)) return true;
        continue;
      }
      const symbol = symbols[unit] ?? OTHER;
      if (symbol >= WIDTH) {
        if (unit === HYPHEN && text.charCodeAt(i - 1) === HYPHEN) return true;
        if (symbol === ENCODING) {
          if (!decoded || isPending) return true;
          state = 0;
        }
        if (symbol !== SEPARATOR) digits = 0;
        continue;
      }
      if (symbol <= LAST_DIGIT) {
        if (++digits === MIN_CARD_DIGITS) return true;
      } else if (symbol > LAST_JOINER) {
        digits = 0;
        if (symbol === QUOTE) {
          if (i - accessKeyAt > AFTER_ACCESS_KEY) return true;
          accessKeyAt = NOWHERE;
          isAuthority = false;
        } else if (symbol === AT && isAuthority) return true;
      }
      state = next[state * WIDTH + symbol] ?? 0;
      const meaning = found[state] ?? 0;
      if (isPending && meaning !== NOTHING_HERE && symbol > LAST_DIGIT && !isLetter(symbol)) return true;
      isPending = false;
      if (meaning === 0) continue;
      if (meaning === SUSPICIOUS) return true;
      if (meaning === AT_END) isPending = true;
      else if (meaning === AUTHORITY) isAuthority = true;
      else if (meaning === ACCESS_KEY) accessKeyAt = i;
    }
    return isPending || text.length - accessKeyAt > AFTER_ACCESS_KEY;
  };
}

/** Symbols below WIDTH drive the machine: digits; what may join a card's digits; letters; the rest. */
const LAST_DIGIT = 9;
const JOINERS = '/+';
const JOINER = 12;
const LAST_JOINER = JOINER;
const FIRST_LETTER = 13;
const LAST_LETTER = 38;
const QUOTE = 39;
const AT = 40;
const PUNCTUATION = ":=,}'";
const OTHER = 63;
/** Columns of the machine's table; a power of two. */
const WIDTH = 64;
/** Passed over; a bracket ends a run of digits all the same. */
const SEPARATOR = 64;
const BRACKET = 65;
const ENCODING = 66;
const HYPHEN = 0x2d;

function isLetter(symbol: number): boolean {
  return symbol >= FIRST_LETTER && symbol <= LAST_LETTER;
}

/** ASCII to symbol. */
function symbolTable(): Uint8Array {
  const table = new Uint8Array(0x80).fill(OTHER);
  const set = (characters: string, symbol: number): void => {
    for (const character of characters) table[character.charCodeAt(0)] = symbol;
  };
  for (let i = 0; i <= 0x20; i++) table[i] = SEPARATOR;
  table[0x7f] = SEPARATOR;
  for (let i = 0; i < 10; i++) table[0x30 + i] = i;
  for (let i = 0; i < 26; i++) {
    table[0x41 + i] = FIRST_LETTER + i;
    table[0x61 + i] = FIRST_LETTER + i;
  }
  for (const [i, character] of [...JOINERS].entries()) set(character, LAST_DIGIT + 1 + i);
  for (const [i, character] of [...PUNCTUATION].entries()) set(character, AT + 1 + i);
  set('|~*', JOINER);
  set('"', QUOTE);
  set('@', AT);
  set('-_.', SEPARATOR);
  set('[]', BRACKET);
  set('%&\\', ENCODING);
  return table;
}

/** UTF-16 units of the scripts that have digits of their own, and the high surrogates of those beyond the first plane. */
function mayBeDigit(unit: number): boolean {
  if (unit < 0x660) return false;
  const isScript = unit < 0x1fff || (unit >= 0xa620 && unit <= 0xabff) || (unit >= 0xff10 && unit <= 0xff19);
  return isScript || (unit >= 0xd800 && unit <= 0xdbff);
}

/** Before every position, and so far from it that nothing counts as following. */
const NOWHERE = Number.MAX_SAFE_INTEGER;
/** The rest of an access key id (at least 12), one character, a secret key of 40. */
const AFTER_ACCESS_KEY = 12 + 1 + 40;

/** What reaching a state means. */
const SUSPICIOUS = 1;
const AT_END = 2;
const AUTHORITY = 3;
const ACCESS_KEY = 4;
const NOTHING_HERE = 5;

interface Machine {
  /** State and symbol to state. */
  readonly next: Uint16Array;
  readonly found: Uint8Array;
}

function compileMachine(literals: readonly string[], symbols: Uint8Array): Machine {
  const words: readonly (readonly [literal: string, meaning: number])[] = [
    ['://', AUTHORITY],
    ['akia', ACCESS_KEY],
    ['asia', ACCESS_KEY],
    ...literals.map((literal): readonly [string, number] =>
      literal.endsWith('$') ? [literal.slice(0, -1), AT_END] : [literal, SUSPICIOUS],
    ),
    ...HARMLESS.map((literal): readonly [string, number] => [literal, NOTHING_HERE]),
  ];
  const trie: Map<number, number>[] = [new Map()];
  const found: number[] = [0];
  for (const [literal, meaning] of words) {
    let state = 0;
    for (const character of literal) {
      const symbol = symbols[character.charCodeAt(0)] ?? OTHER;
      if (symbol >= OTHER) throw new Error(`the literal ${literal} has a character that is not compared`);
      let child = trie[state]?.get(symbol);
      if (child === undefined) {
        child = trie.push(new Map()) - 1;
        found.push(0);
        trie[state]?.set(symbol, child);
      }
      state = child;
    }
    // The stronger meaning stays: `passw` beside `passw$`.
    found[state] = found[state] === SUSPICIOUS ? SUSPICIOUS : meaning;
  }
  return complete(trie, found);
}

/** Fills the table breadth first: where the trie ends, a state goes on as its longest proper suffix does. */
function complete(trie: readonly ReadonlyMap<number, number>[], ends: readonly number[]): Machine {
  const next = new Uint16Array(trie.length * WIDTH);
  const found = Uint8Array.from(ends);
  const suffix = new Uint16Array(trie.length);
  const queue = [0];
  for (const state of queue) {
    for (let symbol = 0; symbol < WIDTH; symbol++) {
      const other = state === 0 ? 0 : (next[(suffix[state] ?? 0) * WIDTH + symbol] ?? 0);
      const child = trie[state]?.get(symbol);
      next[state * WIDTH + symbol] = child ?? other;
      if (child === undefined) continue;
      suffix[child] = other;
      found[child] = merged(found[child] ?? 0, found[other] ?? 0);
      queue.push(child);
    }
  }
  return { next, found };
}

/** A state means what it was made for, and what its suffix means unless it says that this is nothing. */
function merged(own: number, ofSuffix: number): number {
  if (own === 0 || ofSuffix === SUSPICIOUS) return own === NOTHING_HERE ? own : ofSuffix;
  return own;
}
