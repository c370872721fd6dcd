/** Every kind of fault, in the order in which they are run. */
import type { FaultKind } from './kind.ts';
import { bitFlips, tornFiles, zeroedBlocks } from './kinds/damage.ts';
import { kills } from './kinds/kill.ts';

export const FAULT_KINDS: readonly FaultKind[] = [kills, bitFlips, zeroedBlocks, tornFiles];
