/**
 * Minimise: less of a value where the catalogue asks for less (REQUIREMENTS P4), on the write path, before anything is
 * committed to. An address keeps its network, /24 of IPv4 and /48 of IPv6; a time keeps its second, minute, hour or day.
 *
 *   203.0.113.40 ─▶ 203.0.113.0/24     2001:db8:1:2::7 ─▶ 2001:db8:1::/48     2026-01-08T14:32:07.5Z ─▶ 2026-01-08T14:32:00Z
 */
import { isIP } from 'node:net';
import type { JsonObject, JsonValue } from '../../proofs/canonical-json.ts';
import { isObject } from '../../proofs/fields.ts';
import { jsonPointer } from '../../proofs/strict-json.ts';
import type { Redacted, Replacement } from './redact/types.ts';
import { parseTimeUs } from './time.ts';

export const MINIMISATIONS = ['ip-prefix', 'to-second', 'to-minute', 'to-hour', 'to-day'] as const;
export type Minimisation = (typeof MINIMISATIONS)[number];

/** One path, as steps, and what becomes of the text there. */
export interface MinimisedPath {
  readonly steps: readonly string[];
  readonly how: Minimisation;
}

/** The very object that was given, if nothing changes. Values that are not text stay; see `canMinimise`. */
export function minimise(event: JsonObject, paths: readonly MinimisedPath[]): Redacted<JsonObject> {
  let value = event;
  const replacements: Replacement[] = [];
  for (const { steps, how } of paths) {
    const next = replaceAt(value, steps, how);
    if (next === value) continue;
    value = next;
    replacements.push({ pointer: jsonPointer(steps), rule: how === 'ip-prefix' ? 'minimise-ip' : 'minimise-time' });
  }
  return { value, replacements };
}

/**
 * Whether a value can be made less of: a time has to be one, or it would be kept whole. Of an address that is none (a
 * host name, `AWS Internal`) there is nothing to take away.
 */
export function canMinimise(value: JsonValue, how: Minimisation): boolean {
  return how === 'ip-prefix' || (typeof value === 'string' && (parseTimeUs(value) !== undefined || isDate(value)));
}

function replaceAt(object: JsonObject, steps: readonly string[], how: Minimisation): JsonObject {
  const [name, ...below] = steps;
  const child = name !== undefined && Object.hasOwn(object, name) ? object[name] : undefined;
  if (name === undefined || child === undefined) return object;
  let next: JsonValue = child;
  if (below.length > 0) next = isObject(child) ? replaceAt(child, below, how) : child;
  else if (typeof child === 'string') next = how === 'ip-prefix' ? ipPrefix(child) : timePrefix(child, how);
  return next === child ? object : { ...object, [name]: next };
}

const IPV4_PREFIX_BITS = 24;
const IPV6_PREFIX_BITS = 48;
/** Text that may be an address, with a port or a prefix length; a list of addresses has several. */
const ADDRESS = /(?<![0-9A-Za-z_:.])([0-9A-Fa-f:.]{2,64})(\/\d{1,3})?(?![0-9A-Za-z_])/g;

/** Every IP address in the text as its network. Idempotent. */
export function ipPrefix(text: string): string {
  return text.replace(ADDRESS, (match: string, address: string, length: string | undefined) => {
    const bits = length === undefined ? undefined : Number(length.slice(1));
    if (isIP(address) === 4) return ipv4Prefix(address, bits);
    if (isIP(address) === 6) return ipv6Prefix(address, bits);
    // 203.0.113.40:8080
    const port = /^(.+):\d{1,5}$/.exec(address);
    return port?.[1] !== undefined && isIP(port[1]) === 4 ? ipv4Prefix(port[1], undefined) : match;
  });
}

function ipv4Prefix(address: string, bits: number | undefined): string {
  const kept = Math.min(bits ?? IPV4_PREFIX_BITS, IPV4_PREFIX_BITS);
  const octets = address.split('.').map((octet, i) => Number(octet) & octetMask(kept - i * 8));
  return `${octets.join('.')}/${kept}`;
}

function octetMask(bits: number): number {
  return bits >= 8 ? 0xff : bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff;
}

function ipv6Prefix(address: string, bits: number | undefined): string {
  const groups = ipv6Groups(address);
  // ::ffff:203.0.113.40 is an IPv4 address (RFC 4291 §2.5.5.2).
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    const [high = 0, low = 0] = groups.slice(6);
    return ipv4Prefix([high >> 8, high & 0xff, low >> 8, low & 0xff].join('.'), undefined);
  }
  const kept = Math.min(bits ?? IPV6_PREFIX_BITS, IPV6_PREFIX_BITS);
  const shown = groups.slice(0, 3).map((group, i) => (group & groupMask(kept - i * 16)).toString(16));
  while (shown.at(-1) === '0') shown.pop();
  return `${shown.join(':')}::/${kept}`;
}

function groupMask(bits: number): number {
  return bits >= 16 ? 0xffff : bits <= 0 ? 0 : (0xffff << (16 - bits)) & 0xffff;
}

/** The eight groups of an address that `isIP` took for one. */
function ipv6Groups(address: string): readonly number[] {
  const [head = '', tail] = address.split('::');
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  return [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
}

function groupsOf(part: string): readonly number[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}

const TIME = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

/** The time cut down in its own zone, still RFC 3339; anything else as it is. Idempotent. */
function timePrefix(text: string, how: Minimisation): string {
  const parts = TIME.exec(text);
  if (parts === null) return text;
  const [, date = '', hour = '', minute = '', second = '', zone = ''] = parts;
  switch (how) {
    case 'to-day':
      return `${date}T00:00:00${zone}`;
    case 'to-hour':
      return `${date}T${hour}:00:00${zone}`;
    case 'to-minute':
      return `${date}T${hour}:${minute}:00${zone}`;
    default:
      // A leap second has no place in its own minute once it is all that is left.
      return `${date}T${hour}:${minute}:${second}${zone}`;
  }
}

/** A full date says no more than a day. */
function isDate(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text);
}
