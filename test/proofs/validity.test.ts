import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { utf8Decode, utf8Encode } from '../../proofs/bytes.ts';
import { sha256 } from '../../proofs/hash.ts';
import { makeSignerKey, type SignatureType, type SignerKey, verifierKeyOf } from '../../proofs/key.ts';
import { parseNote } from '../../proofs/note.ts';
import { checkCheckpoint, countsAt, formatPolicy, logKeysAt, parsePolicy } from '../../proofs/policy.ts';
import { formatTime, keyLabel, parseDirective, parseTime } from '../../proofs/validity.ts';
import { signedCheckpoint, testSigner } from '../support/signed.ts';
import { flipBit, verdictOf } from '../support/tree.ts';

const ORIGIN = 'example.com/log';
const T1 = '2026-01-01T00:00:00Z';
const T2 = '2026-02-01T00:00:00Z';
const seconds = (time: string): number => Date.parse(time) / 1000;

const oldLog = testSigner(ORIGIN, 1);
const newLog = anotherSigner(ORIGIN, 1);
const newLogPq = anotherSigner(ORIGIN, 6);
const oldWitness = testSigner('w1.example', 4);
const newWitness = anotherSigner('w1.example', 4);
const otherWitness = testSigner('w2.example', 4);

/** Old log key below 200, new one from 100; the witness changes its key between T1 and T2. */
const ROTATION = policyOf(
  `#countersign: valid ${keyLabel(oldLog)} until-size 200`,
  `#countersign: valid ${keyLabel(newLog)} from-size 100`,
  `#countersign: valid ${keyLabel(oldWitness)} until-time ${T2}`,
  `#countersign: valid ${keyLabel(newWitness)} from-time ${T1}`,
);

