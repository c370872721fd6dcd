import { describe, expect, it } from 'vitest';
import { base64Encode } from '../../proofs/bytes.ts';
import {
  formatCheckpointBody,
  parseCheckpoint,
  parseCheckpointBody,
  verifyCheckpoint,
} from '../../proofs/checkpoint.ts';
import { EMPTY_ROOT, sha256 } from '../../proofs/hash.ts';
import { verifierKeyOf } from '../../proofs/key.ts';
import { formatNote, makeSignature } from '../../proofs/note.ts';
import { signedCheckpoint, testSigner } from '../support/signed.ts';
import { flipBit, verdictOf } from '../support/tree.ts';

/** The sample in the header of checkpoint.ts, from tlog-checkpoint. */
const sample = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n';
const root = sha256(new Uint8Array(1));
const hash = base64Encode(root);
const parse = (body: string): string => verdictOf(() => parseCheckpointBody(body));

describe('the body of a checkpoint', () => {
  it('is taken apart and put together again', () => {
    const checkpoint = parseCheckpointBody(sample);
    expect(checkpoint).toMatchObject({ origin: 'example.com/behind-the-sofa', size: 20852163, extensions: [] });
    expect(checkpoint.body).toBe(sample);
    expect(formatCheckpointBody(checkpoint)).toBe(sample);
  });

  it('may have extension lines and any origin of one line', () => {
    const body = formatCheckpointBody({
      origin: 'a log + spaces — é',
      size: 0,
      root: EMPTY_ROOT,
      extensions: ['x', ' '],
    });
    expect(parseCheckpointBody(body)).toMatchObject({ origin: 'a log + spaces — é', size: 0, extensions: ['x', ' '] });
  });

  it.each([
    ['empty', ''],
    ['one line', 'o\n'],
    ['two lines', 'o\n1\n'],
    ['without the last newline', `o\n1\n${hash}`],
    ['with an empty origin', `\n1\n${hash}\n`],
    ['with an empty size', `o\n\n${hash}\n`],
    ['with an empty root', 'o\n1\n\n'],
    ['with a blank line behind', `o\n1\n${hash}\n\n`],
    ['with an empty extension line', `o\n1\n${hash}\n\nx\n`],
    ['with a sign', `o\n+1\n${hash}\n`],
    ['with a negative size', `o\n-1\n${hash}\n`],
    ['with a leading zero', `o\n01\n${hash}\n`],
    ['with a double zero', `o\n00\n${hash}\n`],
    ['with a hexadecimal size', `o\n0x1\n${hash}\n`],
    ['with an exponent', `o\n1e3\n${hash}\n`],
    ['with a fraction', `o\n1.0\n${hash}\n`],
    ['with a space before the size', `o\n 1\n${hash}\n`],
    ['with a space behind the size', `o\n1 \n${hash}\n`],
    ['with digits of another script', `o\n\u0661\n${hash}\n`],
    ['with a size of 2^64', `o\n18446744073709551616\n${hash}\n`],
    ['with a short root', `o\n1\n${base64Encode(root.slice(1))}\n`],
    ['with a long root', `o\n1\n${base64Encode(new Uint8Array(33))}\n`],
    ['without padding', `o\n1\n${hash.slice(0, -1)}\n`],
    ['with bits under the padding', `o\n1\n${hash.replace(/.=$/, '5=')}\n`],
    ['with a hexadecimal root', `o\n1\n${'ab'.repeat(32)}\n`],
    ['with CRLF', `o\r\n1\r\n${hash}\r\n`],
    ['with a tab in the origin', `o\tp\n1\n${hash}\n`],
    ['with a control character in an extension', `o\n1\n${hash}\nx\u0001\n`],
  ])('%s is refused', (_, body) => {
    expect(parse(body)).toBe('invalid-checkpoint');
  });

  it('with a size above 2^53−1 is refused with a code of its own', () => {
    expect(parse(`o\n9007199254740991\n${hash}\n`)).toBe('accepted');
    for (const size of ['9007199254740992', '9007199254740993', '9223372036854775807', '18446744073709551615']) {
      expect(parse(`o\n${size}\n${hash}\n`)).toBe('size-too-large');
    }
  });

  it('is not written from parts that are none', () => {
    const format = (head: Partial<Parameters<typeof formatCheckpointBody>[0]>): string =>
      verdictOf(() => formatCheckpointBody({ origin: 'o', size: 1, root, ...head }));
    expect(format({})).toBe('accepted');
    expect(format({ origin: '' })).toBe('invalid-checkpoint');
    expect(format({ origin: 'o\n1' })).toBe('invalid-checkpoint');
    expect(format({ size: -1 })).toBe('invalid-checkpoint');
    expect(format({ size: 1.5 })).toBe('invalid-checkpoint');
    expect(format({ root: root.slice(1) })).toBe('invalid-checkpoint');
    expect(format({ extensions: [''] })).toBe('invalid-checkpoint');
    expect(format({ extensions: ['a\nb'] })).toBe('invalid-checkpoint');
  });
});

