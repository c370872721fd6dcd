/**
 * Tickets (C2SP tlog-mirror): a pending checkpoint in the client's keeping. An upload that lasts longer than the mirror
 * remembers can still be finished against the checkpoint that it was begun for, and the mirror keeps nothing for it.
 *
 *     32 bytes HMAC-SHA-256 of the rest ‖ the checkpoint with its log's signatures
 *
 * The log's signature alone would not do: the code says that *this* mirror held the checkpoint as pending, so that it is
 * on the one branch that the mirror follows.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { concatBytes, utf8Decode, utf8Encode } from '../proofs/bytes.ts';
import { parseCheckpoint } from '../proofs/checkpoint.ts';
import { ProofError } from '../proofs/errors.ts';
import { formatNote } from '../proofs/note.ts';
import { WitnessError } from './errors.ts';
import type { HeadRecord } from './head-record.ts';

export interface Tickets {
  issue(pending: HeadRecord): Uint8Array;
  /** The pending checkpoint of a ticket; undefined for anything that this mirror did not issue for this log. */
  open(origin: string, ticket: Uint8Array): HeadRecord | undefined;
}

const MAC_BYTES = 32;
const SECRET_BYTES = 32;
const LABEL = utf8Encode('countersign/mirror-ticket/v1\0');

export function makeTickets(secret: Uint8Array): Tickets {
  const mac = (note: Uint8Array): Buffer => createHmac('sha256', secret).update(LABEL).update(note).digest();
  return {
    issue: ({ checkpoint, logSignatures }) => {
      const note = utf8Encode(formatNote({ text: checkpoint.body, signatures: logSignatures }));
      return concatBytes(new Uint8Array(mac(note)), note);
    },
    open: (origin, ticket) => {
      if (ticket.length <= MAC_BYTES) return undefined;
      const note = ticket.subarray(MAC_BYTES);
      if (!timingSafeEqual(ticket.subarray(0, MAC_BYTES), mac(note))) return undefined;
      const pending = readPending(note);
      return pending?.checkpoint.origin === origin ? pending : undefined;
    },
  };
}

export function randomSecret(): Uint8Array {
  return new Uint8Array(randomBytes(SECRET_BYTES));
}

/** The secret in this file, which is made when it is not there. */
export async function loadTicketSecret(path: string): Promise<Uint8Array> {
  const secret = await readIfThere(path);
  if (secret !== undefined) return secret;
  const made = randomSecret();
  const file = await open(path, 'wx', 0o600);
  await file.writeFile(made);
  await file.sync();
  await file.close();
  return made;
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    const { mode } = await stat(path);
    if ((mode & (constants.S_IRWXG | constants.S_IRWXO)) !== 0) {
      throw new WitnessError('key-file-too-open', `others may read ${path}: chmod 600 it, or remove it`);
    }
    const secret = new Uint8Array(await readFile(path));
    if (secret.length !== SECRET_BYTES) throw new WitnessError('key-invalid', `${path} is damaged: remove it`);
    return secret;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function readPending(bytes: Uint8Array): HeadRecord | undefined {
  try {
    const { checkpoint, note } = parseCheckpoint(utf8Decode(bytes));
    return { checkpoint, logSignatures: note.signatures, cosignatures: [] };
  } catch (error) {
    if (error instanceof ProofError) return undefined;
    throw error;
  }
}
