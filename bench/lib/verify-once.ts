/** One bundle, verified in a process of its own: `verify-once.ts BUNDLE POLICY` prints the time it took and its peak memory. */
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { createFileVerifier } from '../../src/cli/verify-files.ts';

const [, , bundle = '', policy = ''] = process.argv;
const policyText = await readFile(policy, 'utf8');
const startedMs = performance.now();
const report = await createFileVerifier({ policyText })({ event: bundle, receipt: '' });
const seconds = (performance.now() - startedMs) / 1_000;
if (report.verdict !== 'PASS') throw new Error(report.reason);
const peakMiB = Math.round(process.resourceUsage().maxRSS / 1_024);
process.stdout.write(JSON.stringify({ seconds, peakMiB, examined: report.bundle?.examined }));