describe('the signature of a log', () => {
  const log = testSigner('example.com/log', 1);
  const logPq = testSigner('example.com/log', 6);
  const witness = testSigner('w', 4);
  const keys = [verifierKeyOf(log), verifierKeyOf(logPq)];
  const head = { origin: 'example.com/log', size: 7, root };
  const signed = signedCheckpoint(head, [log, logPq, witness]);
  const verify = (note: string, known = keys, origin = head.origin): string =>
    verdictOf(() => verifyCheckpoint(note, known, origin));

  it('may be Ed25519, ML-DSA-44 or both', () => {
    const { checkpoint, note, logKeys } = verifyCheckpoint(signed, keys, head.origin);
    expect(checkpoint).toMatchObject(head);
    expect(note.signatures.length).toBe(3);
    expect(logKeys).toEqual(keys);
    expect(verifyCheckpoint(signed, keys.slice(1), head.origin).logKeys).toEqual(keys.slice(1));
    expect(verifyCheckpoint(signedCheckpoint(head, [logPq], 0), keys, head.origin).logKeys).toEqual(keys.slice(1));
  });

  it('must be there, by a trusted key', () => {
    expect(verify(signedCheckpoint(head, [witness]))).toBe('no-log-signature');
    expect(verify(signed, [])).toBe('no-log-signature');
    expect(verify(signed, [verifierKeyOf(testSigner('example.com/other', 1))])).toBe('no-log-signature');
  });

  it('is refused over another origin, and over any changed line', () => {
    expect(verify(signed, keys, 'example.com/lag')).toBe('wrong-origin');
    expect(verify(signed.replace('\n7\n', '\n8\n'))).toBe('bad-log-signature');
    expect(verify(signed.replace(hash, base64Encode(sha256(root))))).toBe('bad-log-signature');
    expect(verify(signed.replace(hash, `${hash}\nextension`))).toBe('bad-log-signature');
  });

  it('refuses the checkpoint where one of a trusted key’s lines is bad, even beside a good one', () => {
    const { note } = parseCheckpoint(signed);
    for (const i of [0, 1]) {
      const line = note.signatures[i];
      if (line === undefined) throw new Error('the checkpoint has no such line');
      const bad = makeSignature(line.name, line.keyId, flipBit(line.signature, 300));
      const beside = formatNote({ text: note.text, signatures: [...note.signatures, bad] });
      expect(verify(beside), `line ${i}`).toBe('bad-log-signature');
      expect(verify(formatNote({ text: note.text, signatures: note.signatures.with(i, bad) }))).toBe(
        'bad-log-signature',
      );
    }
  });

  it('does not look at lines of others, good or bad', () => {
    const { note } = parseCheckpoint(signedCheckpoint(head, [log]));
    const forged = makeSignature('w', verifierKeyOf(witness).keyId, new Uint8Array(72));
    expect(verify(formatNote({ text: note.text, signatures: [...note.signatures, forged] }))).toBe('accepted');
  });

  it('needs more than ML-DSA-44 where there are extension lines, which that does not cover', () => {
    const extended = { ...head, extensions: ['x'] };
    expect(verify(signedCheckpoint(extended, [log, logPq]))).toBe('accepted');
    expect(verify(signedCheckpoint(extended, [logPq]))).toBe('no-log-signature');
    const added = signedCheckpoint(head, [logPq]).replace(hash, `${hash}\nadded later`);
    expect(verify(added)).toBe('no-log-signature');
  });
});
