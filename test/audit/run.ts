/**
 * npm run audit: known vulnerabilities of what runs in production, as the registry knows them.
 *
 * `npm audit` also ends with 0 where it asked nobody (offline), and where it asked a registry that knows no advisories and
 * answers every question with none. Neither is a pass: its report has to name what was examined, and a package that is
 * known to be vulnerable, asked for beside ours, has to be found.
 *
 * Exit 0: nothing is known; 1: something is, and is printed; 2: nobody could be asked, and nothing was examined.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** GHSA-35jh-r3h4-6jhm and others, since 2021. It is asked about, and never installed. */
const KNOWN_VULNERABLE = { name: 'lodash', version: '4.17.20' } as const;
const SEVERITIES = ['info', 'low', 'moderate', 'high', 'critical'] as const;

interface Audit {
  /** Packages that were asked about. */
  readonly examined: number;
  readonly found: number;
  /** Lines for people. */
  readonly lines: readonly string[];
}

/** Nobody could be asked, or the answer says nothing. */
class NotAudited extends Error {}

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const { examined, found, lines } = await auditIn(ROOT, ['--omit=dev']);
    if (found === 0) await mustKnowAdvisories();
    console.log(`npm audit: ${examined} packages in production, ${found} with known vulnerabilities`);
    for (const line of lines) console.log(`  ${line}`);
    return found === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof NotAudited)) throw error;
    console.error(`npm audit: NOT AUDITED, nothing was examined: ${error.message}`);
    console.error('  Run it where the registry (npm config get registry) answers questions about advisories.');
    return 2;
  }
}

/** A registry that has nothing to say about this package has nothing to say about ours. */
async function mustKnowAdvisories(): Promise<void> {
  const { name, version } = KNOWN_VULNERABLE;
  const directory = await mkdtemp(path.join(tmpdir(), 'countersign-audit-'));
  try {
    const own = { name: 'canary', version: '1.0.0', dependencies: { [name]: version } };
    const packages = { '': own, [`node_modules/${name}`]: { version } };
    await writeFile(path.join(directory, 'package.json'), JSON.stringify(own));
    await writeFile(
      path.join(directory, 'package-lock.json'),
      JSON.stringify({ ...own, lockfileVersion: 3, packages }),
    );
    const { found } = await auditIn(directory, ['--package-lock-only']);
    if (found === 0) throw new NotAudited(`the registry knows no vulnerability of ${name} ${version}, which has some`);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Throws NotAudited unless the report says what was examined. */
async function auditIn(directory: string, flags: readonly string[]): Promise<Audit> {
  const { out, err } = await runNpm(directory, ['audit', '--json', '--no-offline', ...flags]);
  let report: unknown;
  try {
    report = JSON.parse(out);
  } catch {
    throw new NotAudited(`npm gave no report: ${err.trim().split('\n').at(0) ?? ''}`);
  }
  const metadata = memberOf(report, 'metadata');
  const examined = numberOf(memberOf(metadata, 'dependencies'), 'prod');
  const counts = memberOf(metadata, 'vulnerabilities');
  if (memberOf(report, 'auditReportVersion') === undefined || counts === undefined) {
    throw new NotAudited(String(memberOf(report, 'message') ?? 'npm gave no report'));
  }
  if (examined < 1) throw new NotAudited('npm found no package to ask about');
  const found = SEVERITIES.reduce((sum, severity) => sum + numberOf(counts, severity), 0);
  return { examined, found, lines: describe(memberOf(report, 'vulnerabilities')) };
}

function describe(vulnerabilities: unknown): readonly string[] {
  if (typeof vulnerabilities !== 'object' || vulnerabilities === null) return [];
  return Object.entries(vulnerabilities).map(
    ([name, one]: [string, unknown]) =>
      `${name} ${String(memberOf(one, 'range'))}: ${String(memberOf(one, 'severity'))}`,
  );
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  const found: unknown = Reflect.get(value, name);
  return found;
}

function numberOf(value: unknown, name: string): number {
  const found = memberOf(value, name);
  return typeof found === 'number' ? found : 0;
}

function runNpm(directory: string, args: readonly string[]): Promise<{ readonly out: string; readonly err: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn('npm', args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk) => {
      out += String(chunk);
    });
    child.stderr.on('data', (chunk) => {
      err += String(chunk);
    });
    child.once('error', reject);
    child.once('close', () => resolve({ out, err }));
  });
}
