/**
 * The file `consistency` of an evidence bundle: the RFC 6962 proof that the tree of the bundle's checkpoint extends one
 * whose head the auditor already held.
 *
 *     countersign/consistency/v1
 *     from 41
 *     to 60
 *     ThcgoV2DYcK+VCxBUDWAlNxmLy2r7dq7dK7+OlgQKWs=
 */
import { base64Decode, base64Encode, utf8Decode } from './bytes.ts';
import { MAX_PROOF_HASHES } from './check.ts';
import { ProofError, recode } from './errors.ts';
import { HASH_BYTES, type Hash } from './hash.ts';
import { parseDecimal } from './numbers.ts';

export interface ConsistencyFile {
  readonly from: number;
  readonly to: number;
  readonly proof: readonly Hash[];
}

const HEADER = 'countersign/consistency/v1';
const MAX_CONSISTENCY_BYTES = 8_192;

export function formatConsistency({ from, to, proof }: ConsistencyFile): string {
  const lines = [HEADER, `from ${from}`, `to ${to}`, ...proof.map((hash) => base64Encode(hash))];
  return lines.map((line) => `${line}\n`).join('');
}

/** Nothing is verified. Throws `invalid-bundle`, or `size-too-large`. */
export function parseConsistency(file: Uint8Array): ConsistencyFile {
  if (file.length > MAX_CONSISTENCY_BYTES) throw invalid('it is too long');
  const text = recode('invalid-bundle', () => utf8Decode(file));
  const [, from = '', to = '', ...hashes] = text.slice(0, -1).split('\n');
  if (hashes.length > MAX_PROOF_HASHES) throw invalid('it has more than 63 hashes');
  const parsed = recode('invalid-bundle', () => ({
    from: parseDecimal(from.replace(/^from /, ''), 'from'),
    to: parseDecimal(to.replace(/^to /, ''), 'to'),
    proof: hashes.map((line) => base64Decode(line)),
  }));
  if (parsed.proof.some((hash) => hash.length !== HASH_BYTES)) throw invalid(`a hash has not ${HASH_BYTES} bytes`);
  if (formatConsistency(parsed) !== text) throw invalid('it is not in its one encoding');
  return parsed;
}

function invalid(what: string): ProofError {
  return new ProofError('invalid-bundle', `consistency: ${what}`);
}
