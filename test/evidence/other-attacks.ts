/** Attacks on the zip itself, and on the files that are no bundles. */

import { utf8Encode } from '../../proofs/bytes.ts';
import { canonicalJson } from '../../proofs/canonical-json.ts';
import { formatForkProof, makeForkProof } from '../../proofs/fork-proof.ts';
import { formatOpenedEvent } from '../../proofs/opened-event.ts';
import { proveInclusion } from '../../proofs/prove.ts';
import { formatTlogProof } from '../../proofs/tlog-proof.ts';
import { memoryReader } from '../support/tree.ts';
import { makeZip, type ZipEntry, type ZipOptions, zipOf } from '../support/zip.ts';
import { type CorpusFile, type Expected, fail, incomplete, PASS } from './corpus.ts';
import { asObject, flipCharacter } from './tamper.ts';
import { headOf, logKey, makeBundle, makeWorld, openEvent, type World } from './world.ts';

export async function zipFiles(): Promise<readonly CorpusFile[]> {
  const good = [...(await makeBundle(makeWorld()))].map(([name, data]): ZipEntry => ({ name, data }));
  const file = (name: string): ZipEntry => good.find((entry) => entry.name === name) ?? { name, data: EMPTY };
  const text = { data: utf8Encode('surprise\n') };
  const files: CorpusFile[] = [];
  const refused = fail('files', 'invalid-zip');
  const add = (
    name: string,
    entries: readonly ZipEntry[],
    expect: Expected = refused,
    options: ZipOptions = {},
  ): void => {
    files.push({ name, suffix: '.zip', bytes: makeZip(entries, options), expect });
  };
  const replaced = (name: string, change: Partial<ZipEntry>): readonly ZipEntry[] =>
    good.map((entry) => (entry.name === name ? { ...entry, ...change } : entry));

  files.push({ name: 'good-stored', suffix: '.zip', bytes: zipOf(await makeBundle(makeWorld()), false), expect: PASS });
  add('zip-extra-file', [...good, { ...text, name: 'note.txt' }], fail('files', 'unexpected-file'));
  add(
    'zip-without-policy',
    good.filter(({ name }) => name !== 'policy.txt'),
    fail('files', 'missing-file'),
  );
  add('zip-duplicate-name', [...good, file('events.ndjson')]);
  add('zip-duplicate-name-other-content', [...good, { ...file('events.ndjson'), ...text }]);
  add('zip-path-traversing', [...good, { ...text, name: '../evil.txt' }]);
  add('zip-absolute-path', [...good, { ...text, name: '/etc/evil' }]);
  add('zip-backslash-path', [...good, { ...text, name: '..\\evil.txt' }]);
  add('zip-directory', [...good, { data: EMPTY, name: 'folder/', mode: 0o40755 }]);
  add('zip-symbolic-link', replaced('policy.txt', { mode: 0o120777 }));
  add('zip-name-in-other-case', replaced('policy.txt', { name: 'Policy.txt' }), fail('files', 'unexpected-file'));
  add('zip-bomb', replaced('README.txt', { data: new Uint8Array(64 * 1024 * 1024) }));
  add('zip-size-understated', replaced('README.txt', { says: { size: 3 } }));
  add('zip-size-overstated', replaced('README.txt', { says: { size: 1_000_000 } }));
  add('zip-wrong-checksum', replaced('README.txt', { says: { crc: 1 } }));
  add('zip-two-names-for-one-file', replaced('README.txt', { says: { localName: 'readme.txt' } }));
  add('zip-encrypted', replaced('README.txt', { flags: 0x0801 }));
  add('zip-hidden-bytes', replaced('README.txt', { gap: utf8Encode('hidden') }));
  add('zip-bytes-in-front', good, fail('log-signature', 'invalid-utf8'), { before: utf8Encode('#!/bin/sh\n') });
  add('zip-bytes-behind', good, refused, { after: utf8Encode('more') });
  add('zip-comment', good, refused, { comment: utf8Encode('comment') });
  add(
    'zip-too-many-files',
    Array.from({ length: 17 }, (_, i) => ({ ...text, name: `file${i}` })),
  );
  const whole = makeZip(good);
  files.push({ name: 'zip-cut-off', suffix: '.zip', bytes: whole.slice(0, whole.length - 30), expect: refused });
  files.push({ name: 'zip-signature-only', suffix: '.zip', bytes: whole.slice(0, 4), expect: refused });
  return files;
}

