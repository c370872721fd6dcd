/** What `npm run test:interop` was pointed at: another log, another witness, or neither, which means our own. */

export interface Target {
  readonly url: string;
  readonly vkeys: readonly string[];
}

export interface InteropOptions {
  readonly log?: Target;
  readonly witness?: Target;
  /** Origin of the log that the suite makes for a witness. */
  readonly origin: string;
  /** Only print the key of that log, for the configuration of a witness. */
  readonly printLogKey: boolean;
}

export const USAGE = `usage: npm run test:interop [-- OPTIONS]
  (none)                    start our log and our witness, and check them
  --log URL --vkey V        check another tiled log instead (more --vkey for more keys)
  --witness URL --vkey V    drive another witness instead; it must know the log of this suite:
  --origin ORIGIN           origin of that log (default: countersign.example/interop)
  --print-log-key           print the verifier key of that log, and nothing else`;

const DEFAULT_ORIGIN = 'countersign.example/interop';

/** Throws an Error with the usage. A --vkey belongs to the --log or --witness before it. */
export function parseTargets(args: readonly string[]): InteropOptions {
  const targets: Record<'log' | 'witness', { url?: string; vkeys: string[] }> = {
    log: { vkeys: [] },
    witness: { vkeys: [] },
  };
  let current: 'log' | 'witness' | undefined;
  let origin = DEFAULT_ORIGIN;
  let printLogKey = false;
  const rest = [...args];
  const next = (): string => rest.shift() ?? usage('a value is missing');
  while (rest.length > 0) {
    const arg = next();
    if (arg === '--log' || arg === '--witness') {
      current = arg === '--log' ? 'log' : 'witness';
      targets[current].url = next();
    } else if (arg === '--vkey') {
      targets[current ?? usage('--vkey comes after --log or --witness')].vkeys.push(next());
    } else if (arg === '--origin') origin = next();
    else if (arg === '--print-log-key') printLogKey = true;
    else usage(`unknown argument ${arg}`);
  }
  return { ...complete('log', targets.log), ...complete('witness', targets.witness), origin, printLogKey };
}

function complete(
  name: 'log' | 'witness',
  { url, vkeys }: { readonly url?: string; readonly vkeys: readonly string[] },
): Partial<Record<'log' | 'witness', Target>> {
  if (url === undefined) return {};
  if (!URL.canParse(url)) usage(`"${url}" is not a URL`);
  if (vkeys.length === 0) usage(`--${name} needs a --vkey`);
  return { [name]: { url, vkeys } };
}

function usage(problem: string): never {
  throw new Error(`${problem}\n${USAGE}`);
}
