/**
 * What every request handler and every poll of one witness shares. Time, disk, keys and network come in here;
 * witness.ts puts them together.
 */
import type { Logger } from 'pino';
import type { VerifyOptions } from '../proofs/cosignature.ts';
import type { Cosigner } from './cosigner.ts';
import type { Deliveries } from './deliveries.ts';
import type { EvidenceStore } from './evidence.ts';
import type { LogBook } from './logs.ts';
import type { WitnessMetrics } from './metrics.ts';
import type { LogLimits } from './rate-limit.ts';
import type { WitnessState } from './state.ts';

export interface WitnessParts {
  readonly logs: LogBook;
  readonly state: WitnessState;
  /** At least one; Ed25519 before ML-DSA-44. */
  readonly cosigners: readonly Cosigner[];
  readonly evidence: EvidenceStore;
  /** Milliseconds since the Unix epoch. */
  readonly clock: () => number;
  readonly verifyOptions: VerifyOptions;
  readonly limits: LogLimits;
  readonly deliveries: Deliveries;
  readonly metrics: WitnessMetrics;
  readonly logger: Logger;
}
