/**
 * Glue between a served log and its watch: reads DIR/logs/<name>/watch.json and the secret of its alerts, keeps the
 * state beside the database in `watch.state`, and puts the clock into every submission.
 */
import path from 'node:path';
import { classOf } from '../events/catalogue/catalogue.ts';
import type { PrepareContext } from '../events/types.ts';
import type { LogLogger } from '../log/options.ts';
import type { Log } from '../log/types.ts';
import { type ReviewSchedule, ReviewScheduleError, readReviewSchedules } from '../trail/review-schedule.ts';
import { reviewDetector } from '../trail/review-watch.ts';
import type { Trail } from '../trail/trail.ts';
import type { ActionClasses } from '../trail/watch/attest.ts';
import { readWatchConfig, type WatchConfig, WatchConfigError } from '../trail/watch/config.ts';
import { ruleDetector } from '../trail/watch/rule-citations.ts';
import { openWatch, type Watch } from '../trail/watch/watch.ts';
import { CliError, messageOf } from './errors.ts';
import { readInput } from './files.ts';

const CONFIG_FILE = 'watch.json';
const STATE_FILE = 'watch.state';

export interface LogToWatch {
  readonly log: Log;
  readonly trail: Trail;
  readonly logger: LogLogger;
  /** Reviews whose absence is a finding. */
  readonly schedules?: readonly ReviewSchedule[];
  /** For alerts. */
  readonly fetch: typeof fetch;
}

/** Throws CliError `unreadable-input` that names the file and the member at fault. */
export async function openLogWatch(directory: string, watched: LogToWatch): Promise<Watch> {
  const { log, trail, schedules = [], logger, fetch } = watched;
  const config = await readConfig(path.join(directory, CONFIG_FILE));
  const secret = await readAlertSecret(directory, config);
  try {
    return await openWatch({
      ...{ log, config, logger, fetch, recorder: trail.recorder, classes: classesOf(trail) },
      detectors: [() => ruleDetector(trail.rules, config.windowUs), () => reviewDetector(schedules)],
      stateFile: path.join(directory, STATE_FILE),
      ...(secret === undefined ? {} : { alertSecret: secret }),
    });
  } catch (error) {
    throw new CliError('unreadable-input', `the watch over ${log.name} does not start: ${messageOf(error)}`);
  }
}

/** Every submission says how far the clock is off; where the configuration asks for it, none is taken without a clock. */
export function withClock(
  contextFor: (producerId: string) => PrepareContext,
  watch: Watch,
): (producerId: string) => PrepareContext {
  return (producerId) => {
    watch.admit();
    return { ...contextFor(producerId), clockOffsetUs: watch.clock().offsetUs };
  };
}

/** `reviews.json` of a log. Throws CliError `unreadable-input` that names the fault. */
export async function readSchedules(file: string): Promise<readonly ReviewSchedule[]> {
  try {
    return await readReviewSchedules(file);
  } catch (error) {
    if (!(error instanceof ReviewScheduleError)) throw error;
    throw new CliError('unreadable-input', error.message, 'docs/reviews.md says what reviews.json may hold.');
  }
}

async function readConfig(file: string): Promise<WatchConfig> {
  try {
    return await readWatchConfig(file);
  } catch (error) {
    if (!(error instanceof WatchConfigError)) throw error;
    throw new CliError('unreadable-input', error.message, 'docs/findings.md says what watch.json may hold.');
  }
}

async function readAlertSecret(directory: string, { alerts }: WatchConfig): Promise<string | undefined> {
  if (alerts === null) return undefined;
  return (await readInput(path.resolve(directory, alerts.secretFile), 'the secret of the alerts')).trim();
}

/** The classes of all catalogues in force; the one that was published first decides where several know an action. */
function classesOf({ catalogues }: Trail): ActionClasses {
  return {
    get names() {
      return [...new Set(catalogues.inForce().flatMap(({ catalogue }) => [...catalogue.classes.keys()]))];
    },
    classOf: (action) => {
      for (const { catalogue } of catalogues.inForce()) {
        const found = classOf(catalogue, action);
        if (found !== undefined) return found;
      }
      return undefined;
    },
  };
}
