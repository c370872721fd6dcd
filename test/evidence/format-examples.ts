/**
 * The worked examples of docs/formats.md, made from the corpus's log. `npx tsx test/evidence/format-examples.ts` writes them
 * into the document; a test holds the document to them.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { base64Encode, hexEncode, utf8Decode } from '../../proofs/bytes.ts';
import { cardHash } from '../../proofs/card.ts';
import { encodeCbor } from '../../proofs/cbor.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { commitField, FIELD_LABEL } from '../../proofs/commitment.ts';
import { cosignedMessage } from '../../proofs/cosignature.ts';
import { leafHash, sha256 } from '../../proofs/hash.ts';
import { formatOpenedEvent } from '../../proofs/opened-event.ts';
import { proveInclusion } from '../../proofs/prove.ts';
import { parseSampleReport } from '../../proofs/sample-report.ts';
import { formatTlogProof } from '../../proofs/tlog-proof.ts';
import { memoryReader } from '../support/tree.ts';
import { commitOf, DRAND_ROUND, DRAND_SIGNATURE, DRAND_START_US, NONCE, tellSample } from './sample-world.ts';
import { HEAD_SECONDS, headOf, logKey, makeBundle, makeWorld, openEvent, POLICY, witnessKeys } from './world.ts';

export const DOCUMENT: string = fileURLToPath(new URL('../../docs/formats.md', import.meta.url));

const LINE_CHARACTERS = 96;
const DRAND = {
  startUs: DRAND_START_US,
  commit: { drandRound: DRAND_ROUND },
  reveal: { drandSignature: DRAND_SIGNATURE },
};

export async function formatExamples(): Promise<ReadonlyMap<string, string>> {
  const world = makeWorld(5);
  const [, , , , event] = world.events;
  const opening = event?.openings.get('action');
  if (event === undefined || opening === undefined) throw new TypeError('the example has no event');
  const { index, entry, card } = event;
  const commitment = commitField(opening.salt, 'action', opening.value);
  const head = headOf(world, 5);
  const { checkpoint } = parseCheckpoint(head);
  const proof = await proveInclusion(index, 5, memoryReader(world.leaves));
  const bundle = await makeBundle(world, { range: { start: 3, end: 4 }, size: 5 });
  const file = (name: string): string => utf8Decode(bundle.get(name) ?? new Uint8Array(0));
  const [witness = logKey] = witnessKeys;
  return new Map([
    [
      'commitment',
      [
        `salt      ${hexEncode(opening.salt)}`,
        'field_id  action',
        `value     ${opening.value}`,
        'cbor',
        wrapped(hexEncode(encodeCbor([FIELD_LABEL, opening.salt, 'action', opening.value]))),
        `c         ${hexEncode(commitment)}`,
      ].join('\n'),
    ],
    ['card', `${wrapped(hexEncode(card))}\nSHA-256   ${hexEncode(cardHash(card))}`],
    ['entry', `${wrapped(hexEncode(entry))}\nleaf_hash ${hexEncode(leafHash(entry))}`],
    ['opened-event', formatOpenedEvent(openEvent(event, { only: ['action'] }))],
    ['checkpoint', head],
    ['cosigned-message', utf8Decode(cosignedMessage(checkpoint, witness, HEAD_SECONDS))],
    ['policy', POLICY],
    ['receipt', formatTlogProof({ index, proof, checkpoint: head, extra: entry })],
    ['manifest', file('manifest.json')],
    ['manifest-sig', file('manifest.sig')],
    ['population', file('population')],
    ['events-line', file('events.ndjson')],
    ['root', base64Encode(checkpoint.root)],
    ...(await sampleExamples()),
  ]);
}

/** The good sample with a drand round, which is in the corpus. */
async function sampleExamples(): Promise<readonly (readonly [string, string])[]> {
  const { world, files } = await tellSample(DRAND);
  const report = files.get('sample.json') ?? new Uint8Array(0);
  const { commit, reveal, head, seed } = parseSampleReport(report);
  const contextAt = (index: number): string => world.events[index]?.openings.get('context')?.value ?? '';
  const sampleAt = (index: number): string => contextAt(index).replace(/^\{"sample":|\}$/g, '');
  const [leaf = seed] = world.leaves.slice(commit);
  const { operatorNonce } = commitOf(DRAND, DRAND_START_US);
  const beacon = sha256(DRAND_SIGNATURE);
  const parts = ['countersign/sample/v1', leaf, head.root, NONCE, operatorNonce, beacon];
  return [
    ['sample-commit', sampleAt(commit)],
    ['sample-reveal', sampleAt(reveal)],
    [
      'sample-seed',
      [
        `commit   ${hexEncode(leaf)}`,
        `head     ${hexEncode(head.root)}`,
        `auditor  ${hexEncode(NONCE)}`,
        `operator ${hexEncode(operatorNonce)}`,
        `drand    ${hexEncode(beacon)}`,
        'cbor',
        wrapped(hexEncode(encodeCbor(parts))),
        `seed     ${hexEncode(sha256(encodeCbor(parts)))}`,
      ].join('\n'),
    ],
    ['sample-json', utf8Decode(report)],
  ];
}

/** The document with every example in its place. Throws for a place without an example. */
export function withExamples(document: string, examples: ReadonlyMap<string, string>): string {
  return document.replace(EXAMPLE, (_, name: string) => {
    const text = examples.get(name);
    if (text === undefined) throw new TypeError(`there is no example ${name}`);
    return `<!-- example: ${name} -->\n\`\`\`text\n${text.replace(/\n$/, '')}\n\`\`\``;
  });
}

export const EXAMPLE = /<!-- example: ([a-z-]+) -->\n```text\n[^`]*```/g;

function wrapped(hex: string): string {
  return (hex.match(new RegExp(`.{1,${LINE_CHARACTERS}}`, 'g')) ?? []).join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(DOCUMENT, withExamples(await readFile(DOCUMENT, 'utf8'), await formatExamples()));
}
