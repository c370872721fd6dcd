import { describe, expect, it } from 'vitest';
import { base64Encode, concatBytes, utf8Encode } from '../../proofs/bytes.ts';
import { makeVerifierKey, parseVerifierKey, type VerifierKey, verifierKeyOf } from '../../proofs/key.ts';
import {
  formatNote,
  formatSignatureLines,
  MAX_NOTE_BYTES,
  MAX_SIGNATURES,
  makeSignature,
  parseNote,
  parseSignatureLines,
  signNote,
} from '../../proofs/note.ts';
import { openNote } from '../../proofs/open-note.ts';
import { signedCheckpoint, testSigner } from '../support/signed.ts';
import { flipBit, sampleLeaves, verdictOf } from '../support/tree.ts';

/** The sample in the header of note.ts, from signed-note. */
const sample =
  'This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n';
const sampleKey = parseVerifierKey('example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k');

const text = 'a text\n';
const signers = ['a', 'b', 'c'].map((name) => testSigner(name, 1));
const keys = signers.map(verifierKeyOf);
const lines = signers.map((signer) => signNote(text, signer));
const parse = (note: string | Uint8Array): string => verdictOf(() => parseNote(note));
const open = (note: string, known: readonly VerifierKey[]): string => verdictOf(() => openNote(note, known));
const noteOf = (...signatures: Parameters<typeof formatNote>[0]['signatures']): string =>
  formatNote({ text, signatures });
const [a, b, c] = lines as [(typeof lines)[0], (typeof lines)[0], (typeof lines)[0]];

