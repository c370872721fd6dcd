import { describe, expect, it } from 'vitest';
import { concatBytes, utf8Decode, utf8Encode } from '../../proofs/bytes.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { ProofError } from '../../proofs/errors.ts';
import { EMPTY_ROOT, sha256 } from '../../proofs/hash.ts';
import { formatVerifierKey, type SignatureType, verifierKeyOf } from '../../proofs/key.ts';
import { formatNote, makeSignature } from '../../proofs/note.ts';
import { octetsToText, textToOctets } from '../../proofs/octets.ts';
import {
  checkCheckpoint,
  formatPolicy,
  MAX_POLICY_BYTES,
  MAX_POLICY_ITEMS,
  parsePolicy,
  quorumSatisfied,
} from '../../proofs/policy.ts';
import { signedCheckpoint, testSigner } from '../support/signed.ts';
import { flipBit, verdictOf } from '../support/tree.ts';

const vkey = (name: string, type: SignatureType): string => verifierKeyOf(testSigner(name, type)).vkey;
const log = `log ${vkey('example.com/log', 1)}\n`;
const logPq = `log ${vkey('example.com/log', 6)}\n`;
const witness = (name: string, type: 4 | 6 = 4): string => `witness ${name} ${vkey(name, type)}\n`;
const three = witness('w1') + witness('w2') + witness('w3');
const parse = (file: string | Uint8Array): string => verdictOf(() => parsePolicy(file));

