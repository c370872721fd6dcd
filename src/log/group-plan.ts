/**
 * What the one writer of a log (write-groups.ts) needs to know of the entries that it writes: how large an item is, and
 * what a group of items does to the tree. plan-events.ts is the plan of an audit log, plan-bytes.ts that of a raw one.
 */
import type { Integrated, TreeState } from './integrate.ts';

export interface Planner<Item, Result> {
  /** What the item takes of the queue's bound. */
  byteCount(item: Item): number;
  /** Whose it is: those of one source wait behind each other, and in turn with those of others. */
  sourceOf(item: Item): string;
  /** Plans a group on top of the tree before it, which may not be durable yet. Called for one group at a time. */
  plan(items: readonly Item[], before: TreeState): Promise<GroupPlan<Result>>;
}

export interface GroupPlan<Result> extends Integrated {
  /** False if everything in the group was there already: then nothing is written. */
  readonly addsLeaves: boolean;
  /** The rows are durable, and the log's state is the plan's; called before any answer leaves. Must not throw. */
  onDurable(): void;
  /** What the item at this position of the group gets, after `onDurable`. */
  resultAt(position: number): Result | Promise<Result>;
}
