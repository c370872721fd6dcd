/** `countersign monitor`: the monitor program. Passes everything on. */
import type { Command } from 'commander';
import type { Io } from '../io.ts';
import { programVerb } from '../pass-on.ts';

export function monitorVerb(io: Io): Command {
  return programVerb(io, {
    verb: 'monitor',
    description: 'follow a log, its witnesses and mirrors, and turn a disagreement into a fork proof (monitor --help)',
    usage: 'the options of the monitor program',
    file: '../../witness/monitor-main',
  });
}
