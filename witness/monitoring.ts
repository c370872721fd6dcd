/**
 * `GET /<origin hash>/checkpoint` (C2SP tlog-witness): the newest head that this witness cosigned, with the log's
 * lines that it verified and its own, for monitors that do not want to be shown another view than everybody else.
 */
import { cosignedHead } from './cosign-head.ts';
import { answer } from './handler.ts';
import { formatHead } from './head-record.ts';
import type { WitnessParts } from './parts.ts';
import { accepted, Refused, type Reply } from './reply.ts';

export function monitoredCheckpoint(parts: WitnessParts, originHash: string): Promise<Reply> {
  return answer(parts, 'checkpoint', async () => {
    const log = parts.logs.byHash(originHash);
    const head = log === undefined ? undefined : await cosignedHead(parts, log.origin);
    if (head === undefined) throw new Refused('never-cosigned', 'this witness never cosigned a checkpoint of that log');
    return accepted(formatHead(head));
  });
}
