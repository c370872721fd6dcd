import { describe, expect, it } from 'vitest';
import { publicKeyOf } from '../../proofs/ed25519.ts';
import { formatOpenedEvent, type OpenedEvent } from '../../proofs/opened-event.ts';
import { formatTlogProof } from '../../proofs/tlog-proof.ts';
import { type Verdict, type VerifyEventInput, verifyEvent } from '../../proofs/verify-event.ts';
import { EVENT, type Evidence, type EvidenceOptions, makeEvidence, PRODUCER_SEED } from '../support/opened.ts';
import { brokenProofs, flipBit } from '../support/tree.ts';

function inputOf({ openedText, proofText, policyText }: Evidence): VerifyEventInput & { opened: string } {
  return { opened: openedText, tlogProof: proofText, policy: policyText };
}

const evidence = makeEvidence();
const input = inputOf(evidence);
/** One signature to check instead of three, for the tests that verify hundreds of times. */
const unwitnessed = makeEvidence({ quorum: 'none', cosignedBy: [] });
const quickInput = inputOf(unwitnessed);

function resultOf(verdict: Verdict, claim: string): string | undefined {
  return verdict.claims.find((one) => one.claim === claim)?.result;
}

const withFields = (change: (fields: Map<string, { salt: Uint8Array; value: string }>) => void): string => {
  const fields = new Map(evidence.opened.fields);
  change(fields);
  return formatOpenedEvent({ ...evidence.opened, fields });
};

describe('an event with its receipt', () => {
  it('passes under the policy that trusts its log and witnesses', () => {
    const verdict = verifyEvent(input);
    expect(verdict).toMatchObject({ verdict: 'PASS', index: 2, notes: [] });
    expect(verdict.claims.map(({ claim, result }) => [claim, result])).toEqual([
      ['contents', 'pass'],
      ['receipt', 'pass'],
      ['log-signature', 'pass'],
      ['witnesses', 'pass'],
      ['inclusion', 'pass'],
    ]);
    expect(verdict.event?.event).toEqual(EVENT);
    expect(verdict.checkpoint?.checkpoint.size).toBe(5);
    expect(verdict.failure).toBeUndefined();
  });

  it('passes at every index of every small tree', () => {
    for (let size = 1; size <= 9; size++) {
      for (let index = 0; index < size; index++) {
        expect(verifyEvent(inputOf(makeEvidence({ size, index }))).verdict).toBe('PASS');
      }
    }
  });

  it('passes as bytes, and when the receipt carries no entry', () => {
    const encoder = new TextEncoder();
    const { extra: _, ...rest } = evidence.tlogProof;
    expect(verifyEvent({ ...input, opened: encoder.encode(input.opened) }).verdict).toBe('PASS');
    expect(verifyEvent({ ...input, tlogProof: encoder.encode(formatTlogProof(rest)) }).verdict).toBe('PASS');
  });

  it('passes with fields withheld or erased, and names them', () => {
    const fields = new Map(evidence.opened.fields);
    fields.delete('reason');
    fields.delete('actor.session');
    const opened = formatOpenedEvent({ ...evidence.opened, fields, erased: ['actor.session'] });
    const verdict = verifyEvent({ ...input, opened });
    expect(verdict.verdict).toBe('PASS');
    expect(verdict.notes).toEqual(['withheld: "reason"', 'erased, as the sender says: "actor.session"']);
    expect(verdict.event?.event).not.toHaveProperty('reason');
  });

  it('passes under a policy that asks for no witness, and says so', () => {
    const verdict = verifyEvent(inputOf(makeEvidence({ quorum: 'none', cosignedBy: [] })));
    expect(verdict.verdict).toBe('PASS');
    expect(verdict.claims.find(({ claim }) => claim === 'witnesses')?.detail).toContain('no witness');
  });
});

