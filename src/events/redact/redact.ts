/**
 * Redact: card data, passwords, tokens and keys out of an event, before anything of it is hashed or stored (REQUIREMENTS
 * W3; the rules in words: docs/redaction.md).
 *
 *   first look (suspicion.ts) ─▶ walk (walk.ts): member rules, text rules ─▶ the event, and what was replaced where
 *
 * Redacting twice is redacting once. What names the event or a party to it is never changed: such an event is refused.
 */
import { hash } from 'node:crypto';
import type { JsonObject, JsonValue } from '../../../proofs/canonical-json.ts';
import { type EventFault, EventProblem } from '../types.ts';
import { MEMBER_RULES } from './member-rules.ts';
import { compileSuspicion } from './suspicion.ts';
import { textRules } from './text-rules.ts';
import type { Redacted, Redactor } from './types.ts';
import { NameCache, type Rules, redactText, walk } from './walk.ts';

/** Goes up with every change of a rule: events say under which rules they were redacted. */
export const REDACTION_RULES_VERSION = 'redaction-1';

const NOTHING_ALLOWED: ReadonlySet<string> = new Set();

/** `allowedCards` are test numbers that stay: SHA-256 of their digits, in lower-case hex (allow-list.ts). */
export function makeRedactor(allowedCards: ReadonlySet<string> = NOTHING_ALLOWED): Redactor {
  const isAllowedCard = (digits: string): boolean =>
    allowedCards.size > 0 && allowedCards.has(hash('sha256', digits, 'hex'));
  const inText = textRules(isAllowedCard);
  const literals = [...inText, ...MEMBER_RULES].flatMap(({ triggers }) => triggers);
  const rules: Rules = {
    suspects: compileSuspicion(literals),
    textRules: inText,
    isAllowedCard,
    names: new NameCache(),
  };
  return {
    version: versionOf(allowedCards),
    redactEvent: (event, text = JSON.stringify(event)) => {
      if (!rules.suspects(text)) return { value: event, replacements: [] };
      const redacted = walk(event, rules);
      refuseIdentifiers(redacted);
      // A walked object is an object.
      return { value: redacted.value as JsonObject, replacements: redacted.replacements };
    },
    redactValue: (value: JsonValue) => walk(value, rules),
    redactText: (text) => (rules.suspects(text) ? redactText(text, rules.textRules).text : text),
  };
}

function versionOf(allowedCards: ReadonlySet<string>): string {
  if (allowedCards.size === 0) return REDACTION_RULES_VERSION;
  return `${REDACTION_RULES_VERSION}+allow.${hash('sha256', [...allowedCards].sort().join('\n'), 'hex').slice(0, 16)}`;
}

/** Members by which an event, or a party to it, is found and told from others: changed ones would be someone else's. */
const IDENTIFIERS =
  /^\/(?:event_id|occurred_at|tenant|action|correlation_id|producer_seq|actor\/(?:type|id|tenant)|actor\/delegation\/\d+\/(?:type|id|tenant)|target\/(?:type|id)|authorization\/(?:rule|approver))$/;

function refuseIdentifiers({ replacements }: Redacted<JsonValue>): void {
  const faults = replacements
    .filter(({ pointer }) => IDENTIFIERS.test(pointer))
    .map(({ pointer, rule }): EventFault => {
      const detail = `holds what looks like a secret (${rule}); an identifier is never changed, so send another one`;
      return { code: 'secret-in-identifier', pointer, detail };
    });
  const [first, ...more] = faults;
  if (first !== undefined) throw new EventProblem(first, ...more);
}
