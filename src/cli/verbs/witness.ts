/** `countersign witness`: the witness program. Passes everything on. */
import type { Command } from 'commander';
import type { Io } from '../io.ts';
import { programVerb } from '../pass-on.ts';

export function witnessVerb(io: Io): Command {
  return programVerb(io, {
    verb: 'witness',
    description: 'run a witness, or read its evidence: all arguments go to the witness program (witness --help)',
    usage: 'run, evidence, keygen and their options',
    file: '../../witness/main',
  });
}
