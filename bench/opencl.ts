/**
 * Launches, map and unmap, handing a buffer over and a kernel over 64 MiB on an OpenCL device, beside the same driver as
 * asked by C (peers/opencl.c) and by Python (peers/opencl.py, where pyopencl is installed: python3-pyopencl of Debian);
 * and an empty kernel beside bare calls of the ICD loader through the same foreign function interface, and beside the wasm
 * device. Without a driver there are no rows.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  listOpenclDevices,
  MiB,
  openclDevice,
  openMirror,
  UnsupportedError,
  wasmDevice,
} from '../dist/index.js';
import { DriverContext } from '../src/device/opencl/driver-context.ts';
import { chosen } from '../src/device/opencl/list-devices.ts';
import { runPeer } from './c-peer.ts';
import { beside, inTurn, median, nanoseconds, type Row, rounded } from './rows.ts';

const kernels = new URL('../test/fixtures/kernels/build/basic.wasm', import.meta.url);
const SOURCE = `
kernel void nothing(void) {}
kernel void answer(global const int *in, global int *out) { out[0] = in[0] + 1; }
kernel void scale(global float *data, float by) { data[get_global_id(0)] = data[get_global_id(0)] * by + 1.0f; }
`;

/** Milliseconds between two launches, in the row with pauses: as in the peers. */
const PAUSE = 0.02;

/** Launches until all is hot: compilers' and collectors' threads have done most of what they do. */
const WARM_UP = 10_000;

const repeated = (times: number, once: () => void) => (): void => {
  for (let i = 0; i < times; i++) once();
};

/** clEnqueueNDRangeKernel and clFinish, with nothing around them. */
async function bareDriver(): Promise<{ once: () => void; release: () => void }> {
  const context = new DriverContext(chosen({})[0]!);
  const { cl } = context;
  const queue = context.createQueue('in');
  const kernel = context.kernel(await context.build(SOURCE, ''), 'nothing');
  const size = new BigUint64Array([1n]);
  const once = (): void => {
    const status = cl.clEnqueueNDRangeKernel(queue, kernel, 1, null, size, null, 0, null, null);
    if (status !== 0 || cl.clFinish(queue) !== 0) throw new Error(`the driver refused a launch: ${status}`);
  };
  return { once, release: () => context.release() };
}

/** The figures of peers/opencl.py; a reason where there are none. */
function runPython(repetitions: number): number[] | string {
  const program = fileURLToPath(new URL('./peers/opencl.py', import.meta.url));
  let reason = 'there is no python3';
  for (const python of ['python3', '/usr/bin/python3']) {
    const { status, stdout, stderr, error } = spawnSync(python, [program, String(repetitions)], {
      encoding: 'utf8',
    });
    if (status === 0) return stdout.trim().split(' ').map(Number);
    if (!error) reason = stderr.trim().split('\n').at(-1) ?? reason;
  }
  return `${reason} (apt-get install python3-pyopencl)`;
}

/** Microseconds of one, each after a pause that is not counted. */
function afterPauses(launches: number, once: () => void): number {
  const times: number[] = [];
  for (let round = -3; round < 9; round++) {
    let took = 0;
    for (let i = 0; i < launches; i++) {
      for (const until = performance.now() + PAUSE; performance.now() < until; );
      const start = performance.now();
      once();
      took += performance.now() - start;
    }
    if (round >= 0) times.push((took * 1000) / launches);
  }
  return median(times);
}

