import { describe, expect, it } from 'vitest';
import { base64Encode, utf8Encode } from '../../proofs/bytes.ts';
import { MAX_PROOF_HASHES } from '../../proofs/check.ts';
import { leafHash } from '../../proofs/hash.ts';
import { verifierKeyOf } from '../../proofs/key.ts';
import { parsePolicy } from '../../proofs/policy.ts';
import { proveInclusion } from '../../proofs/prove.ts';
import { checkTlogProof, formatTlogProof, MAX_TLOG_PROOF_BYTES, parseTlogProof } from '../../proofs/tlog-proof.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import { signedCheckpoint, testSigner } from '../support/signed.ts';
import { brokenProofs, memoryReader, verdictOf } from '../support/tree.ts';

const origin = 'example.com/log';
const entries = Array.from({ length: 13 }, (_, i) => utf8Encode(`entry ${i}`));
const leaves = entries.map(leafHash);
const root = rootOfHashes(leaves);
const signers = [testSigner(origin, 1), testSigner('w', 4)];
const checkpoint = signedCheckpoint({ origin, size: leaves.length, root }, signers);
const vkeys = signers.map((signer) => verifierKeyOf(signer).vkey);
const policy = parsePolicy(`log ${vkeys[0]}\nwitness w ${vkeys[1]}\nquorum w\n`);
const proof = await proveInclusion(6, leaves.length, memoryReader(leaves));
const leaf = leaves[6] as Uint8Array;
const extra = entries[6] as Uint8Array;
const text = formatTlogProof({ index: 6, proof, checkpoint, extra });
const parse = (file: string | Uint8Array): string => verdictOf(() => parseTlogProof(file));
const hash = base64Encode(leaf);

describe('a tlog-proof', () => {
  it('is written and read back, with and without extra data', () => {
    expect(parseTlogProof(text)).toEqual({ index: 6, proof, checkpoint, extra });
    expect(parseTlogProof(utf8Encode(text))).toEqual({ index: 6, proof, checkpoint, extra });
    const bare = formatTlogProof({ index: 6, proof, checkpoint });
    expect(parseTlogProof(bare)).toEqual({ index: 6, proof, checkpoint });
    expect(formatTlogProof({ index: 6, proof, checkpoint, extra: new Uint8Array(0) })).toBe(bare);
    expect(bare.startsWith(`c2sp.org/tlog-proof@v1\nindex 6\n`)).toBe(true);
  });

  it.each([
    ['empty', ''],
    ['of another version', text.replace('@v1', '@v2')],
    ['with a line in front', `\n${text}`],
    ['without a blank line', text.replace('\n\n', '\n').replace('\n\n', '\n')],
    ['without an index', text.replace(/index 6\n/, '')],
    ['with the index before the extra data', text.replace(/(extra .*\n)(index .*\n)/, '$2$1')],
    ['with the extra data twice', text.replace(/(extra .*\n)/, '$1$1')],
    ['with empty extra data', text.replace(/extra .*\n/, 'extra \n')],
    ['with extra data that is not base64', text.replace(/extra .*\n/, 'extra !\n')],
    ['with extra data without padding', text.replace(/extra .*\n/, 'extra YQ\n')],
    ['with a negative index', text.replace('index 6', 'index -6')],
    ['with a leading zero', text.replace('index 6', 'index 06')],
    ['with two spaces', text.replace('index 6', 'index  6')],
    ['with a space behind the index', text.replace('index 6', 'index 6 ')],
    ['with CRLF', text.replaceAll('\n', '\r\n')],
    ['with a short hash', text.replace('index 6\n', `index 6\n${base64Encode(leaf.slice(1))}\n`)],
    ['with a long hash', text.replace('index 6\n', `index 6\n${base64Encode(new Uint8Array(64))}\n`)],
    ['with a hash without padding', text.replace('index 6\n', `index 6\n${hash.slice(0, -1)}\n`)],
    ['with too many hashes', text.replace('index 6\n', `index 6\n${`${hash}\n`.repeat(MAX_PROOF_HASHES)}`)],
    ['too long', text + 'x'.repeat(MAX_TLOG_PROOF_BYTES)],
  ])('that is %s is refused', (_, file) => {
    expect(parse(file)).toBe('invalid-tlog-proof');
  });

  it('is refused with invalid UTF-8', () => {
    expect(parse(Uint8Array.of(0xff))).toBe('invalid-tlog-proof');
  });

  it('takes as many hashes as a proof can have', () => {
    const most = `${hash}\n`.repeat(MAX_PROOF_HASHES - proof.length);
    expect(parse(text.replace('index 6\n', `index 6\n${most}`))).toBe('accepted');
  });

  it('with an index above 2^53−1 is refused with a code of its own', () => {
    expect(parse(text.replace('index 6', 'index 9007199254740993'))).toBe('size-too-large');
    expect(parse(text.replace('index 6', 'index 18446744073709551616'))).toBe('invalid-tlog-proof');
  });
});

describe('verifying a tlog-proof', () => {
  const verify = (changes: object, of = leaf): string =>
    verdictOf(() => checkTlogProof({ index: 6, proof, checkpoint, ...changes }, of, policy));

  it('binds the leaf to the checkpoint that the policy believes', () => {
    const checked = checkTlogProof(parseTlogProof(text), leaf, policy);
    expect(checked).toMatchObject({ checkpoint: { size: 13 }, quorum: true, witnesses: [{ name: 'w' }] });
  });

  it('fails for another leaf, index or proof', () => {
    expect(verify({}, leaves[5])).toBe('bad-inclusion-proof');
    for (const index of [0, 5, 7, 12, 13, 14]) expect(verify({ index }), `index ${index}`).toBe('bad-inclusion-proof');
    for (const [how, broken] of brokenProofs(proof, [root])) {
      const expected = broken.every((part) => part.length === 32) ? 'bad-inclusion-proof' : 'invalid-hash';
      expect(verify({ proof: broken }), how).toBe(expected);
    }
  });

  it('fails for a checkpoint that the policy does not believe', () => {
    const signedBy = (...by: typeof signers): object => {
      return { checkpoint: signedCheckpoint({ origin, size: leaves.length, root }, by) };
    };
    expect(verify(signedBy(...signers))).toBe('accepted');
    expect(verify(signedBy(...signers.slice(0, 1)))).toBe('quorum-not-met');
    expect(verify(signedBy(...signers.slice(1)))).toBe('no-log-signature');
    expect(verify({ checkpoint: 'not a checkpoint\n' })).toBe('invalid-note');
    expect(verify({ checkpoint: checkpoint.replace('\n13\n', '\n14\n') })).toBe('bad-log-signature');
    const other = signedCheckpoint({ origin, size: 12, root: rootOfHashes(leaves.slice(0, 12)) }, signers);
    expect(verify({ checkpoint: other })).toBe('bad-inclusion-proof');
  });
});
