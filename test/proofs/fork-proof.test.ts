import { describe, expect, it } from 'vitest';
import { base64Encode, utf8Encode } from '../../proofs/bytes.ts';
import { ProofError } from '../../proofs/errors.ts';
import {
  checkForkProof,
  type ForkProof,
  formatForkProof,
  MAX_FORK_PROOF_BYTES,
  makeForkProof,
  type PrefixEvidence,
  parseForkProof,
  provePrefix,
} from '../../proofs/fork-proof.ts';
import { EMPTY_ROOT, type Hash, leafHash } from '../../proofs/hash.ts';
import { type SignerKey, verifierKeyOf } from '../../proofs/key.ts';
import { type Policy, parsePolicy } from '../../proofs/policy.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import { signedCheckpoint, testSigner } from '../support/signed.ts';
import { brokenProofs, flipBit, memoryReader, verdictOf, verdictOfAsync } from '../support/tree.ts';

const ORIGIN = 'log.example/forked';
const key = testSigner(ORIGIN, 1);
const pqKey = testSigner(ORIGIN, 6);
const witness = testSigner('witness.example/w1', 4);
const policy = policyOf([key, pqKey], [witness]);

/** Two histories of one log: the same entries up to `FORK_AT`, others from there on. */
const FORK_AT = 5;
const MAX_SIZE = 20;
const honest = leavesOf('entry');
const forged = [...honest.slice(0, FORK_AT), ...leavesOf('other').slice(FORK_AT)];

describe('a fork proof of two roots', () => {
  const proof = makeForkProof(headOf(honest, 9), headOf(forged, 9));

  it('is accepted, whichever head is named first, and is the same file', () => {
    expect(checkForkProof(proof, policy)).toMatchObject({ kind: 'two-roots', origin: ORIGIN, witnessesOfBoth: [] });
    const swapped = makeForkProof(headOf(forged, 9), headOf(honest, 9));
    expect(formatForkProof(swapped)).toBe(formatForkProof(proof));
  });

  it('names the witnesses that cosigned both heads, and only those', () => {
    const both = makeForkProof(headOf(honest, 9, [key, witness]), headOf(forged, 9, [key, witness]));
    expect(checkForkProof(both, policy).witnessesOfBoth).toEqual(['w1']);
    const one = makeForkProof(headOf(honest, 9, [key, witness]), headOf(forged, 9));
    expect(checkForkProof(one, policy).witnessesOfBoth).toEqual([]);
  });

  it('may carry signatures by different keys of the one log', () => {
    const mixed = makeForkProof(headOf(honest, 9, [key]), headOf(forged, 9, [pqKey]));
    expect(checkForkProof(mixed, policy).kind).toBe('two-roots');
  });

  it('is none when both roots are equal, even if the signatures differ', () => {
    const same = makeForkProof(headOf(honest, 9, [key]), headOf(honest, 9, [pqKey]));
    expect(verdictOf(() => checkForkProof(same, policy))).toBe('not-a-fork');
  });

  it('is none when the log did not sign one of the heads', () => {
    const unsigned = makeForkProof(headOf(honest, 9), headOf(forged, 9, [testSigner('other.example/log', 1)]));
    expect(verdictOf(() => checkForkProof(unsigned, policy))).toBe('no-log-signature');
    const other = policyOf([testSigner('other.example/log', 1)]);
    expect(verdictOf(() => checkForkProof(proof, other))).toBe('wrong-origin');
  });

  it('is none when a signature was moved from another head', () => {
    const moved = headOf(forged, 9).replace(/\u2014 .*\n/, /\u2014 .*\n/.exec(headOf(honest, 9))?.[0] ?? '');
    expect(verdictOf(() => checkForkProof(makeForkProof(headOf(honest, 9), moved), policy))).toBe('bad-log-signature');
  });

  it('is none when the heads are those of two logs that are both trusted', () => {
    const other = testSigner('log.example/second', 1);
    const fork = makeForkProof(headOf(honest, 9), headOf(forged, 9, [other], 'log.example/second'));
    expect(verdictOf(() => checkForkProof(fork, policyOf([key, other])))).toBe('not-a-fork');
  });
});