/** Microseconds of the first four, milliseconds of the last, in the order of peers/opencl.c. */
async function ourFigures(launches: number): Promise<{ figures: number[]; wasm: number; bare: number }> {
  const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: 1 }), opencl: openclDevice() } });
  const { wasm, opencl } = mirror.devices;
  const { queue } = opencl;
  const onWasm = (await wasm.load(kernels)).kernel('nothing', []);
  const program = await opencl.load(new TextEncoder().encode(SOURCE));
  const nothing = program.kernel('nothing', []);
  const answer = program.kernel('answer', ['pointer', 'pointer']);
  const scale = program.kernel('scale', ['pointer', 'f32']);
  const [fine, out] = [mirror.alloc(MiB), mirror.alloc(4096)];
  const [words, answers] = [fine.view(Int32Array), out.view(Int32Array)];
  const coarse = mirror.alloc(MiB, { type: 'coarse', devices: ['opencl'] });
  const large = mirror.alloc(64 * MiB);
  large.view(Float32Array).fill(1);
  let stamp = 0;
  const hand = (): void => {
    words[0] = ++stamp;
    queue.launch(answer, { items: 1, args: [fine, out] }).wait();
    if (answers[0] !== stamp + 1) throw new Error('the kernel answered something else');
  };
  const map = (): void => {
    queue.map(coarse).wait();
    queue.unmap(coarse).wait();
  };
  const stream = (): void => {
    queue.launch(scale, { items: (64 * MiB) / 4, args: [large, 0.5] }).wait();
  };
  const driver = await bareDriver();
  const contenders = [
    repeated(launches, () => queue.launch(nothing, { items: 1, args: [] }).wait()),
    repeated(launches, driver.once),
    repeated(launches, () => wasm.queue.launch(onWasm, { items: 1, args: [] }).wait()),
  ];
  const warmups = Math.ceil(WARM_UP / launches);
  const [launch, bare, onWasmTime] = inTurn(launches, contenders, { warmups }) as [number, number, number];
  const paused = afterPauses(launches, () => queue.launch(nothing, { items: 1, args: [] }).wait());
  const mapped = nanoseconds(launches, repeated(launches, map));
  const handed = nanoseconds(launches, repeated(launches, hand));
  const streamed = nanoseconds(1, stream);
  driver.release();
  await mirror.close();
  return {
    figures: [launch / 1e3, paused, mapped / 1e3, handed / 1e3, streamed / 1e6],
    wasm: onWasmTime / 1e3,
    bare: bare / 1e3,
  };
}

const WHAT = [
  ['OpenCL device: empty kernel, wait()', 'us', 'within 1.3x of C'],
  ['the same, 20 us after the one before', 'us', 'within 1.3x of C'],
  ['map and unmap of 1 MiB, coarse', 'us', 'reported'],
  ['hand-over: store, launch with two pointers, read the answer', 'us', 'within 1.3x of C'],
  ['kernel over 64 MiB', 'ms', 'within 1.3x of C'],
] as const;

export async function openclLaunches(quick: boolean): Promise<Row[]> {
  try {
    listOpenclDevices();
  } catch (error) {
    if (error instanceof UnsupportedError) return [];
    throw error;
  }
  const launches = quick ? 300 : 2000;
  const before = runPeer('opencl', launches)?.map(Number);
  const { figures, wasm, bare } = await ourFigures(launches);
  // Other work on the machine comes and goes: the lesser of a run before ours and one after.
  const after = runPeer('opencl', launches)?.map(Number);
  const inC = before?.map((figure, i) => Math.min(figure, after![i]!));
  const python = runPython(quick ? 100 : 500);
  if (!inC) process.stderr.write('opencl: no rows beside C, since there is no C compiler\n');
  if (typeof python === 'string') process.stderr.write(`opencl: no rows beside pyopencl: ${python}\n`);
  const group = 'opencl';
  const call = 'clEnqueueNDRangeKernel + clFinish through the same FFI';
  const ownWasm = { group, what: 'wasm device: empty kernel, wait()', unit: 'us', ours: rounded(wasm) };
  const rows = [beside({ ...ownWasm, target: '4x under the peer' }, call, bare)];
  for (const [i, [what, unit, target]] of WHAT.entries()) {
    const row = { group, what, unit, ours: rounded(figures[i]!) };
    if (i === 0) rows.push(beside({ ...row, target: 'within 1.3x of the peer' }, call, bare));
    if (inC) rows.push(beside({ ...row, target }, 'the same driver, from C', inC[i]!));
    if (typeof python !== 'string')
      rows.push(beside({ ...row, target: 'several times under the peer' }, 'pyopencl', python[i]!));
  }
  return rows;
}
