/**
 * `npm run build:verifier`: the auditor's page as one HTML file, dist/verifier.html. Its script and its style stand in it,
 * and its policy names their hashes, so that nothing else can run and nothing can be fetched. The same sources give the
 * same bytes: whoever builds it can compare the digest that is printed.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const SOURCES = fileURLToPath(new URL('./verifier/', import.meta.url));
const ENTRY = './verifier/main.ts';
const BUILT = fileURLToPath(new URL('../../dist/verifier.html', import.meta.url));
/** Browsers with everything that the page needs. */
const TARGETS = ['chrome119', 'firefox125', 'safari17.4'];

/** The page, and the digest of its bytes. */
export async function buildVerifier(): Promise<{ readonly html: string; readonly sha256: string }> {
  const [script, style, page] = await Promise.all([
    bundleScript(),
    readFile(path.join(SOURCES, 'style.css'), 'utf8'),
    readFile(path.join(SOURCES, 'page.html'), 'utf8'),
  ]);
  const parts: Readonly<Record<string, string>> = {
    '/*POLICY*/': contentPolicy(script, style),
    '/*STYLE*/': style,
    '/*SCRIPT*/': script,
  };
  const html = page.replace(/\/\*[A-Z]+\*\//g, (mark) => parts[mark] ?? mark);
  return { html, sha256: createHash('sha256').update(html).digest('hex') };
}

/** The worker is a blob of the page's own script. `frame-ancestors` counts in a header only: src/http/verifier.ts. */
function contentPolicy(script: string, style: string): string {
  const digest = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  return [
    "default-src 'none'",
    `script-src ${digest(script)}`,
    `style-src ${digest(style)}`,
    'worker-src blob:',
    "connect-src 'none'",
    'img-src data:',
    "form-action 'none'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types countersign-worker',
  ].join('; ');
}

async function bundleScript(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(ENTRY, import.meta.url))],
    bundle: true,
    write: false,
    minify: true,
    format: 'iife',
    platform: 'browser',
    target: TARGETS,
    charset: 'ascii',
    legalComments: 'none',
    // The same decoder without `new Function`, which the page's policy forbids.
    alias: { 'cbor-x': 'cbor-x/decode-no-eval' },
  });
  const script = outputFiles[0]?.text ?? '';
  if (/<\/script|<!--/i.test(script)) throw new Error('the script would end its own element');
  return script.trim();
}

/** Builds it where the server looks for it. */
export async function writeVerifier(): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const { html, sha256 } = await buildVerifier();
  await mkdir(path.dirname(BUILT), { recursive: true });
  // A server may be reading it.
  await writeFile(`${BUILT}.new`, html);
  await rename(`${BUILT}.new`, BUILT);
  return { bytes: html.length, sha256 };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { bytes, sha256 } = await writeVerifier();
  console.log(`dist/verifier.html  ${bytes} bytes  sha256 ${sha256}`);
}
