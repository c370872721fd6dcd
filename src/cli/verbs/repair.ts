/** `countersign repair`: a stopped log put right, with verified bytes only. docs/fsck.md */

import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { Command, Option } from 'commander';
import { canonicalJson, parseCanonicalJson } from '../../../proofs/canonical-json.ts';
import { joinFields } from '../../../proofs/fields.ts';
import { OWN_PRODUCER } from '../../../proofs/own-entries.ts';
import { contentMacOf } from '../../events/prepare.ts';
import { readAcknowledged } from '../../log/acknowledged.ts';
import { LOG_FIELD } from '../../log/disclosure.ts';
import { ACKNOWLEDGED_FILE } from '../../log/guard.ts';
import { loadState } from '../../log/load.ts';
import { rebuildGuard } from '../../log/rebuild-guard.ts';
import { type Refused, type RepairReport, repair } from '../../log/repair.ts';
import type { RepairSource } from '../../log/repair-source.ts';
import { RestoreError } from '../../log/restore-error.ts';
import type { StoredEvent } from '../../log/types.ts';
import { nativeHasher } from '../../store/native-hasher.ts';
import { parseTimeoutMs } from '../arguments.ts';
import { DEFAULT_DATA_DIRECTORY } from '../data-dir.ts';
import { CliError, EXIT } from '../errors.ts';
import { type Io, printResult } from '../io.ts';
import { addNotice, listed } from '../notices.ts';
import { openStoredLog, type StoredLog } from '../open-stored.ts';
import { openPrepareSource } from '../prepare-source.ts';
import { openRepairSource } from '../repair-sources.ts';
import { damageJson, describeDamages } from './fsck.ts';

interface RepairFlags {
  readonly data: string;
  readonly name: string;
  readonly from: readonly string[];
  readonly guard?: boolean;
  readonly forgetAcknowledged?: boolean;
  readonly acceptSilentWitnesses?: boolean;
  readonly timeout: number;
  readonly json?: boolean;
}

const TIMEOUT_MS = 30_000;
/** Lines about what a source offered; --json has every one. */
const MAX_REFUSED_LINES = 50;

export function repairVerb(io: Io): Command {
  return new Command('repair')
    .description(
      'put a stopped, damaged log right: only bytes that fit the tree are put back. Copy the directory first',
    )
    .option('--from <COPY>', 'mirror URL, copy of the data directory, or evidence bundle; repeatable', collect, [])
    .option('--data <DIR>', 'data directory', DEFAULT_DATA_DIRECTORY)
    .option('--name <NAME>', 'which log of the data directory', 'audit')
    .option('--guard', 'make a lost or damaged guard file again, after asking the witnesses')
    .option(
      '--accept-silent-witnesses',
      'with --guard: go on although witnesses do not answer that may hold a newer head',
    )
    .option('--forget-acknowledged', 'go on without acknowledged entries that are lost and that no head covers')
    .addOption(
      new Option('--timeout <SECONDS>', 'how long one answer of a copy or a witness may take')
        .argParser(parseTimeoutMs)
        .default(TIMEOUT_MS, `${TIMEOUT_MS / 1000}`),
    )
    .option('--json', 'print JSON')
    .action((flags: RepairFlags) => runRepair(io, flags));
}

async function runRepair(io: Io, flags: RepairFlags): Promise<void> {
  const stored = await openStoredLog(flags.data, flags.name);
  try {
    if (flags.guard === true) await guardAgain(io, flags, stored);
    else if (flags.forgetAcknowledged === true) await forgetAcknowledged(io, flags, stored);
    else await repairLog(io, flags, stored);
  } catch (error) {
    if (!(error instanceof RestoreError)) throw error;
    const code = error.code === 'unreachable' ? 'unreachable' : error.code === 'no-copy' ? 'not-found' : 'refused';
    throw new CliError(code, `not repaired (${error.code}): ${error.message}`, 'Nothing was changed.');
  } finally {
    await stored.store.close();
  }
}

async function repairLog(io: Io, flags: RepairFlags, stored: StoredLog): Promise<void> {
  const { paths, identity, policyText, store } = stored;
  const { origin, kind, name } = identity.config;
  const contentMac = await contentMacs(stored);
  const client = { fetch: io.fetch, timeoutMs: flags.timeout };
  const sources: RepairSource[] = [];
  try {
    for (const from of flags.from) sources.push(await openRepairSource(from, { name, origin }, client));
    const report = await repair({
      ...{ store, origin, kind, policyText, sources, contentMac },
      directory: paths.directory,
      hasher: nativeHasher,
      onProgress: () => undefined,
    });
    if (changes(report)) {
      await addNotice(paths.directory, {
        event_id: `repair.${randomUUID()}`,
        occurred_at: new Date(io.nowMs()).toISOString(),
        action: 'countersign.repair',
        context: {
          entries: listed(report.entries),
          contents: listed(report.contents),
          ids: listed(report.ids),
          tiles: report.tiles.length,
          search_blocks: report.searchBlocks.length,
          state: report.isStateRebuilt,
          left: report.left.length,
          sources: flags.from,
        },
      });
    }
    print(io, flags, report);
    // What is left may be in a source that did not answer: then it is worth another run.
    if (report.left.length > 0) io.exitWith(report.silent.length > 0 ? EXIT.unreachable : EXIT.failed);
  } finally {
    for (const source of sources) await source.close();
  }
}

