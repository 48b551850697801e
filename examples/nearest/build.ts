/**
 * Compiles kernel/nearest.as.ts to nearest.wasm, beside this file. The flags are what the WebAssembly device
 * asks for: one imported shared memory of 4 GiB (the device's window), no allocator, and static data, if there
 * were any, at 64 KiB or above. Run as a program it writes the file, unless it is there and newer than its
 * source.
 *
 * @module
 */

import { existsSync, statSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const SOURCE = new URL('./kernel/nearest.as.ts', import.meta.url);

/** Where the compiled kernels are expected. */
export const KERNELS = new URL('./nearest.wasm', import.meta.url);

const FLAGS = [
  ...['--importMemory', '--sharedMemory', '--initialMemory', '65536', '--maximumMemory', '65536'],
  ...['--enable', 'threads', '--runtime', 'stub', '--memoryBase', '65536'],
  ...['-O3', '--noAssert'],
];

/** The part of the compiler that is used here. Its own declarations replace the global `console` for everyone. */
interface Compiler {
  main(
    args: readonly string[],
    files: {
      readFile(name: string): string | null;
      writeFile(name: string, contents: Uint8Array | string): void;
      listFiles(): string[];
    },
  ): Promise<{ error: Error | null; stderr: { toString(): string } }>;
}

/** The module's bytes; throws with the compiler's own words where it refuses. */
export async function compileKernels(): Promise<Uint8Array<ArrayBuffer>> {
  const compiler: string = 'assemblyscript/asc';
  const asc = ((await import(compiler)) as { default: Compiler }).default;
  const source = await readFile(SOURCE, 'utf8');
  let binary: Uint8Array<ArrayBuffer> | undefined;
  const { error, stderr } = await asc.main(['nearest.ts', '--outFile', 'nearest.wasm', ...FLAGS], {
    readFile: (name) => (name === 'nearest.ts' ? source : null),
    writeFile: (_name, contents) => {
      if (typeof contents !== 'string') binary = new Uint8Array(contents);
    },
    listFiles: () => [],
  });
  if (error || binary === undefined) {
    throw new Error(`${fileURLToPath(SOURCE)} does not compile:\n${stderr.toString()}`, { cause: error });
  }
  return binary;
}

/** The compiled file's bytes where it is newer than its source; compiled afresh otherwise. */
export async function readKernels(): Promise<Uint8Array<ArrayBuffer>> {
  return upToDate() ? new Uint8Array(await readFile(KERNELS)) : compileKernels();
}

function upToDate(): boolean {
  if (!existsSync(KERNELS)) return false;
  const { mtimeMs } = statSync(KERNELS);
  return [SOURCE, new URL(import.meta.url)].every((file) => statSync(file).mtimeMs <= mtimeMs);
}

if (process.argv[1] === fileURLToPath(import.meta.url) && !upToDate()) {
  const bytes = await compileKernels();
  await writeFile(KERNELS, bytes);
  console.log(`${fileURLToPath(KERNELS)}: ${bytes.length} bytes`);
}
