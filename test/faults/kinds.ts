/** Every kind of fault, in the order in which they are run. */
import type { FaultKind } from './kind.ts';
import { clockJumps } from './kinds/clock.ts';
import { bitFlips, tornFiles, zeroedBlocks } from './kinds/damage.ts';
import { fullDisks } from './kinds/disk-full.ts';
import { hangingPeers } from './kinds/hanging.ts';
import { ioErrors, slowSyncs } from './kinds/io-errors.ts';
import { kills } from './kinds/kill.ts';
import { readErrors } from './kinds/read-errors.ts';
import { restoredBackups } from './kinds/restore.ts';
import { descriptors, memory } from './kinds/scarcity.ts';
import { soak } from './kinds/soak.ts';

export const FAULT_KINDS: readonly FaultKind[] = [
  ...[kills, bitFlips, zeroedBlocks, tornFiles, fullDisks, ioErrors, readErrors, slowSyncs],
  ...[restoredBackups, clockJumps, descriptors, memory, hangingPeers, soak],
];