describe('a policy with validity', () => {
  it('believes the old keys for what they signed, the new ones for what comes, and both while they overlap', () => {
    const verdict = (size: number, signers: readonly SignerKey[], time: string): string =>
      check(ROTATION, size, signers, seconds(time));
    expect(verdict(99, [oldLog, oldWitness], '2025-12-31T23:59:59Z')).toBe('accepted');
    expect(verdict(99, [newLog, oldWitness], '2025-12-31T23:59:59Z')).toBe('no-log-signature');
    for (const size of [100, 150, 199]) {
      for (const log of [[oldLog], [newLog], [oldLog, newLog]]) {
        for (const witness of [[oldWitness], [newWitness], [oldWitness, newWitness]]) {
          expect(verdict(size, [...log, ...witness], '2026-01-15T00:00:00Z')).toBe('accepted');
        }
      }
    }
    expect(verdict(200, [newLog, newWitness], T2)).toBe('accepted');
    expect(verdict(200, [oldLog, newWitness], T2)).toBe('no-log-signature');
    expect(verdict(200, [newLog, oldWitness], T2)).toBe('quorum-not-met');
    expect(verdict(Number.MAX_SAFE_INTEGER, [oldLog, newWitness], T2)).toBe('no-log-signature');
  });

  it('keeps receipts from before the rotation, whatever the time is now', () => {
    const before = signedCheckpoint(head(42), [oldLog, oldWitness], seconds('2025-06-01T00:00:00Z'));
    const { logKeys, witnesses, quorum } = checkCheckpoint(ROTATION, before);
    expect(logKeys.map(({ vkey }) => vkey)).toEqual([verifierKeyOf(oldLog).vkey]);
    expect(witnesses.map(({ name }) => name)).toEqual(['w1']);
    expect(quorum).toBe(true);
  });

  it('has half-open ranges', () => {
    const at = (size: number): string[] =>
      logKeysAt(ROTATION, ORIGIN, size)
        .filter(({ type }) => type === 1)
        .map(keyLabel);
    expect([0, 99, 100, 199, 200].map(at)).toEqual([
      [keyLabel(oldLog)],
      [keyLabel(oldLog)],
      [keyLabel(oldLog), keyLabel(newLog)],
      [keyLabel(oldLog), keyLabel(newLog)],
      [keyLabel(newLog)],
    ]);
    expect(logKeysAt(ROTATION, 'example.com/other', 150)).toEqual([]);
    const [old] = ROTATION.witnesses;
    if (old === undefined) throw new Error('the policy has a witness');
    expect([-1, 0, 1].map((step) => countsAt(old, 7, seconds(T2) + step))).toEqual([true, false, false]);
    expect(countsAt(old, 7, 0)).toBe(false);
  });

  it('treats a key outside its validity as unknown: nothing that it signs counts, and nothing is refused for it', () => {
    const good = signedCheckpoint(head(300), [newLog, newWitness, oldLog, oldWitness], seconds(T2));
    expect(verdictOf(() => checkCheckpoint(ROTATION, good))).toBe('accepted');
    for (const signer of [oldLog, oldWitness]) {
      expect(verdictOf(() => checkCheckpoint(ROTATION, spoil(good, signer)))).toBe('accepted');
    }
    for (const [signer, code] of [
      [newLog, 'bad-log-signature'],
      [newWitness, 'bad-signature'],
    ] as const) {
      expect(verdictOf(() => checkCheckpoint(ROTATION, spoil(good, signer)))).toBe(code);
    }
  });

  it('refuses a bad signature of a retired key where the key still counts', () => {
    const old = signedCheckpoint(head(42), [oldLog, oldWitness], seconds('2025-06-01T00:00:00Z'));
    expect(verdictOf(() => checkCheckpoint(ROTATION, spoil(old, oldLog)))).toBe('bad-log-signature');
    expect(verdictOf(() => checkCheckpoint(ROTATION, spoil(old, oldWitness)))).toBe('bad-signature');
  });

  it('refuses a line that is too short to hold a time, when the key is bounded by time', () => {
    const good = signedCheckpoint(head(42), [oldLog, oldWitness], seconds('2025-06-01T00:00:00Z'));
    const cut = good.replace(/(\n\u2014 w1\.example )([A-Za-z0-9+/]{40})[^\n]*/, '$1$2');
    expect(cut).not.toBe(good);
    expect(verdictOf(() => checkCheckpoint(ROTATION, cut))).toBe('bad-signature');
  });

  it('never counts a cosignature without a time for a witness that is bounded by time', () => {
    expect(check(ROTATION, 150, [newLog, newWitness], 0)).toBe('quorum-not-met');
    const unbounded = policyOf(`#countersign: valid ${keyLabel(newWitness)} from-size 100`);
    expect(check(unbounded, 150, [newLog, newWitness], 0)).toBe('accepted');
    expect(check(unbounded, 99, [newLog, newWitness], 0)).toBe('quorum-not-met');
  });

  it('counts the old and the new key of one witness once', () => {
    const two = parsePolicy(
      `${keyLines()}group W1 any w1 w1-new\nwitness w2 ${verifierKeyOf(otherWitness).vkey}\ngroup both 2 W1 w2\nquorum both\n`,
    );
    const note = signedCheckpoint(head(150), [oldLog, oldWitness, newWitness], seconds('2026-01-15T00:00:00Z'));
    expect(verdictOf(() => checkCheckpoint(two, note))).toBe('quorum-not-met');
    const all = signedCheckpoint(head(150), [oldLog, oldWitness, newWitness, otherWitness]);
    expect(verdictOf(() => checkCheckpoint(two, all))).toBe('accepted');
  });

  it('bounds each key of a log by itself, the ML-DSA-44 one too', () => {
    const pq = policyOf(
      `#countersign: valid ${keyLabel(oldLog)} until-size 100`,
      `#countersign: valid ${keyLabel(newLogPq)} from-size 100`,
    );
    expect(check(pq, 99, [newLogPq, oldWitness])).toBe('no-log-signature');
    expect(check(pq, 100, [newLogPq, oldWitness])).toBe('accepted');
  });

  it('says a refused origin apart from a key that does not count', () => {
    const note = signedCheckpoint({ ...head(300), origin: 'example.com/other' }, [testSigner('example.com/other', 1)]);
    expect(verdictOf(() => checkCheckpoint(ROTATION, note))).toBe('wrong-origin');
  });
});

