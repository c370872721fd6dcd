/**
 * The allow list of test card numbers. They stand in it as hashes, so that the list itself never holds what looks like
 * a card number: a line is what `printf %s 4111111111111111 | sha256sum` prints, white space and a comment may follow.
 *
 *   # sandbox of the payment provider
 *   9bbef19476623ca56c17da75fd57734dbf82530686043a6e491c6d71befe8f6e  visa, never real
 */

export const MAX_ALLOWED_CARDS = 1_000;

export class AllowListError extends Error {
  /** 1-based. */
  readonly line: number;

  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
    this.name = 'AllowListError';
    this.line = line;
  }
}

/** The hashes. Throws AllowListError. */
export function parseAllowList(text: string): ReadonlySet<string> {
  const hashes = new Set<string>();
  for (const [i, line] of text.split('\n').entries()) {
    const content = line.trim();
    if (content === '' || content.startsWith('#')) continue;
    const [digest = ''] = content.split(/\s/);
    if (!/^[0-9a-f]{64}$/.test(digest)) {
      throw new AllowListError(i + 1, 'it must begin with the SHA-256 of the digits, 64 characters of lower-case hex');
    }
    hashes.add(digest);
    if (hashes.size > MAX_ALLOWED_CARDS) throw new AllowListError(i + 1, `more than ${MAX_ALLOWED_CARDS} numbers`);
  }
  return hashes;
}