function changes({ entries, contents, tiles, ids, searchBlocks, isStateRebuilt }: RepairReport): boolean {
  return isStateRebuilt || entries.length + contents.length + tiles.length + ids.length + searchBlocks.length > 0;
}

/** Of what is stored; redaction may have taken something before, see rebuild-rows.ts. */
async function contentMacs({ paths, identity }: StoredLog): Promise<(event: StoredEvent) => Uint8Array | undefined> {
  const { contextFor } = await openPrepareSource(identity.secret, paths.allowedCards);
  const key = contextFor(OWN_PRODUCER).macKeys.content;
  return ({ fields }) => {
    const own = fields.filter(({ id }) => id !== LOG_FIELD);
    const opened = own.flatMap(({ id, opening }) =>
      opening === undefined ? [] : [[id, parseCanonicalJson(opening.value)] as const],
    );
    return opened.length < own.length ? undefined : contentMacOf(canonicalJson(joinFields(opened)), key);
  };
}

function print(io: Io, flags: RepairFlags, report: RepairReport): void {
  const { before, entries, contents, tiles, ids, searchBlocks, isStateRebuilt, refused, silent, left } = report;
  const json = {
    status: left.length === 0 ? 'whole' : 'damaged',
    put_back: { entries, contents },
    rebuilt: { state: isStateRebuilt, tiles, ids, search_blocks: searchBlocks },
    ...{ refused, silent },
    left: left.map(damageJson),
  };
  printResult(io, flags.json, json, [
    `found      ${before.length} damages in ${report.size} entries`,
    `put back   ${entries.length} entries, ${contents.length} contents`,
    `rebuilt    ${tiles.length} tiles, ${ids.length} event ids, ${searchBlocks.length} blocks of the search index${isStateRebuilt ? ', the state of the tree' : ''}`,
    ...describeRefused(refused),
    ...silent.map(({ source, why }) => `NO ANSWER  from ${source}, which was not asked further: ${why}`),
    ...describeDamages(left),
    ...(left.length === 0 ? ['result     whole; the repair becomes an entry at the next start'] : []),
  ]);
}

/** Neighbours that are refused for one reason are one line: a bundle that is missing has 256 of them. */
function describeRefused(refused: readonly Refused[]): readonly string[] {
  const runs: { first: number; last: number; readonly rest: string }[] = [];
  for (const { index, source, why } of refused) {
    const rest = `from ${source}: ${why}`;
    const run = runs.at(-1);
    if (run?.rest === rest && index === run.last + 1) run.last = index;
    else runs.push({ first: index, last: index, rest });
  }
  const lines = runs.map(
    ({ first, last, rest }) => `REFUSED    ${first === last ? '' : `${first} to `}${last} ${rest}`,
  );
  const more = lines.length - MAX_REFUSED_LINES;
  return more <= 0 ? lines : [...lines.slice(0, MAX_REFUSED_LINES), `REFUSED    … ${more} more; --json has them all`];
}

async function guardAgain(io: Io, flags: RepairFlags, stored: StoredLog): Promise<void> {
  const { paths, identity, policyText, store } = stored;
  const { size, agrees, silent } = await rebuildGuard({
    ...{ store, policyText, timeoutMs: flags.timeout, fetch: io.fetch },
    hasher: nativeHasher,
    directory: paths.directory,
    origin: identity.config.origin,
    acceptSilentWitnesses: flags.acceptSilentWitnesses === true,
  });
  await addNotice(paths.directory, {
    event_id: `guard.${randomUUID()}`,
    occurred_at: new Date(io.nowMs()).toISOString(),
    action: 'countersign.repair.guard',
    context: { size, agrees: agrees.map(({ holder, size: at }) => `${holder}, size ${at}`), not_asked: silent },
  });
  printResult(io, flags.json, { size, agrees, silent }, [
    `guard      made again at size ${size}`,
    ...agrees.map((head) => `agrees     ${head.holder}, size ${head.size}`),
    ...silent.map((who) => `not asked  ${who}`),
    'result     this becomes an entry at the next start',
  ]);
}

/** Only entries that no head covers: guard and witnesses are asked again when the log starts, and refuse the rest. */
async function forgetAcknowledged(io: Io, flags: RepairFlags, { paths, identity, store }: StoredLog): Promise<void> {
  const file = path.join(paths.directory, ACKNOWLEDGED_FILE);
  const acknowledged = await readAcknowledged(file);
  if (acknowledged === undefined) throw new CliError('not-found', `there is nothing to forget: ${file} is not there`);
  const { size } = (await loadState(store, nativeHasher)).range;
  if (acknowledged.size <= size) {
    throw new CliError(
      'refused',
      `nothing is lost: ${acknowledged.size} entries were acknowledged, and ${size} are there`,
    );
  }
  await addNotice(paths.directory, {
    event_id: `forget.${randomUUID()}`,
    occurred_at: new Date(io.nowMs()).toISOString(),
    action: 'countersign.repair.forget-acknowledged',
    context: { acknowledged_size: acknowledged.size, size, origin: identity.config.origin },
  });
  await rm(file);
  printResult(io, flags.json, { acknowledged_size: acknowledged.size, size }, [
    `forgotten  entries ${size} to ${acknowledged.size - 1}: they were acknowledged, and are lost`,
    'result     this becomes an entry at the next start; tell the producers to send again what they have kept',
  ]);
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
