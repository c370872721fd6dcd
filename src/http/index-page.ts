/** `GET /`: one plain page that names the logs and where to find what. No script, one inline style under a strict policy. */
import { hash } from 'node:crypto';
import { Type } from '@sinclair/typebox';
import { html, raw } from 'hono/html';
import { respond, SECURITY_HEADERS } from './respond.ts';
import type { AnyServedLog, SiteRoute } from './route.ts';

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem}
code{font:14px ui-monospace,monospace;overflow-wrap:anywhere}li{margin:.2rem 0}`;
const STYLE_HASH = hash('sha256', STYLE, 'base64');
const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

export const indexRoute: SiteRoute = {
  method: 'GET',
  path: '/',
  access: 'site',
  description: {
    summary: 'A page that names the logs',
    answers: { 200: { description: 'The page.', content: { 'text/html': Type.String() } } },
  },
  handle: async ({ services }) =>
    respond(200, String(await page([...services.logs.values()])), {
      ...SECURITY_HEADERS,
      'content-security-policy': PAGE_POLICY,
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
    }),
};

function page(logs: readonly AnyServedLog[]): ReturnType<typeof html> {
  return html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Countersign</title><meta name="viewport" content="width=device-width">
<style>${raw(STYLE)}</style></head>
<body>
<h1>Countersign</h1>
<p>An audit trail that its own operator cannot rewrite. Logs served here:</p>
${logs.map(logSection)}
<p><a href="/verify">Verify evidence</a> in the browser, without a network. Save the page: it works from a file, too.</p>
<p><a href="/healthz">health</a> · <a href="/readyz">readiness</a> · <a href="/metrics">metrics</a> ·
<a href="/openapi.json">API description</a></p>
</body>
</html>
`;
}

function logSection({ log }: AnyServedLog): ReturnType<typeof html> {
  const base = `/${log.name}`;
  return html`<h2>${log.name}</h2>
<ul>
<li>origin <code>${log.origin}</code></li>
<li>${log.treeSize()} ${log.kind === 'raw' ? 'entries' : 'events'}, ${log.publishedSize()} of them under the published checkpoint</li>
<li><a href="${base}/checkpoint">checkpoint</a>, <a href="${base}/head">newest signed head</a>,
<a href="${base}/log.json">keys, policy and limits</a></li>
</ul>
`;
}
