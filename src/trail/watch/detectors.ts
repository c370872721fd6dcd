/** Every detector that a log is watched with, made anew from its configuration. */
import type { WatchConfig } from './config.ts';
import { type CorrelationDetector, correlationDetector } from './correlation.ts';
import type { Detector } from './detector.ts';
import { massExportDetector } from './mass-export.ts';
import { offHoursDetector } from './off-hours.ts';
import { clockDetector, headNotWitnessedDetector, heartbeatGapDetector } from './pipeline.ts';
import { breakGlassDetector, privilegeDetector } from './privilege.ts';
import { sequenceDetector } from './sequence.ts';
import { type SilenceDetector, silenceDetector } from './silence.ts';
import { skewDetector } from './skew.ts';

export interface DetectorSet {
  readonly all: readonly Detector[];
  readonly silence: SilenceDetector;
  readonly correlation: CorrelationDetector;
}

/** `others` are the detectors of other parts of the trail, such as that of rules. */
export function makeDetectors(config: WatchConfig, others: readonly (() => Detector)[]): DetectorSet {
  const silence = silenceDetector(config);
  const correlation = correlationDetector(config);
  const { offHours, windowUs } = config;
  return {
    silence,
    correlation,
    all: [
      sequenceDetector(config),
      silence,
      skewDetector(config),
      correlation,
      breakGlassDetector(),
      privilegeDetector(config),
      massExportDetector(config),
      ...(offHours === null ? [] : [offHoursDetector({ offHours, windowUs })]),
      heartbeatGapDetector(),
      headNotWitnessedDetector(),
      clockDetector(),
      ...others.map((make) => make()),
    ],
  };
}
