/**
 * What `prepare` gets for each submission to one log: its keys, its redaction rules, its catalogue of this moment. Made
 * once when the log is opened.
 */
import { hkdfSync } from 'node:crypto';
import { type OffThreadPreparer, startOffThreadPreparer } from '../events/prepare-off-thread.ts';
import { AllowListError, parseAllowList } from '../events/redact/allow-list.ts';
import { CliError } from './errors.ts';
import { exists, readInput } from './files.ts';

/** Personal wherever they occur: each is a field of its own, so that it can be withheld or erased alone. */
const PERSONAL_PATHS: readonly string[] = ['actor.session', 'context.ip'];
const MAC_KEY_BYTES = 32;

/** Only a benchmark turns these off. */
export interface PrepareFeatures {
  readonly redacts: boolean;
  readonly searchable: boolean;
}

const ALL_FEATURES: PrepareFeatures = { redacts: true, searchable: true };

/** The part of a context that a log's directory and its newest catalogue determine, for any producer. */
export async function openPrepareSource(
  secret: Uint8Array,
  allowListFile: string,
  features: PrepareFeatures = ALL_FEATURES,
): Promise<OffThreadPreparer> {
  return startOffThreadPreparer({
    macKeys: { raw: macKey(secret, 'raw-input'), content: macKey(secret, 'content') },
    allowedCards: await readAllowList(allowListFile),
    pathsWithoutCatalogue: PERSONAL_PATHS,
    ...features,
  });
}

/** Test card numbers that are let through, by their hashes; none without the file. */
async function readAllowList(file: string): Promise<ReadonlySet<string>> {
  if (!(await exists(file))) return new Set();
  const text = await readInput(file, 'the allow list of test card numbers');
  try {
    return parseAllowList(text);
  } catch (error) {
    if (!(error instanceof AllowListError)) throw error;
    throw new CliError('unreadable-input', `${file}, ${error.message}`);
  }
}

/** Each use of the log's secret has a key of its own (RFC 5869). */
function macKey(secret: Uint8Array, use: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(), `countersign/${use}/v1`, MAC_KEY_BYTES));
}
