/** A finding as it goes over the wire: in the list, in an alert, in the output of the command line. */
import type { JsonObject } from '../../proofs/canonical-json.ts';
import type { ListedFinding } from './findings.ts';
import { formatTimeUs } from './time.ts';

export function findingJson(finding: ListedFinding): JsonObject {
  const { acknowledgement: acknowledged, subject } = finding;
  return {
    id: finding.id,
    kind: finding.kind,
    severity: finding.severity,
    state: acknowledged === null ? 'open' : 'acknowledged',
    message: finding.message,
    subject: subject === null ? null : { type: subject.type, id: subject.id },
    first_index: finding.firstIndex,
    last_index: finding.lastIndex,
    first_time: formatTimeUs(finding.firstTimeUs),
    last_time: formatTimeUs(finding.lastTimeUs),
    count: finding.count,
    evidence: finding.evidence,
    index: finding.index,
    raised_at: formatTimeUs(finding.raisedAtUs),
    acknowledgement:
      acknowledged === null
        ? null
        : {
            index: acknowledged.index,
            time: formatTimeUs(acknowledged.timeUs),
            by: acknowledged.actorId,
            reason: acknowledged.reason,
          },
  };
}
