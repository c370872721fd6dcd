/**
 * What the scrubber finds in the stored bytes becomes a finding, once: a run of neighbours of one kind is one finding. Its
 * id follows from kind and place, so that the same damage after a restart is answered with the first entry.
 */
import type { Damage } from '../../log/damage.ts';
import type { Log } from '../../log/types.ts';
import { type Finding, raiseEvent } from '../finding.ts';
import type { Recorder } from '../record.ts';
import { recordAll } from './record-all.ts';

export interface DamageFollower {
  readonly log: Log;
  readonly recorder: Recorder;
  readonly nowMs: () => number;
}

/** Returns how to end it; what could not be recorded until then is found again by the next pass. */
export function followDamage({ log, recorder, nowMs }: DamageFollower): () => void {
  let isClosed = false;
  const stop = log.subscribeDamage((damages) => {
    const events = damages.map((damage) => raiseEvent(damageFinding(damage, nowMs() * 1000)));
    void recordAll(recorder, events, { isClosed: () => isClosed });
  });
  return () => {
    isClosed = true;
    stop();
  };
}

function damageFinding({ kind, index, lastIndex, found }: Damage, timeUs: number): Finding {
  const firstIndex = index ?? 0;
  const last = lastIndex ?? firstIndex;
  return {
    kind: 'stored-data-damaged',
    severity: 'critical',
    subject: { type: 'log', id: 'countersign' },
    firstIndex,
    lastIndex: last,
    firstTimeUs: timeUs,
    lastTimeUs: timeUs,
    count: last - firstIndex + 1,
    message: `${found}. It is not served. Run countersign fsck on the stopped log, and countersign repair.`,
    evidence: { damage: kind },
    discriminator: kind,
  };
}
