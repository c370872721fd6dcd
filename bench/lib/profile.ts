/**
 * A CPU profile of the server as a table of stages: each sample belongs to the stage of the innermost function whose file
 * is in the list below; what is used by several stages (hashing, CBOR, base64) counts for whoever called it. The time
 * before the first submission is left out.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface StageShare {
  readonly stage: string;
  /** Of the main thread's time while events came in, idle time included. */
  readonly share: number;
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly children?: readonly number[];
}

interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds. */
  readonly timeDeltas: readonly number[];
}

/** The first that fits decides. A function's name stands behind a hash sign. */
const STAGES: readonly (readonly [stage: string, place: RegExp])[] = [
  // Most of it is the worker's, whose time is not in this profile.
  ['to the worker and back', /src\/events\/(?:prepare-off-thread|packed-lines|start-worker)\./],
  ['watch: detectors behind the writer', /src\/events\/contents\./],
  ['parse', /src\/events\/strict-json\.|proofs\/strict-json\./],
  ['validate', /src\/events\/(?:validate|schema|time)\.|typebox/],
  ['catalogue, redact, minimise', /src\/events\/(?:redact|catalogue)\/|src\/events\/(?:write-rules|minimise)\./],
  ['commit: salts, commitments, card', /src\/events\/(?:commit|digest)\./],
  ['two MACs', /src\/events\/mac\./],
  ['search terms', /src\/events\/terms\./],
  [
    'canonicalise, split into fields',
    /proofs\/(?:canonical-json|fields)\.|src\/events\/(?:canonical-writer|known-orders)\.|prepare\.[jt]s#place/,
  ],
  ['prepare, the rest', /src\/events\//],
  ['entry and leaf hash', /src\/log\/sequence\.|proofs\/entry\./],
  ['disclosures', /src\/log\/disclosure\./],
  ['sealing and merging of the index', /src\/trail\/(?:keep-index|seal-block|merge-span|index-pace|pages)\./],
  ['search rows, index in memory', /src\/trail\/(?:postings|search-index)\./],
  ['look-up of ids', /src\/log\/deduplicate\./],
  ['tree, tiles, rows', /src\/log\/(?:integrate|rows)\.|proofs\/(?:range|tile|tree)\./],
  [
    'sign, cosign, publish',
    /src\/log\/(?:keep-heads|sign|sign-off-thread|guard|cosign|publish|witness-client)\.|proofs\/(?:note|checkpoint|cosignature|policy|ed25519)\./,
  ],
  ['store', /src\/store\/leveldb\.|classic-level|abstract-level/],
  ['group commit, the rest', /src\/log\//],
  ['watch: detectors behind the writer', /src\/trail\/watch\//],
  ['followers of own entries', /src\/trail\/own-events\./],
  ['reply', /src\/http\/(?:submission|respond)\.|src\/http\/batch\.[jt]s#(?:storedLine|takeBatch|submitSlice)/],
  ['metrics', /src\/http\/metrics\.|prom-client/],
  [
    'HTTP: Hono, node:http, sockets',
    /src\/http\/|\/hono\/|node-server|node:(?:_http|http|net|internal\/(?:streams|stream_base))/,
  ],
];

/** The newest profile of the directory. */
export async function readStageShares(directory: string): Promise<readonly StageShare[]> {
  const files = (await readdir(directory)).filter((name) => name.endsWith('.cpuprofile')).sort();
  let largest: Profile | undefined;
  // Each thread writes one; the main thread has the most samples.
  for (const file of files) {
    const profile: Profile = JSON.parse(await readFile(join(directory, file), 'utf8'));
    if (largest === undefined || profile.samples.length >= largest.samples.length) largest = profile;
  }
  if (largest === undefined) throw new Error(`no CPU profile in ${directory}`);
  return stageShares(largest);
}

function stageShares(profile: Profile): readonly StageShare[] {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(
    profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)),
  );
  const stageOf = new Map<number, string>();
  for (const { id } of profile.nodes) stageOf.set(id, find(id));

  function find(id: number): string {
    const own = nodes.get(id);
    if (own?.callFrame.functionName === '(garbage collector)') return 'garbage collection';
    if (own?.callFrame.functionName === '(idle)') return 'idle';
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const frame = nodes.get(at)?.callFrame;
      if (frame === undefined) break;
      const place = `${frame.url}#${frame.functionName}`;
      const stage = STAGES.find(([, pattern]) => pattern.test(place))?.[0];
      if (stage !== undefined) return stage;
    }
    return 'everything else';
  }

  const start = profile.samples.findIndex((id) => stageOf.get(id) === 'to the worker and back');
  const times = new Map<string, number>();
  let total = 0;
  for (let i = Math.max(0, start); i < profile.samples.length; i++) {
    const stage = stageOf.get(profile.samples[i] ?? 0) ?? 'everything else';
    const us = profile.timeDeltas[i] ?? 0;
    times.set(stage, (times.get(stage) ?? 0) + us);
    total += us;
  }
  return [...times].map(([stage, us]): StageShare => ({ stage, share: us / total })).sort((a, b) => b.share - a.share);
}
