/**
 * Where everything of a data directory is. Written by init.ts and network-up.ts, read by serve.ts:
 *
 *     DIR/network.json                    what `up` started (network-file.ts)
 *     DIR/policy.txt                      the trust policy of the local network: what a verifier pins
 *     DIR/tokens/<role>.token             the tokens that `up` made, 0600
 *     DIR/output/<process>.log            what each process said
 *     DIR/logs/<name>/config.json         name, origin, kind
 *     DIR/logs/<name>/keys/*.key          signer keys and the log's secret, 0600
 *     DIR/logs/<name>/policy.txt          the log's own copy of its policy
 *     DIR/logs/<name>/tokens.json         hashed tokens
 *     DIR/logs/<name>/oidc.json           optional: the identity provider of the people who read (docs/access.md)
 *     DIR/logs/<name>/identity.json       optional: where names of actors get their ids (docs/identity.md)
 *     DIR/logs/<name>/outbound.json       optional: networks of one's own that the log may call (outbound.ts)
 *     DIR/logs/<name>/watch.json          optional: how the log is watched (docs/findings.md)
 *     DIR/logs/<name>/reviews.json        optional: which reviews are due, and how often (docs/reviews.md)
 *     DIR/logs/<name>/watch.state         what the watch remembers across restarts, 0600
 *     DIR/logs/<name>/db, guard           the database, and the last signed head outside of it
 *     DIR/witnesses/<name>/               one witness each, written by the witness alone
 */
import path from 'node:path';

export interface LogPaths {
  readonly directory: string;
  readonly config: string;
  readonly ed25519Key: string;
  readonly mldsa44Key: string;
  readonly secret: string;
  readonly policy: string;
  readonly tokens: string;
  readonly oidc: string;
  readonly identity: string;
  readonly outbound: string;
  /** Hashes of test card numbers that redaction lets through; need not exist. */
  readonly allowedCards: string;
  /** Bundles on their way to auditors; emptied at start. */
  readonly evidence: string;
  /** Which reviews are due; need not exist. */
  readonly reviews: string;
}

export interface DataPaths {
  readonly directory: string;
  readonly network: string;
  readonly policy: string;
  readonly tokens: string;
  readonly output: string;
  readonly logs: string;
  readonly witnesses: string;
}

export const DEFAULT_DATA_DIRECTORY = 'countersign-data';

export function dataPaths(data: string): DataPaths {
  const directory = path.resolve(data);
  return {
    directory,
    network: path.join(directory, 'network.json'),
    policy: path.join(directory, 'policy.txt'),
    tokens: path.join(directory, 'tokens'),
    output: path.join(directory, 'output'),
    logs: path.join(directory, 'logs'),
    witnesses: path.join(directory, 'witnesses'),
  };
}

export function logPaths(data: string, name: string): LogPaths {
  return logPathsIn(path.join(dataPaths(data).logs, name));
}

export function logPathsIn(directory: string): LogPaths {
  return {
    directory,
    config: path.join(directory, 'config.json'),
    ed25519Key: path.join(directory, 'keys', 'ed25519.key'),
    mldsa44Key: path.join(directory, 'keys', 'mldsa44.key'),
    secret: path.join(directory, 'keys', 'secret.key'),
    policy: path.join(directory, 'policy.txt'),
    tokens: path.join(directory, 'tokens.json'),
    oidc: path.join(directory, 'oidc.json'),
    identity: path.join(directory, 'identity.json'),
    outbound: path.join(directory, 'outbound.json'),
    allowedCards: path.join(directory, 'allowed-cards.txt'),
    evidence: path.join(directory, 'evidence'),
    reviews: path.join(directory, 'reviews.json'),
  };
}
