/**
 * What Go made, verified by us: keys, notes, checkpoints, cosignatures, proofs and tiles as `cmd/make` prints them. Where
 * a format leaves no choice (Ed25519 signatures, proofs), what we make of the same input must be the same bytes.
 */
import { strict as assert } from 'node:assert';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { base64Decode, base64Encode, equalBytes, utf8Encode } from '../../proofs/bytes.ts';
import { checkConsistency, checkInclusion } from '../../proofs/check.ts';
import { verifyCheckpoint } from '../../proofs/checkpoint.ts';
import { ProofError } from '../../proofs/errors.ts';
import { type Hash, leafHash } from '../../proofs/hash.ts';
import { parseSignerKey, parseVerifierKey, verifierKeyOf } from '../../proofs/key.ts';
import { formatNote, parseNote, signNote } from '../../proofs/note.ts';
import { openNote } from '../../proofs/open-note.ts';
import { checkCheckpoint, parsePolicy } from '../../proofs/policy.ts';
import { proveConsistency, proveInclusion } from '../../proofs/prove.ts';
import { formatTilePath, tileHashReader, tilesForSize } from '../../proofs/tile.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import { memoryReader, verdictOf } from '../support/tree.ts';

const Base64 = Type.String({ pattern: '^[A-Za-z0-9+/]*={0,2}$' });
const Hashes = Type.Array(Base64);
const Note = Type.Object({
  text: Type.String(),
  skeys: Type.Array(Type.String()),
  vkeys: Type.Array(Type.String()),
  note: Type.String(),
});
const Inclusion = Type.Array(Type.Object({ index: Type.Integer(), size: Type.Integer(), proof: Hashes }));
const Consistency = Type.Array(Type.Object({ from: Type.Integer(), to: Type.Integer(), proof: Hashes }));
const Made = Type.Object({
  origin: Type.String(),
  vkey: Type.String(),
  notes: Type.Array(Note),
  refused: Type.Array(Note),
  checkpoints: Type.Array(Type.String()),
  cosignerVkeys: Type.Array(Type.String()),
  cosignedAt: Type.Integer(),
  cosigned: Type.Array(Type.String()),
  small: Type.Object({
    entries: Type.Array(Type.String()),
    leaves: Hashes,
    roots: Hashes,
    inclusion: Inclusion,
    consistency: Consistency,
  }),
  large: Type.Object({
    size: Type.Integer(),
    roots: Type.Record(Type.String(), Base64),
    leaves: Type.Record(Type.String(), Base64),
    inclusion: Inclusion,
    consistency: Consistency,
    tiles: Type.Record(Type.String(), Base64),
  }),
});
type MadeInGo = Static<typeof Made>;

export interface Outcome {
  readonly passed: number;
  readonly failures: readonly string[];
}

/** Verifies everything in the JSON that `cmd/make` printed. Throws if it is not that. */
export async function checkMade(json: string): Promise<Outcome> {
  const made: unknown = JSON.parse(json);
  if (!Value.Check(Made, made))
    throw new Error(`cmd/make printed something else: ${Value.Errors(Made, made).First()?.path}`);
  const tally = new Tally();
  await checkNotes(made, tally);
  await checkCheckpoints(made, tally);
  await checkSmallTree(made, tally);
  await checkLargeTree(made, tally);
  return tally;
}

class Tally implements Outcome {
  passed = 0;
  readonly failures: string[] = [];

