/** Pages to print: one HTML file, no script, nothing from elsewhere, and everything that came out of a file escaped. */
import { LIMITS } from '../../proofs/claims.ts';

/** `body` is HTML already. */
export function htmlPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
${body}
</body>
</html>
`;
}

/** What stands on every page about evidence. */
export function limitsHtml(): string {
  return `<h2>What no verification can say</h2>
<ul>${LIMITS.map((limit) => `<li>${escapeHtml(limit)}</li>`).join('')}</ul>`;
}

/** For element content and quoted attributes; control and bidirectional characters become visible. */
export function escapeHtml(text: string): string {
  return text
    .replace(
      /[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu,
      (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`,
    )
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

const STYLE = `
body { font: 11pt/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 60em; color: #111; }
table { border-collapse: collapse; width: 100%; } td, th { border: 1px solid #999; padding: .25em .5em; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
.verdict { font-size: 1.6em; font-weight: bold; border: 2px solid; padding: .2em .5em; display: inline-block; }
.pass { color: #060; } .fail { color: #a00; } .incomplete { color: #850; }
tr.override { background: #fee; font-weight: bold; } code { overflow-wrap: anywhere; }
@media print { body { margin: 0; max-width: none; } thead { display: table-header-group; } tr { break-inside: avoid; } }
`;
