/**
 * Rules that events cite (K4): an event that was justified by a rule which is unknown, superseded or unapproved as of
 * its index is accepted and becomes a finding; repeated citations of the same one are one finding a window.
 */
import { textAt } from '../../../proofs/fields.ts';
import type { Finding, FindingKind } from '../finding.ts';
import type { RuleBook, RuleVerdict } from '../rules.ts';
import type { Detector } from './detector.ts';
import { Episodes, type Report } from './episodes.ts';
import type { Examined } from './examined.ts';

const MAX_CITATIONS = 10_000;
const MAX_REMEMBERED = 1_000;

const KINDS: Readonly<Record<Exclude<RuleVerdict, 'in-force'>, FindingKind>> = {
  unknown: 'rule-unknown',
  superseded: 'rule-superseded',
  unapproved: 'rule-unapproved',
};

const MEANING: Readonly<Record<keyof typeof KINDS, string>> = {
  unknown: 'which no entry before it published',
  superseded: 'which a later version had replaced by then',
  unapproved: 'which nobody but its author had approved',
};

/** `book` is derived from the same log, so that an examination that is repeated comes to the same findings. */
export function ruleDetector(book: RuleBook, windowUs: number): Detector {
  const episodes = new Episodes({ windowUs, maxEpisodes: MAX_CITATIONS, reportFirst: true });
  const citedRule = rememberedCitations();
  return {
    name: 'rule-citations',
    examine: (event) => {
      const cited = citedRule(event);
      if (cited === undefined) return [];
      const verdict = book.judge(cited, event.index);
      return verdict === 'in-force' ? [] : episodes.note(JSON.stringify([verdict, cited]), event).map(toFinding);
    },
    dueUs: () => episodes.dueUs,
    tick: (nowUs) => episodes.tick(nowUs).map(toFinding),
    save: () => episodes.save(),
    restore: (state) => episodes.restore(state),
  };
}

/** By the whole text of the authorization: it is the same for many events, and looking it up is faster than parsing it. */
function rememberedCitations(): (event: Examined) => string | undefined {
  const known = new Map<string, string | undefined>();
  return (event) => {
    const text = event.isOwn ? undefined : event.textOf('authorization');
    if (text === undefined) return undefined;
    if (known.has(text)) return known.get(text);
    const cited = text.includes('"rule"') ? textAt(event.field('authorization'), 'rule') : undefined;
    if (known.size >= MAX_REMEMBERED) known.clear();
    known.set(text, cited);
    return cited;
  };
}

function toFinding({ key, isFirst, ...report }: Report): Finding {
  const [verdict, cited]: readonly [keyof typeof KINDS, string] = JSON.parse(key);
  const { firstIndex, lastIndex, firstTimeUs, lastTimeUs, count } = report;
  const who = isFirst ? `Entry ${firstIndex} cites` : `${count} more entries cite`;
  return {
    kind: KINDS[verdict],
    severity: verdict === 'unapproved' ? 'high' : 'medium',
    subject: { type: 'rule', id: cited },
    firstIndex,
    lastIndex,
    firstTimeUs,
    lastTimeUs,
    count,
    message: `${who} the rule ${cited}, ${MEANING[verdict]}.`,
    evidence: { rule: cited },
  };
}
