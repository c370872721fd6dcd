import { describe, expect, it } from 'vitest';
import { concatBytes, hexEncode, utf8Decode } from '../../proofs/bytes.ts';
import { formatCheckpointBody, parseCheckpointBody } from '../../proofs/checkpoint.ts';
import {
  cosign,
  cosignedMessage,
  cosignSubtree,
  makeCosignature,
  readTimestamp,
  signCheckpoint,
  subtreeMessage,
  verifyCosignature,
  verifySignature,
  verifySubtreeCosignature,
} from '../../proofs/cosignature.ts';
import * as ed25519 from '../../proofs/ed25519.ts';
import { sha256 } from '../../proofs/hash.ts';
import { type VerifierKey, verifierKeyOf } from '../../proofs/key.ts';
import { makeSignature, type NoteSignature } from '../../proofs/note.ts';
import { testSigner } from '../support/signed.ts';
import { flipBit, verdictOf } from '../support/tree.ts';

const root = sha256(new Uint8Array(1));
const body = formatCheckpointBody({ origin: 'example.com/log', size: 7, root });
const checkpoint = parseCheckpointBody(body);
const time = 1_679_315_147;
const cosigners = ([4, 6] as const).map((type) => testSigner('example.com/w', type));
const log = testSigner('example.com/log', 1);

describe('the message of a cosignature', () => {
  it('of type 4 is two header lines and the note text', () => {
    const message = cosignedMessage(checkpoint, { name: 'w', type: 4 }, time);
    expect(utf8Decode(message)).toBe(`cosignature/v1\ntime 1679315147\n${body}`);
  });

  it('of type 6 is laid out byte by byte, without extension lines', () => {
    const expected = [
      '737562747265652f76310a00', // "subtree/v1\n\0"
      '0177', // "w"
      '00000000641850cb',
      '0f6578616d706c652e636f6d2f6c6f67',
      '0000000000000000',
      '0000000000000007',
      hexEncode(root),
    ].join('');
    expect(hexEncode(cosignedMessage(checkpoint, { name: 'w', type: 6 }, time))).toBe(expected);
    const extended = parseCheckpointBody(`${body}extension\n`);
    expect(hexEncode(cosignedMessage(extended, { name: 'w', type: 6 }, time))).toBe(expected);
  });

  it('of type 6 has names of 1 to 255 bytes', () => {
    const message = (name: string, origin: string): string =>
      verdictOf(() => subtreeMessage(name, 0, { origin, start: 0, end: 1, hash: root }));
    expect(message('é'.repeat(127), 'o'.repeat(255))).toBe('accepted');
    expect(message('', 'o')).toBe('invalid-argument');
    expect(message('w', '')).toBe('invalid-argument');
    expect(message('w'.repeat(256), 'o')).toBe('invalid-argument');
    expect(message('w', 'é'.repeat(128))).toBe('invalid-argument');
  });

  it('is none for type 1, for a broken time, for a broken hash', () => {
    expect(verdictOf(() => cosignedMessage(checkpoint, { name: 'w', type: 1 }, time))).toBe('unsupported-key-type');
    for (const wrong of [-1, 0.5, 2 ** 53, Number.NaN]) {
      expect(verdictOf(() => cosignedMessage(checkpoint, { name: 'w', type: 4 }, wrong))).toBe('invalid-argument');
    }
    const subtree = { origin: 'o', start: 0, end: 1, hash: root.slice(1) };
    expect(verdictOf(() => subtreeMessage('w', 0, subtree))).toBe('invalid-hash');
  });
});

