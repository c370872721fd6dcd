/** With FUZZ_SEED every property of a run takes its inputs from that seed; without it each run takes new ones. */
import fc from 'fast-check';

const seed = process.env['FUZZ_SEED'];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });
