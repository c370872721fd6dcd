/** `countersign mirror`: the mirror program. Passes everything on. */
import type { Command } from 'commander';
import type { Io } from '../io.ts';
import { programVerb } from '../pass-on.ts';

export function mirrorVerb(io: Io): Command {
  return programVerb(io, {
    verb: 'mirror',
    description:
      'keep a full copy of a log under a key of its own: all arguments go to the mirror program (mirror --help)',
    usage: 'run, evidence and their options',
    file: '../../witness/mirror-main',
  });
}
