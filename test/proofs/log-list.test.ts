import { describe, expect, it } from 'vitest';
import { utf8Encode } from '../../proofs/bytes.ts';
import { type SignatureType, verifierKeyOf } from '../../proofs/key.ts';
import { formatLogList, MAX_LOG_LIST_BYTES, parseLogList } from '../../proofs/log-list.ts';
import { testSigner } from '../support/signed.ts';
import { verdictOf } from '../support/tree.ts';

const vkey = (name: string, type: SignatureType = 1): string => verifierKeyOf(testSigner(name, type)).vkey;
const parse = (list: string | Uint8Array): string => verdictOf(() => parseLogList(list));
const one = `vkey ${vkey('a')}\nqpd 24\n`;

describe('a log list', () => {
  it('is read with comments, blank lines and white space, and written in one way', () => {
    const list = `# a list\n\n  logs/v0\t\n\n# first\n\tvkey ${vkey('a')}\n\torigin go.sum database tree\n\tqpd 86400\n\tcontact someone (at) a | more\n vkey ${vkey('b')}\r\n qpd 1`;
    const logs = parseLogList(list);
    expect(logs).toMatchObject([
      { key: { name: 'a' }, origin: 'go.sum database tree', requestsPerDay: 86400, contact: 'someone (at) a | more' },
      { key: { name: 'b' }, origin: 'b', requestsPerDay: 1 },
    ]);
    expect(logs[1]).not.toHaveProperty('contact');
    const written = formatLogList(logs);
    expect(parseLogList(written)).toEqual(logs);
    expect(formatLogList(parseLogList(utf8Encode(written)))).toBe(written);
  });

  it('may be empty, but not without its header', () => {
    expect(parseLogList('logs/v0')).toEqual([]);
    expect(parse('')).toBe('invalid-log-list');
    expect(parse('# nothing\n')).toBe('invalid-log-list');
  });

  it.each([
    ['without a header', one],
    ['with another version', `logs/v1\n${one}`],
    ['with more in the header', `logs/v0 1\n${one}`],
    ['with two headers', `logs/v0\nlogs/v0\n${one}`],
    ['with lines in another order', `logs/v0\nqpd 24\nvkey ${vkey('a')}\n`],
    ['with the origin behind', `logs/v0\nvkey ${vkey('a')}\nqpd 24\norigin o\n`],
    ['without qpd', `logs/v0\nvkey ${vkey('a')}\ncontact c\n`],
    ['with a vkey alone', `logs/v0\nvkey ${vkey('a')}\n`],
    ['with an unknown line', `logs/v0\n${one}bastion none\n`],
    ['with qpd 0', `logs/v0\nvkey ${vkey('a')}\nqpd 0\n`],
    ['with a leading zero', `logs/v0\nvkey ${vkey('a')}\nqpd 024\n`],
    ['with qpd 2^31', `logs/v0\nvkey ${vkey('a')}\nqpd 2147483648\n`],
    ['with a negative qpd', `logs/v0\nvkey ${vkey('a')}\nqpd -1\n`],
    ['with a comment behind', `logs/v0\nvkey ${vkey('a')} # a\nqpd 24\n`],
    ['with an empty origin', `logs/v0\nvkey ${vkey('a')}\norigin \nqpd 24\n`],
    ['with two spaces', `logs/v0\nvkey  ${vkey('a')}\nqpd 24\n`],
    ['with a tab for the space', `logs/v0\nvkey\t${vkey('a')}\nqpd 24\n`],
    ['with a control character', `logs/v0\n${one}contact a\u0001b\n`],
    ['with a broken key', `logs/v0\n${one.replace('vkey a', 'vkey b')}`],
    ['with a witness key', `logs/v0\nvkey ${vkey('a', 4)}\nqpd 24\n`],
    ['with an ML-DSA-44 key', `logs/v0\nvkey ${vkey('a', 6)}\nqpd 24\n`],
  ])('%s is refused', (_, list) => {
    expect(parse(list)).toBe('invalid-log-list');
  });

  it('takes the largest qpd', () => {
    expect(parseLogList(`logs/v0\nvkey ${vkey('a')}\nqpd 2147483647\n`)[0]?.requestsPerDay).toBe(2 ** 31 - 1);
  });

  it('is refused with invalid UTF-8, and above its bound', () => {
    expect(parse(Uint8Array.of(0xff))).toBe('invalid-log-list');
    expect(parse(`logs/v0\n#${'x'.repeat(MAX_LOG_LIST_BYTES)}`)).toBe('invalid-log-list');
  });

  it('with a line of a megabyte of white space is read at once', () => {
    const start = performance.now();
    expect(parse(`logs/v0\n${one}contact a${' '.repeat(2 ** 20)}b\n`)).toBe('accepted');
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('is not written from parts that are none', () => {
    const [log] = parseLogList(`logs/v0\n${one}`);
    if (log === undefined) throw new Error('the list has a log');
    const format = (changes: object): string => verdictOf(() => formatLogList([{ ...log, ...changes }]));
    expect(format({})).toBe('accepted');
    for (const changes of [
      { origin: '' },
      { origin: ' o' },
      { contact: 'a\nb' },
      { contact: '' },
      { requestsPerDay: 0 },
    ]) {
      expect(format(changes), JSON.stringify(changes)).toBe('invalid-log-list');
    }
  });
});
