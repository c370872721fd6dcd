/**
 * The one way out: every request to an address from a configuration (webhook of alerts, resolver of names, identity
 * provider) goes through this fetch, so that nobody who can write such an address makes the log's machine talk to its own
 * network: a cloud's metadata service, a database on loopback, a neighbour behind the firewall.
 *
 * What counts is the address that is connected to, not the name: a name is resolved once, every address that it has is
 * judged, and the connection goes to what was judged (a second answer of the name server changes nothing). Redirects are
 * errors at each place of use. Networks of one's own are opened by name, in `outbound.json` beside the log's config:
 *
 *   { "allow": ["127.0.0.1/32", "10.20.0.0/16", "fd00:12::/64"] }
 */
import { lookup as lookupName } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import ipaddr from 'ipaddr.js';
import { Agent, fetch as fetchThrough } from 'undici';
import { CliError, messageOf } from './errors.ts';
import { readIfExists } from './files.ts';

const MAX_NETWORKS = 100;
const OutboundSchema = Type.Object(
  { allow: Type.Array(Type.String(), { maxItems: MAX_NETWORKS }) },
  { additionalProperties: false },
);

export type Network = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

/** A connection that was not made, because of where it would have gone. */
export class OutboundRefused extends Error {
  readonly code = 'outbound-refused';

  constructor(host: string, address: string, kind: string) {
    super(
      `${host} is ${host === address ? '' : `${address}, `}a ${kind} address: requests go there only if outbound.json of the log allows the network`,
    );
    this.name = 'OutboundRefused';
  }
}

/** The networks that a log's `outbound.json` opens; none without that file. Throws CliError that names the fault. */
export async function readAllowedNetworks(file: string): Promise<readonly Network[]> {
  const text = await readIfExists(file);
  if (text === undefined) return [];
  try {
    const value: unknown = JSON.parse(text);
    if (!Value.Check(OutboundSchema, value)) throw new Error('it is not {"allow": ["10.0.0.0/8", …]}');
    return parseNetworks(value);
  } catch (error) {
    throw new CliError('unreadable-input', `${file}: ${messageOf(error)}`, 'docs/operating.md says what it may hold.');
  }
}

function parseNetworks({ allow }: Static<typeof OutboundSchema>): readonly Network[] {
  return allow.map((text) => {
    if (!ipaddr.isValidCIDR(text)) throw new Error(`"${text}" is no network like 10.0.0.0/8`);
    return ipaddr.parseCIDR(text);
  });
}

/** A `fetch` that connects to public addresses and to the networks given; anything else rejects with OutboundRefused. */
export function guardedFetch(allowed: readonly Network[]): typeof globalThis.fetch {
  const agent = new Agent({ connect: { lookup: guardedLookup(allowed) } });
  return async (input, init = {}) => {
    if (input instanceof Request) throw new TypeError('an address is asked, with what is to be sent beside it');
    const url = new URL(input);
    refuseLiteral(url, allowed);
    const { method = 'GET', body, redirect, signal } = init;
    if (body !== undefined && body !== null && typeof body !== 'string')
      throw new TypeError('only text bodies are sent');
    const response = await fetchThrough(url, {
      method,
      headers: [...new Headers(init.headers)],
      ...(typeof body === 'string' ? { body } : {}),
      ...(redirect === undefined ? {} : { redirect }),
      signal: signal ?? null,
      dispatcher: agent,
    }).catch((error: unknown) => {
      // Whoever reads the log of the process needs the reason, not "fetch failed".
      throw error instanceof Error && error.cause instanceof OutboundRefused ? error.cause : error;
    });
    const { status, statusText } = response;
    return new Response(response.body, { status, statusText, headers: [...response.headers] });
  };
}

/** An address that stands in the URL itself is connected to without a look-up. */
function refuseLiteral({ hostname }: URL, allowed: readonly Network[]): void {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (ipaddr.isValid(host)) refuseUnlessOpen(host, host, allowed);
}

/** Resolves a name as Node does, and gives its addresses on only if each of them may be connected to. */
function guardedLookup(allowed: readonly Network[]): LookupFunction {
  return (hostname, options, callback) => {
    lookupName(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '', 0);
      try {
        for (const { address } of addresses) refuseUnlessOpen(hostname, address, allowed);
      } catch (refusal) {
        return callback(refusal instanceof Error ? refusal : new Error(messageOf(refusal)), '', 0);
      }
      if (options.all === true) return callback(null, addresses);
      const [first] = addresses;
      return callback(null, first?.address ?? '', first?.family ?? 0);
    });
  };
}

/** `process` reads an IPv4 address inside IPv6 as what it is; every range but global unicast is closed (RFC 6890). */
function refuseUnlessOpen(host: string, address: string, allowed: readonly Network[]): void {
  const parsed = ipaddr.process(address);
  const range = parsed.range();
  if (range === 'unicast') return;
  const isOpen = allowed.some(([network, bits]) => network.kind() === parsed.kind() && parsed.match(network, bits));
  if (!isOpen) throw new OutboundRefused(host, address, KIND_NAMES.get(range) ?? 'special-purpose');
}

const KIND_NAMES: ReadonlyMap<string, string> = new Map([
  ['loopback', 'loopback'],
  ['private', 'private'],
  ['uniqueLocal', 'private'],
  ['linkLocal', 'link-local (metadata service)'],
  ['carrierGradeNat', 'carrier-internal'],
  ['unspecified', 'unspecified'],
  ['multicast', 'multicast'],
  ['broadcast', 'broadcast'],
]);
