import { describe, expect, it } from 'vitest';
import { hexEncode } from '../../proofs/bytes.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { EMPTY_ROOT, sha256 } from '../../proofs/hash.ts';
import { formatPinBlock, formatPinCode, MAX_PIN_CHARACTERS, type Pin, parsePin, pinNote } from '../../proofs/pin.ts';
import { signedCheckpoint, testSigner } from '../support/signed.ts';
import { verdictOf } from '../support/tree.ts';

const origin = 'log.example.com/audit';
const head = { origin, size: 20_852_163, root: sha256(Uint8Array.of(7)) };
const note = signedCheckpoint(head, [testSigner(origin, 1), testSigner('w1.example', 4), testSigner('w2.example', 4)]);
const block = formatPinBlock(note);
const signature = parseCheckpoint(note).note.signatures[0];
if (signature === undefined) throw new Error('the checkpoint is signed');
const code = formatPinCode({ ...head, signature });

const read = (text: string): string => verdictOf(() => parsePin(text));
const quoted = (text: string, mark: string): string => text.replace(/^/gm, mark);
const wrapped = (text: string, width: number): string =>
  text.replace(new RegExp(`[^\\n]{${width}}(?=[^\\n])`, 'g'), '$&\n');

function expectHead(pin: Pin, signatures: number): void {
  expect([pin.origin, pin.size, hexEncode(pin.root)]).toEqual([origin, head.size, hexEncode(head.root)]);
  expect(pin.signatures).toHaveLength(signatures);
}

describe('the block of a head in an e-mail', () => {
  it('gives the note back', () => {
    expectHead(parsePin(block), 3);
    expect(pinNote(parsePin(block))).toBe(note);
    expect(block.split('\n').every((line) => line.length <= 64 && /^[\x20-\x7e]*$/.test(line))).toBe(true);
    expect(block).not.toContain('=');
  });

  it.each([
    ['quoted', quoted(block, '> ')],
    ['quoted again and again', quoted(quoted(quoted(block, '> '), '> '), '>')],
    ['indented', quoted(block, '      ')],
    ['quoted with bars', quoted(block, '| ')],
    ['with the line ends of other systems', block.replaceAll('\n', '\r\n')],
    ['with a blank line after each line', block.replaceAll('\n', '\n\n')],
    ['wrapped at 40', wrapped(block, 40)],
    ['quoted and then wrapped at 50', wrapped(quoted(block, '> '), 50)],
    ['joined into one line', block.replaceAll('\n', ' ')],
    ['with spaces that do not break', block.replaceAll('\n', '\u00a0\n')],
    ['between other text', `Hello,\n\nhere is the head - as agreed.\n\n${block}\n--\nThe auditor`],
    ['twice in a thread', `${block}\n\nOn Monday you wrote:\n${quoted(block, '> ')}`],
    ['behind a byte order mark', `\ufeff${block}`],
  ])('is read when it is %s', (_, text) => {
    expectHead(parsePin(text), 3);
  });

  it('is refused when any of it is damaged', () => {
    for (const [i, character] of [...block].entries()) {
      if (character === '\n') continue;
      const damaged = block.slice(0, i) + (character === 'A' ? 'B' : 'A') + block.slice(i + 1);
      expect([i, read(damaged)]).toEqual([i, 'invalid-pin']);
      expect([i, read(block.slice(0, i) + block.slice(i + 1))]).toEqual([i, 'invalid-pin']);
    }
    const lines = block.split('\n');
    for (const i of lines.keys()) {
      if (i === lines.length - 1) continue;
      expect([i, read(lines.toSpliced(i, 1).join('\n'))]).toEqual([i, 'invalid-pin']);
    }
  });

  it('is refused beside another head, so that nobody verifies the wrong one', () => {
    const other = formatPinBlock(signedCheckpoint({ ...head, size: head.size + 1 }, [testSigner(origin, 1)]));
    expect(read(`${block}\n${other}`)).toBe('invalid-pin');
    expect(read(`${block}\n${formatPinCode({ ...head, size: 5 })}`)).toBe('invalid-pin');
    expect(read(`${block}\n${code}`)).toBe('accepted');
    expectHead(parsePin(`${code}\n${block}`), 3);
  });
});