describe('a policy file', () => {
  it('is read with comments and white space, and written in one way', () => {
    const file = `# who we trust\n\n \t# indented\n\tlog\t${vkey('example.com/log', 1)}   https://log.example/ \n${three}group g 2 w1 w2 w3\n\n quorum g\n`;
    const policy = parsePolicy(file);
    expect(policy).toMatchObject({
      logs: [{ key: { name: 'example.com/log' }, url: 'https://log.example/' }],
      witnesses: [{ name: 'w1' }, { name: 'w2' }, { name: 'w3' }],
      groups: [{ name: 'g', threshold: 2, members: ['w1', 'w2', 'w3'] }],
      quorum: 'g',
    });
    const written = formatPolicy(policy);
    expect(parsePolicy(written)).toEqual(policy);
    expect(formatPolicy(parsePolicy(written))).toEqual(written);
    expect(utf8Decode(written).split('\n').length).toBe(7);
  });

  it('may name no log and no witness', () => {
    expect(parsePolicy('quorum none\n')).toEqual({ logs: [], witnesses: [], groups: [], quorum: 'none' });
  });

  it('may have both keys of a log, and both keys of a witness in a group', () => {
    const policy = parsePolicy(
      `${log}${logPq}witness w ${vkey('w', 4)}\nwitness w-pq ${vkey('w', 6)}\ngroup W any w w-pq\nquorum W\n`,
    );
    expect(policy.logs.map(({ key }) => key.type)).toEqual([1, 6]);
    expect(policy.witnesses.map(({ key }) => key.type)).toEqual([4, 6]);
  });

  it('knows all and any, also as names of witnesses', () => {
    const { groups } = parsePolicy(`${three}group all-of all w1 w2\ngroup any-of any w3\nquorum all-of\n`);
    expect(groups.map(({ threshold }) => threshold)).toEqual([2, 1]);
    expect(parse(`${witness('all')}${witness('any')}group any-group all any all\nquorum any-group\n`)).toBe('accepted');
  });

  it.each([
    ['without a quorum', log],
    ['with two quorums', `${log}quorum none\nquorum none\n`],
    ['with an unknown quorum', `${log}quorum w1\n`],
    ['with a quorum before its witness', `quorum w1\n${witness('w1')}`],
    ['with a quorum of two names', `${three}quorum w1 w2\n`],
    ['with an empty quorum', `${three}quorum\n`],
    ['without the last newline', `${log}quorum none`],
    ['empty', ''],
    ['with an unknown keyword', `${log}trust w1\nquorum none\n`],
    ['with a keyword in upper case', `${log}QUORUM none\n`],
    ['with a comment behind a line', `${log.replace('\n', ' https://log.example/ #comment\n')}quorum none\n`],
    ['with a log twice', `${log}${log}quorum none\n`],
    ['with a log twice, the second with a URL', `${log}${log.replace('\n', ' https://log.example/\n')}quorum none\n`],
    ['with a log without a key', 'log\nquorum none\n'],
    ['with a witness twice', `${witness('w1')}${witness('w1')}quorum w1\n`],
    ['with a name twice', `${witness('w1')}${witness('w2').replace('w2', 'w1')}quorum w1\n`],
    ['with a key under two names', `${witness('w1')}${witness('w1').replace('w1', 'w2')}quorum w1\n`],
    ['with a group named like a witness', `${three}group w1 any w2\nquorum w1\n`],
    ['with a witness without a key', 'witness w1\nquorum none\n'],
    ['with a witness named none', `${witness('none')}quorum none\n`],
    ['with a group named none', `${three}group none any w1\nquorum none\n`],
    ['with the member none', `${three}group g any none\nquorum g\n`],
    ['with a group without members', `${three}group g any\nquorum g\n`],
    ['with a group without a threshold', `${three}group g\nquorum g\n`],
    ['with a threshold of 0', `${three}group g 0 w1\nquorum g\n`],
    ['with a threshold above the members', `${three}group g 3 w1 w2\nquorum g\n`],
    ['with a negative threshold', `${three}group g -1 w1\nquorum g\n`],
    ['with a leading zero in the threshold', `${three}group g 01 w1\nquorum g\n`],
    ['with a sign at the threshold', `${three}group g +1 w1\nquorum g\n`],
    ['with a huge threshold', `${three}group g 99999999999999999999 w1\nquorum g\n`],
    ['with a fractional threshold', `${three}group g 1.0 w1\nquorum g\n`],
    ['with a threshold in upper case', `${three}group g ALL w1\nquorum g\n`],
    ['with a member twice in a group', `${three}group g 1 w1 w1\nquorum g\n`],
    ['with a member in two groups', `${three}group g any w1\ngroup h any w1 w2\nquorum g\n`],
    ['with a group that is its own member', `${three}group g any g\nquorum g\n`],
    ['with a forward reference', `${three}group g any h\ngroup h any w1\nquorum g\n`],
    ['with an unknown member', `${three}group g any w4\nquorum g\n`],
    ['with CRLF', `${log}quorum none\n`.replaceAll('\n', '\r\n')],
    ['with a NUL', `${log}# \0\nquorum none\n`],
    ['with a delete character', `${log}# \u007f\nquorum none\n`],
    ['with a vertical tab for a space', `${log}quorum\u000bnone\n`],
    ['with a no-break space for a space', `${log}quorum\u00a0none\n`],
  ])('%s is refused', (_, file) => {
    expect(parse(file)).toBe('invalid-policy');
  });

  it('is refused with the line number and the code of a bad key', () => {
    const codeAt = (file: string): unknown => {
      try {
        return parsePolicy(file);
      } catch (error) {
        return error instanceof ProofError ? [error.code, error.details['line']] : error;
      }
    };
    expect(codeAt(`#\n${log.replace('AQ', 'BQ').replace('\n', 'x\n')}quorum none\n`)).toEqual(['invalid-key', 2]);
    expect(codeAt(`log ${vkey('a', 4)}\nquorum none\n`)).toEqual(['unsupported-key-type', 1]);
    expect(codeAt(`${log}witness w ${vkey('w', 1)}\nquorum w\n`)).toEqual(['unsupported-key-type', 2]);
    const weak = { name: 'w', type: 4, publicKey: Uint8Array.of(1, ...new Uint8Array(31)) } as const;
    expect(codeAt(`witness w ${formatVerifierKey(weak)}\nquorum w\n`)).toEqual(['bad-public-key', 1]);
  });

  it('has bounds, above those that the specification asks for', () => {
    const many = (count: number): string =>
      Array.from({ length: count }, (_, i) => `group g${i} any ${i === 0 ? 'w1' : `g${i - 1}`}\n`).join('');
    expect(MAX_POLICY_ITEMS).toBeGreaterThanOrEqual(32);
    expect(parse(`${three}${many(MAX_POLICY_ITEMS)}quorum g${MAX_POLICY_ITEMS - 1}\n`)).toBe('accepted');
    expect(parse(`${three}${many(MAX_POLICY_ITEMS + 1)}quorum g1\n`)).toBe('invalid-policy');
    expect(parse(`#${'x'.repeat(MAX_POLICY_BYTES)}\nquorum none\n`)).toBe('invalid-policy');
  });

  it('is not written from parts that are none', () => {
    const policy = parsePolicy(`${three}group g any w1\nquorum g\n`);
    const [first] = policy.witnesses;
    if (first === undefined) throw new Error('the policy has a witness');
    const format = (changes: Partial<typeof policy>): string =>
      verdictOf(() => formatPolicy({ ...policy, ...changes }));
    expect(format({})).toBe('accepted');
    expect(format({ quorum: 'g g' })).toBe('invalid-policy');
    expect(format({ quorum: '' })).toBe('invalid-policy');
    expect(format({ witnesses: [{ ...first, name: 'w1 x' }] })).not.toBe('accepted');
    expect(format({ witnesses: [{ ...first, url: 'a b' }] })).not.toBe('accepted');
    expect(format({ witnesses: [{ ...first, url: '' }] })).toBe('invalid-policy');
    expect(format({ groups: [{ name: 'g', threshold: 0, members: ['w1'] }] })).toBe('invalid-policy');
  });
});

