/**
 * Compiles kernel/nearest.as.ts to nearest.wasm, beside this file, together with the classes that `toAssemblyScript`
 * makes of the structures in layout.ts: so both sides work from one declaration. Run as a program it writes the file,
 * unless it is there and newer than its sources.
 *
 * @module
 */

import { existsSync, statSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { compileAssemblyScript } from 'mirrorspace';
import { toAssemblyScript } from 'mirrorspace/layout';
import { Node, Seen, Tree } from './layout.ts';

/** The kernels, without their declarations. */
export const SOURCE = new URL('./kernel/nearest.as.ts', import.meta.url);
/** What the result depends on; the compiler's flags are those of asconfig.json. */
const SOURCES = [
  SOURCE,
  new URL('./layout.ts', import.meta.url),
  new URL(import.meta.url),
  new URL(import.meta.resolve('mirrorspace/asconfig.json')),
];

/** Where the compiled kernels are expected. */
export const KERNELS = new URL('./nearest.wasm', import.meta.url);

/** The module's bytes; throws with the compiler's own words where it refuses. */
export function compileKernels(source: string): Promise<Uint8Array<ArrayBuffer>> {
  // At the end, so that the compiler's messages give the lines of the source.
  return compileAssemblyScript(`${source}\n${toAssemblyScript(Tree, Node, Seen)}`);
}

/** The compiled file's bytes where it is newer than its sources; compiled afresh otherwise. */
export async function readKernels(): Promise<Uint8Array<ArrayBuffer>> {
  if (upToDate()) return new Uint8Array(await readFile(KERNELS));
  return compileKernels(await readFile(SOURCE, 'utf8'));
}

function upToDate(): boolean {
  if (!existsSync(KERNELS)) return false;
  const { mtimeMs } = statSync(KERNELS);
  return SOURCES.every((file) => statSync(file).mtimeMs <= mtimeMs);
}

if (process.argv[1] === fileURLToPath(import.meta.url) && !upToDate()) {
  const bytes = await readKernels();
  await writeFile(KERNELS, bytes);
  console.log(`${fileURLToPath(KERNELS)}: ${bytes.length} bytes`);
}