describe('a note', () => {
  it('is taken apart and put together again', () => {
    const note = parseNote(sample);
    expect(note.text).toBe('This is an example message.\n');
    expect(note.signatures).toMatchObject([{ name: 'example.com/foo', keyId: 0x530d903a }]);
    expect(note.signatures[0]?.signature.length).toBe(64);
    expect(formatNote(note)).toBe(sample);
    expect(parseNote(utf8Encode(sample))).toEqual(note);
  });

  it('ends its text at the last blank line', () => {
    const signed = 'one\n\ntwo\n\n\nthree\n';
    const whole = formatNote({ text: signed, signatures: [signNote(signed, testSigner('a', 1))] });
    expect(parseNote(whole).text).toBe(signed);
  });

  it('may hold any character but control characters in its text', () => {
    const signed = 'tilde ~ delete \u007f next line \u0085 space \u2028 mark \ufeff key \u{1f511}\n';
    expect(parseNote(formatNote({ text: signed, signatures: [a] })).text).toBe(signed);
  });

  it.each([
    ['empty', ''],
    ['a text alone', text],
    ['a text and a blank line', `${text}\n`],
    ['signatures alone', `${a.line}\n`],
    ['a blank line and signatures', `\n${a.line}\n`],
    ['without the last newline', noteOf(a).slice(0, -1)],
    ['with a blank line behind', `${noteOf(a)}\n`],
    ['with another line behind', `${noteOf(a)}more\n`],
    ['with a line between the signatures', noteOf(a, b).replace('\n— b', '\nmore\n— b')],
    ['with CRLF', noteOf(a).replaceAll('\n', '\r\n')],
    ['with a tab', noteOf(a).replace('a text', 'a\ttext')],
    ['with a NUL', noteOf(a).replace('a text', 'a\0text')],
    ['with a carriage return in a signature line', noteOf(a).replace(/\n$/, '\r\n')],
    ['with a hyphen for the dash', noteOf(a).replace('—', '-')],
    ['with an en dash for the dash', noteOf(a).replace('—', '–')],
    ['with two spaces', noteOf(a).replace('— a ', '— a  ')],
    ['with a space in front', noteOf(a).replace('— a', ' — a')],
    ['with a space behind', noteOf(a).replace('=\n', '= \n')],
    ['with a tab for a space', noteOf(a).replace('— a ', '— a\t')],
    ['with no space after the dash', noteOf(a).replace('— a', '—a')],
    ['with an empty key name', noteOf(a).replace('— a ', '—  ')],
    ['with a plus in the key name', noteOf(a).replace('— a ', '— a+b ')],
    ['with a Unicode space in the key name', noteOf(a).replace('— a ', '— a\u2003b ')],
    ['without padding', noteOf(a).replace('=\n', '\n')],
    ['with base64url', noteOf(a).replace(/ \S+=\n/, (part) => part.replaceAll(/[/+]/g, '_'))],
    ['with an empty signature', `${text}\n— a ${base64Encode(Uint8Array.of(1, 2, 3, 4))}\n`],
    ['with half a key id', `${text}\n— a ${base64Encode(Uint8Array.of(1, 2))}\n`],
    ['with no base64 at all', `${text}\n— a \n`],
  ])('that is %s is refused', (_, note) => {
    expect(parse(note)).toBe('invalid-note');
  });

  it('is refused with invalid UTF-8, and as a string with a lone surrogate', () => {
    for (const bad of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe2, 0x80]]) {
      expect(parse(concatBytes(Uint8Array.from(bad), utf8Encode(noteOf(a))))).toBe('invalid-utf8');
    }
    expect(parse(`\ud800${noteOf(a)}`)).toBe('invalid-utf8');
  });

  it('has a bound for its bytes and one for its signatures', () => {
    const long = 'x'.repeat(MAX_NOTE_BYTES - utf8Encode(noteOf(a)).length);
    expect(parse(long + noteOf(a))).toBe('accepted');
    expect(parse(`x${long}${noteOf(a)}`)).toBe('note-too-large');
    expect(parse(`é${long.slice(1)}${noteOf(a)}`)).toBe('note-too-large');
    expect(parse(utf8Encode(`x${long}${noteOf(a)}`))).toBe('note-too-large');
    const many = Array.from({ length: MAX_SIGNATURES }, (_, i) => makeSignature(`k${i}`, i, Uint8Array.of(1)));
    expect(parse(`${text}\n${formatSignatureLines(many)}`)).toBe('accepted');
    expect(parse(`${text}\n${formatSignatureLines([...many, a])}`)).toBe('note-too-large');
  });

  it('is not written from parts that are none', () => {
    expect(verdictOf(() => formatNote({ text: 'no newline', signatures: [a] }))).toBe('invalid-note');
    expect(verdictOf(() => formatNote({ text, signatures: [] }))).toBe('invalid-note');
    expect(verdictOf(() => formatNote({ text: 'tab\t\n', signatures: [a] }))).toBe('invalid-note');
    // Signatures in the text would move the split.
    expect(verdictOf(() => formatNote({ text: `x\n\n${a.line}`, signatures: [a] }))).toBe('invalid-note');
  });
});

describe('signature lines', () => {
  it('stand alone in the answer of a witness', () => {
    expect(parseSignatureLines(formatSignatureLines([a, b]))).toEqual([a, b]);
    expect(verdictOf(() => parseSignatureLines(''))).toBe('invalid-note');
    expect(verdictOf(() => parseSignatureLines('\n'))).toBe('invalid-note');
    expect(verdictOf(() => parseSignatureLines(`${a.line}\n\n`))).toBe('invalid-note');
    expect(verdictOf(() => parseSignatureLines(a.line))).toBe('invalid-note');
  });

  it('are made by keys of type 1 only, over a whole text', () => {
    expect(verdictOf(() => signNote(text, testSigner('a', 4)))).toBe('unsupported-key-type');
    expect(verdictOf(() => signNote(text, testSigner('a', 6)))).toBe('unsupported-key-type');
    expect(verdictOf(() => signNote('a text', testSigner('a', 1)))).toBe('invalid-note');
    expect(verdictOf(() => signNote('a\ttext\n', testSigner('a', 1)))).toBe('invalid-note');
  });
});

