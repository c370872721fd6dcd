/**
 * Rules as they stand in source control: a manifest names each rule with its version, author and approval; the hash is
 * taken from the definition itself. Only what is committed counts: the working tree could be anything.
 *
 *   rules:
 *     - id: policy.access.grant
 *       version: v3
 *       definition: policies/access-grant.rego
 *       author: u_17
 *       approver: u_23
 *       approval: PR-812
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { parse } from 'yaml';
import { CliError, messageOf } from './errors.ts';

const run = promisify(execFile);
const MAX_FILE_BYTES = 1024 * 1024;
const GIT_TIMEOUT_MS = 30_000;

const Manifest = Type.Object(
  {
    rules: Type.Array(
      Type.Object(
        {
          id: Type.String(),
          version: Type.String(),
          definition: Type.String({ minLength: 1 }),
          author: Type.String(),
          approver: Type.Optional(Type.String()),
          approval: Type.Optional(Type.String()),
        },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: 1000 },
    ),
  },
  { additionalProperties: false },
);

type ManifestRule = Static<typeof Manifest>['rules'][number];

/** What `POST rules` takes. */
export interface NewRule {
  readonly id: string;
  readonly version: string;
  readonly definition_hash: string;
  readonly source: string;
  readonly author: string;
  readonly approver?: string;
  readonly approval?: string;
}

/** The rules of the manifest at HEAD of a git repository; `source` names repository, path, and the commit that last changed it. */
export async function readRulesFromGit(repository: string, manifest: string): Promise<readonly NewRule[]> {
  const commit = (await git(repository, ['rev-parse', '--verify', 'HEAD^{commit}'])).toString('utf8').trim();
  const name = path.basename((await git(repository, ['rev-parse', '--show-toplevel'])).toString('utf8').trim());
  const show = (file: string): Promise<Buffer> => git(repository, ['show', `${commit}:${checkPath(file)}`]);
  const rules = parseManifest(await show(manifest), manifest);
  return Promise.all(
    rules.map(async (rule) => {
      const changed = await lastChange(repository, commit, rule.definition);
      return newRule(rule, await show(rule.definition), `${name}@${changed}:${rule.definition}`);
    }),
  );
}

/** The commit that last touched a file: later commits do not make the same definition another one. */
async function lastChange(repository: string, commit: string, file: string): Promise<string> {
  const log = await git(repository, ['log', '-1', '--format=%H', commit, '--', checkPath(file)]);
  return log.toString('utf8').trim() || commit;
}

/** The rules of a manifest file; definitions are read beside it, and `source` is what the caller says. */
export async function readRulesFromFile(manifest: string, source: string): Promise<readonly NewRule[]> {
  const rules = parseManifest(await readBounded(manifest), manifest);
  return Promise.all(
    rules.map(async (rule) => {
      const file = path.join(path.dirname(manifest), checkPath(rule.definition));
      return newRule(rule, await readBounded(file), `${source}:${rule.definition}`);
    }),
  );
}

function newRule({ definition: _path, ...rule }: ManifestRule, definition: Uint8Array, source: string): NewRule {
  return { ...rule, definition_hash: `sha256:${createHash('sha256').update(definition).digest('hex')}`, source };
}

function parseManifest(bytes: Uint8Array, name: string): readonly ManifestRule[] {
  let value: unknown;
  try {
    value = parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes), { uniqueKeys: true, maxAliasCount: 0 });
  } catch (error) {
    throw new CliError('unreadable-input', `${name} is not a YAML manifest of rules: ${messageOf(error)}`);
  }
  if (Value.Check(Manifest, value)) return value.rules;
  const fault = Value.Errors(Manifest, value).First();
  throw new CliError(
    'unreadable-input',
    `${name}${fault?.path ?? ''}: ${fault?.message ?? 'is not a manifest of rules'}`,
  );
}

/** A path inside the repository: relative, without steps upwards, and nothing that git could read as an option. */
function checkPath(file: string): string {
  const normal = path.posix.normalize(file);
  if (path.posix.isAbsolute(normal) || normal.startsWith('..') || normal.startsWith('-') || normal.includes('\0')) {
    throw new CliError('unreadable-input', `${JSON.stringify(file)} is not a path inside the repository`);
  }
  return normal;
}

async function readBounded(file: string): Promise<Uint8Array> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw new CliError('unreadable-input', `cannot read ${file}: ${messageOf(error)}`);
  });
  if (bytes.length > MAX_FILE_BYTES) throw new CliError('unreadable-input', `${file} is over ${MAX_FILE_BYTES} bytes`);
  return bytes;
}

async function git(repository: string, args: readonly string[]): Promise<Buffer> {
  try {
    const { stdout } = await run('git', ['-C', repository, ...args], {
      encoding: 'buffer',
      maxBuffer: MAX_FILE_BYTES,
      timeout: GIT_TIMEOUT_MS,
    });
    return stdout;
  } catch (error) {
    throw new CliError(
      'unreadable-input',
      `git ${args[0] ?? ''} failed in ${repository}: ${messageOf(error).split('\n')[0] ?? ''}`,
      'Commit the manifest and the definitions first: only what is committed is published.',
    );
  }
}
