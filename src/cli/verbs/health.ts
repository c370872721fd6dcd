/** `countersign health`: does every log of the server have a fresh, cosigned checkpoint, and if not, why not. */
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { Command } from 'commander';
import { exchange, parseAnswer, unexpectedAnswer } from '../client.ts';
import { EXIT } from '../errors.ts';
import { type Io, oneLine, printResult } from '../io.ts';
import { addTargetOptions, resolveTarget, type TargetOptions } from '../target.ts';

interface HealthOptions extends TargetOptions {
  readonly json?: boolean;
}

const Size = Type.Integer({ minimum: 0 });
const HealthAnswer = Type.Object({
  status: Type.String(),
  logs: Type.Array(
    Type.Object({
      name: Type.String(),
      status: Type.String(),
      problems: Type.Array(Type.String()),
      tree_size: Size,
      signed_size: Size,
      published_size: Size,
      signing: Type.String(),
      witnesses: Type.Array(
        Type.Object({
          name: Type.String(),
          cosigned_size: Type.Union([Size, Type.Null()]),
          last_error: Type.Union([Type.String(), Type.Null()]),
        }),
      ),
    }),
  ),
});

type LogReport = (typeof HealthAnswer.static)['logs'][number];

export function healthVerb(io: Io): Command {
  return addTargetOptions(
    new Command('health').description('ask the server how its logs and their witnesses are'),
    undefined,
  )
    .option('--json', 'print JSON')
    .action((options: HealthOptions) => printHealth(io, options));
}

async function printHealth(io: Io, options: HealthOptions): Promise<void> {
  const target = await resolveTarget(io, options, undefined);
  const url = `${target.baseUrl}/healthz`;
  const answer = await exchange(io, target, url, {});
  const report = parseAnswer(url, answer.text);
  if (!Value.Check(HealthAnswer, report)) throw unexpectedAnswer(url, 'it is not a health report');
  printResult(io, options.json, report, report.logs.flatMap(describeLog));
  if (answer.status !== 200) io.exitWith(EXIT.failed);
}

function describeLog(log: LogReport): readonly string[] {
  return [
    `${log.name}: ${log.status}, ${log.tree_size} entries stored, ${log.signed_size} signed, ${log.published_size} published`,
    ...log.problems.map((problem) => `  problem: ${oneLine(problem)}`),
    ...log.witnesses.map(({ name, cosigned_size, last_error }) => {
      const state = cosigned_size === null ? 'nothing cosigned yet' : `cosigned ${cosigned_size}`;
      return `  witness ${name}: ${state}${last_error === null ? '' : ` (${oneLine(last_error)})`}`;
    }),
  ];
}