describe('what cannot be checked is never a pass', () => {
  it.each<[string, Partial<VerifyEventInput>, string]>([
    ['no receipt', { tlogProof: undefined }, 'receipt'],
    ['no policy', { policy: undefined }, 'log-signature'],
  ])('%s', (_, change, claim) => {
    const verdict = verifyEvent({ ...input, ...change });
    expect(verdict.verdict).toBe('INCOMPLETE');
    expect(verdict.reason).toContain(claim);
    expect(resultOf(verdict, 'inclusion')).toBe('incomplete');
  });

  it('nothing but the event', () => {
    expect(verifyEvent({ opened: input.opened }).verdict).toBe('INCOMPLETE');
  });

  it('an event of which no field is shown', () => {
    for (const keep of [[], ['log']]) {
      const opened = withFields((fields) => {
        for (const id of [...fields.keys()]) if (!keep.includes(id)) fields.delete(id);
      });
      const verdict = verifyEvent({ ...input, opened });
      expect(verdict.verdict).toBe('INCOMPLETE');
      expect(resultOf(verdict, 'contents')).toBe('incomplete');
      expect(resultOf(verdict, 'inclusion')).toBe('pass');
    }
  });
});

describe('an altered event fails and names its index and field', () => {
  it.each([...evidence.opened.fields.keys()])('in field %s', (id) => {
    const opened = withFields((fields) => {
      fields.set(id, { salt: fields.get(id)?.salt ?? new Uint8Array(16), value: '"forged"' });
    });
    const verdict = verifyEvent({ ...input, opened });
    expect(verdict).toMatchObject({
      verdict: 'FAIL',
      index: 2,
      failure: { code: 'commitment-mismatch', details: { index: 2, field: id } },
    });
    expect(verdict.reason).toContain(`"${id}"`);
    expect(verdict.event).toBeUndefined();
  });

  it('in any byte of its entry', () => {
    const { opened, tlogProof } = unwitnessed;
    const { extra: _, ...bare } = tlogProof;
    for (let at = 0; at < opened.entry.length; at++) {
      const altered: OpenedEvent = { ...opened, entry: flipBit(opened.entry, 8 * at + (at % 8)) };
      const receipt = at % 2 === 0 ? bare : { ...bare, extra: altered.entry };
      const forged = { ...quickInput, opened: formatOpenedEvent(altered), tlogProof: formatTlogProof(receipt) };
      expect(verifyEvent(forged)).toMatchObject({ verdict: 'FAIL', index: 2 });
    }
  });

  it('when it was rewritten whole, and the receipt is still the old one', () => {
    const rewritten = makeEvidence({ event: { ...EVENT, action: 'role.revoke' } });
    expect(verifyEvent({ ...input, opened: rewritten.openedText })).toMatchObject({
      verdict: 'FAIL',
      index: 2,
      failure: { code: 'entry-mismatch' },
    });
    const { extra: _, ...bare } = evidence.tlogProof;
    expect(verifyEvent({ ...input, opened: rewritten.openedText, tlogProof: formatTlogProof(bare) })).toMatchObject({
      verdict: 'FAIL',
      index: 2,
      failure: { code: 'bad-inclusion-proof', details: { index: 2 } },
    });
  });

  it('when it says another index than its receipt', () => {
    const opened = formatOpenedEvent({ ...evidence.opened, index: 3 });
    expect(verifyEvent({ ...input, opened })).toMatchObject({ verdict: 'FAIL', failure: { code: 'entry-mismatch' } });
    const { extra: _, ...bare } = evidence.tlogProof;
    const tlogProof = formatTlogProof({ ...bare, index: 3 });
    expect(verifyEvent({ ...input, opened, tlogProof })).toMatchObject({
      verdict: 'FAIL',
      failure: { code: 'bad-inclusion-proof' },
    });
  });
});

