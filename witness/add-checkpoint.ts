/**
 * `POST /add-checkpoint` (C2SP tlog-witness), bytes in and bytes out: a log brings a new checkpoint and a consistency
 * proof from the last one that we cosigned, and gets our signature lines or the reason why not.
 *
 *     parse 400 -> origin 404 -> signature 403 -> judge, record, sign (cosign-head.ts: 400, 409, 422, 500)
 */
import { formatSignatureLines } from '../proofs/note.ts';
import { cosignHead } from './cosign-head.ts';
import { answer, knownLog, takeToken } from './handler.ts';
import { judgeHead, type KnownLog } from './logs.ts';
import type { WitnessParts } from './parts.ts';
import { accepted, type Reply } from './reply.ts';
import { type AddCheckpointRequest, parseAddCheckpoint } from './request.ts';

export function addCheckpoint(parts: WitnessParts, body: Uint8Array): Promise<Reply> {
  return answer(parts, 'add-checkpoint', async () => {
    const request = parseAddCheckpoint(body);
    const log = knownLog(parts, request.head);
    await limitRequests(parts, log, request);
    const head = judgeHead(log, request.head, parts.verifyOptions);
    const { checkpoint, cosignatures } = await cosignHead(parts, head, request, 'add-checkpoint', (held) => {
      // Only a head that its log signed and that verified comes here: strangers cannot use up these tokens.
      if (held === undefined || head.checkpoint.size > held.size) takeToken(parts, log, 'updates');
    });
    parts.deliveries.delivered(checkpoint, parts.clock());
    return accepted(formatSignatureLines(cosignatures));
  });
}

/** With the bucket empty, only what claims to move the record forward is looked at any further. */
export async function limitRequests(parts: WitnessParts, log: KnownLog, request: AddCheckpointRequest): Promise<void> {
  try {
    takeToken(parts, log, 'requests');
  } catch (error) {
    const heldSize = (await parts.state.head(log.origin))?.checkpoint.size ?? 0;
    const forward = request.oldSize === heldSize && request.head.checkpoint.size > heldSize;
    if (!forward) throw error;
  }
}