describe.each(cosigners)('a cosignature of type $type', (signer) => {
  const key = verifierKeyOf(signer);
  const line = cosign(checkpoint, signer, time);
  const verify = (signature: NoteSignature, over = checkpoint, by = key): string =>
    verdictOf(() => verifyCosignature(over, signature, by));

  it('carries its time', () => {
    expect(verifyCosignature(checkpoint, line, key)).toEqual({ timestamp: time });
    expect(verifySignature(checkpoint, line, key)).toEqual({ timestamp: time });
    expect(readTimestamp(line.signature)).toBe(time);
    expect(line).toMatchObject({ name: 'example.com/w', keyId: key.keyId });
    expect(signCheckpoint(checkpoint, signer, time)).toEqual(line);
  });

  it('may have the time 0', () => {
    expect(verifyCosignature(checkpoint, cosign(checkpoint, signer, 0), key)).toEqual({ timestamp: 0 });
  });

  it('is bad over another checkpoint, by another key, with another time or a changed bit', () => {
    expect(verify(line, parseCheckpointBody(body.replace('\n7\n', '\n8\n')))).toBe('bad-signature');
    expect(verify(line, parseCheckpointBody(body.replace('log', 'lag')))).toBe('bad-signature');
    expect(verify(line, checkpoint, verifierKeyOf(testSigner('example.com/v', signer.type)))).toBe('bad-signature');
    for (const bit of [40, 63, 64, 300, 8 * line.signature.length - 1]) {
      expect(verify(makeSignature(key.name, key.keyId, flipBit(line.signature, bit))), `bit ${bit}`).toBe(
        'bad-signature',
      );
    }
  });

  it('is bad where it is one byte short or long', () => {
    for (const bytes of [line.signature.slice(1), concatBytes(line.signature, Uint8Array.of(0)), new Uint8Array(8)]) {
      expect(verify(makeSignature(key.name, key.keyId, bytes))).toBe('bad-signature');
    }
  });

  it('is not that of a line with another name or id', () => {
    expect(verify(makeSignature('example.com/v', key.keyId, line.signature))).toBe('bad-signature');
    expect(verify(makeSignature(key.name, key.keyId + 1, line.signature))).toBe('bad-signature');
  });

  it('has a time of at most 2^63−1, and of at most 2^53−1 here', () => {
    const at = (first: number, rest: number): NoteSignature => {
      const bytes = line.signature.slice();
      bytes.fill(rest, 0, 8);
      bytes[0] = first;
      return makeSignature(key.name, key.keyId, bytes);
    };
    expect(verify(at(0x80, 0))).toBe('bad-signature');
    expect(verify(at(0x7f, 0xff))).toBe('size-too-large');
    expect(verify(at(0x00, 0xff))).toBe('size-too-large');
  });

  it('can be made by whoever holds the key', () => {
    const message = cosignedMessage(checkpoint, key, time);
    if (key.type === 4) {
      expect(makeCosignature(key, time, ed25519.sign(message, signer.secret))).toEqual(line);
    } else {
      expect(makeCosignature(key, time, line.signature.slice(8))).toEqual(line);
    }
  });
});

describe('types do not mix', () => {
  it('an Ed25519 key of type 1 makes no cosignatures and verifies none', () => {
    const key = verifierKeyOf(log);
    expect(verdictOf(() => cosign(checkpoint, log, time))).toBe('unsupported-key-type');
    const line = cosign(checkpoint, testSigner('example.com/w', 4), time);
    expect(verdictOf(() => verifyCosignature(checkpoint, line, key))).toBe('unsupported-key-type');
  });

  it('one Ed25519 key under types 1 and 4 signs different bytes', () => {
    const plain = signCheckpoint(checkpoint, log, time);
    expect(verifySignature(checkpoint, plain, verifierKeyOf(log))).toEqual({ timestamp: null });
    const asWitness: VerifierKey = { ...verifierKeyOf(testSigner('example.com/log', 4)), publicKey: log.publicKey };
    const forged = makeSignature(asWitness.name, asWitness.keyId, plain.signature);
    expect(verdictOf(() => verifySignature(checkpoint, forged, asWitness))).toBe('bad-signature');
  });
});

describe('a cosignature of a subtree', () => {
  const signer = testSigner('example.com/w', 6);
  const key = verifierKeyOf(signer);
  const subtree = { origin: 'example.com/log', start: 8, end: 13, hash: root };
  const line = cosignSubtree(subtree, signer);

  it('has no time and holds for that subtree alone', () => {
    expect(verifySubtreeCosignature(subtree, line, key)).toEqual({ timestamp: 0 });
    const others = [{ start: 9 }, { end: 14 }, { origin: 'example.com/lag' }, { hash: sha256(root) }];
    for (const other of others) {
      const verdict = verdictOf(() => verifySubtreeCosignature({ ...subtree, ...other }, line, key));
      expect(verdict, JSON.stringify(other)).toBe('bad-signature');
    }
  });

  it('may have a time where it starts at 0, as it is a checkpoint’s then', () => {
    const whole = { origin: 'example.com/log', start: 0, end: 7, hash: root };
    expect(verifySubtreeCosignature(whole, cosign(checkpoint, signer, time), key)).toEqual({ timestamp: time });
    expect(verifyCosignature(checkpoint, cosignSubtree(whole, signer), key)).toEqual({ timestamp: 0 });
    const timed = makeSignature(key.name, key.keyId, cosign(checkpoint, signer, time).signature);
    expect(verdictOf(() => verifySubtreeCosignature(subtree, timed, key))).toBe('bad-signature');
  });

  it('is made by ML-DSA-44 keys only', () => {
    expect(verdictOf(() => cosignSubtree(subtree, testSigner('w', 4)))).toBe('unsupported-key-type');
    const ed = verifierKeyOf(testSigner('w', 4));
    expect(verdictOf(() => verifySubtreeCosignature(subtree, line, ed))).toBe('unsupported-key-type');
  });
});
