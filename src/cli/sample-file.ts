/**
 * The file in which an auditor keeps a sample between its commit and its draw. It holds the nonce, which nobody else may see
 * before the draw, and is written before the log is told of it: a crash in between loses nothing but a commit.
 *
 *   { "format": "countersign/sample-file/v1", "log": "http://…/audit", "nonce": "<base64>", "asked": { as it was sent },
 *     "published": 40, "sample": 41, "head_size": 43, "drand_round": null }
 *
 * `published` is the size of the newest checkpoint before that. The last three are there once the log has answered.
 */
import { open } from 'node:fs/promises';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { CliError, messageOf, systemCode } from './errors.ts';
import { readInput, SECRET_FILE_MODE, writeFileAtomic } from './files.ts';

const index = Type.Integer({ minimum: 0 });

const SampleFile = Type.Object(
  {
    format: Type.Literal('countersign/sample-file/v1'),
    log: Type.String(),
    nonce: Type.String(),
    asked: Type.Record(Type.String(), Type.Unknown()),
    published: Type.Optional(index),
    sample: Type.Optional(index),
    head_size: Type.Optional(index),
    drand_round: Type.Optional(Type.Union([index, Type.Null()])),
  },
  { additionalProperties: false },
);

export type SampleFile = Static<typeof SampleFile>;

/** Writes a new file; throws CliError `refused` if there is one of that name: it may hold a nonce. */
export async function createSampleFile(file: string, content: SampleFile): Promise<void> {
  try {
    const handle = await open(file, 'wx', SECRET_FILE_MODE);
    try {
      await handle.writeFile(format(content));
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (systemCode(error) === 'EEXIST') {
      throw new CliError(
        'refused',
        `${file} is there already, and may hold the nonce of a sample`,
        'Choose another name.',
      );
    }
    throw new CliError('unreadable-input', `cannot write ${file}: ${messageOf(error)}`);
  }
}

export function replaceSampleFile(file: string, content: SampleFile): Promise<void> {
  return writeFileAtomic(file, format(content), SECRET_FILE_MODE);
}

/** Throws CliError `unreadable-input`. */
export async function readSampleFile(file: string): Promise<SampleFile> {
  const text = await readInput(file, 'the sample');
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    content = undefined;
  }
  if (Value.Check(SampleFile, content)) return content;
  throw new CliError('unreadable-input', `${file} is not a file of "sample commit"`);
}

function format(content: SampleFile): string {
  return `${JSON.stringify(content, null, 1)}\n`;
}
