/**
 * Is it well? For load balancers and for the engineer on call.
 *
 * `/healthz` is 200 only if every log has a checkpoint that is fresh, signed by the log and cosigned by the quorum; this
 * is judged here again, from the bytes that are served and under the policy, not taken from the log's own opinion.
 * `/readyz` is 200 if every log takes entries, whether or not witnesses are about.
 */
import { utf8Encode } from '../../proofs/bytes.ts';
import { ProofError } from '../../proofs/errors.ts';
import { checkCheckpoint } from '../../proofs/policy.ts';
import { type AnyLog, LogError, type LogHealth } from '../log/types.ts';
import type { Watch } from '../trail/watch/watch.ts';
import { JSON_CONTENT_TYPE, respond, SECURITY_HEADERS } from './respond.ts';
import { type AnyServedLog, isRaw, type Services, type SiteExchange, type SiteRoute } from './route.ts';
import { HealthReport } from './schemas.ts';

const HEALTH_CONTENT = { 'application/json': HealthReport };

export const healthRoutes: readonly SiteRoute[] = [
  {
    method: 'GET',
    path: '/healthz',
    access: 'site',
    description: {
      summary: 'Does every log have a fresh, quorum-cosigned checkpoint?',
      answers: {
        200: { description: 'Yes.', content: HEALTH_CONTENT },
        503: { description: 'No; `problems` says why and what to do.', content: HEALTH_CONTENT },
      },
    },
    handle: healthz,
  },
  {
    method: 'GET',
    path: '/readyz',
    access: 'site',
    description: {
      summary: 'Does every log take entries?',
      answers: {
        200: { description: 'Yes.', content: HEALTH_CONTENT },
        503: { description: 'No; `problems` says why.', content: HEALTH_CONTENT },
      },
    },
    handle: readyz,
  },
];

function healthz({ services }: SiteExchange): Response {
  return report(services, ({ log }) => {
    const { healthy, problems } = log.health();
    const fault = services.judgeCheckpoint(log);
    return fault === undefined ? { ok: healthy, problems } : { ok: false, problems: [fault, ...problems] };
  });
}

function readyz({ services }: SiteExchange): Response {
  return report(services, (served) => {
    const { accepting, problems } = served.log.health();
    const refused = refusedByWatch(served);
    if (refused !== undefined) return { ok: false, problems: [refused, ...problems] };
    return { ok: accepting, problems: accepting ? [] : problems };
  });
}

/** Why no event is taken although the log could: its clock is not confirmed, and the configuration asks for that. */
function refusedByWatch(served: AnyServedLog): string | undefined {
  if (isRaw(served) || served.watch === undefined) return undefined;
  try {
    served.watch.admit();
    return undefined;
  } catch (error) {
    if (error instanceof LogError) return error.message;
    throw error;
  }
}

type Judge = (served: AnyServedLog) => { readonly ok: boolean; readonly problems: readonly string[] };

function report(services: Services, judge: Judge): Response {
  const logs = [...services.logs.values()].map((served) => {
    const { ok, problems } = judge(served);
    const watch = isRaw(served) || served.watch === undefined ? {} : { watch: watchJson(served.watch) };
    return { ok, json: { ...logJson(served.log), status: ok ? 'ok' : 'failing', problems, ...watch } };
  });
  const ok = logs.every((log) => log.ok);
  const body = {
    status: ok ? 'ok' : 'failing',
    time: new Date(services.nowMs()).toISOString(),
    logs: logs.map(({ json }) => json),
  };
  return respond(ok ? 200 : 503, `${JSON.stringify(body)}\n`, {
    ...SECURITY_HEADERS,
    'content-type': JSON_CONTENT_TYPE,
    'cache-control': 'no-store',
  });
}

function logJson(log: AnyLog): object {
  const health = log.health();
  return {
    name: log.name,
    origin: log.origin,
    kind: log.kind,
    tree_size: health.treeSize,
    signed_size: health.signedSize,
    published_size: health.publishedSize,
    queued_events: health.queuedEvents,
    accepting: health.accepting,
    signing: health.signing.state,
    head_signed_at: timeOrNull(health.headSignedAtMs),
    published_at: timeOrNull(health.publishedAtMs),
    scrub: scrubJson(health.scrub),
    witnesses: health.witnesses.map((witness) => ({
      name: witness.name,
      cosigned_size: witness.cosignedSize,
      cosigned_at: timeOrNull(witness.cosignedAtMs),
      last_error: witness.lastError,
    })),
  };
}

function scrubJson({ examined, size, lastPass, damages, damagedIndices }: LogHealth['scrub']): object {
  return {
    examined,
    size,
    last_pass_at: timeOrNull(lastPass?.endedAtMs ?? null),
    last_pass_size: lastPass?.size ?? null,
    damaged_indices: damagedIndices,
    damages,
  };
}

/** How the watch is: none of it makes a log unwell, because events are as durable and as provable without it. */
function watchJson(watch: Watch): object {
  const { examinedSize, lag, openFindings, lastBeatMs, clock } = watch.status();
  return {
    examined_size: examinedSize,
    lag,
    open_findings: openFindings,
    last_heartbeat_at: timeOrNull(lastBeatMs),
    clock: { state: clock.state, offset_us: clock.offsetUs, checked_at: timeOrNull(clock.checkedAtMs) },
  };
}

/** Judges the published checkpoint of a log under its own policy: a sentence if it does not pass. */
export type CheckpointJudge = (log: AnyLog) => string | undefined;

/** Keeps one verdict per log: verifying post-quantum signatures takes milliseconds, and health is asked often. */
export function createCheckpointJudge(): CheckpointJudge {
  const verdicts = new WeakMap<AnyLog, { readonly checkpoint: string; readonly fault: string | undefined }>();
  return (log) => {
    const checkpoint = log.checkpoint();
    if (checkpoint === undefined) {
      return (
        `${log.name} has published no checkpoint: the quorum of its policy has not cosigned any head. Events get no ` +
        'cosigned receipt. Start the witnesses that the policy names, or restore the way to them.'
      );
    }
    const known = verdicts.get(log);
    if (known?.checkpoint === checkpoint) return known.fault;
    const fault = judgeCheckpoint(log, checkpoint);
    verdicts.set(log, { checkpoint, fault });
    return fault;
  };
}

function judgeCheckpoint(log: AnyLog, checkpoint: string): string | undefined {
  try {
    checkCheckpoint(log.policy, utf8Encode(checkpoint));
    return undefined;
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    return (
      `The published checkpoint of ${log.name} does not pass its own policy (${error.code}: ${error.message}): ` +
      'verifiers will refuse it. Stop serving this log and compare keys, policy.txt and data directory.'
    );
  }
}

function timeOrNull(timeMs: number | null): string | null {
  return timeMs === null ? null : new Date(timeMs).toISOString();
}
