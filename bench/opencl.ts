/**
 * Launches beside PoCL: an empty kernel put into a driver's queue and finished, by bare calls of the ICD loader through
 * the same foreign function interface, beside the wasm device and beside `openclDevice` on that driver. Without a driver
 * there are no rows.
 *
 * @module
 */
import { listOpenclDevices, openclDevice, openMirror, UnsupportedError, wasmDevice } from '../dist/index.js';
import { DriverContext } from '../src/device/opencl/driver-context.ts';
import { chosen } from '../src/device/opencl/list-devices.ts';
import { beside, nanoseconds, type Row, rounded } from './rows.ts';

const kernels = new URL('../test/fixtures/kernels/build/basic.wasm', import.meta.url);
const SOURCE = 'kernel void nothing(void) {}';

/** Microseconds of a launch, each waited for. */
const microseconds = (launches: number, once: () => void): number =>
  nanoseconds(launches, () => {
    for (let i = 0; i < launches; i++) once();
  }) / 1000;

/** clEnqueueNDRangeKernel and clFinish, with nothing around them. */
async function bareDriver(launches: number): Promise<number> {
  const context = new DriverContext(chosen({})[0]!);
  const { cl } = context;
  const queue = context.createQueue('in');
  const kernel = context.kernel(await context.build(SOURCE, ''), 'nothing');
  const size = new BigUint64Array([1n]);
  const once = (): void => {
    const status = cl.clEnqueueNDRangeKernel(queue, kernel, 1, null, size, null, 0, null, null);
    if (status !== 0 || cl.clFinish(queue) !== 0) throw new Error(`the driver refused a launch: ${status}`);
  };
  const time = microseconds(launches, once);
  context.release();
  return time;
}

export async function openclLaunches(quick: boolean): Promise<Row[]> {
  try {
    listOpenclDevices();
  } catch (error) {
    if (error instanceof UnsupportedError) return [];
    throw error;
  }
  const launches = quick ? 300 : 2000;
  const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: 1 }), opencl: openclDevice() } });
  const { wasm, opencl } = mirror.devices;
  const onWasm = (await wasm.load(kernels)).kernel('nothing', []);
  const onOpencl = (await opencl.load(new TextEncoder().encode(SOURCE))).kernel('nothing', []);
  const wasmTime = microseconds(launches, () => wasm.queue.launch(onWasm, { items: 1, args: [] }).wait());
  const openclTime = microseconds(launches, () =>
    opencl.queue.launch(onOpencl, { items: 1, args: [] }).wait(),
  );
  await mirror.close();
  const bare = await bareDriver(launches);
  const row = (what: string, ours: number, target: string): Row =>
    beside(
      { group: 'opencl', what, unit: 'us', ours: rounded(ours), target },
      'clEnqueueNDRangeKernel + clFinish through the same FFI',
      bare,
    );
  return [
    row('wasm device: empty kernel, wait()', wasmTime, '4x under the peer'),
    row('OpenCL device: empty kernel, wait()', openclTime, 'within 1.3x of the peer'),
  ];
}
