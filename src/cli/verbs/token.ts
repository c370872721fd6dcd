/** `countersign token`: the tokens of a log, through its administration routes. */
import path from 'node:path';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { Argument, Command } from 'commander';
import { parseAnswer, send, unexpectedAnswer } from '../client.ts';
import { CliError } from '../errors.ts';
import { exists, writeSecret } from '../files.ts';
import { type Io, oneLine, printResult } from '../io.ts';
import { addTargetOptions, resolveTarget, type TargetOptions } from '../target.ts';

interface TokenOptions extends TargetOptions {
  readonly json?: boolean;
}

interface CreateOptions extends TokenOptions {
  readonly name: string;
  readonly out?: string;
  readonly replaces?: string;
  readonly expires?: string;
  readonly action?: readonly string[];
  readonly class?: readonly string[];
  readonly target?: readonly string[];
  readonly targetType?: readonly string[];
  readonly tenant?: readonly string[];
  readonly from?: string;
  readonly to?: string;
}

const TokenAnswer = Type.Object({
  id: Type.String(),
  role: Type.String(),
  name: Type.String(),
  producer_id: Type.Union([Type.String(), Type.Null()]),
  created_at: Type.String(),
  revoked_at: Type.Union([Type.String(), Type.Null()]),
  expires_at: Type.Optional(Type.String()),
  scope: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
});
const CreatedAnswer = Type.Intersect([TokenAnswer, Type.Object({ token: Type.String() })]);
const ListAnswer = Type.Object({ tokens: Type.Array(TokenAnswer) });

export function tokenVerb(io: Io): Command {
  const token = new Command('token').description('create, list and revoke the tokens of a log (admin)');
  token.addCommand(
    addTargetOptions(
      new Command('create')
        .description('create a token; its text is shown once')
        .addArgument(new Argument('<role>', 'what its holder may do').choices(['producer', 'auditor', 'admin'])),
      'admin',
    )
      .requiredOption('--name <NAME>', 'who holds it, for the list; it never appears in an entry')
      .option('--out <FILE>', 'write the token to a new file (mode 0600) instead of printing it')
      .option('--replaces <ID>', 'producer token whose producer id the new one goes on with')
      .option('--expires <TIME>', 'RFC 3339; from then on it is not valid')
      .option('--action <ACTION...>', 'scope of an auditor: these actions only; role.* for all that begin so')
      .option('--class <CLASS...>', 'scope: these classes of the catalogue only')
      .option('--target <ID...>', 'scope: these targets only')
      .option('--target-type <TYPE...>', 'scope: these types of targets only')
      .option('--tenant <TENANT...>', 'scope: these tenants only')
      .option('--from <TIME>', 'scope: log time from this date or RFC 3339 time on')
      .option('--to <TIME>', 'scope: log time to this date, inclusive, or RFC 3339 time, exclusive')
      .option('--json', 'print JSON')
      .action((role: string, options: CreateOptions) => createToken(io, role, options)),
  );
  token.addCommand(
    addTargetOptions(new Command('list').description('list all tokens, revoked ones too'), 'admin')
      .option('--json', 'print JSON')
      .action((options: TokenOptions) => listTokens(io, options)),
  );
  token.addCommand(
    addTargetOptions(
      new Command('revoke').description('revoke a token, at once and for good').argument('<ID>', 'id of the token'),
      'admin',
    )
      .option('--json', 'print JSON')
      .action((id: string, options: TokenOptions) => revokeToken(io, id, options)),
  );
  return token;
}

async function createToken(io: Io, role: string, options: CreateOptions): Promise<void> {
  const file = options.out === undefined ? undefined : path.resolve(options.out);
  if (file !== undefined && (await exists(file))) {
    throw new CliError('already-exists', `${file} exists`, 'Choose another --out; a token is never overwritten.');
  }
  const target = await resolveTarget(io, options, 'admin');
  const url = `${target.logUrl}/tokens`;
  const body = JSON.stringify({
    role,
    name: options.name,
    ...(options.replaces === undefined ? {} : { replaces: options.replaces }),
    ...(options.expires === undefined ? {} : { expires_at: options.expires }),
    ...scopeOf(options),
  });
  const headers = { 'content-type': 'application/json' };
  const created = parseAnswer(url, (await send(io, target, url, { method: 'POST', body, headers })).text);
  if (!Value.Check(CreatedAnswer, created)) throw unexpectedAnswer(url, 'it is not a new token');
  const { token, ...record } = created;
  if (file === undefined) {
    printResult(io, options.json, created, [token]);
  } else {
    await writeSecret(file, `${token}\n`);
    printResult(io, options.json, { ...record, file }, [file]);
  }
  io.err(`token ${created.id} for ${role} "${oneLine(options.name)}"; it is not shown again\n`);
}

/** Of the options that are given; a scope without members is none. */
function scopeOf(options: CreateOptions): { readonly scope?: object } {
  const { action, class: classes, target, targetType, tenant, from, to } = options;
  const given = { actions: action, classes, targets: target, target_types: targetType, tenants: tenant, from, to };
  const scope = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return Object.keys(scope).length === 0 ? {} : { scope };
}

async function listTokens(io: Io, options: TokenOptions): Promise<void> {
  const target = await resolveTarget(io, options, 'admin');
  const url = `${target.logUrl}/tokens`;
  const list = parseAnswer(url, (await send(io, target, url)).text);
  if (!Value.Check(ListAnswer, list)) throw unexpectedAnswer(url, 'it is not a list of tokens');
  const lines = list.tokens.map(({ id, role, name, created_at, revoked_at, expires_at, scope }) => {
    const state = revoked_at === null ? 'live' : `revoked ${revoked_at}`;
    const limits = [
      ...(expires_at === undefined ? [] : [`until ${expires_at}`]),
      ...(scope === undefined ? [] : [`scope ${JSON.stringify(scope)}`]),
    ].map((limit) => `  ${oneLine(limit)}`);
    return `${id}  ${role.padEnd(8)}  ${created_at}  ${state}  ${oneLine(name)}${limits.join('')}`;
  });
  printResult(io, options.json, list, lines);
}

async function revokeToken(io: Io, id: string, options: TokenOptions): Promise<void> {
  const target = await resolveTarget(io, options, 'admin');
  await send(io, target, `${target.logUrl}/tokens/${encodeURIComponent(id)}`, { method: 'DELETE' });
  printResult(io, options.json, { id, revoked: true }, [`revoked ${id}`]);
}