describe('the line of a head in a QR code', () => {
  it('is one short line with everything that is needed', () => {
    expect(code).toMatch(
      /^countersign-head:1;log\.example\.com\/audit;20852163;[A-Za-z0-9+/]{43};[A-Za-z0-9+/]{91};[0-9a-f]{8}$/,
    );
    expectHead(parsePin(code), 1);
    expect(parsePin(code).signatures[0]).toEqual(signature);
    expect(pinNote(parsePin(code))).toBe(signedCheckpoint(head, [testSigner(origin, 1)]));
  });

  it('may carry no signature, and any origin', () => {
    for (const strange of ['münchen.example/ключ', 'a;b', 'percent%41', 'with space', '> quoted', '日本']) {
      const pin = parsePin(formatPinCode({ ...head, origin: strange }));
      expect([pin.origin, pin.signatures]).toEqual([strange, []]);
      expect(pinNote(pin)).toBeUndefined();
    }
  });

  it.each([
    ['quoted and wrapped', quoted(wrapped(code, 30), '> ')],
    ['in a sentence', `I scanned this: ${code}. Right?`],
    ['with a newline', `${code}\r\n`],
    ['wrapped at every character', wrapped(code, 1)],
  ])('is read when it is %s', (_, text) => {
    expectHead(parsePin(text), 1);
  });

  it('is refused when any character is another or missing', () => {
    for (const i of [...code].keys()) {
      const other = code[i] === '1' ? '2' : '1';
      expect([i, read(code.slice(0, i) + other + code.slice(i + 1))]).toEqual([i, 'invalid-pin']);
      expect([i, read(code.slice(0, i) + code.slice(i + 1))]).toEqual([i, 'invalid-pin']);
    }
  });

  it('has one spelling, whatever its check sum says', () => {
    const withSum = (content: string): string =>
      content + hexEncode(sha256(new TextEncoder().encode(content)).subarray(0, 4));
    const [marker, , size, root, line] = code.split(';');
    const of = (...fields: readonly (string | undefined)[]): string => withSum(`${[marker, ...fields].join(';')};`);
    expect(read(of('log.example.com/audit', size, root, line))).toBe('accepted');
    expect(read(of('log.example.com%2Faudit', size, root, line))).toBe('invalid-pin');
    expect(read(of('log%2', size, root, ''))).toBe('invalid-pin');
    expect(read(of('log%zz', size, root, ''))).toBe('invalid-pin');
    expect(read(of('%ff', size, root, ''))).toBe('invalid-pin');
    expect(read(of('', size, root, ''))).toBe('invalid-pin');
    expect(read(of('log%0A', size, root, ''))).toBe('invalid-pin');
    expect(read(of('log', `0${size}`, root, ''))).toBe('invalid-pin');
    expect(read(of('log', '9007199254740992', root, ''))).toBe('size-too-large');
    expect(read(of('log', size, root?.slice(1), ''))).toBe('invalid-pin');
    expect(read(of('log', size, root, 'AAAA'))).toBe('invalid-pin');
    expect(read(of('log', size, root, `${line}=`))).toBe('invalid-pin');
  });
});

describe('a kept head', () => {
  it('may be the checkpoint as the log serves it', () => {
    expectHead(parsePin(note), 3);
    expectHead(parsePin(new TextEncoder().encode(note)), 3);
    expect(read(quoted(note, '> '))).toBe('invalid-pin');
    expect(read(note.slice(1))).toBe('accepted');
    expect(read(note.slice(0, -1))).toBe('invalid-pin');
  });

  it('is refused where there is none', () => {
    expect(read('')).toBe('invalid-pin');
    expect(read('Dear auditor, all is well.')).toBe('invalid-pin');
    expect(verdictOf(() => parsePin(Uint8Array.of(0xff)))).toBe('invalid-pin');
    expect(read('x'.repeat(MAX_PIN_CHARACTERS + 1))).toBe('invalid-pin');
    expect(read(`${code}\n`.repeat(65))).toBe('invalid-pin');
    const empty = signedCheckpoint({ ...head, size: 0 }, [testSigner(origin, 1)]);
    expect(read(empty)).toBe('invalid-pin');
    expect(verdictOf(() => formatPinBlock(empty))).toBe('invalid-pin');
    expect(read(signedCheckpoint({ origin, size: 0, root: EMPTY_ROOT }, [testSigner(origin, 1)]))).toBe('accepted');
  });

  it('is looked for in time that grows with the text, whatever stands in it', () => {
    const started = performance.now();
    for (const text of [
      'countersign-head:1;',
      'countersign-head:1;;;;',
      '-----BEGIN COUNTERSIGN HEAD-----',
      '-----BEGIN ',
      'c o u n t e r s i g n - ',
      '> > > ',
      'c',
      ' ',
    ]) {
      expect(read(text.repeat(Math.floor(MAX_PIN_CHARACTERS / text.length)))).toBe('invalid-pin');
    }
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
