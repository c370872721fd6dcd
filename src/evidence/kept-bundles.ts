/**
 * Bundles on disk, beside the log: the zip, and a file that says whose it is and what was asked. A restart finds them
 * again; what was being made is made again from what was asked. Bounded in number, size and age.
 *
 *   DIRECTORY/<id>.json    { "id", "owner", "mode", "range", "entry", "log_time_us", "made_at_ms", "scope", "asked", "ready" }
 *   DIRECTORY/<id>.zip     once it is ready
 *
 * A crash leaves what has no `ready`, or scratch files that nobody owns; the next start makes the first and removes the
 * second. Nothing here is worth a sync of the disk: every bundle can be asked for again.
 */
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { canonicalJson } from '../../proofs/canonical-json.ts';
import { type Scope, ScopeSchema } from '../trail/scope.ts';

const Count = Type.Integer({ minimum: 0 });

/** What a question needs to be planned again. */
const Asked = Type.Object(
  {
    /** In the grammar of queries, with its range of log time. */
    query: Type.String(),
    mode: Type.Union([Type.Literal('complete'), Type.Literal('selected')]),
    pinned: Type.Union([Count, Type.Null()]),
    control: Type.Union([
      Type.Object({ id: Type.String(), part: Type.String(), mapping: Type.String() }, { additionalProperties: false }),
      Type.Null(),
    ]),
  },
  { additionalProperties: false },
);

const KeptBundleSchema = Type.Object(
  {
    id: Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$' }),
    owner: Type.String(),
    mode: Type.Union([Type.Literal('complete'), Type.Literal('selected'), Type.Literal('sample')]),
    range: Type.Object({ start: Count, end: Count }, { additionalProperties: false }),
    /** Index of the entry that the request is, and its log time. */
    entry: Count,
    log_time_us: Count,
    made_at_ms: Count,
    /** What the owner was allowed to see at the time. */
    scope: Type.Union([ScopeSchema, Type.Null()]),
    /** Null for what is not made again after a restart. */
    asked: Type.Union([Asked, Type.Null()]),
    ready: Type.Union([
      Type.Object(
        {
          bytes: Count,
          sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
          counts: Type.Object(
            { population: Count, matched: Count, withheld: Count, erased: Count },
            { additionalProperties: false },
          ),
        },
        { additionalProperties: false },
      ),
      Type.Null(),
    ]),
  },
  { additionalProperties: false },
);

export type KeptBundle = Static<typeof KeptBundleSchema>;
export type AskedQuestion = Static<typeof Asked>;

export interface KeepLimits {
  readonly maxKept: number;
  /** Of all bundles that are kept, together; the oldest give way. */
  readonly maxKeptBytes: number;
  readonly keepMs: number;
}

/** One file of them is larger than any question can be. */
const MAX_FILE_BYTES = 262_144;
const SUFFIX = '.json';

export class KeptBundles {
  readonly #directory: string;
  readonly #limits: KeepLimits;
  readonly #nowMs: () => number;
  /** The oldest first. */
  readonly #byId = new Map<string, KeptBundle>();

  private constructor(directory: string, limits: KeepLimits, nowMs: () => number) {
    this.#directory = directory;
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  /** Reads what is there, and removes what belongs to no bundle. */
  static async open(directory: string, limits: KeepLimits, nowMs: () => number): Promise<KeptBundles> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const kept = new KeptBundles(directory, limits, nowMs);
    await kept.#load();
    await kept.makeRoom(() => false);
    return kept;
  }

  get size(): number {
    return this.#byId.size;
  }

  all(): readonly KeptBundle[] {
    return [...this.#byId.values()];
  }

  /** Undefined for one that is too old as well. */
  find(id: string): KeptBundle | undefined {
    const kept = this.#byId.get(id);
    return kept === undefined || this.#isOld(kept) ? undefined : kept;
  }

  zipOf(id: string): string {
    return path.join(this.#directory, `${id}.zip`);
  }

  /** For the files on their way into the zip. */
  scratchOf(id: string): string {
    return path.join(this.#directory, `${id}.making`);
  }

  async put(kept: KeptBundle): Promise<void> {
    this.#byId.set(kept.id, kept);
    const file = path.join(this.#directory, `${kept.id}${SUFFIX}`);
    await writeFile(`${file}.new`, canonicalJson(kept), { mode: 0o600 });
    await rename(`${file}.new`, file);
  }

  async remove(id: string): Promise<void> {
    this.#byId.delete(id);
    await rm(path.join(this.#directory, `${id}${SUFFIX}`), { force: true });
    await rm(this.zipOf(id), { force: true });
  }

  /** The old ones go, and the oldest as long as there are too many or they are too large; none that is in use. */
  async makeRoom(isInUse: (id: string) => boolean): Promise<void> {
    const { maxKept, maxKeptBytes } = this.#limits;
    let bytes = 0;
    for (const { ready } of this.#byId.values()) bytes += ready?.bytes ?? 0;
    for (const kept of this.all()) {
      if (isInUse(kept.id) || !(this.#isOld(kept) || this.#byId.size > maxKept || bytes > maxKeptBytes)) continue;
      bytes -= kept.ready?.bytes ?? 0;
      await this.remove(kept.id);
    }
  }

  #isOld({ made_at_ms: madeAtMs }: KeptBundle): boolean {
    return this.#nowMs() - madeAtMs > this.#limits.keepMs;
  }

  async #load(): Promise<void> {
    const names = await readdir(this.#directory);
    const read = await Promise.all(names.filter((name) => name.endsWith(SUFFIX)).map((name) => this.#read(name)));
    const found = read.flatMap((kept) => (kept === undefined ? [] : [kept]));
    for (const kept of found.sort((a, b) => a.made_at_ms - b.made_at_ms || a.entry - b.entry)) {
      this.#byId.set(kept.id, kept);
    }
    const owned = new Set(this.all().flatMap(({ id, ready }) => [`${id}${SUFFIX}`, ...(ready ? [`${id}.zip`] : [])]));
    for (const name of names) {
      if (!owned.has(name)) await rm(path.join(this.#directory, name), { recursive: true, force: true });
    }
  }

  /** Undefined for what is not one of ours, or can be neither given out nor made again. */
  async #read(name: string): Promise<KeptBundle | undefined> {
    const file = path.join(this.#directory, name);
    if ((await stat(file)).size > MAX_FILE_BYTES) return undefined;
    let value: unknown;
    try {
      value = JSON.parse(await readFile(file, 'utf8'));
    } catch {
      return undefined;
    }
    if (!Value.Check(KeptBundleSchema, value) || `${value.id}${SUFFIX}` !== name) return undefined;
    const bytes = await stat(this.zipOf(value.id)).then(
      ({ size }) => size,
      () => undefined,
    );
    if (value.ready !== null && value.ready.bytes === bytes) return value;
    return value.asked === null ? undefined : { ...value, ready: null };
  }
}

/** Whether somebody who may see this now may have what was made for that scope. */
export function coversScope(now: Scope | null, then: Scope | null): boolean {
  return now === null || (then !== null && canonicalJson({ ...now }) === canonicalJson({ ...then }));
}