describe('a fork proof of two histories', () => {
  it('is accepted for every pair of sizes past the fork, and for none before it', async () => {
    for (let to = 1; to <= MAX_SIZE; to++) {
      for (let from = 0; from < to; from++) {
        const fork = makeForkProof(headOf(honest, from), headOf(forged, to), await evidence(forged, from, to));
        const verdict = verdictOf(() => checkForkProof(parseForkProof(formatForkProof(fork)), policy));
        expect(`${from} ${to} ${verdict}`).toBe(`${from} ${to} ${from > FORK_AT ? 'accepted' : 'not-a-fork'}`);
      }
    }
  });

  it('is refused with evidence out of the tree of the smaller head', async () => {
    for (const from of [6, 7, 8, 16]) {
      const fork = makeForkProof(headOf(honest, from), headOf(forged, 19), await evidence(honest, from, 19));
      expect(verdictOf(() => checkForkProof(fork, policy))).toBe('bad-consistency-proof');
    }
  });

  it('is refused when anything in the evidence is altered', async () => {
    for (const [from, to] of [
      [7, 19],
      [8, 19],
      [16, 17],
    ] as const) {
      const good = await evidence(forged, from, to);
      const heads = [headOf(honest, from), headOf(forged, to)] as const;
      for (const [how, proof] of brokenProofs(good.proof, [honest[0] ?? EMPTY_ROOT])) {
        const verdict = verdictOf(() => checkForkProof(makeForkProof(...heads, { ...good, proof }), policy));
        expect(['bad-consistency-proof', 'invalid-hash'], how).toContain(verdict);
      }
      const prefixRoot = flipBit(good.prefixRoot, 7);
      const verdict = verdictOf(() => checkForkProof(makeForkProof(...heads, { ...good, prefixRoot }), policy));
      expect(verdict).toBe('bad-consistency-proof');
    }
  });

  it('is refused for a head of size 0 with a root of its own: no verifier takes such a head for a head', () => {
    const impossible = signedCheckpoint({ origin: ORIGIN, size: 0, root: leafHash(utf8Encode('x')) }, [key]);
    const fork = makeForkProof(impossible, headOf(honest, 3), { prefixRoot: EMPTY_ROOT, proof: [] });
    expect(verdictOf(() => checkForkProof(parseForkProof(formatForkProof(fork)), policy))).toBe('invalid-checkpoint');
  });
});

