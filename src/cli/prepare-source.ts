/**
 * What `prepare` gets for each submission to one log: its keys, its redaction rules, its catalogue of this moment. Made
 * once when the log is opened.
 */
import { hkdfSync, randomBytes } from 'node:crypto';
import { AllowListError, parseAllowList } from '../events/redact/allow-list.ts';
import { makeRedactor } from '../events/redact/redact.ts';
import type { MacKeys, PrepareContext } from '../events/types.ts';
import { nativeHasher } from '../store/native-hasher.ts';
import { CliError } from './errors.ts';
import { exists, readInput } from './files.ts';

/** Personal wherever they occur: each is a field of its own, so that it can be withheld or erased alone. */
const PERSONAL_PATHS: readonly string[] = ['actor.session', 'context.ip'];
const MAC_KEY_BYTES = 32;

/** The part of a context that a log's directory determines, for any producer. */
export async function openPrepareSource(
  secret: Uint8Array,
  allowListFile: string,
): Promise<(producerId: string) => PrepareContext> {
  const macKeys: MacKeys = { raw: macKey(secret, 'raw-input'), content: macKey(secret, 'content') };
  const redactor = makeRedactor(await readAllowList(allowListFile));
  return (producerId) => ({
    producerId,
    macKeys,
    hasher: nativeHasher,
    randomBytes: (byteCount) => new Uint8Array(randomBytes(byteCount)),
    separatePaths: () => PERSONAL_PATHS,
    redact: (event, text) => redactor.redactEvent(event, text).value,
    catalogueVersion: null,
    redactionVersion: redactor.version,
    clockOffsetUs: null,
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
