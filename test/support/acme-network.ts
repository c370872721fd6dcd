/** Brings half a year of Acme into a running network, the way its people would: over the command line, chapter by chapter. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type AcmeEvent, everydayEvents, PRODUCERS, type Producer } from './acme-events.ts';
import { CHAPTERS, makeRuleRepository, RENAMED, STORY } from './acme-story.ts';
import type { CliResult, TestNetwork } from './network.ts';

export interface AcmeOptions {
  /** Events in all. */
  readonly count: number;
  readonly seed: number;
}

/** Names, catalogues, and then for each chapter its rules and the events of its time. */
export async function loadAcme(network: TestNetwork, { count, seed }: AcmeOptions): Promise<void> {
  const tokens = await introduceProducers(network);
  for (const name of ['starter', 'cloudtrail']) {
    await must(network.run(['catalogue', 'publish', name, '--approver', 'u_2002', '--ticket', 'GRC-1']));
  }
  const repository = await makeRuleRepository(path.join(network.data, 'acme-policies'));
  const events = makeEvents(count, seed);
  for (const [i, chapter] of CHAPTERS.entries()) {
    await repository.commit(chapter);
    await must(network.run(['rules', 'publish', '--from-git', repository.directory]));
    for (const producer of PRODUCERS) {
      const lines = events[producer].filter(({ occurred_at: at }) => isIn(chapter, CHAPTERS[i + 1], at));
      const text = lines.map((event) => `${JSON.stringify(event)}\n`).join('');
      if (lines.length > 0) {
        await must(network.run(['submit', '-', '--json', '--token-file', tokens[producer]], text));
      }
    }
  }
}

/** Every event of every producer, in the order of its time, with its number. */
export function makeEvents(count: number, seed: number): Readonly<Record<Producer, readonly AcmeEvent[]>> {
  const each = Math.floor((count - STORY.length) / PRODUCERS.length);
  const rest = count - STORY.length - each * (PRODUCERS.length - 1);
  const numbered = (producer: Producer, events: readonly AcmeEvent[]): readonly AcmeEvent[] =>
    events.map((event, i) => ({ event_id: `${producer}-${i + 1}`, producer_seq: i + 1, ...event }));
  const byTime = (a: AcmeEvent, b: AcmeEvent): number => Date.parse(a.occurred_at) - Date.parse(b.occurred_at);
  const story = STORY.map(({ event }) => event);
  return {
    billing: numbered('billing', [...everydayEvents('billing', rest, seed), ...story].sort(byTime)),
    crm: numbered('crm', everydayEvents('crm', each, seed + 1)),
    iam: numbered('iam', everydayEvents('iam', each, seed + 2)),
  };
}

/** Tokens for the services; and the log learns that two names are one person. */
async function introduceProducers(network: TestNetwork): Promise<Readonly<Record<Producer, string>>> {
  const { log } = await network.read();
  const directory = path.join(network.data, 'logs', log);
  const user = { [RENAMED.before]: RENAMED.id, [RENAMED.after]: RENAMED.id };
  await writeFile(path.join(directory, 'identities.json'), JSON.stringify({ user }));
  await writeFile(path.join(directory, 'identity.json'), JSON.stringify({ kind: 'file', file: 'identities.json' }));
  await network.kill('log', 'SIGTERM');
  await network.start('log');
  const fileOf = (producer: Producer): string => path.join(network.data, `${producer}.token`);
  for (const producer of PRODUCERS) {
    await must(network.run(['token', 'create', 'producer', '--name', producer, '--out', fileOf(producer)]));
  }
  return { billing: fileOf('billing'), crm: fileOf('crm'), iam: fileOf('iam') };
}

function isIn(chapter: string, next: string | undefined, at: string): boolean {
  return at >= chapter && (next === undefined || at < next);
}

async function must(running: Promise<CliResult>): Promise<CliResult> {
  const result = await running;
  if (result.code !== 0) throw new Error(`exit code ${result.code}: ${result.err}${result.out.slice(0, 2_000)}`);
  return result;
}
