#!/usr/bin/env node
/** The command `countersign`: `npm run -s countersign -- …` in a checkout. Everything it does is in program.ts. */
import { processIo } from './io.ts';
import { runProgram } from './program.ts';

process.exitCode = await runProgram(process.argv.slice(2), processIo);
