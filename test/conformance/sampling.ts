/** Vectors of `sampling/`: rounds of drand's quicknet, and which round is due when. */
import { equal } from 'node:assert/strict';
import { hexEncode } from '../../proofs/bytes.ts';
import { drandRandomness, drandRoundAt, drandRoundSeconds, QUICKNET } from '../../proofs/drand.ts';
import { check, type Family, type Fields, hexOf, isFields, judge, recordsOf, textOf, type Verdict } from './vector.ts';

export const judgeSampling: Family = ({ content }) => {
  const [chain, rounds, times] = [content['chain'], recordsOf(content, 'rounds'), recordsOf(content, 'round_at')];
  if (!isFields(chain) || rounds === undefined || times === undefined) return undefined;
  return judgeRounds(chain, rounds, times);
};

async function judgeRounds(
  chain: Fields,
  rounds: readonly Fields[],
  times: readonly Fields[],
): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [await check('chain', () => isQuicknet(chain))];
  for (const round of rounds) verdicts.push(await judgeRound(round));
  for (const time of times) {
    const [unix, round] = [numberOf(time, 'unix'), numberOf(time, 'round')];
    verdicts.push(
      await check(`round at ${unix}`, () => {
        equal(drandRoundAt(unix), round);
        equal(drandRoundAt(drandRoundSeconds(round)), round);
      }),
    );
  }
  return verdicts;
}

function isQuicknet(chain: Fields): void {
  equal(QUICKNET.hash, textOf(chain, 'hash'));
  equal(QUICKNET.publicKey, textOf(chain, 'public_key'));
  equal(QUICKNET.periodSeconds, numberOf(chain, 'period'));
  equal(QUICKNET.genesisSeconds, numberOf(chain, 'genesis_time'));
}

function judgeRound(fields: Fields): Promise<Verdict> {
  const round = numberOf(fields, 'round');
  return judge(`round ${round}`, fields['valid'] === true ? 'accept' : 'reject', () => {
    const randomness = drandRandomness(round, hexOf(fields, 'signature'));
    if (fields['randomness'] !== undefined) equal(hexEncode(randomness), textOf(fields, 'randomness'));
  });
}

function numberOf(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value === 'number') return value;
  throw new TypeError(`${name} is no number`);
}
