/**
 * The house keeps its own rules: what the README says about folders, stages and walls is held against the tree. A
 * failure here means that the README or the code has to change, and says which.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '../..');
const README = readFileSync(path.join(ROOT, 'README.md'), 'utf8');
const MAX_LINES = 400;
/** A test may tell a longer story than a file of the program. */
const MAX_TEST_LINES = 500;

/** Not part of the house: what tools make, and what only tools read. */
const NOT_OURS: ReadonlySet<string> = new Set(['node_modules', 'dist', 'coverage', 'countersign-data']);

interface Layout {
  readonly folder: string;
  /** Folders, and package names for `proofs`; undefined: everything. */
  readonly mayImport: readonly string[] | undefined;
}

const layout = readLayout();
const sources = listSources();

describe('the README', () => {
  it('lists every folder of the house, and no other', () => {
    const folders = subfolders(ROOT)
      .flatMap((name) => (name === 'src' ? subfolders(path.join(ROOT, name)).map((sub) => `src/${sub}`) : [name]))
      .filter((folder) => folder === 'docs' || sources.some((file) => file.startsWith(`${folder}/`)));
    expect(layout.map(({ folder }) => folder).sort()).toEqual(folders.sort());
  });

  it('names a file that exists for every stage of the flow, in their order', () => {
    const stages = [...README.matchAll(/^\| (\w+) \| \[([^\]]+)\]\(([^)]+)\) \|/gm)].map(([, stage, name, file]) => {
      expect(name).toBe(file);
      expect(existsSync(path.join(ROOT, file ?? '')), `${stage}: ${file}`).toBe(true);
      return stage;
    });
    const flow = [
      'validate',
      'redact',
      'commit',
      'sequence',
      'integrate',
      'sign',
      'guard',
      'cosign',
      'publish',
      'prove',
      'scrub',
      'verify',
    ];
    expect(stages).toEqual(flow);
  });

  it('links only to files that exist', () => {
    const links = [...README.matchAll(/\]\((?!https?:|#)([^)]+)\)/g)].map(([, target]) => target ?? '');
    expect(links.filter((target) => !existsSync(path.join(ROOT, target)))).toEqual([]);
  });

  it('names only scripts that package.json has', () => {
    const { scripts } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { scripts: object };
    const named = [...README.matchAll(/npm run (?:-s )?([a-z:]+)/g)].map(([, script]) => script ?? '');
    expect(named.filter((script) => !(script in scripts))).toEqual([]);
  });
});

describe('the walls between folders', () => {
  it.each(layout.filter(({ mayImport }) => mayImport !== undefined))(
    'hold for $folder',
    ({ folder, mayImport = [] }) => {
      const files = sources.filter((file) => folderOf(file) === folder);
      const breaches = files.flatMap((file) =>
        importsOf(file)
          .filter((name) => !isAllowed(folder, name, mayImport))
          .map((name) => `${file} imports ${name}`),
      );
      expect(breaches).toEqual([]);
    },
  );

  it('let nothing into proofs but the packages that are named', () => {
    const packages = layout.find(({ folder }) => folder === 'proofs')?.mayImport ?? [];
    expect(packages.length).toBeGreaterThan(0);
    expect(packages.every((name) => !name.startsWith('src'))).toBe(true);
  });
});

describe('source files', () => {
  it(`have at most ${MAX_LINES} lines, tests ${MAX_TEST_LINES}`, () => {
    const lines = (file: string): number => readFileSync(path.join(ROOT, file), 'utf8').split('\n').length - 1;
    const bound = (file: string): number => (/\.test\.tsx?$/.test(file) ? MAX_TEST_LINES : MAX_LINES);
    expect(sources.filter((file) => lines(file) > bound(file))).toEqual([]);
  });

  it('open with a comment that says what they do', () => {
    const opening = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8').replace(/^#!.*\n/, '');
    const withoutTests = sources.filter((file) => !/\.test\.tsx?$/.test(file));
    expect(withoutTests.filter((file) => !opening(file).startsWith('/**'))).toEqual([]);
  });

  it('are all reached from an entry point: there is no dead file', () => {
    const alive = reachableFrom(entryPoints());
    expect(sources.filter((file) => /^(src|witness)\//.test(file) && !alive.has(file))).toEqual([]);
  });
});

function readLayout(): readonly Layout[] {
  const table = README.slice(README.indexOf('## The house'), README.indexOf('## What is trusted'));
  return [...table.matchAll(/^\| `([a-z/]+)` \| [^|]+ \|([^|]*)\|$/gm)].map(([, folder = '', cell = '']) => ({
    folder,
    mayImport: cell.includes('everything') ? undefined : [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  }));
}

/** Every TypeScript file, as a path from the root with slashes. */
function listSources(): readonly string[] {
  const walk = (folder: string): readonly string[] =>
    readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
      const name = path.posix.join(folder, entry.name);
      if (entry.isDirectory()) return NOT_OURS.has(entry.name) || entry.name.startsWith('.') ? [] : walk(name);
      return /\.tsx?$/.test(entry.name) ? [name] : [];
    });
  return walk('.').filter((file) => file.includes('/'));
}

function subfolders(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !NOT_OURS.has(entry.name))
    .map(({ name }) => name);
}

function folderOf(file: string): string {
  const [top = '', second = ''] = file.split('/');
  return top === 'src' ? `src/${second}` : top;
}

/** What a file imports: paths from the root for our own files, else the name of the module. */
function importsOf(file: string): readonly string[] {
  const text = readFileSync(path.join(ROOT, file), 'utf8');
  const statements = [...text.matchAll(/^(?:import|export)\s(?:[^'";]*?\sfrom\s)?'([^']+)'|\bimport\('([^']+)'\)/gm)];
  return statements.map(([, fixed, dynamic]) => resolveFrom(file, fixed ?? dynamic ?? ''));
}

function resolveFrom(file: string, name: string): string {
  return name.startsWith('.') ? path.posix.join(path.posix.dirname(file), name) : name;
}

function isAllowed(folder: string, name: string, mayImport: readonly string[]): boolean {
  if (sources.includes(name)) return folderOf(name) === folder || mayImport.includes(folderOf(name));
  if (folder !== 'proofs') return true;
  return mayImport.some((allowed) =>
    allowed.endsWith('*') ? name.startsWith(allowed.slice(0, -1)) : name === allowed,
  );
}

/** The store with faults, on which every stage is tested; part of src so that no test has a store of its own. */
const FOR_TESTS = 'src/store/memory.ts';

/** Commands, the package's exports, and what package.json's scripts run. */
function entryPoints(): readonly string[] {
  const text = readFileSync(path.join(ROOT, 'package.json'), 'utf8');
  const { bin, exports, scripts } = JSON.parse(text) as Record<'bin' | 'exports' | 'scripts', Record<string, unknown>>;
  const built = [...JSON.stringify([bin, exports]).matchAll(/"(?:\.\/)?dist\/([^"]+?)\.js"/g)].map(
    ([, file = '']) => file,
  );
  const run = [...JSON.stringify(scripts).matchAll(/[a-z-]+(?:\/[a-z-]+)+\.ts/g)].map(([file]) => file);
  const named = sources.filter((file) =>
    built.some(
      (pattern) => `${pattern}.ts` === file || (pattern.endsWith('/*') && file.startsWith(pattern.slice(0, -1))),
    ),
  );
  return [...named, ...run, FOR_TESTS];
}

/** Follows imports, and also names of files in texts: workers and child processes are started by those. */
function reachableFrom(entries: readonly string[]): ReadonlySet<string> {
  const known = new Set(sources);
  const alive = new Set<string>();
  const queue = [...entries];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (!known.has(file) || alive.has(file)) continue;
    alive.add(file);
    const text = readFileSync(path.join(ROOT, file), 'utf8');
    const from = path.posix.dirname(file);
    for (const [, name = ''] of text.matchAll(/['"`](\.\.?\/[A-Za-z0-9_./-]+)['"`]/g)) {
      // Commands for child processes are named as seen from src/cli (processes.ts).
      for (const base of [from, 'src/cli']) {
        const target = path.posix.join(base, name);
        queue.push(target, `${target}.ts`, target.replace(/\.js$/, '.ts'));
      }
    }
  }
  return alive;
}