  async check(name: string, work: () => void | Promise<void>): Promise<void> {
    try {
      await work();
      this.passed += 1;
    } catch (error) {
      const code = error instanceof ProofError ? `${error.code}: ` : '';
      this.failures.push(`${name}: ${code}${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

async function checkNotes({ notes, refused }: MadeInGo, tally: Tally): Promise<void> {
  for (const [i, { text, skeys, vkeys, note }] of notes.entries()) {
    await tally.check(`note ${i} opens under its keys`, () => {
      const { text: opened, verified, unverified } = openNote(note, vkeys.map(parseVerifierKey));
      assert.equal(opened, text);
      assert.deepEqual([verified.length, unverified.length], [vkeys.length, 0]);
    });
    await tally.check(`note ${i} is the one that we make of its text and keys`, () => {
      const signers = skeys.map(parseSignerKey);
      assert.deepEqual(
        signers.map((signer) => verifierKeyOf(signer).vkey),
        vkeys,
      );
      assert.equal(formatNote({ text, signatures: signers.map((signer) => signNote(text, signer)) }), note);
      assert.equal(formatNote(parseNote(note)), note);
    });
  }
  for (const [i, { vkeys, note }] of refused.entries()) {
    await tally.check(`note ${i} that Go refuses is refused`, () => {
      assert.notEqual(
        verdictOf(() => openNote(note, vkeys.map(parseVerifierKey))),
        'accepted',
      );
    });
  }
}

async function checkCheckpoints(made: MadeInGo, tally: Tally): Promise<void> {
  const { origin, vkey, checkpoints, cosigned, cosignerVkeys, cosignedAt, small } = made;
  const policy = parsePolicy(
    `log ${vkey}\n${cosignerVkeys.map((key, i) => `witness w${i} ${key}\n`).join('')}group all-of all ${cosignerVkeys
      .map((_, i) => `w${i}`)
      .join(' ')}\nquorum all-of\n`,
  );
  for (const [size, note] of checkpoints.entries()) {
    await tally.check(`checkpoint of size ${size}`, () => {
      const { checkpoint } = verifyCheckpoint(note, [parseVerifierKey(vkey)], origin);
      assert.equal(checkpoint.size, size);
      assert.equal(base64Encode(checkpoint.root), small.roots[size]);
    });
  }
  for (const [size, note] of cosigned.entries()) {
    await tally.check(`cosigned checkpoint of size ${size}`, () => {
      const { witnesses, quorum } = checkCheckpoint(policy, note);
      assert.equal(quorum, true);
      assert.deepEqual(
        witnesses.map(({ timestamp }) => timestamp),
        cosignerVkeys.map(() => cosignedAt),
      );
      const other = note.replace(`\n${size}\n`, `\n${size + 1}\n`);
      assert.notEqual(
        verdictOf(() => checkCheckpoint(policy, other)),
        'accepted',
      );
    });
  }
}

async function checkSmallTree({ small }: MadeInGo, tally: Tally): Promise<void> {
  const leaves = small.entries.map((entry) => leafHash(utf8Encode(entry)));
  const roots = small.roots.map(base64Decode);
  await tally.check('leaf hashes', () => assert.deepEqual(leaves.map(base64Encode), small.leaves));
  await tally.check('roots', () => {
    assert.deepEqual(
      roots.map((_, size) => base64Encode(rootOfHashes(leaves.slice(0, size)))),
      small.roots,
    );
  });
  const rootAt = (size: number): Hash => at(roots, size);
  await checkProofs(small, rootAt, (index) => at(leaves, index), tally);
  const read = memoryReader(leaves);
  for (const { index, size, proof } of small.inclusion) {
    await tally.check(`inclusion ${index} in ${size} is the one that we make`, async () => {
      assert.deepEqual((await proveInclusion(index, size, read)).map(base64Encode), proof);
    });
  }
  for (const { from, to, proof } of small.consistency) {
    await tally.check(`consistency ${from} to ${to} is the one that we make`, async () => {
      assert.deepEqual((await proveConsistency(from, to, read)).map(base64Encode), proof);
    });
  }
}

async function checkLargeTree({ large }: MadeInGo, tally: Tally): Promise<void> {
  const hashOf = (record: Readonly<Record<string, string>>, key: number): Hash => {
    const text = record[key];
    if (text === undefined) throw new Error(`Go did not print the hash ${key}`);
    return base64Decode(text);
  };
  const rootAt = (size: number): Hash => hashOf(large.roots, size);
  await checkProofs(large, rootAt, (index) => hashOf(large.leaves, index), tally);

  await tally.check('the tiles have the paths that we give them', () => {
    const paths = [...tilesForSize(large.size)].map(formatTilePath);
    assert.deepEqual(paths.filter((path) => !path.startsWith('tile/entries/')).sort(), Object.keys(large.tiles).sort());
  });
  const read = tileHashReader(async (tile) => {
    const data = large.tiles[formatTilePath(tile)];
    if (data === undefined) throw new Error(`Go made no ${formatTilePath(tile)}`);
    return base64Decode(data);
  }, large.size);
  const root = rootAt(large.size);
  for (const { index } of large.inclusion) {
    await tally.check(`a proof of ${index} made from Go's tiles`, async () => {
      const proof = await proveInclusion(index, large.size, read);
      checkInclusion({ index, size: large.size, leafHash: hashOf(large.leaves, index), proof, root });
    });
  }
  for (const { from } of large.consistency) {
    await tally.check(`a proof from ${from} made from Go's tiles`, async () => {
      const proof = await proveConsistency(from, large.size, read);
      checkConsistency({ from, to: large.size, fromRoot: rootAt(from), toRoot: root, proof });
    });
  }
}

/** Each proof holds, and holds no longer when one bit of it or of its leaf or root is another. */
async function checkProofs(
  { inclusion, consistency }: Pick<MadeInGo['small'], 'inclusion' | 'consistency'>,
  rootAt: (size: number) => Hash,
  leafAt: (index: number) => Hash,
  tally: Tally,
): Promise<void> {
  for (const { index, size, proof: text } of inclusion) {
    await tally.check(`inclusion ${index} in ${size}`, () => {
      const claim = { index, size, leafHash: leafAt(index), proof: text.map(base64Decode), root: rootAt(size) };
      checkInclusion(claim);
      refuseNear(claim.proof, (proof) => checkInclusion({ ...claim, proof }));
      assert.notEqual(
        verdictOf(() => checkInclusion({ ...claim, leafHash: turn(claim.leafHash) })),
        'accepted',
      );
    });
  }
  for (const { from, to, proof: text } of consistency) {
    await tally.check(`consistency ${from} to ${to}`, () => {
      const claim = { from, to, fromRoot: rootAt(from), toRoot: rootAt(to), proof: text.map(base64Decode) };
      checkConsistency(claim);
      refuseNear(claim.proof, (proof) => checkConsistency({ ...claim, proof }));
      assert.notEqual(
        verdictOf(() => checkConsistency({ ...claim, toRoot: turn(claim.toRoot) })),
        'accepted',
      );
    });
  }
}

function refuseNear(proof: readonly Hash[], check: (changed: readonly Hash[]) => void): void {
  for (const [i, hash] of proof.entries()) {
    assert.notEqual(
      verdictOf(() => check(proof.with(i, turn(hash)))),
      'accepted',
    );
  }
  assert.notEqual(
    verdictOf(() => check([...proof, new Uint8Array(32)])),
    'accepted',
  );
}

function turn(hash: Hash): Hash {
  const turned = hash.with(0, (hash[0] ?? 0) ^ 1);
  assert.equal(equalBytes(turned, hash), false);
  return turned;
}

function at(hashes: readonly Hash[], index: number): Hash {
  const hash = hashes[index];
  if (hash === undefined) throw new Error(`there is no hash ${index}`);
  return hash;
}
