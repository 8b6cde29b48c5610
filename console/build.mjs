// Builds the page: one script, one style sheet, both named by their content, and the index.html that names them.
//
//   node build.mjs [folder]    default: the image function's package

import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { minify } from 'terser';

const here = dirname(fileURLToPath(import.meta.url));
const folder = resolve(process.argv[2] ?? join(here, '../lambda/image_api/console'));

const { outputFiles } = await esbuild.build({
  absWorkingDir: here,
  entryPoints: ['src/main.tsx'],
  outdir: folder,
  bundle: true,
  minify: true,
  format: 'esm',
  // Calls of `h` instead of those of the automatic runtime, which tsconfig.json has for the types: 1 % less.
  jsx: 'transform',
  jsxFactory: 'h',
  jsxFragment: 'Fragment',
  inject: ['jsx.js'],
  tsconfigRaw: '{}',
  target: ['chrome111', 'firefox115', 'safari16.4'],
  legalComments: 'none',
  logLevel: 'warning',
  write: false,
});

// Made aside, so that nobody finds half of a page.
const made = `${folder}.new`;
await rm(made, { recursive: true, force: true });
await mkdir(made, { recursive: true });
let page = await readFile(join(here, 'src/index.html'), 'utf8');
for (const { path, text } of outputFiles) {
  const extension = extname(path);
  // terser makes 2 % less of what esbuild minified.
  const content = extension === '.js' ? (await minify(text, { module: true, compress: { passes: 3 } })).code : text;
  const hash = createHash('sha256').update(content).digest('hex').slice(0, 16);
  await writeFile(join(made, `main-${hash}${extension}`), content);
  page = page.replace(`main${extension}`, `main-${hash}${extension}`);
}
await writeFile(join(made, 'index.html'), page);
await rm(folder, { recursive: true, force: true });
await rename(made, folder);
