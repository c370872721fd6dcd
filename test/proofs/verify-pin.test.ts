import { describe, expect, it } from 'vitest';
import { formatHeadUpdate, parseHeadUpdate } from '../../proofs/head-update.ts';
import { verifierKeyOf } from '../../proofs/key.ts';
import { formatPinBlock, formatPinCode } from '../../proofs/pin.ts';
import { type VerifyPinInput, verifyPin } from '../../proofs/verify-pin.ts';
import { signedCheckpoint, testSigner } from '../support/signed.ts';
import { brokenProofs, naiveTree, sampleLeaves, verdictOf } from '../support/tree.ts';

const origin = 'log.example.com/audit';
const log = testSigner(origin, 1);
const witness = testSigner('w1', 4);
const policy = `log ${verifierKeyOf(log).vkey}\nwitness w1 ${verifierKeyOf(witness).vkey}\nquorum w1\n`;
const tree = naiveTree(sampleLeaves(64));
const other = naiveTree(sampleLeaves(65).slice(1));

const checkpoint = (size: number, of = tree, signers = [log, witness]): string =>
  signedCheckpoint({ origin, size, root: of.root(0, size) }, signers);
const update = (from: number, to: number, of = tree): string =>
  formatHeadUpdate({ consistency: { from, to, proof: of.consistency(from, to) }, checkpoint: checkpoint(to, of) });
const pinOf = (size: number, of = tree): string => formatPinBlock(checkpoint(size, of));

/** `PASS`, or the verdict with the claims that did not pass. */
function judge(input: VerifyPinInput): string {
  const { verdict, claims } = verifyPin(input);
  const rest = claims.filter(({ result }) => result !== 'pass').map(({ claim, result }) => `${claim} ${result}`);
  return [verdict, ...rest].join(', ');
}