describe('a bad receipt fails', () => {
  it('with every hash of its proof corrupted in every way', () => {
    const { proof } = evidence.tlogProof;
    for (const [how, broken] of brokenProofs(proof, [new Uint8Array(32)])) {
      const tlogProof = formatTlogProof({ ...evidence.tlogProof, proof: broken });
      expect(verifyEvent({ ...input, tlogProof }).verdict, how).toBe('FAIL');
    }
  });

  it.each<[string, EvidenceOptions]>([
    ['no witness', { cosignedBy: [] }],
    ['one witness of two', { cosignedBy: ['w3'] }],
  ])('that only %s has cosigned', (_, options) => {
    const verdict = verifyEvent(inputOf(makeEvidence(options)));
    expect(verdict).toMatchObject({ verdict: 'FAIL', failure: { code: 'quorum-not-met' } });
    expect(resultOf(verdict, 'log-signature')).toBe('pass');
    expect(resultOf(verdict, 'inclusion')).toBe('pass');
  });

  it('with any character of its checkpoint changed', () => {
    const text = unwitnessed.proofText;
    for (let at = text.indexOf('\n\n') + 2; at < text.length; at++) {
      const tlogProof = `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;
      expect(verifyEvent({ ...quickInput, tlogProof }).verdict, `character ${at}`).toBe('FAIL');
    }
  });

  it('of a log that the policy does not know', () => {
    const policy = evidence.policyText.replace(/^log .*\n/, '');
    expect(verifyEvent({ ...input, policy })).toMatchObject({ verdict: 'FAIL', failure: { code: 'wrong-origin' } });
  });
});

describe('a producer’s signature', () => {
  const signed = inputOf(makeEvidence({ signed: true }));
  const producerKey = publicKeyOf(PRODUCER_SEED);

  it('is mentioned when its key is not known', () => {
    const verdict = verifyEvent(signed);
    expect(verdict).toMatchObject({ verdict: 'PASS', notes: ['the producer signed the event; its key was not given'] });
  });

  it('is checked when it is', () => {
    const verdict = verifyEvent({ ...signed, producerKey });
    expect(verdict.verdict).toBe('PASS');
    expect(resultOf(verdict, 'producer-signature')).toBe('pass');
  });

  it('fails under another key, and under what is no key', () => {
    for (const other of [publicKeyOf(new Uint8Array(32)), new Uint8Array(32), new Uint8Array(3)]) {
      const verdict = verifyEvent({ ...signed, producerKey: other });
      expect(verdict.verdict).toBe('FAIL');
      expect(resultOf(verdict, 'producer-signature')).toBe('fail');
    }
  });

  it('is incomplete when it is expected and not there, or its log not trusted', () => {
    expect(verifyEvent({ ...input, producerKey }).verdict).toBe('INCOMPLETE');
    expect(resultOf(verifyEvent({ opened: signed.opened, producerKey }), 'producer-signature')).toBe('incomplete');
  });
});

describe('verifyEvent never throws', () => {
  const garbage: readonly (string | Uint8Array)[] = [
    '',
    '{}',
    'null',
    '[]',
    'x',
    '\ud800',
    '['.repeat(200_000),
    '{"index":0,"entry":"","card":"","fields":{}}',
    '{"index":0,"entry":"9f8f","card":"gA==","fields":{"__proto__":{"salt":"","value":""}}}',
    new Uint8Array([0xff, 0xfe]),
    new Uint8Array(100_000),
    'log x\nquorum none\n',
    'quorum none\n',
    'c2sp.org/tlog-proof@v1\nindex 0\n\n',
  ];

  it.each(garbage.map((text, i) => [i, text]))('whatever stands in for one input: %i', (_, bad) => {
    for (const name of ['opened', 'tlogProof', 'policy'] as const) {
      expect(verifyEvent({ ...input, [name]: bad }).verdict).toBe('FAIL');
    }
    expect(verifyEvent({ opened: bad as string, tlogProof: bad as string, policy: bad as string }).verdict).toBe(
      'FAIL',
    );
  });

  it('when an input is cut off anywhere', () => {
    for (const name of ['opened', 'tlogProof', 'policy'] as const) {
      const text = String(quickInput[name]);
      for (let end = 0; end < text.length; end += 7) {
        expect(verifyEvent({ ...quickInput, [name]: text.slice(0, end) }).verdict, `${name} at ${end}`).not.toBe(
          'PASS',
        );
      }
    }
  });

  it('and writes one line for a reason, whatever names the input chose', () => {
    const opened = withFields((fields) => {
      fields.set('x\n\u001b[2J', { salt: new Uint8Array(16), value: '1' });
    });
    const { reason, claims } = verifyEvent({ ...input, opened });
    for (const text of [reason, ...claims.map(({ detail }) => detail)]) expect(text).not.toMatch(/\p{Cc}/u);
  });
});
