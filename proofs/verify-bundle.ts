/**
 * The verification of an evidence bundle, offline (DESIGN.md, Evidence bundle and Completeness). In go its files and what
 * the verifier pinned beforehand; out comes a verdict that names every claim
 * (bundle-claims.ts).
 *
 * The policy and the keys inside a bundle are never believed. Never throws, whatever it is given.
 */
import {
  BUNDLE_FILES,
  type BundleFiles,
  CHECKPOINT_FILE,
  CONSISTENCY_FILE,
  contentFiles,
  MANIFEST_FILE,
  POLICY_FILE,
  SIGNATURE_FILE,
} from './bundle.ts';
import {
  BUNDLE_CLAIMS,
  type BundleClaimName,
  type BundleReport,
  type BundleWork,
  MODE_CLAIMS,
  type OnEvent,
  REQUIRED_CLAIMS,
} from './bundle-claims.ts';
import { equalBytes, utf8Encode } from './bytes.ts';
import { ClaimReport, type Conclusion } from './claims.ts';
import { parseConsistency } from './consistency.ts';
import { ProofError } from './errors.ts';
import type { ExistedBy } from './existed-by.ts';
import { type Hasher, nobleHasher } from './hash.ts';
import { judgeHead, judgePin, type Pinned } from './judge-head.ts';
import { type BundleManifest, checkManifestSignature, parseManifest } from './manifest.ts';
import type { CheckedEvent } from './opened-event.ts';
import { type CheckedCheckpoint, logKeysAt } from './policy.ts';
import { ProducerKeyRing } from './producer-keys.ts';
import { quote } from './quote.ts';
import { Tally } from './tally.ts';
import { judgeComplete, judgeCounts, judgeSelected } from './verify-events.ts';
import { judgeRelated, OwnTally, readRelated } from './verify-related.ts';
import { isSampleEntry, judgeSample } from './verify-sample.ts';
import { SignatureTally } from './verify-signatures.ts';

export interface BundleVerdict extends Conclusion<BundleClaimName> {
  /** What the bundle says of itself, once it could be read. It is worth what the verdict is. */
  readonly manifest?: BundleManifest;
  readonly checkpoint?: CheckedCheckpoint;
  readonly existedBy?: ExistedBy;
  /** Events of the range that were examined, of those the matches, and those that cannot be evaluated. */
  readonly examined: number;
  readonly matched: number;
  readonly unevaluated: number;
}

export interface BundleInput extends Pinned {
  readonly files: BundleFiles;
  readonly hasher?: Hasher;
  readonly onEvent?: OnEvent;
  /** Told of each entry of the log's own that goes with the evidence, in index order. Believe it only after the verdict. */
  readonly onRelated?: (event: CheckedEvent) => void;
}

export function verifyBundle(input: BundleInput): BundleVerdict {
  const { files, hasher = nobleHasher } = input;
  const report: BundleReport = new ClaimReport(BUNDLE_CLAIMS);
  const tally = new Tally();
  const manifest = readManifest(report, files);
  const checkpoint = files.get(CHECKPOINT_FILE);
  const head = checkpoint && judgeHead(report, checkpoint, input);
  if (head !== undefined) {
    const consistency = files.get(CONSISTENCY_FILE);
    judgePin(report, head, input, consistency && (() => parseConsistency(consistency)));
  }
  if (manifest !== undefined) {
    judgeDigests(report, files, manifest, hasher);
    if (head !== undefined) judgeContents({ ...input, report, manifest, head, hasher, tally });
  }
  comparePolicies(report, files, input);
  const mode = manifest?.mode ?? 'complete';
  const pinned: readonly BundleClaimName[] = input.pin === undefined ? [] : ['pin'];
  const conclusion = report.conclude([...REQUIRED_CLAIMS, ...MODE_CLAIMS[mode], ...pinned]);
  return {
    ...conclusion,
    ...(mode === 'selected' && conclusion.verdict === 'PASS' && { reason: SELECTED_REASON }),
    ...(manifest !== undefined && { manifest }),
    ...(head !== undefined && { checkpoint: head.checked }),
    ...(head?.existedBy !== undefined && { existedBy: head.existedBy }),
    examined: tally.examined,
    matched: tally.matched,
    unevaluated: tally.unevaluated,
  };
}

const SELECTED_REASON = 'every claim holds; this is a selection, and says nothing about what it leaves out';