describe('names', () => {
  it('are octets: a K and a Kelvin sign are two names, and invalid UTF-8 is one, too', () => {
    const named = (...octets: number[]): Uint8Array =>
      concatBytes(utf8Encode('witness '), Uint8Array.from(octets), utf8Encode(witness('w').slice('witness w'.length)));
    const second = utf8Encode(witness('v').replace('witness v', 'witness K'));
    for (const octets of [[0xe2, 0x84, 0xaa], [0xff], [0xed, 0xa0, 0x80], [0xc3]]) {
      const file = concatBytes(named(...octets), second, utf8Encode('quorum K\n'));
      const policy = parsePolicy(file);
      expect(policy.witnesses.map(({ name }) => textToOctets(name))).toEqual([
        Uint8Array.from(octets),
        utf8Encode('K'),
      ]);
      expect(parsePolicy(formatPolicy(policy))).toEqual(policy);
      expect(quorumSatisfied(policy, new Set([octetsToText(Uint8Array.from(octets))]))).toBe(false);
    }
  });

  it('of different octets are different texts', () => {
    const samples = [[0xff], [0xfe], [0xc3, 0xbf], [0xc3], [0xbf], [0xef, 0xbf, 0xbd], [0x41, 0xff], [0x41]];
    const texts = samples.map((octets) => octetsToText(Uint8Array.from(octets)));
    expect(new Set(texts).size).toBe(samples.length);
    expect(texts.map((text) => [...textToOctets(text)])).toEqual(samples);
    expect(verdictOf(() => textToOctets('\ud800'))).toBe('invalid-utf8');
    expect(verdictOf(() => textToOctets('\udcc3\udcbf'))).toBe('invalid-utf8');
    expect(verdictOf(() => textToOctets('\udcffé'))).toBe('invalid-utf8');
  });
});

