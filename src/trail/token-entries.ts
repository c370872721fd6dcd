/**
 * Tokens as entries (Q2): every creation and every revocation, with what the token may do. The file of tokens is the
 * operator's to edit while nobody looks; so at start it is held against the entries. A token that no entry announced, or
 * announced otherwise, becomes an entry then; one that an entry revoked is dead whatever the file says.
 *
 * Ids of these entries follow from their content, so that each fact is recorded once:
 *
 *   created.tok_5f0c….<what it may do, hashed>      revoked.tok_5f0c…
 */

import { hash } from 'node:crypto';
import { canonicalJson, type JsonObject } from '../../proofs/canonical-json.ts';
import { OWN_PRODUCER } from '../../proofs/own-entries.ts';
import type { Log } from '../log/types.ts';
import type { TokenRecord, TokenStore } from './access.ts';
import type { OwnEvent, Recorder } from './record.ts';

export const CREATE_TOKEN = 'countersign.token.create';
export const REVOKE_TOKEN = 'countersign.token.revoke';

const LETTERS = 16;

/** Nobody is known to have done it: it was found. */
const FOUND_BY: OwnEvent['actor'] = { type: 'system', id: 'countersign' };
const FOUND_REASON = 'found in the token file when the log was opened; no entry announced it';

/** The entry that announces a token. It holds neither the token nor the name that people gave it. */
export function tokenCreated(record: TokenRecord, actor: OwnEvent['actor'], reason?: string): OwnEvent {
  return {
    event_id: createdId(record),
    action: CREATE_TOKEN,
    actor,
    target: { type: 'token', id: record.id },
    outcome: { result: 'success' },
    ...(reason === undefined ? {} : { reason }),
    context: powersOf(record),
  };
}

export function tokenRevoked(id: string, actor: OwnEvent['actor'], reason?: string): OwnEvent {
  return {
    event_id: revokedId(id),
    action: REVOKE_TOKEN,
    actor,
    target: { type: 'token', id },
    outcome: { result: 'success' },
    ...(reason === undefined ? {} : { reason }),
  };
}

/** Announced, and then not made: the file could not be written. */
export function tokenNotCreated(record: TokenRecord, actor: OwnEvent['actor']): OwnEvent {
  const { event_id: _, ...event } = tokenCreated(record, actor);
  return { ...event, outcome: { result: 'failure', code: 'not-stored' } };
}

export interface Reconciled {
  /** Ids of tokens that no entry had announced as they are. */
  readonly announced: readonly string[];
  /** Ids of tokens that were dead by an entry and alive in the file. */
  readonly revoked: readonly string[];
}

/** Holds the tokens against the entries. Throws LogError when the log takes no entries. */
export async function reconcileTokens(
  log: Pick<Log, 'findEvent'>,
  recorder: Recorder,
  tokens: TokenStore,
): Promise<Reconciled> {
  const announced: string[] = [];
  const revoked: string[] = [];
  const isRecorded = async (eventId: string): Promise<boolean> =>
    (await log.findEvent(eventId, OWN_PRODUCER)).length > 0;
  for (const record of tokens.list()) {
    const wasRevoked = await isRecorded(revokedId(record.id));
    if (record.revokedAt === null) {
      if (wasRevoked) {
        await tokens.revoke(record.id, { evenLastAdmin: true });
        revoked.push(record.id);
      } else if (!(await isRecorded(createdId(record)))) {
        await recorder.record(tokenCreated(record, FOUND_BY, FOUND_REASON));
        announced.push(record.id);
      }
    } else if (!wasRevoked && (await isRecorded(createdId(record)))) {
      await recorder.record(tokenRevoked(record.id, FOUND_BY, 'found revoked when the log was opened'));
    }
  }
  return { announced, revoked };
}

function createdId(record: TokenRecord): string {
  // Letters, so that nothing takes it for the number of a card.
  const digest = hash('sha256', canonicalJson({ ...powersOf(record), sha256: record.sha256 }), 'hex').slice(0, LETTERS);
  return `created.${record.id}.${lettersOf(digest)}`;
}

function revokedId(id: string): string {
  return `revoked.${id}`;
}

function powersOf({ role, producerId, scope, expiresAt }: TokenRecord): JsonObject {
  return {
    role,
    ...(producerId === null ? {} : { producer_id: producerId }),
    ...(scope === null ? {} : { scope: { ...scope } }),
    ...(expiresAt === null ? {} : { expires_at: expiresAt }),
  };
}

function lettersOf(hex: string): string {
  return hex.replace(/[0-9a-f]/g, (digit) => String.fromCharCode(97 + Number.parseInt(digit, 16)));
}
