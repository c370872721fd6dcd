/**
 * Counters and times, in the Prometheus text format. Origins are labels, and there are only as many as the operator
 * configured or subscribed to. Each witness has a registry of its own.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { EvidenceKind } from './evidence.ts';

export type Endpoint = 'add-checkpoint' | 'sign-subtree' | 'checkpoint' | 'add-entries' | 'tile';

/** How a poll of a log ended; follow.ts says when each is the case. */
export type PollOutcome =
  | 'unchanged'
  | 'cosigned'
  /** The log's own push was faster. */
  | 'overtaken'
  /** The log misbehaves, or seems to. */
  | 'behind'
  | 'two-roots'
  | 'inconsistent'
  /** Nothing that this witness could judge. */
  | 'refused'
  | 'bad-answer'
  | 'unreachable'
  | 'failed';

export interface WitnessMetrics {
  readonly requested: (endpoint: Endpoint, status: number) => void;
  readonly cosigned: (origin: string, size: number) => void;
  readonly signingFailed: () => void;
  readonly evidenceKept: (kind: EvidenceKind, conclusive: boolean) => void;
  readonly polled: (origin: string, outcome: PollOutcome) => void;
  readonly listPulled: (ok: boolean) => void;
  /** Measures how long it takes until a record is on the disk. */
  readonly timePersist: <T>(work: () => Promise<T>) => Promise<T>;
  readonly text: () => Promise<string>;
  readonly contentType: string;
}

const PERSIST_BUCKETS_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

export function createMetrics(): WitnessMetrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: 'countersign_witness_requests_total',
    help: 'Requests answered, by endpoint and status',
    labelNames: ['endpoint', 'status'],
    registers,
  });
  const cosignatures = new Counter({
    name: 'countersign_witness_cosignatures_total',
    help: 'Heads cosigned, by log',
    labelNames: ['origin'],
    registers,
  });
  const sizes = new Gauge({
    name: 'countersign_witness_cosigned_size',
    help: 'Size of the newest head cosigned, by log',
    labelNames: ['origin'],
    registers,
  });
  const signingFailures = new Counter({
    name: 'countersign_witness_signing_failures_total',
    help: 'Times that a key could not sign',
    registers,
  });
  const evidence = new Counter({
    name: 'countersign_witness_evidence_total',
    help: 'Evidence of misbehaviour kept since the start',
    labelNames: ['kind', 'conclusive'],
    registers,
  });
  const polls = new Counter({
    name: 'countersign_witness_polls_total',
    help: 'Polls of logs, by log and outcome',
    labelNames: ['origin', 'outcome'],
    registers,
  });
  const lists = new Counter({
    name: 'countersign_witness_log_list_pulls_total',
    help: 'Pulls of log lists, by whether they could be used',
    labelNames: ['ok'],
    registers,
  });
  const persist = new Histogram({
    name: 'countersign_witness_persist_seconds',
    help: 'Time until a head record is on the disk',
    buckets: PERSIST_BUCKETS_SECONDS,
    registers,
  });
  return {
    requested: (endpoint, status) => requests.inc({ endpoint, status: String(status) }),
    cosigned: (origin, size) => {
      cosignatures.inc({ origin });
      sizes.set({ origin }, size);
    },
    signingFailed: () => signingFailures.inc(),
    evidenceKept: (kind, conclusive) => evidence.inc({ kind, conclusive: String(conclusive) }),
    polled: (origin, outcome) => polls.inc({ origin, outcome }),
    listPulled: (ok) => lists.inc({ ok: String(ok) }),
    timePersist: async (work) => {
      const stop = persist.startTimer();
      try {
        return await work();
      } finally {
        stop();
      }
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