export async function singleFiles(): Promise<readonly CorpusFile[]> {
  const world = makeWorld();
  const forged = makeWorld(40, { branch: 5 });
  const receipt = await receiptOf(world, 8);
  const opened = openedText(world, 8);
  const files: CorpusFile[] = [];
  const add = (name: string, suffix: CorpusFile['suffix'], text: string, expect: Expected, beside?: string): void => {
    files.push({ name, suffix, bytes: utf8Encode(text), expect, ...(beside !== undefined && { receipt: beside }) });
  };
  const altered = asObject(JSON.parse(opened));
  asObject(asObject(altered['fields'])['reason'])['value'] = '"for a good cause"';

  add('good-event', '.json', opened, PASS, receipt);
  add('good-receipt', '.tlog-proof', receipt, PASS);
  add('good-checkpoint', '.txt', headOf(world, 40), PASS);
  add('good-fork-proof', '.txt', formatForkProof(makeForkProof(headOf(world, 40), headOf(forged, 40))), PASS);
  add('event-value-changed', '.json', canonicalJson(altered), fail('contents', 'commitment-mismatch', FIELD), receipt);
  add(
    'event-with-the-receipt-of-another',
    '.json',
    opened,
    fail('receipt', 'entry-mismatch'),
    await receiptOf(world, 9),
  );
  add('event-of-another-history', '.json', openedText(forged, 8), fail('receipt', 'entry-mismatch'), receipt);
  add('event-without-a-receipt', '.json', opened, incomplete('receipt'));
  add(
    'event-with-nothing-opened',
    '.json',
    canonicalJson({ ...asObject(JSON.parse(opened)), fields: {} }),
    {
      ...incomplete('contents'),
    },
    receipt,
  );
  add(
    'receipt-hash-altered',
    '.tlog-proof',
    flipCharacter(receipt, receipt.indexOf('\n', receipt.indexOf('index')) + 4),
    {
      ...fail('inclusion', 'bad-inclusion-proof'),
    },
  );
  add('receipt-index-changed', '.tlog-proof', receipt.replace('index 8', 'index 9'), {
    ...fail('inclusion', 'bad-inclusion-proof'),
  });
  add('receipt-without-an-entry', '.tlog-proof', receipt.replace(/extra .*\n/, ''), incomplete('inclusion'));
  add('receipt-without-witnesses', '.tlog-proof', await receiptOf(world, 8, [logKey]), {
    ...fail('witnesses', 'quorum-not-met'),
  });
  add('checkpoint-size-changed', '.txt', headOf(world, 40).replace('\n40\n', '\n41\n'), {
    ...fail('log-signature', 'bad-log-signature'),
  });
  add('checkpoint-of-nobody', '.txt', 'hello\n', fail('log-signature', 'invalid-note'));
  add('fork-proof-of-one-head-twice', '.txt', formatForkProof(makeForkProof(headOf(world, 40), headOf(world, 40))), {
    ...fail('fork', 'not-a-fork'),
  });
  add('empty-file', '.txt', '', fail('log-signature', 'invalid-note'));
  return files;
}

const EMPTY = new Uint8Array(0);
const FIELD = { index: 8, field: 'reason' };

function openedText(world: World, index: number): string {
  const event = world.events[index];
  if (event === undefined) throw new TypeError(`no event ${index}`);
  return formatOpenedEvent(openEvent(event));
}

async function receiptOf(world: World, index: number, signers?: readonly (typeof logKey)[]): Promise<string> {
  const checkpoint = signers === undefined ? headOf(world, 40) : headOf(world, 40, signers);
  const extra = world.events[index]?.entry ?? EMPTY;
  return formatTlogProof({
    index,
    proof: await proveInclusion(index, 40, memoryReader(world.leaves)),
    checkpoint,
    extra,
  });
}
