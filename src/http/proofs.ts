/** Inclusion and consistency proofs as JSON, between any sizes up to the signed one; the log checks each before it is sent. */
import type { Hash } from '../../proofs/hash.ts';
import { base64OfHash } from './base64.ts';
import { invalidParameter, readQuery, requiredDecimal } from './query.ts';
import { type PlainAnswer, publicJsonAnswer } from './respond.ts';
import type { HotExchange, HotReadRoute } from './route.ts';
import { ConsistencyProof, decimalParameter, InclusionProof } from './schemas.ts';

const BEYOND = { description: 'The tree, or the newest signed head, does not reach that far.' };

export const proofRoutes: readonly HotReadRoute[] = [
  {
    method: 'GET',
    path: '/:log/proof/inclusion',
    access: 'hot',
    description: {
      summary: 'Proof that the leaf `index` is in the tree of `size` leaves',
      parameters: [
        decimalParameter('index', 'Index of the leaf, from 0.'),
        decimalParameter('size', 'Size of the tree, up to the newest signed one.'),
      ],
      answers: {
        200: { description: 'The audit path (RFC 6962 §2.1.1).', content: { 'application/json': InclusionProof } },
        404: BEYOND,
      },
    },
    answer: inclusion,
  },
  {
    method: 'GET',
    path: '/:log/proof/consistency',
    access: 'hot',
    description: {
      summary: 'Proof that the tree of `from` leaves is a prefix of the tree of `to` leaves',
      parameters: [
        decimalParameter('from', 'The smaller size.'),
        decimalParameter('to', 'The larger size, up to the newest signed one.'),
      ],
      answers: {
        200: {
          description: 'The consistency proof (RFC 6962 §2.1.2).',
          content: { 'application/json': ConsistencyProof },
        },
        404: BEYOND,
      },
    },
    answer: consistency,
  },
];

async function inclusion({ c, served: { log } }: HotExchange): Promise<PlainAnswer> {
  const query = readQuery(c, ['index', 'size']);
  const index = requiredDecimal(query, 'index');
  const size = requiredDecimal(query, 'size');
  if (index >= size) throw invalidParameter('index', 'must be below size');
  const { leafHash, root, proof } = await log.provenInclusion(index, size);
  return publicJsonAnswer({
    origin: log.origin,
    index,
    size,
    leaf_hash: base64OfHash(leafHash),
    root: base64OfHash(root),
    proof: encoded(proof),
  });
}

async function consistency({ c, served: { log } }: HotExchange): Promise<PlainAnswer> {
  const query = readQuery(c, ['from', 'to']);
  const from = requiredDecimal(query, 'from');
  const to = requiredDecimal(query, 'to');
  if (from > to) throw invalidParameter('from', 'must not be above to');
  const proof = await log.consistencyProof(from, to);
  const [fromRoot, toRoot] = await Promise.all([log.rootAt(from), log.rootAt(to)]);
  return publicJsonAnswer({
    origin: log.origin,
    from,
    to,
    from_root: base64OfHash(fromRoot),
    to_root: base64OfHash(toRoot),
    proof: encoded(proof),
  });
}

function encoded(hashes: readonly Hash[]): string[] {
  return hashes.map((hash) => base64OfHash(hash));
}