describe('a quorum', () => {
  const satisfied = (file: string, ...names: string[]): boolean => quorumSatisfied(parsePolicy(file), new Set(names));

  it('none asks for nobody, and a witness for itself', () => {
    expect(satisfied(`${three}quorum none\n`)).toBe(true);
    expect(satisfied(`${three}quorum w1\n`, 'w2', 'w3')).toBe(false);
    expect(satisfied(`${three}quorum w1\n`, 'w1')).toBe(true);
  });

  it('counts nested groups, and each witness once', () => {
    const others = witness('x1') + witness('x2');
    const file = `${three}${others}group W 2 w1 w2 w3\ngroup X any x1 x2\ngroup both all W X\nquorum both\n`;
    expect(satisfied(file, 'w1', 'w2', 'x2')).toBe(true);
    expect(satisfied(file, 'w1', 'x1', 'x2')).toBe(false);
    expect(satisfied(file, 'w1', 'w2', 'w3')).toBe(false);
    expect(satisfied(file, 'W', 'X')).toBe(false);
    expect(satisfied(file, 'both')).toBe(false);
  });
});

describe('a checkpoint under a policy', () => {
  const origin = 'example.com/log';
  const root = sha256(new Uint8Array(1));
  const head = { origin, size: 7, root };
  const logSigners = [testSigner(origin, 1), testSigner(origin, 6)];
  const w = (name: string, type: 4 | 6 = 4): ReturnType<typeof testSigner> => testSigner(name, type);
  const two = parsePolicy(`${log}${logPq}${three}group g 2 w1 w2 w3\nquorum g\n`);
  const signed = signedCheckpoint(head, [...logSigners, w('w1'), w('w3'), w('stranger')]);
  const check = (note: string, policy = two, options = {}): string =>
    verdictOf(() => checkCheckpoint(policy, note, options));

  it('is believed with its log’s signature and its quorum', () => {
    const checked = checkCheckpoint(two, signed);
    expect(checked.checkpoint).toMatchObject(head);
    expect(checked.logKeys.map(({ type }) => type)).toEqual([1, 6]);
    expect(checked.witnesses.map(({ name, timestamp }) => [name, timestamp])).toEqual([
      ['w1', 1_700_000_000],
      ['w3', 1_700_000_000],
    ]);
    expect(checked.quorum).toBe(true);
  });

  it('needs one of the log’s keys, not all', () => {
    for (const signer of logSigners) {
      const note = signedCheckpoint(head, [signer, w('w1'), w('w2')]);
      expect(checkCheckpoint(two, note).logKeys.map(({ type }) => type)).toEqual([signer.type]);
    }
    expect(check(signedCheckpoint(head, [w('w1'), w('w2'), w('w3')]))).toBe('no-log-signature');
  });

  it('is refused without its quorum, unless asked for a report', () => {
    const note = signedCheckpoint(head, [...logSigners, w('w1'), w('stranger'), w('w2', 6)]);
    expect(check(note)).toBe('quorum-not-met');
    expect(checkCheckpoint(two, note, { quorum: 'report' })).toMatchObject({
      quorum: false,
      witnesses: [{ name: 'w1' }],
    });
    expect(checkCheckpoint(two, signed, { quorum: 'report' }).quorum).toBe(true);
  });

  it('is refused for an origin without a log in the policy', () => {
    const other = { ...head, origin: 'example.com/other' };
    expect(check(signedCheckpoint(other, [...logSigners, w('w1'), w('w2')]))).toBe('wrong-origin');
    expect(check(signed, parsePolicy(`${three}quorum none\n`))).toBe('wrong-origin');
  });

  it('is refused where any line of a key that the policy names is bad, though the quorum would be met', () => {
    const { note } = parseCheckpoint(signedCheckpoint(head, [...logSigners, w('w1'), w('w2'), w('w3')]));
    const codes = note.signatures.map((line, i) => {
      const bad = makeSignature(line.name, line.keyId, flipBit(line.signature, 100));
      const replaced = formatNote({ text: note.text, signatures: note.signatures.with(i, bad) });
      const added = formatNote({ text: note.text, signatures: [...note.signatures, bad] });
      expect(check(added)).toBe(check(replaced));
      return check(replaced);
    });
    expect(codes).toEqual([
      'bad-log-signature',
      'bad-log-signature',
      'bad-signature',
      'bad-signature',
      'bad-signature',
    ]);
  });

  it('is refused for a bad line of another log of the policy, and a good one of that counts for nothing', () => {
    const policy = parsePolicy(`${log}log ${vkey('example.com/other', 1)}\nquorum none\n`);
    const foreign = testSigner('example.com/other', 1);
    expect(check(signedCheckpoint(head, [foreign]), policy)).toBe('no-log-signature');
    expect(check(signedCheckpoint(head, [...logSigners, foreign]), policy)).toBe('accepted');
    const { note } = parseCheckpoint(signedCheckpoint(head, [...logSigners, foreign]));
    const bad = makeSignature(foreign.name, foreign.keyId, new Uint8Array(64));
    expect(check(formatNote({ text: note.text, signatures: note.signatures.with(2, bad) }), policy)).toBe(
      'bad-signature',
    );
  });

  it('of an empty tree has the empty root', () => {
    const policy = parsePolicy(`${log}quorum none\n`);
    expect(check(signedCheckpoint({ origin, size: 0, root: EMPTY_ROOT }, logSigners), policy)).toBe('accepted');
    expect(check(signedCheckpoint({ origin, size: 0, root }, logSigners), policy)).toBe('invalid-checkpoint');
  });

  it('ignores strangers, good and bad, and cosignatures from another checkpoint are bad', () => {
    const { note } = parseCheckpoint(signed);
    const garbage = makeSignature('stranger', 1, new Uint8Array(72));
    expect(check(formatNote({ text: note.text, signatures: [...note.signatures, garbage] }))).toBe('accepted');
    const elsewhere = parseCheckpoint(signedCheckpoint({ ...head, size: 8 }, [w('w2')])).note.signatures;
    expect(check(formatNote({ text: note.text, signatures: [...note.signatures, ...elsewhere] }))).toBe(
      'bad-signature',
    );
  });

  it('counts a witness of two keys once', () => {
    const both = `witness w ${vkey('w', 4)}\nwitness w-pq ${vkey('w', 6)}\ngroup W any w w-pq\n`;
    const policy = parsePolicy(`${log}${both}${witness('w1')}group g 2 W w1\nquorum g\n`);
    expect(check(signedCheckpoint(head, [...logSigners, w('w'), w('w', 6)]), policy)).toBe('quorum-not-met');
    expect(check(signedCheckpoint(head, [...logSigners, w('w', 6), w('w1')]), policy)).toBe('accepted');
  });

  it('gives the earliest time of a witness that signed twice, and 0 for none', () => {
    const at = (time: number) => parseCheckpoint(signedCheckpoint(head, [w('w1', 4)], time)).note.signatures;
    const { note } = parseCheckpoint(signedCheckpoint(head, logSigners));
    const times = (...given: number[]): unknown => {
      const signatures = [...note.signatures, ...given.flatMap((time) => at(time))];
      const policy = parsePolicy(`${log}${three}quorum w1\n`);
      return checkCheckpoint(policy, formatNote({ text: note.text, signatures })).witnesses.map((by) => by.timestamp);
    };
    expect(times(300, 200, 400)).toEqual([200]);
    expect(times(300, 0)).toEqual([300]);
    expect(times(0)).toEqual([0]);
  });

  it('asks the verifiers that it is given', () => {
    let asked = 0;
    const ed25519 = (): boolean => {
      asked++;
      return false;
    };
    expect(check(signed, two, { verifiers: { ed25519 } })).toBe('bad-log-signature');
    expect(asked).toBe(1);
  });
});
