/**
 * The first look at a text: could any rule replace anything in it? One pass over its characters with a table, no
 * backtracking, so that a clean event costs a few microseconds. It may say yes for nothing; it never says no where a rule
 * would match, which test/events/redact-fuzz.test.ts holds.
 *
 * Looked for are: as many digits as a card has without a letter or a quote between them; whatever begins an encoding
 * (% & \); digits of other scripts; an @ after ://; and the literals of the rules, all at once (Aho and Corasick, 1975).
 * The literals are compared in lower case, passing over white space, - _ . [ ] and everything that is not ASCII.
 */
import { MIN_CARD_DIGITS } from './cards.ts';

export type Suspicion = (text: string) => boolean;

/** Compiles the literals, once. */
export function compileSuspicion(literals: readonly string[]): Suspicion {
  const symbols = symbolTable();
  const machine = compileMachine(literals, symbols);
  return (text) => {
    let state = 0;
    let digits = 0;
    let isAuthority = false;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) {
        if (mayBeDigit(unit)) return true;
        continue;
      }
      const symbol = symbols[unit] ?? OTHER;
      if (symbol === PASSED_OVER) continue;
      if (symbol === ENCODING) return true;
      if (symbol <= LAST_DIGIT) {
        if (++digits === MIN_CARD_DIGITS) return true;
      } else if (symbol <= QUOTE) {
        digits = 0;
        if (symbol === QUOTE) isAuthority = false;
      }
      if (symbol === AT && isAuthority) return true;
      state = machine.next[state * WIDTH + symbol] ?? 0;
      const found = machine.found[state];
      if (found === SUSPICIOUS) return true;
      if (found === AUTHORITY) isAuthority = true;
    }
    return false;
  };
}

/** Symbols: digits, then letters, then the quote, then what else the literals use. */
const LAST_DIGIT = 9;
const FIRST_LETTER = 10;
const QUOTE = 36;
const AT = 37;
const PUNCTUATION = ":=/',}";
const OTHER = 63;
const PASSED_OVER = 64;
const ENCODING = 65;
/** Columns of the table; a power of two above every symbol that reaches it. */
const WIDTH = 64;

/** ASCII to symbol. */
function symbolTable(): Uint8Array {
  const table = new Uint8Array(0x80).fill(OTHER);
  for (let i = 0; i <= 0x20; i++) table[i] = PASSED_OVER;
  table[0x7f] = PASSED_OVER;
  for (let i = 0; i < 10; i++) table[0x30 + i] = i;
  for (let i = 0; i < 26; i++) {
    table[0x41 + i] = FIRST_LETTER + i;
    table[0x61 + i] = FIRST_LETTER + i;
  }
  const set = (characters: string, symbol: number): void => {
    for (const character of characters) table[character.charCodeAt(0)] = symbol;
  };
  set('"', QUOTE);
  set('@', AT);
  for (const [i, character] of [...PUNCTUATION].entries()) set(character, AT + 1 + i);
  set('-_.[]', PASSED_OVER);
  set('%&\\', ENCODING);
  return table;
}

/** UTF-16 units of the scripts that have digits of their own, and the high surrogates of those beyond the first plane. */
function mayBeDigit(unit: number): boolean {
  if (unit < 0x660) return false;
  return unit < 0x1fff || (unit >= 0xa620 && unit <= 0xabff) || (unit >= 0xff10 && unit <= 0xff19) || (unit >= 0xd800 && unit <= 0xdbff);
}

const SUSPICIOUS = 1;
const AUTHORITY = 2;

interface Machine {
  /** State and symbol to state. */
  readonly next: Uint16Array;
  readonly found: Uint8Array;
}

function compileMachine(literals: readonly string[], symbols: Uint8Array): Machine {
  const words = [...literals.map((literal) => [literal, SUSPICIOUS] as const), ['://', AUTHORITY] as const];
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
    found[state] = meaning;
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
      found[child] = found[child] || (found[other] ?? 0);
      queue.push(child);
    }
  }
  return { next, found };
}
