/** Every kind of fault, in the order in which they are run. */
import type { FaultKind } from './kind.ts';
import { bitFlips, tornFiles, zeroedBlocks } from './kinds/damage.ts';
import { fullDisks } from './kinds/disk-full.ts';
import { kills } from './kinds/kill.ts';
import { restoredBackups } from './kinds/restore.ts';

export const FAULT_KINDS: readonly FaultKind[] = [kills, bitFlips, zeroedBlocks, tornFiles, fullDisks, restoredBackups];