function readManifest(report: BundleReport, files: BundleFiles): BundleManifest | undefined {
  const strange = [...files.keys()].find((name) => !BUNDLE_FILES.includes(name));
  if (strange !== undefined) report.fail('files', unexpectedFile(strange));
  const file = files.get(MANIFEST_FILE);
  if (file === undefined) {
    report.fail('files', missingFile(MANIFEST_FILE));
    return undefined;
  }
  const manifest = report.attempt('manifest', () => parseManifest(file));
  if (manifest === undefined) return undefined;
  const expected = [MANIFEST_FILE, SIGNATURE_FILE, ...contentFiles(manifest)];
  const missing = expected.find((name) => !files.has(name));
  const extra = [...files.keys()].find((name) => !expected.includes(name));
  if (missing !== undefined) report.fail('files', missingFile(missing));
  else if (extra !== undefined) report.fail('files', unexpectedFile(extra));
  else report.pass('files', `${expected.length} files, none missing and none too many`);
  return manifest;
}

function judgeDigests(report: BundleReport, files: BundleFiles, manifest: BundleManifest, hasher: Hasher): void {
  report.attempt('digests', () => {
    for (const [name, { bytes, sha256 }] of manifest.files) {
      const file = files.get(name);
      if (file === undefined) throw missingFile(name);
      if (file.length !== bytes || !equalBytes(hasher.sha256(file), sha256)) {
        throw new ProofError('digest-mismatch', `${name} is not the file that the manifest names`, { file: name });
      }
    }
    report.pass('digests', `${manifest.files.size} files are those that the manifest names`);
  });
}

type Contents = BundleInput & Omit<BundleWork, 'own' | 'signatures' | 'onEvent'>;

function judgeContents(input: Contents): void {
  const { report, files, manifest, head, hasher } = input;
  const { origin, size } = head.checked.checkpoint;
  report.attempt('manifest', () => {
    if (manifest.origin !== origin || manifest.size !== size) {
      const message = `the manifest is about ${quote(manifest.origin)}, size ${manifest.size}, the checkpoint about another`;
      throw new ProofError('invalid-bundle', message, { size: manifest.size });
    }
    report.pass('manifest', `${manifest.mode} answer over [${manifest.range.start}, ${manifest.range.end})`);
  });
  report.attempt('manifest-signature', () => {
    const [file, signature] = [files.get(MANIFEST_FILE), files.get(SIGNATURE_FILE)];
    if (file === undefined || signature === undefined) throw missingFile(SIGNATURE_FILE);
    checkManifestSignature({ manifest: file, signature, origin }, logKeysAt(head.policy, origin, size), hasher);
    report.pass('manifest-signature', `the manifest is signed by ${quote(origin)}`);
  });
  if (manifest.size === size) judgeEvents(input);
}

/** Keys first, as the signatures of the events are judged by them; what belongs beside the events is known last. */
function judgeEvents(input: Contents): void {
  const { report, manifest, head, hasher, verifiers } = input;
  const keys = new ProducerKeyRing(hasher, verifiers?.ed25519);
  const samples: CheckedEvent[] = [];
  const onRelated = (event: CheckedEvent): void => {
    if (isSampleEntry(event)) samples.push(event);
    input.onRelated?.(event);
  };
  const related = readRelated({ ...input, keys, onRelated });
  const { origin } = head.checked.checkpoint;
  const work: BundleWork = { ...input, own: new OwnTally(), signatures: new SignatureTally(report, origin, keys) };
  const judgeByMode = { complete: judgeComplete, selected: judgeSelected, sample: judgeSample };
  if (!judgeByMode[manifest.mode](work, samples)) return;
  judgeCounts(work);
  if (related === undefined) return;
  judgeRelated(work, related);
  work.signatures.judge();
}

function comparePolicies(report: BundleReport, files: BundleFiles, { policy }: Pinned): void {
  const inside = files.get(POLICY_FILE);
  if (inside === undefined || policy === undefined) return;
  const pinned = typeof policy === 'string' ? utf8Encode(policy) : policy;
  if (!equalBytes(inside, pinned)) report.note('policy.txt of the bundle is not the pinned policy; it was not used');
}

function missingFile(name: string): ProofError {
  return new ProofError('missing-file', `${name} is missing`, { file: name });
}

function unexpectedFile(name: string): ProofError {
  return new ProofError('unexpected-file', `${quote(name)} is no file of such a bundle`, { file: name });
}