describe('the text of a fork proof', () => {
  /** These lines are in the header of fork-proof.ts. */
  const SAMPLE = [
    'countersign/fork-proof/v1',
    'prefix KapgV3b5bO9H11mtJi3IGup+wb2nz8YyFKWxbencyWI=',
    'BkjVmB34CS9tBLYTUjJrbAq3T+Whm01pyHAJfxk4cxo=',
  ];

  it('is as the manual shows', async () => {
    const fork = makeForkProof(headOf(honest, 8), headOf(forged, 9), await evidence(forged, 8, 9));
    expect(formatForkProof(fork).split('\n').slice(0, 3)).toEqual(SAMPLE);
    expect(formatForkProof(fork)).toBe(`${SAMPLE.join('\n')}\n\n${headOf(honest, 8)}\n${headOf(forged, 9)}`);
  });

  it('parses to what was formatted', async () => {
    for (const fork of await samples()) expect(parseForkProof(formatForkProof(fork))).toEqual(fork);
    for (const fork of await samples()) expect(parseForkProof(utf8Encode(formatForkProof(fork)))).toEqual(fork);
  });

  it('has one spelling: its near neighbours are refused', async () => {
    const [roots = '', histories = ''] = (await samples()).map(formatForkProof);
    const [prefix = '', hash = ''] = histories.split('\n').slice(1);
    const neighbours: readonly (readonly [string, string])[] = [
      ['empty', ''],
      ['another version', roots.replace('/v1', '/v2')],
      ['no final newline', roots.slice(0, -1)],
      ['a final blank line', `${roots}\n`],
      ['a blank line in front', `\n${roots}`],
      ['CRLF', roots.replaceAll('\n', '\r\n')],
      ['one checkpoint', roots.split('\n\n').slice(0, 3).join('\n\n').concat('\n')],
      ['three checkpoints', `${roots}\n${headOf(honest, 9)}`],
      ['the heads in the other order', `${HEADER}\n\n${swapHeads(roots)}`],
      ['a prefix for one size', roots.replace(HEADER, `${HEADER}\n${prefix}`)],
      ['no prefix for two sizes', histories.replace(`\n${prefix}`, '')],
      ['two prefixes', histories.replace(prefix, `${prefix}\n${prefix}`)],
      ['hashes before the prefix', histories.replace(`${prefix}\n${hash}`, `${hash}\n${prefix}`)],
      ['a short hash', histories.replace(hash, base64Encode(new Uint8Array(31)))],
      ['hexadecimal', histories.replace(hash, 'ab'.repeat(32))],
      ['padding bits', histories.replace(hash, `${hash.slice(0, -2)}${hash.at(-2) === '8' ? '9' : 'B'}=`)],
      ['64 hashes', histories.replace(hash, `${hash}\n`.repeat(64).trimEnd())],
      ['a space at the end of a line', histories.replace(hash, `${hash} `)],
      ['a size with a leading zero', roots.replaceAll('\n9\n', '\n09\n')],
    ];
    for (const [name, text] of neighbours) {
      expect(
        verdictOf(() => parseForkProof(text)),
        name,
      ).toMatch(/^invalid-(fork-proof|hash)$/);
    }
    expect(verdictOf(() => parseForkProof(roots.replaceAll('\n9\n', `\n${2 ** 53}\n`)))).toBe('size-too-large');
    expect(verdictOf(() => parseForkProof('x'.repeat(MAX_FORK_PROOF_BYTES + 1)))).toBe('invalid-fork-proof');
    expect(verdictOf(() => parseForkProof(Uint8Array.of(0xff, 0xfe)))).toBe('invalid-fork-proof');
  });

  it('proves nothing any more, whichever one byte is changed', async () => {
    // Without the sample that has a cosignature: a line by an unknown key is ignored.
    for (const text of (await samples()).slice(0, 2).map(formatForkProof)) {
      const bytes = utf8Encode(text);
      for (let i = 0; i < bytes.length; i++) {
        const altered = bytes.with(i, (bytes[i] ?? 0) ^ (1 << (i % 8)));
        const verdict = verdictOf(() => {
          const parsed = parseForkProof(altered);
          if (!Buffer.from(formatForkProof(parsed)).equals(Buffer.from(altered))) throw new Error(`byte ${i}`);
          checkForkProof(parsed, policy);
        });
        expect(verdict, `byte ${i}`).not.toBe('accepted');
      }
    }
  });

  it('is not written for heads or evidence that would not parse again', async () => {
    const fork = makeForkProof(headOf(honest, 8), headOf(forged, 9), await evidence(forged, 8, 9));
    expect(verdictOf(() => formatForkProof({ first: fork.second, second: fork.first }))).toBe('invalid-fork-proof');
    expect(verdictOf(() => formatForkProof({ ...fork, first: 'x' }))).toBe('invalid-fork-proof');
    expect(await verdictOfAsync(provePrefix(9, 8, memoryReader(honest)))).toBe('invalid-argument');
  });
});

const HEADER = 'countersign/fork-proof/v1';

async function samples(): Promise<readonly ForkProof[]> {
  return [
    makeForkProof(headOf(honest, 9), headOf(forged, 9)),
    makeForkProof(headOf(honest, 8), headOf(forged, 9), await evidence(forged, 8, 9)),
    makeForkProof(headOf(honest, 7, [key, witness]), headOf(forged, 19), await evidence(forged, 7, 19)),
  ];
}

function evidence(leaves: readonly Hash[], from: number, to: number): Promise<PrefixEvidence> {
  return provePrefix(from, to, memoryReader(leaves.slice(0, to)));
}

function headOf(leaves: readonly Hash[], size: number, signers: readonly SignerKey[] = [key], origin = ORIGIN): string {
  return signedCheckpoint({ origin, size, root: rootOfHashes(leaves.slice(0, size)) }, signers);
}

function leavesOf(name: string): Hash[] {
  return Array.from({ length: MAX_SIZE }, (_, i) => leafHash(utf8Encode(`${name} ${i}`)));
}

function policyOf(logs: readonly SignerKey[], witnesses: readonly SignerKey[] = []): Policy {
  const lines = [
    ...logs.map((signer) => `log ${verifierKeyOf(signer).vkey}`),
    ...witnesses.map((signer, i) => `witness w${i + 1} ${verifierKeyOf(signer).vkey}`),
  ];
  return parsePolicy(`${lines.join('\n')}\nquorum none\n`);
}

/** The two checkpoints of a proof, the second first. */
function swapHeads(text: string): string {
  const [, ...parts] = text.split('\n\n');
  return `${parts[2]}\n\n${parts[3]}\n${parts[0]}\n\n${parts[1]}\n`;
}

it('names a ProofError', () => {
  expect(() => parseForkProof('')).toThrow(ProofError);
});
