/**
 * The AssemblyScript compiler in a thread of its own: it takes a second of computing that the event loop should not
 * wait for, and ends its process where it crashes, which here is the thread only. Started by
 * {@link compileAssemblyScript}.
 *
 * @module
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { CompileAnswer, CompileRequest } from './compile-messages.ts';

const CONFIG = 'asconfig.json';
const OUTPUT = 'kernels.wasm';
const WORK_ITEMS = 'node_modules/mirrorspace/assembly/work-items.ts';

async function compile({
  file,
  folder,
  text,
  config,
  workItems,
  flags,
}: CompileRequest): Promise<CompileAnswer> {
  let compiler: typeof import('assemblyscript/asc');
  try {
    compiler = await import('assemblyscript/asc');
  } catch (error) {
    return { kind: 'missing', message: String(error) };
  }
  const read = (name: string): Promise<string | null> =>
    folder === undefined ? Promise.resolve(null) : readFile(join(folder, name), 'utf8').catch(() => null);
  let wasm: Uint8Array | undefined;
  const args = [file, '--outFile', OUTPUT, '--config', CONFIG, '--noColors', ...flags];
  const { error, stderr } = await compiler.default.main(args, {
    readFile: (name) => {
      if (name === file && text !== undefined) return text;
      // Where the compiler looks for it depends on the folder; it is the same everywhere.
      if (name.endsWith(WORK_ITEMS)) return workItems;
      return name === CONFIG ? config : read(name);
    },
    writeFile: (name, contents) => {
      if (name === OUTPUT && typeof contents !== 'string') wasm = contents;
    },
    listFiles: (name) =>
      folder === undefined
        ? []
        : readdir(join(folder, name)).then(
            (names) => names.filter((each) => each.endsWith('.ts')),
            () => [],
          ),
  });
  if (error || !wasm) return { kind: 'failed', message: stderr.toString().trim() || String(error) };
  return { kind: 'compiled', wasm: Uint8Array.from(wasm) };
}

void compile(workerData as CompileRequest).then((answer) => parentPort!.postMessage(answer));
