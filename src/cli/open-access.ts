/**
 * What a log is served with besides its tokens: the identity provider and the resolver of names that its directory
 * configures, and tokens and policy that were held against the entries (src/trail/token-entries.ts, policy-entries.ts).
 */

import path from 'node:path';
import { OWN_PRODUCER } from '../../proofs/own-entries.ts';
import { createIdentityResolver, type IdentityResolver } from '../events/identity.ts';
import { IdentityConfigError, openIdentitySource, parseIdentityConfig } from '../events/identity-sources.ts';
import type { PrepareContext } from '../events/types.ts';
import type { LogLogger } from '../log/options.ts';
import { type Log, LogError } from '../log/types.ts';
import type { TokenStore } from '../trail/access.ts';
import type { OidcVerifier } from '../trail/oidc.ts';
import { recordPolicy } from '../trail/policy-entries.ts';
import type { Recorder } from '../trail/record.ts';
import { reconcileTokens } from '../trail/token-entries.ts';
import type { LogPaths } from './data-dir.ts';
import { CliError, messageOf } from './errors.ts';
import { readIfExists } from './files.ts';

/** From `oidc.json`; none without that file. Throws CliError that says what is wrong with it. */
export async function openOidc({ oidc }: LogPaths, fetchFn: typeof fetch): Promise<{ readonly oidc?: OidcVerifier }> {
  const text = await readIfExists(oidc);
  if (text === undefined) return {};
  // Most logs have none, and need not wait for its library at their start.
  const { createOidcVerifier, OidcConfigError, parseOidcConfig } = await import('../trail/oidc.ts');
  try {
    return { oidc: createOidcVerifier({ config: parseOidcConfig(text), fetch: fetchFn }) };
  } catch (error) {
    if (!(error instanceof OidcConfigError)) throw error;
    throw new CliError('unreadable-input', `${oidc}: ${error.message}`);
  }
}

/** From `identity.json`; none without that file. Throws CliError that says what is wrong with it. */
export async function openIdentity(
  { identity }: LogPaths,
  contextFor: (producerId: string) => PrepareContext,
  fetchFn: typeof fetch,
): Promise<{ readonly identity?: IdentityResolver }> {
  const text = await readIfExists(identity);
  if (text === undefined) return {};
  try {
    const source = await openIdentitySource(parseIdentityConfig(text), path.dirname(identity), fetchFn);
    const macKey = contextFor(OWN_PRODUCER).macKeys.raw;
    return { identity: createIdentityResolver({ source, macKey, nowMs: Date.now }) };
  } catch (error) {
    const advice =
      error instanceof IdentityConfigError ? [] : ['The file of names, or of the token, must be readable.'];
    throw new CliError('unreadable-input', `${identity}: ${messageOf(error)}`, ...advice);
  }
}

/** What was changed on the disk while the log stood still becomes an entry: tokens, and the policy with its keys. */
export async function holdFilesToEntries(
  log: Log,
  recorder: Recorder,
  tokens: TokenStore,
  logger: LogLogger,
): Promise<void> {
  await holdTokensToEntries(log, recorder, tokens, logger);
  try {
    await recordPolicy(log, recorder);
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    logger.error({ code: error.code }, 'the policy could not be held against the entries: the log takes none');
  }
}

/** A log that takes no entries at this moment is served all the same; the next start makes up for it. */
async function holdTokensToEntries(log: Log, recorder: Recorder, tokens: TokenStore, logger: LogLogger): Promise<void> {
  try {
    const { announced, revoked } = await reconcileTokens(log, recorder, tokens);
    if (announced.length > 0) logger.warn({ announced }, 'these tokens were in the token file, and are entries now');
    if (revoked.length > 0) {
      logger.error(
        { revoked },
        'these tokens were revoked by an entry and alive in the token file; they are dead again',
      );
    }
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    logger.error({ code: error.code }, 'the tokens could not be held against the entries: the log takes none');
  }
}
