/**
 * What stands in the place of a secret: `[redacted:password]`, `[redacted:card-number:1111]`. Brackets end every run of
 * digits and every token, so that a marker never becomes part of a new secret.
 */
import type { RedactionRule } from './types.ts';

const MARKER = /^\[redacted:[a-z]+(?:-[a-z]+)*(?::\d{4})?\]$/;

/** A card keeps its last four digits at most (PCI DSS 3.4.1); everything else keeps nothing. */
export function marker(rule: RedactionRule, lastFour?: string): string {
  return lastFour === undefined ? `[redacted:${rule}]` : `[redacted:${rule}:${lastFour}]`;
}

const MARKERS = /\[redacted:[a-z]+(?:-[a-z]+)*(?::\d{4})?\]/g;

/** What the text says besides markers. */
export function withoutMarkers(text: string): string {
  return text.includes('[redacted:') ? text.replaceAll(MARKERS, '') : text;
}

export function isMarker(text: string): boolean {
  return MARKER.test(text);
}

/** What others write where a secret was: masks, names of nothing, and what AWS writes. */
const HIDDEN =
  /^(?:[*#.\u2022\u25cf]+|x{3,}|hidden(?:_due_to_security_reasons)?|redacted|removed|masked|filtered|null|none|nil|undefined|true|false|n\/a|unset|empty)$/i;
const BRACKETS = /^[[(<{]{1,2}|[\])>}]{1,2}$/g;

/** True if the text holds no secret any more: a marker of ours, or somebody else's. */
export function isPlaceholder(text: string): boolean {
  const trimmed = text.trim();
  return trimmed === '' || isMarker(trimmed) || HIDDEN.test(trimmed.replace(BRACKETS, ''));
}
