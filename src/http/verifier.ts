/**
 * `GET /verify`: the auditor's page (src/console), as `npm run build:verifier` made it. It is one file and asks for nothing
 * else; its own policy stands in it and is repeated in the header, where it can also forbid being framed.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Type } from '@sinclair/typebox';
import { HttpProblem } from './problems.ts';
import { respond, SECURITY_HEADERS } from './respond.ts';
import type { SiteRoute } from './route.ts';

/** As seen from the sources, and from what the compiler makes of them. */
const PLACES = ['../../dist/verifier.html', '../../verifier.html'];
const PAGE_POLICY = /<meta\s+http-equiv="Content-Security-Policy"\s+content="([^"]+)"/;

export const verifierRoute: SiteRoute = {
  method: 'GET',
  path: '/verify',
  access: 'site',
  description: {
    summary: 'The page that verifies evidence in the browser, without a network',
    answers: {
      200: { description: 'The page. Save it: it works from a file, too.', content: { 'text/html': Type.String() } },
    },
  },
  handle: async () => {
    const html = await readPage();
    const policy = html === undefined ? undefined : PAGE_POLICY.exec(html)?.[1];
    if (html === undefined || policy === undefined) {
      throw new HttpProblem('unknown-path', 'The verifier was not built here: npm run build:verifier makes it.');
    }
    return respond(200, html, {
      ...SECURITY_HEADERS,
      'content-security-policy': `${policy}; frame-ancestors 'none'`,
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
    });
  },
};

/** Read for each request: the file is small, asked for seldom, and may be built again while the server runs. */
async function readPage(): Promise<string | undefined> {
  for (const place of PLACES) {
    try {
      return await readFile(fileURLToPath(new URL(place, import.meta.url)), 'utf8');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
  return undefined;
}
