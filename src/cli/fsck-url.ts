/** `countersign fsck --url`: what a running log or a mirror serves, examined from outside. docs/fsck.md */
import { base64Encode } from '../../proofs/bytes.ts';
import { ProofError } from '../../proofs/errors.ts';
import { checkCheckpoint, NO_QUORUM, type Policy, parsePolicy } from '../../proofs/policy.ts';
import { type Damage, type DamageKind, damage } from '../log/damage.ts';
import { type CopySource, findCopy } from '../log/fetch-copy.ts';
import { type FsckServedReport, fsckServed } from '../log/fsck-served.ts';
import { RestoreError } from '../log/restore-error.ts';
import { nativeHasher } from '../store/native-hasher.ts';
import { pause } from './client.ts';
import { damageLines } from './describe-damages.ts';
import { CliError, EXIT, type ExitCode } from './errors.ts';
import { type Io, oneLine, printResult } from './io.ts';
import { startProgress } from './progress.ts';
import { readPolicyText, type TargetOptions } from './target.ts';

export interface FsckUrlFlags extends TargetOptions {
  readonly url: string;
  /** Of the log on a server of several. */
  readonly name: string;
  readonly origin?: string;
  readonly timeout: number;
  readonly json?: boolean;
}

/** To an outsider damage means something else than to whoever has the disk. */
const MEANS: Partial<Record<DamageKind, string>> = {
  'head-damaged': 'the policy does not believe the checkpoint: nobody whom it trusts vouches for what is served',
  'entry-altered': 'what is served at this index is not the entry that the checkpoint was made of',
  'entry-missing': 'the checkpoint covers these entries, and they are not to be had here',
  'entry-unlocated': 'these entries, or the tiles over them, are not those that the checkpoint was made of',
  'tile-altered': 'proofs that are made of this tile fail',
};
const TO_DO =
  'tell whoever runs it, and keep what you were served; `countersign monitor` compares it with the witnesses';

/** A mirror serves its newest head as soon as it holds it, and learns who else cosigned it from the log, later. */
const COSIGNED_WITHIN_MS = 5_000;
const ASK_AGAIN_MS = 100;

type Status = 'whole' | 'damaged' | 'incomplete';
const EXIT_OF: Readonly<Record<Status, ExitCode>> = {
  whole: EXIT.done,
  damaged: EXIT.failed,
  incomplete: EXIT.incomplete,
};

interface Verdict {
  readonly prefix: string | null;
  readonly report: FsckServedReport | null;
  readonly damages: readonly Damage[];
  /** Why it was not examined, or not to its end. */
  readonly incomplete: string | null;
}

export async function fsckUrl(io: Io, flags: FsckUrlFlags): Promise<void> {
  const file = await readPolicyText(io, flags);
  const policy = parsePolicy(file.text);
  const verdict = await examine(io, flags, policy, originOf(policy, flags.origin));
  const { prefix, report, damages, incomplete } = verdict;
  const status: Status = damages.length > 0 ? 'damaged' : incomplete === null ? 'whole' : 'incomplete';
  const json = {
    ...{ status, url: prefix, policy: file.file, checkpoint: checkpointJson(report), incomplete },
    damages: damages.map(({ kind, index, lastIndex, found }) => ({
      ...{ kind, index, last_index: lastIndex, found },
      means: MEANS[kind],
    })),
  };
  printResult(io, flags.json, json, [
    ...(prefix === null ? [] : [`served     ${prefix}`]),
    ...headLines(policy, report),
    ...damageLines(damages, (kind) => [`means: ${MEANS[kind] ?? ''}`, `to do: ${TO_DO}`]),
    ...(incomplete === null ? [] : [`INCOMPLETE ${oneLine(incomplete)}`]),
    ...(status === 'whole' ? ['result     whole: every entry and every tile is that of the checkpoint'] : []),
    `trusted    ${file.file}`,
  ]);
  io.exitWith(EXIT_OF[status]);
}

/** A policy may name several logs; what is examined is one of them. */
function originOf({ logs }: Policy, wanted: string | undefined): string {
  const origins = [...new Set(logs.map(({ key }) => key.name))];
  const [only, ...more] = wanted === undefined ? origins : origins.filter((one) => one === wanted);
  if (only !== undefined && more.length === 0) return only;
  const what = wanted === undefined ? `${origins.length} logs` : `no log ${wanted}`;
  throw new CliError('usage', `the policy has ${what}`, `Give --origin, one of: ${origins.join(', ')}`);
}

