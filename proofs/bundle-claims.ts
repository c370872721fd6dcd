/**
 * What the verification of an evidence bundle claims, and what its steps share. verify-bundle.ts calls them in this order:
 *
 *   files               exactly the files that a bundle of its kind has
 *   manifest            it can be read, and speaks of this checkpoint
 *   log-signature, witnesses, existed-by, pin      the checkpoint, see judge-head.ts
 *   manifest-signature  the log signed this manifest
 *   digests             every file is the one that the manifest names
 *   population          the entries of the range stand in the tree whole and in order (complete bundles)
 *   range               log times show that the range is the one that was asked for
 *   events              every event is the entry at its index, and opens only what was committed to
 *   completeness        the query, evaluated again for every event of the range (complete bundles)
 *   matches             the query, evaluated again for every event shown (selected bundles)
 *   commit, reveal, head, drand, seed, history, sample      reports of samples, see verify-sample.ts
 *   counts              the manifest counts what is there
 *   related             rules, catalogues, keys and findings are in the tree; of the range, all of them (complete bundles)
 *   producer-signatures what producers signed verifies under keys that were registered then (if any event is signed)
 */
import type { BundleFiles, BundleMode } from './bundle.ts';
import type { ClaimReport } from './claims.ts';
import type { Hasher } from './hash.ts';
import type { HeadClaimName, JudgedHead } from './judge-head.ts';
import type { BundleManifest } from './manifest.ts';
import type { CheckedEvent } from './opened-event.ts';
import type { Tally } from './tally.ts';
import type { OwnTally } from './verify-related.ts';
import type { SignatureTally } from './verify-signatures.ts';

/** What the report of a sample claims besides. */
export type SampleClaimName = 'commit' | 'reveal' | 'head' | 'drand' | 'seed' | 'history' | 'sample';

export type BundleClaimName =
  | SampleClaimName
  | HeadClaimName
  | 'files'
  | 'manifest'
  | 'manifest-signature'
  | 'digests'
  | 'population'
  | 'range'
  | 'events'
  | 'completeness'
  | 'matches'
  | 'counts'
  | 'related'
  | 'producer-signatures';

/** The order in which they are shown. */
export const BUNDLE_CLAIMS: readonly BundleClaimName[] = [
  ...(['files', 'manifest', 'log-signature', 'witnesses', 'existed-by', 'pin', 'manifest-signature'] as const),
  ...(['digests', 'population', 'range', 'commit', 'reveal', 'head', 'drand', 'seed', 'history', 'sample'] as const),
  ...(['events', 'completeness', 'matches', 'counts', 'related', 'producer-signatures'] as const),
];

/** Without these, whatever else holds, a bundle was not verified. */
export const REQUIRED_CLAIMS: readonly BundleClaimName[] = [
  ...(['files', 'manifest', 'log-signature', 'witnesses', 'manifest-signature', 'digests'] as const),
  ...(['range', 'events', 'counts', 'related'] as const),
];
export const MODE_CLAIMS: Readonly<Record<BundleMode, readonly BundleClaimName[]>> = {
  complete: ['population', 'completeness'],
  selected: ['matches'],
  sample: ['population', 'completeness', 'commit', 'reveal', 'head', 'seed', 'history', 'sample'],
};

export type BundleReport = ClaimReport<BundleClaimName>;

/** Told of each event that was checked, in index order. Believe it only after the verdict. */
export type OnEvent = (event: CheckedEvent, result: 'match' | 'no-match' | 'cannot') => void;

/** A bundle whose manifest and checkpoint could be read, and what is counted on the way through its events. */
export interface BundleWork {
  readonly report: BundleReport;
  readonly files: BundleFiles;
  readonly manifest: BundleManifest;
  readonly head: JudgedHead;
  readonly hasher: Hasher;
  readonly tally: Tally;
  readonly own: OwnTally;
  readonly signatures: SignatureTally;
  readonly onEvent?: OnEvent | undefined;
}