describe('a head that was kept', () => {
  it('passes when a later checkpoint is proven to extend it, from any size to any size', () => {
    for (const from of [1, 2, 3, 7, 8, 31, 32, 33, 63, 64]) {
      for (let to = from; to <= 64; to += 13) {
        const pin = pinOf(from);
        expect([from, to, judge({ pin, policy, update: update(from, to) })]).toEqual([from, to, 'PASS']);
      }
    }
  });

  it('says what was checked, and who vouched for the head at the time', () => {
    const { claims, pin, checkpoint: today } = verifyPin({ pin: pinOf(41), policy, update: update(41, 60) });
    expect(claims.map(({ claim }) => claim)).toEqual([
      'pin',
      'log-signature',
      'witnesses',
      'existed-by',
      'consistency',
    ]);
    expect(claims[0]?.detail).toBe(
      'the kept head of "log.example.com/audit" covers 41 entries, signed by the log, cosigned by "w1" on 2023-11-14T22:13:20Z',
    );
    expect(claims[4]?.detail).toBe(
      "the 41 entries of the kept head are the first of today's 60, unchanged and complete",
    );
    expect([pin?.size, today?.checkpoint.size]).toEqual([41, 60]);
  });

  it('passes when it is today\u2019s checkpoint, which needs no proof', () => {
    expect(judge({ pin: pinOf(41), policy, checkpoint: checkpoint(41) })).toBe('PASS');
    expect(judge({ pin: checkpoint(41), policy, checkpoint: checkpoint(41) })).toBe('PASS');
  });

  it('may be unsigned, or signed by a key that the policy does not name: then it is worth what its keeper is', () => {
    const root = tree.root(0, 41);
    const bare = verifyPin({ pin: formatPinCode({ origin, size: 41, root }), policy, update: update(41, 60) });
    expect([bare.verdict, bare.notes]).toEqual([
      'PASS',
      ['the kept head is worth what its keeper is: it was kept without a signature'],
    ]);
    const stranger = formatPinBlock(checkpoint(41, tree, [testSigner('someone.example', 1)]));
    const strange = verifyPin({ pin: stranger, policy, update: update(41, 60) });
    expect([strange.verdict, strange.notes]).toEqual([
      'PASS',
      ['the kept head is worth what its keeper is: no key of the policy signed it'],
    ]);
  });

  it('fails when today\u2019s tree is another one', () => {
    expect(judge({ pin: pinOf(41), policy, update: update(41, 60, other) })).toBe('FAIL, consistency fail');
    expect(judge({ pin: pinOf(41), policy, checkpoint: checkpoint(41, other) })).toBe('FAIL, consistency fail');
    const { failure, reason } = verifyPin({ pin: pinOf(41), policy, checkpoint: checkpoint(41, other) });
    expect([failure?.code, reason]).toEqual(['pin-mismatch', expect.stringContaining('two roots')]);
  });

  it('fails when the log shows fewer entries than it had', () => {
    expect(judge({ pin: pinOf(41), policy, checkpoint: checkpoint(40) })).toBe('FAIL, consistency fail');
    const { failure } = verifyPin({ pin: pinOf(41), policy, checkpoint: checkpoint(40) });
    expect(failure).toEqual({ code: 'pin-mismatch', details: { pinned: 41, size: 40 } });
  });

  it('fails for every proof that is not the proof', () => {
    for (const [how, proof] of brokenProofs(tree.consistency(41, 60), [tree.root(0, 3)])) {
      const file = { consistency: { from: 41, to: 60, proof }, checkpoint: checkpoint(60) };
      const text = how.includes('31 bytes') ? undefined : formatHeadUpdate(file);
      if (text !== undefined)
        expect([how, judge({ pin: pinOf(41), policy, update: text })]).toEqual([how, 'FAIL, consistency fail']);
    }
  });

  it('fails when a signature on it is bad, and when it is damaged', () => {
    const forged = checkpoint(41, other).replace(
      /\n[A-Za-z0-9+/=]{44}\n/,
      checkpoint(41).slice(origin.length + 3, origin.length + 49),
    );
    expect(judge({ pin: forged, policy, update: update(41, 60) })).toBe('FAIL, pin fail');
    expect(judge({ pin: pinOf(41).replace('A', 'B'), policy, update: update(41, 60) })).toMatch(/^FAIL, pin fail/);
    expect(verifyPin({ pin: 'no head', policy, update: update(41, 60) }).failure?.code).toBe('invalid-pin');
  });

  it('fails when today\u2019s checkpoint is not to be believed', () => {
    const alone = formatHeadUpdate({
      consistency: { from: 41, to: 60, proof: tree.consistency(41, 60) },
      checkpoint: checkpoint(60, tree, [log]),
    });
    expect(judge({ pin: pinOf(41), policy, update: alone })).toBe('FAIL, witnesses fail');
    const unsigned = alone.replace(signedCheckpointLine(alone), '');
    expect(verifyPin({ pin: pinOf(41), policy, update: unsigned }).verdict).toBe('FAIL');
    const another = signedCheckpoint({ origin: 'another', size: 60, root: tree.root(0, 60) }, [
      testSigner('another', 1),
    ]);
    expect(judge({ pin: pinOf(41), policy, checkpoint: another })).toContain('log-signature fail');
  });

  it('is not held against a log of another origin', () => {
    const both = `${policy}log ${verifierKeyOf(testSigner('another', 1)).vkey}\n`;
    const another = signedCheckpoint({ origin: 'another', size: 60, root: tree.root(0, 60) }, [
      testSigner('another', 1),
      witness,
    ]);
    expect(judge({ pin: pinOf(41), policy: both, checkpoint: another })).toBe('FAIL, consistency fail');
  });

  it('is incomplete without a policy, without a checkpoint, and without the proof for this head', () => {
    expect(judge({ pin: pinOf(41), update: update(41, 60) })).toMatch(/^INCOMPLETE/);
    expect(judge({ pin: pinOf(41), policy })).toMatch(/^INCOMPLETE/);
    expect(judge({ pin: pinOf(41), policy, checkpoint: checkpoint(60) })).toBe('INCOMPLETE, consistency incomplete');
    expect(judge({ pin: pinOf(41), policy, update: update(40, 60) })).toBe('INCOMPLETE, consistency incomplete');
    expect(judge({ pin: pinOf(41), policy, update: update(30, 40) })).toBe('INCOMPLETE, consistency incomplete');
  });
});

describe('the file of a later head', () => {
  it('is read again as it was written', () => {
    const text = update(41, 60);
    expect(formatHeadUpdate(parseHeadUpdate(text))).toBe(text);
    expect(parseHeadUpdate(new TextEncoder().encode(text)).consistency).toMatchObject({ from: 41, to: 60 });
  });

  it('is refused where its near neighbours begin', () => {
    const text = update(41, 60);
    const read = (changed: string): string => verdictOf(() => parseHeadUpdate(changed));
    expect(read(text)).toBe('accepted');
    for (const changed of [
      '',
      text.slice(0, -1),
      text.slice(1),
      `\n${text}`,
      text.replace('v1', 'v2'),
      text.replace('from 41', 'from 041'),
      text.replace('from 41', 'from  41'),
      text.replace('from 41', 'from 61'),
      text.replace('to 60', 'to 61'),
      text.replace('\n\n', '\n'),
      text.replace('\n\n', '\n\n\n'),
      text.replaceAll('\n', '\r\n'),
      text.replace('to 60\n', 'to 60\nAAAA\n'),
      text.slice(0, text.indexOf('\n\n') + 2),
    ]) {
      expect([changed.slice(0, 60), read(changed)]).toEqual([changed.slice(0, 60), 'invalid-head-update']);
    }
    expect(read(text.replace('from 41', 'from 9007199254740992'))).toBe('size-too-large');
  });
});

function signedCheckpointLine(text: string): string {
  return /\u2014 log[^\n]*\n/.exec(text)?.[0] ?? '';
}