/** Never throws for what is answered, or for nobody answering: that is INCOMPLETE, as with `verify`. */
async function examine(io: Io, flags: FsckUrlFlags, policy: Policy, origin: string): Promise<Verdict> {
  const client = { fetch: io.fetch, timeoutMs: flags.timeout };
  let source: CopySource;
  try {
    source = await findCosigned(policy, () => findCopy(client, flags.url, origin, [encodeURIComponent(flags.name)]));
  } catch (error) {
    if (!(error instanceof RestoreError)) throw error;
    // Something is there, and it is none; otherwise nothing was, and nothing is no verdict.
    if (error.code === 'altered') return badHead(null, error.message);
    return { prefix: null, report: null, damages: [], incomplete: error.message };
  }
  const { prefix, note } = source;
  const progress = progressOf(io);
  try {
    const { onProgress } = progress;
    const report = await fsckServed({ client, prefix, note, policy, origin, hasher: nativeHasher, onProgress });
    const { checked, damages, stopped } = report;
    const unmet = checked.quorum
      ? []
      : [
          damage(
            'head-damaged',
            null,
            `the quorum of the policy is not met, and was not within ${COSIGNED_WITHIN_MS / 1000} seconds`,
          ),
        ];
    return { prefix, report, damages: [...unmet, ...damages], incomplete: incompleteness(report, stopped) };
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    return badHead(prefix, `the checkpoint is not good under the policy (${error.code}: ${error.message})`);
  } finally {
    progress.stop();
  }
}

/** What is served, asked for again for a while as long as it lacks nothing but the quorum. Throws RestoreError. */
async function findCosigned(policy: Policy, find: () => Promise<CopySource>): Promise<CopySource> {
  const deadline = performance.now() + COSIGNED_WITHIN_MS;
  for (;;) {
    const source = await find();
    if (performance.now() > deadline || !lacksOnlyQuorum(policy, source)) return source;
    await pause(ASK_AGAIN_MS);
  }
}

function lacksOnlyQuorum(policy: Policy, { note }: CopySource): boolean {
  try {
    return !checkCheckpoint(policy, note, { quorum: 'report' }).quorum;
  } catch (error) {
    if (error instanceof ProofError) return false;
    throw error;
  }
}

function badHead(prefix: string | null, found: string): Verdict {
  return { prefix, report: null, damages: [damage('head-damaged', null, found)], incomplete: null };
}

function incompleteness({ checked }: FsckServedReport, stopped: FsckServedReport['stopped']): string | null {
  const { size } = checked.checkpoint;
  if (size === 0) return 'the checkpoint covers no entry: there is nothing to examine';
  if (stopped === undefined) return null;
  const what = stopped.from < size ? `entries ${stopped.from} to ${size - 1}` : 'the tiles over the entries';
  return `${what} were not examined: ${stopped.why}`;
}

function progressOf(io: Io): { readonly onProgress: (done: number, total: number) => void; readonly stop: () => void } {
  let progress: ReturnType<typeof startProgress> | undefined;
  return {
    onProgress: (done, total) => {
      progress ??= startProgress(io, 'examined', total);
      progress.update(done);
    },
    stop: () => progress?.stop(),
  };
}

function checkpointJson(report: FsckServedReport | null): object | null {
  if (report === null) return null;
  const { checkpoint, quorum, witnesses } = report.checked;
  const { origin, size, root } = checkpoint;
  return { origin, size, root: base64Encode(root), quorum, witnesses: witnesses.map(({ name }) => name) };
}

function headLines(policy: Policy, report: FsckServedReport | null): readonly string[] {
  if (report === null) return [];
  const { checkpoint, witnesses, quorum } = report.checked;
  const by = witnesses.map(({ name }) => name).join(', ');
  const asked = policy.quorum === NO_QUORUM ? 'the policy asks for no witness' : `cosigned by ${by || 'nobody'}`;
  return [
    `entries    ${checkpoint.size}`,
    `root       ${base64Encode(checkpoint.root)}`,
    `witnesses  ${asked}${quorum ? '' : ', which is no quorum'}`,
  ];
}
