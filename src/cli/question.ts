/**
 * Questions on the command line: the grammar of src/trail/query.ts, read here already, so that a typing error is found
 * before anything is sent.
 */
import type { Command } from 'commander';
import { formatQuery, parseQuery, QueryError } from '../trail/query.ts';
import { CliError } from './errors.ts';

const GRAMMAR = `
A question is made of key:value, joined by "and"; several values of one key mean any of them:

  action:role.grant  action:role.*  actor:u_8842  class:access  target:u_9013  target_type:user  outcome:denied
  rule:policy.access.grant.v3#owner  tenant:acme  breakglass:true  producer:tok_…  correlation:req_77
  from:2026-03-01 to:2026-05-31                     log time: whole days in UTC, or RFC 3339 (to is exclusive then)
  occurred_from:2026-01-01 occurred_to:2026-01-31   the time that the producer claims, whole days in UTC

A value with spaces is quoted: 'target:"a b"'.
`;

/** Adds the question as arguments, and its grammar to the help. */
export function addQuestion(command: Command): Command {
  return command
    .argument('[QUESTION...]', 'what to look for, such as action:role.grant outcome:denied; everything if left out')
    .addHelpText('after', GRAMMAR);
}

/** The question in its canonical spelling, '' for everything. Throws CliError `usage`. */
export function readQuestion(words: readonly string[]): string {
  try {
    return formatQuery(parseQuery(words.join(' ')));
  } catch (error) {
    if (error instanceof QueryError) throw new CliError('usage', error.message, 'See --help for what can be asked.');
    throw error;
  }
}