describe('a directive', () => {
  const label = keyLabel(oldLog);
  const accepts = (...lines: readonly string[]): string => verdictOf(() => policyOf(...lines));

  it('may stand anywhere and is written again in one form', () => {
    const file = `#countersign: valid ${label}\tuntil-size   200 from-size 5\n${keyLines()}group W any w1 w1-new\nquorum W\n`;
    const policy = parsePolicy(file);
    expect(policy.logs.map(({ validity }) => validity)).toEqual([
      { fromSize: 5, untilSize: 200 },
      undefined,
      undefined,
    ]);
    const written = utf8Decode(formatPolicy(policy));
    expect(written).toContain(`\n#countersign: valid ${label} from-size 5 until-size 200\n`);
    expect(parsePolicy(written)).toEqual(policy);
    expect(formatPolicy(ROTATION)).toEqual(formatPolicy(parsePolicy(formatPolicy(ROTATION))));
    expect(parsePolicy(formatPolicy(ROTATION))).toEqual(ROTATION);
  });

  it('has at least one bound, each at most once, and no empty range', () => {
    expect(accepts(`#countersign: valid ${label} from-size 0 until-size 1`)).toBe('accepted');
    for (const bounds of [
      '',
      'from-size',
      'from-size 1 until-size',
      'from-size 1 from-size 1',
      'from-size 7 until-size 7',
      'from-size 8 until-size 7',
      'until-size 0',
      'from-size 01',
      'from-size -1',
      'from-size +1',
      'from-size 1e3',
      'from-size 0x10',
      'from-size ١',
      'From-Size 1',
      'since-size 1',
      'from-size=1',
      '1 from-size',
      'until-size 18446744073709551616',
      'until-size 5 # five',
    ]) {
      expect([bounds, accepts(`#countersign: valid ${label} ${bounds}`)]).toEqual([bounds, 'invalid-policy']);
    }
    expect(accepts(`#countersign: valid ${label} until-size 9007199254740992`)).toBe('size-too-large');
    expect(accepts(`#countersign: valid ${label} until-size 5`, `#countersign: valid ${label} from-size 1`)).toBe(
      'invalid-policy',
    );
  });

  it('has times in UTC to the second, and only for a witness', () => {
    const witness = keyLabel(oldWitness);
    expect(accepts(`#countersign: valid ${witness} from-time ${T1} until-time ${T2}`)).toBe('accepted');
    for (const time of [
      '2026-01-01',
      '2026-01-01T00:00:00',
      '2026-01-01T00:00:00z',
      '2026-01-01t00:00:00Z',
      '2026-01-01T00:00:00.000Z',
      '2026-01-01T00:00:00+00:00',
      '2026-01-01T24:00:00Z',
      '2026-02-30T00:00:00Z',
      '2026-01-01T00:00:60Z',
      '1969-12-31T23:59:59Z',
      '+012026-01-01T00:00:00Z',
      '1767225600',
      'now',
    ]) {
      expect([time, accepts(`#countersign: valid ${witness} from-time ${time}`)]).toEqual([time, 'invalid-policy']);
    }
    expect(accepts(`#countersign: valid ${witness} from-time ${T2} until-time ${T1}`)).toBe('invalid-policy');
    expect(accepts(`#countersign: valid ${label} until-time ${T2}`)).toBe('invalid-policy');
    expect(accepts(`#countersign: valid ${keyLabel(newLogPq)} until-time ${T2}`)).toBe('invalid-policy');
    expect(parseTime('1970-01-01T00:00:00Z')).toBe(0);
    expect(formatTime(parseTime('9999-12-31T23:59:59Z'))).toBe('9999-12-31T23:59:59Z');
  });

  it('names a key of the policy, by name and id', () => {
    const { vkey } = verifierKeyOf(oldLog);
    for (const key of [ORIGIN, vkey, `${ORIGIN}+00000000`, `+${label}`, label.toUpperCase(), `${ORIGIN}+`, 'w1']) {
      expect([key, accepts(`#countersign: valid ${key} until-size 5`)]).toEqual([key, 'invalid-policy']);
    }
  });

  it('is never skipped when it is misspelled', () => {
    const right = `#countersign: valid ${label} until-size 200`;
    expect(accepts(right)).toBe('accepted');
    expect(accepts(` \t${right} `)).toBe('accepted');
    for (const line of [
      `# countersign: valid ${label} until-size 200`,
      `##countersign: valid ${label} until-size 200`,
      `#Countersign: valid ${label} until-size 200`,
      `#countersign valid ${label} until-size 200`,
      `#countersign : valid ${label} until-size 200`,
      `# countersign : valid ${label} until-size 200`,
      `#countersign:valid ${label} until-size 200`,
      `#countersign: Valid ${label} until-size 200`,
      `#countersign: invalid ${label} until-size 200`,
      `#countersign: revoked ${label}`,
      '#countersign:',
      '#countersigned',
      `#contersign: valid ${label} until-size 200`,
      `#valid ${label} until-size 200`,
      `# ${label} until-time ${T2}`,
    ]) {
      expect([line, accepts(line)]).toEqual([line, 'invalid-policy']);
    }
  });

  it('leaves every other comment alone', () => {
    for (const line of [
      '# countersign',
      '# Made by countersign for the audit',
      '#',
      '# valid until 2027',
      '# \u00fc',
    ]) {
      expect([line, accepts(line)]).toEqual([line, 'accepted']);
    }
  });

  it('is what the manual shows', async () => {
    const manual = await readFile(new URL('../../docs/key-rotation.md', import.meta.url), 'utf8');
    const sample = /```\n(log [^`]*)```/.exec(manual)?.[1] ?? '';
    const { logs, witnesses } = parsePolicy(sample);
    expect(logs.map(({ validity }) => validity)).toEqual([{ untilSize: 20_000 }, { fromSize: 15_000 }]);
    expect(witnesses.map(({ validity }) => validity)).toEqual([
      { untilTime: seconds('2026-09-01T00:00:00Z') },
      { fromTime: seconds('2026-06-01T00:00:00Z') },
    ]);
  });

  it('is refused with the number of its line', () => {
    expect(() => parsePolicy('quorum none\n#countersign: nonsense\n')).toThrow('policy line 2: ');
    expect(() => parsePolicy(`#countersign: valid ${label} from-size 1\nquorum none\n`)).toThrow('policy line 1: ');
    expect(verdictOf(() => parseDirective([]))).toBe('invalid-policy');
  });
});