describe('opening a note', () => {
  it('verifies the sample', () => {
    const opened = openNote(sample, [sampleKey]);
    expect(opened.verified).toEqual(parseNote(sample).signatures);
    expect(opened.text).toBe('This is an example message.\n');
  });

  it('tells verified signatures from unknown ones, in the order of the note', () => {
    const opened = openNote(noteOf(a, b, c), [verifierKeyOf(testSigner('a', 1)), verifierKeyOf(testSigner('c', 1))]);
    expect(opened.verified).toEqual([a, c]);
    expect(opened.unverified).toEqual([b]);
  });

  it('needs one good signature by a known key', () => {
    expect(open(noteOf(a), keys)).toBe('accepted');
    expect(open(noteOf(a), [])).toBe('invalid-signature');
    expect(open(noteOf(a), keys.slice(1))).toBe('invalid-signature');
  });

  it('refuses the note for one bad signature by a known key, beside good ones, first or last', () => {
    const bad = makeSignature(b.name, b.keyId, flipBit(b.signature, 3));
    expect(open(noteOf(a, bad), keys)).toBe('bad-signature');
    expect(open(noteOf(bad, a), keys)).toBe('bad-signature');
    expect(open(noteOf(b, bad), keys)).toBe('bad-signature');
    expect(open(noteOf(a, bad), keys.slice(0, 1))).toBe('accepted');
  });

  it('refuses a known key’s signature of another length or over another text', () => {
    for (const signature of [b.signature.slice(1), concatBytes(b.signature, Uint8Array.of(0)), Uint8Array.of(1)]) {
      expect(open(noteOf(a, makeSignature(b.name, b.keyId, signature)), keys)).toBe('bad-signature');
    }
    expect(open(noteOf(a).replace('a text', 'b text'), keys)).toBe('bad-signature');
    expect(open(`\n${noteOf(a)}`, keys)).toBe('bad-signature');
  });

  it('treats a line with only the name, or only the id, of a known key as unknown', () => {
    const other = makeSignature(b.name, a.keyId, b.signature);
    expect(openNote(noteOf(a, other), keys).unverified).toEqual([other]);
    expect(open(noteOf(other), keys)).toBe('invalid-signature');
  });

  it('reports a signer once, and drops repeated unknown lines', () => {
    const opened = openNote(noteOf(a, a, b, b, a), keys.slice(0, 1));
    expect(opened.verified).toEqual([a]);
    expect(opened.unverified).toEqual([b]);
  });

  it('takes the same known key twice, and refuses two keys of one name and id', () => {
    const key = keys[0] as VerifierKey;
    expect(open(noteOf(a), [key, key])).toBe('accepted');
    // Four bytes of id can be made to collide; here the id is simply claimed.
    const twin = { ...makeVerifierKey('a', 1, (keys[1] as VerifierKey).publicKey), keyId: key.keyId };
    expect(open(noteOf(a), [key, twin])).toBe('invalid-argument');
  });

  it.each([4, 6] as const)('verifies a cosignature of type %i where the text is a checkpoint', (type) => {
    const cosigner = testSigner('w', type);
    const [root = new Uint8Array(32)] = sampleLeaves(1);
    const note = signedCheckpoint({ origin: 'a', size: 1, root }, [testSigner('a', 1), cosigner]);
    expect(openNote(note, [verifierKeyOf(cosigner)]).verified).toMatchObject([{ name: 'w' }]);
    expect(open(note.replace('a\n1\n', 'a\n2\n'), [verifierKeyOf(cosigner)])).toBe('bad-signature');
    const elsewhere = note.replace('a\n1\n', '1\na\n');
    expect(open(elsewhere, [verifierKeyOf(cosigner)])).toBe('bad-signature');
  });

  it('asks the verifier that it is given', () => {
    const seen: string[] = [];
    const ed25519 = (_: Uint8Array, __: Uint8Array, publicKey: Uint8Array): boolean => {
      seen.push(base64Encode(publicKey));
      return true;
    };
    const bad = makeSignature(b.name, b.keyId, flipBit(b.signature, 3));
    expect(openNote(noteOf(bad), keys, { verifiers: { ed25519 } }).verified).toEqual([bad]);
    expect(seen).toEqual([base64Encode((keys[1] as VerifierKey).publicKey)]);
  });
});
