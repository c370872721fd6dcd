/**
 * `POST /add-checkpoint` at a mirror (C2SP tlog-mirror): judged and recorded as a witness does, and answered with an empty
 * body. A mirror says nothing about a checkpoint before it has its entries.
 */
import { limitRequests } from './add-checkpoint.ts';
import { recordHead } from './cosign-head.ts';
import { answer, knownLog, takeToken } from './handler.ts';
import { judgeHead } from './logs.ts';
import type { MirrorParts } from './mirror-parts.ts';
import { accepted, type Reply } from './reply.ts';
import { parseAddCheckpoint } from './request.ts';

export function addPending(parts: MirrorParts, body: Uint8Array): Promise<Reply> {
  return answer(parts, 'add-checkpoint', async () => {
    const request = parseAddCheckpoint(body);
    const log = knownLog(parts, request.head);
    await limitRequests(parts, log, request);
    const head = judgeHead(log, request.head, parts.verifyOptions);
    const pending = await parts.state.exclusively(log.origin, () =>
      recordHead(parts, head, request, 'add-checkpoint', (held) => {
        if (held === undefined || head.checkpoint.size > held.size) takeToken(parts, log, 'updates');
      }),
    );
    parts.mirrored.get(log.origin)?.remember(pending);
    return accepted('');
  });
}
