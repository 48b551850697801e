/**
 * Kernels from AssemblyScript at run time: the compiler is an optional peer dependency, and the flags that a wasm
 * device needs are those of the package's `asconfig.json`, which projects that compile beforehand can extend.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { distFolder } from '../../engine/device-process.ts';
import { invalidType, outOfRange, ProgramError, UnsupportedError } from '../../errors.ts';
import type { CompileAnswer, CompileRequest } from './compile-messages.ts';
import { STATIC_DATA } from './regions.ts';

export interface CompileOptions {
  /**
   * Where the module's static data begins: a multiple of 16 in [64 KiB, 2 MiB), 64 KiB by default. Programs that are
   * loaded together on one device need different ones.
   */
  readonly memoryBase?: number;
  /** More flags of `asc`, such as `['--enable', 'simd']` or `['--debug']`. */
  readonly flags?: readonly string[];
}

/**
 * Compiles kernels written in AssemblyScript; the result is for `wasm.load`. A string is a source that stands alone,
 * but for `mirrorspace/assembly/work-items`; a file URL is read, with what it imports. Runs in a thread of its own.
 *
 * Throws TypeError or RangeError for bad arguments, {@link ProgramError} with reason `compile` and the compiler's own
 * messages, {@link UnsupportedError} where the package `assemblyscript` is not installed.
 */
export async function compileAssemblyScript(
  source: string | URL,
  options: CompileOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await inThread(checkRequest(source, options));
  if (answer.kind === 'compiled') return answer.wasm;
  if (answer.kind === 'failed') {
    throw new ProgramError('compile', `the AssemblyScript source does not compile:\n${answer.message}`);
  }
  throw new UnsupportedError(
    'assemblyscript',
    `compileAssemblyScript needs the compiler, which is not installed: npm install --save-dev assemblyscript (${answer.message})`,
  );
}

function checkRequest(source: string | URL, options: CompileOptions): CompileRequest {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const { memoryBase = STATIC_DATA.start, flags = [] } = options;
  if (typeof memoryBase !== 'number') throw invalidType('memoryBase', 'a number', memoryBase);
  if (memoryBase % 16 !== 0 || memoryBase < STATIC_DATA.start || memoryBase >= STATIC_DATA.end) {
    throw outOfRange('memoryBase', 'a multiple of 16 from 65536 to below 2097152', memoryBase);
  }
  if (!Array.isArray(flags) || !flags.every((flag) => typeof flag === 'string'))
    throw invalidType('flags', 'an array of strings', flags);
  const [config, workItems] = [packageFile('asconfig.json'), packageFile('assembly/work-items.ts')];
  const rest = { config, workItems, flags: ['--memoryBase', String(memoryBase), ...flags] };
  if (typeof source === 'string') return { file: 'kernels.ts', folder: undefined, text: source, ...rest };
  if (!(source instanceof URL)) throw invalidType('source', 'a string or a file URL', source);
  if (source.protocol !== 'file:') throw outOfRange('source', 'a file: URL', source.href);
  const path = fileURLToPath(source);
  return { file: basename(path), folder: dirname(path), text: undefined, ...rest };
}

function packageFile(name: string): string {
  const manifest = createRequire(import.meta.url).resolve('mirrorspace/package.json');
  return readFileSync(join(dirname(manifest), name), 'utf8');
}

function inThread(request: CompileRequest): Promise<CompileAnswer> {
  return new Promise((resolve, reject) => {
    // Neither the loaders nor the output of this process: the compiler writes its crashes to the console.
    const worker = new Worker(join(distFolder(), 'device/wasm/entry-compile.cjs'), {
      workerData: request,
      execArgv: [],
      stdout: true,
      stderr: true,
    });
    let said = '';
    worker.stderr.on('data', (text) => {
      said += text;
    });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) =>
      resolve({ kind: 'failed', message: said || `the compiler ended with ${code}` }),
    );
  });
}
