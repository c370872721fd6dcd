/**
 * The monitor's flags into checked values. What is trusted comes from one policy file; flags only say where things are, and
 * how long is too long.
 */
import { parseVerifierKey } from '../proofs/key.ts';
import { type Policy, parsePolicy } from '../proofs/policy.ts';
import { checkUrl, parseListen, parseMs } from './config.ts';
import { messageOf, WitnessError } from './errors.ts';
import type { MirrorAddress } from './monitor-sources.ts';
import type { ListenOptions } from './server.ts';

export interface MonitorFlags {
  readonly data: string;
  readonly origin?: string;
  readonly logUrl?: string;
  readonly witnessUrl: readonly string[];
  readonly mirror: readonly string[];
  readonly pollMs?: string;
  readonly maxLagMs?: string;
  readonly maxStillMs?: string;
  readonly webhook: readonly string[];
  readonly listen?: string;
}

export interface MonitorConfig {
  readonly directory: string;
  readonly policy: Policy;
  readonly origin: string;
  readonly logUrl: string;
  readonly mirrors: readonly MirrorAddress[];
  readonly pollMs: number;
  readonly timeoutMs: number;
  readonly maxLagMs: number;
  readonly maxStillMs: number;
  readonly webhooks: readonly string[];
  readonly listen: ListenOptions | undefined;
}

const DEFAULT_POLL_MS = 5_000;
const DEFAULT_MAX_LAG_MS = 60_000;
const DEFAULT_MAX_STILL_MS = 60 * 60 * 1_000;
const TIMEOUT_MS = 10_000;
const MAX_MIRRORS = 32;
const MAX_WEBHOOKS = 8;

/** Throws `config-invalid` naming the flag. */
export function readMonitorConfig(flags: MonitorFlags, policyText: string): MonitorConfig {
  const policy = withWitnessUrls(
    parse('--policy', () => parsePolicy(policyText)),
    flags.witnessUrl,
  );
  const origin = originOf(policy, flags.origin);
  const listed = policy.logs.find(({ key, url }) => key.name === origin && url !== undefined)?.url;
  const logUrl = flags.logUrl ?? listed;
  if (logUrl === undefined) throw invalid('--log-url: the policy does not say where the log is');
  if (flags.mirror.length > MAX_MIRRORS) throw invalid(`--mirror: more than ${MAX_MIRRORS}`);
  if (flags.webhook.length > MAX_WEBHOOKS) throw invalid(`--webhook: more than ${MAX_WEBHOOKS}`);
  return {
    directory: flags.data,
    policy,
    origin,
    logUrl: checkUrl('--log-url', logUrl),
    mirrors: flags.mirror.map(mirrorOf),
    pollMs: parseMs('--poll-ms', flags.pollMs, DEFAULT_POLL_MS, 10),
    timeoutMs: TIMEOUT_MS,
    maxLagMs: parseMs('--max-lag-ms', flags.maxLagMs, DEFAULT_MAX_LAG_MS, 0),
    maxStillMs: parseMs('--max-still-ms', flags.maxStillMs, DEFAULT_MAX_STILL_MS, 0),
    webhooks: flags.webhook.map(checkWebhook),
    listen: flags.listen === undefined ? undefined : parseListen(flags.listen),
  };
}

function originOf(policy: Policy, wanted: string | undefined): string {
  const origins = new Set(policy.logs.map(({ key }) => key.name));
  const [only, ...others] = wanted === undefined ? origins : [wanted];
  if (only === undefined || !origins.has(only)) throw invalid(`--origin: the policy has no log "${wanted ?? ''}"`);
  if (others.length > 0) throw invalid('--origin: the policy has several logs; say which one is monitored');
  return only;
}

/** Gives witnesses of the policy the URL that the operator knows. */
function withWitnessUrls(policy: Policy, flags: readonly string[]): Policy {
  const urls = new Map(
    flags.map((flag) => {
      const [, name = '', url = ''] = /^([^=]+)=(.+)$/.exec(flag) ?? [];
      if (!policy.witnesses.some((witness) => witness.name === name)) {
        throw invalid(`--witness-url: "${flag}" is not the name of a witness of the policy, = and a URL`);
      }
      return [name, checkUrl('--witness-url', url)] as const;
    }),
  );
  const witnesses = policy.witnesses.map((witness) => {
    const url = urls.get(witness.name) ?? witness.url;
    return url === undefined ? witness : { ...witness, url };
  });
  return { ...policy, witnesses };
}

function mirrorOf(flag: string): MirrorAddress {
  const [url = '', vkey, ...rest] = flag.trim().split(/\s+/);
  if (rest.length > 0) throw invalid('--mirror: a URL and a verifier key are expected');
  return {
    url: checkUrl('--mirror', url),
    key: vkey === undefined ? undefined : parse('--mirror', () => parseVerifierKey(vkey)),
  };
}

/** Unlike other URLs it may have a query: many receivers put their secret there. */
function checkWebhook(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw invalid('--webhook: that is no http or https URL');
  }
  return text;
}

function parse<T>(flag: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw invalid(`${flag}: ${messageOf(error)}`);
  }
}

function invalid(message: string): WitnessError {
  return new WitnessError('config-invalid', message);
}
