/**
 * Those that follow the pointers: each is given addresses, and works out the answers of all origins.
 *
 * @module
 */
import { readFile } from 'node:fs/promises';
import {
  compileAssemblyScript,
  type Mirror,
  type OpenClDevice,
  type ProcessDevice,
  type WasmDevice,
} from 'mirrorspace';
import { toAssemblyScript, toOpenCL } from 'mirrorspace/layout';
import { Airport, Answer, Route, Way } from './network.js';
import { shortest } from './shortest.js';

/** Where the answers and the ways of all pairs lie, and how many airports there are. */
export type Arguments = readonly [answers: number, ways: number, airports: number];

export interface Processor {
  readonly name: string;
  /** Where it works, and in which language. */
  readonly where: string;
  run(args: Arguments): Promise<void>;
}

export interface Devices {
  readonly wasm: WasmDevice;
  readonly proc: ProcessDevice;
  /** Where the machine has a driver. */
  readonly opencl?: OpenClDevice;
}

/** Origins that a core takes at a time. */
const CHUNK = 8;
const KINDS = ['pointer', 'pointer', 'u32'] as const;

export async function processors(mirror: Mirror, { wasm, proc, opencl }: Devices): Promise<Processor[]> {
  const all: Processor[] = [
    {
      name: 'JavaScript',
      where: `this process, ${process.pid}, one thread`,
      run: async ([answers, ways, airports]) => shortest(mirror, 0, airports, answers, ways, airports),
    },
  ];
  const source = await readFile(new URL('./kernel/shortest.as.ts', import.meta.url), 'utf8');
  const module = await compileAssemblyScript(`${source}\n${toAssemblyScript(Airport, Route, Way, Answer)}`);
  const onWasm = (await wasm.load(module)).kernel('shortest', KINDS);
  all.push({
    name: 'wasm device',
    where: `process ${wasm.pid}, ${wasm.cores} cores, WebAssembly`,
    run: (args) => wasm.queue.launch(onWasm, { items: args[2], args, chunk: CHUNK }).done,
  });
  const onProc = (await proc.load(new URL('./process-kernel.js', import.meta.url))).kernel('shortest', KINDS);
  all.push({
    name: 'process device',
    where: `process ${proc.pid}, ${proc.cores} cores, JavaScript`,
    run: (args) => proc.queue.launch(onProc, { items: args[2], args, chunk: CHUNK }).done,
  });
  if (!opencl) return all;
  const kernel = await readFile(new URL('./shortest.cl', import.meta.url), 'utf8');
  const program = await opencl.load(`${toOpenCL(Airport, Route, Way, Answer)}\n${kernel}`);
  const onOpencl = program.kernel('shortest', KINDS);
  all.push({
    name: 'OpenCL device',
    where: `this process, ${opencl.info.computeUnits} units, OpenCL C`,
    run: (args) => opencl.queue.launch(onOpencl, { items: args[2], args }).done,
  });
  return all;
}
