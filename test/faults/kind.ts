/** A kind of fault: how often it is injected, what world it wants, and how it counts. */
import type { Ledger } from './ledger.ts';
import type { Heads } from './oracle.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

export interface Tally {
  faults: number;
  /** Starts that were refused, with a reason. */
  refusals: number;
  /** Acknowledged events held against what is served; the same event after each fault counts again. */
  checked: number;
  /** Events that the log named as damaged and did not serve. */
  named: number;
}

export interface Episodes {
  readonly world: World;
  readonly ledger: Ledger;
  readonly heads: Heads;
  readonly random: Random;
  readonly tally: Tally;
  readonly count: number;
  /** An empty directory of this kind's own. */
  readonly scratch: string;
  readonly progress: (done: number) => void;
}

export interface FaultKind {
  readonly name: string;
  readonly counts: { readonly full: number; readonly quick: number };
  readonly needs: {
    readonly witness: boolean;
    /** Beside it, one that takes connections and never answers. */
    readonly hungWitness?: boolean;
    /** The data lies on a small file system of its own, of so many MiB. */
    readonly tmpfsMiB?: number;
  };
  /** Throws when the log does what nobody can explain; breaches of promises go into the ledger. */
  readonly run: (episodes: Episodes) => Promise<void>;
}