/** Another key under the same name. */
function anotherSigner(name: string, type: SignatureType): SignerKey {
  return makeSignerKey(name, type, sha256(utf8Encode(`another test key ${name} ${type}`)));
}

function keyLines(): string {
  return [
    `log ${verifierKeyOf(oldLog).vkey}`,
    `log ${verifierKeyOf(newLog).vkey}`,
    `log ${verifierKeyOf(newLogPq).vkey}`,
    `witness w1 ${verifierKeyOf(oldWitness).vkey}`,
    `witness w1-new ${verifierKeyOf(newWitness).vkey}`,
    '',
  ].join('\n');
}

function policyOf(...directives: readonly string[]): ReturnType<typeof parsePolicy> {
  return parsePolicy(`${keyLines()}${directives.map((line) => `${line}\n`).join('')}group W any w1 w1-new\nquorum W\n`);
}

function head(size: number): { origin: string; size: number; root: Uint8Array } {
  return { origin: ORIGIN, size, root: sha256(Uint8Array.of(size & 255)) };
}

function check(
  policy: ReturnType<typeof parsePolicy>,
  size: number,
  signers: readonly SignerKey[],
  timestamp?: number,
): string {
  return verdictOf(() => checkCheckpoint(policy, signedCheckpoint(head(size), signers, timestamp)));
}

/** The note with one bit of this signer's signature turned, in its last byte. */
function spoil(note: string, signer: SignerKey): string {
  const line = parseNote(note).signatures.find(({ name, keyId }) => name === signer.name && keyId === signer.keyId);
  if (line === undefined) throw new Error('the signer has no line');
  const [dash = '', name = '', base64 = ''] = line.line.split(' ');
  const bytes = new Uint8Array(Buffer.from(base64, 'base64'));
  const spoiled = Buffer.from(flipBit(bytes, bytes.length * 8 - 1)).toString('base64');
  return note.replace(line.line, `${dash} ${name} ${spoiled}`);
}
