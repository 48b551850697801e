/**
 * The devices, tried: each is opened in a mirror of its own, runs a kernel over mirrored memory, and is closed again. What
 * they are told to do can be seen from outside only if it works.
 *
 * @module
 */
import {
  type Device,
  DeviceFault,
  type DeviceSpec,
  hex,
  listOpenclDevices,
  type Mirror,
  type OpenClDeviceInfo,
  openclDevice,
  openMirror,
  processDevice,
  type SystemFinding,
  wasmDevice,
} from 'mirrorspace';

/** The findings of this file are of the devices. */
export type DeviceFinding = Omit<SystemFinding, 'group'> & { readonly group: 'devices' };

/** Built with the package: `increment` adds 1 to a word per item, `loadWord` copies one. */
const WASM_KERNELS = new URL('../device/conformance/kernels.wasm', import.meta.url);
const PROCESS_KERNELS = new URL('../device/process/conformance-kernels.js', import.meta.url);

const ITEMS = 1000;
/** Where nothing is: below 4 GiB, and above what a Node.js process maps there. */
const NOWHERE = 0xfff0_0000;
const SECRET = 0xc0ffee;

/** One after the other, as they are found. */
export async function* deviceFindings(): AsyncGenerator<DeviceFinding> {
  yield await examine('wasm-device', 'kernels in WebAssembly, with 32-bit pointers', wasm);
  yield await examine('process-device', 'kernels in JavaScript, in a process of their own', proc);
  yield await examine('system-svm', 'kernels that reach any memory of the process', system);
  yield compiler();
  yield* opencl();
}

type Look = Pick<DeviceFinding, 'status' | 'found' | 'remedy'>;

async function examine(id: string, purpose: string, probe: () => Promise<Look>): Promise<DeviceFinding> {
  const about = { id, group: 'devices', required: false, purpose } as const;
  try {
    return { ...about, ...(await probe()) };
  } catch (error) {
    // The words of an UnsupportedError say what is missing; what brings that is said where it was looked at.
    const found = error instanceof Error ? error.message : String(error);
    return { ...about, status: 'missing', found, remedy: 'see what is limited or missing above' };
  }
}

async function within<D extends Device, T>(
  spec: DeviceSpec<D>,
  use: (mirror: Mirror<{ device: D }>, device: D) => Promise<T>,
): Promise<T> {
  const mirror = await openMirror({ devices: { device: spec }, name: 'doctor' });
  try {
    return await use(mirror, mirror.devices.device);
  } finally {
    await mirror.close();
  }
}

/** A kernel counts to {@link ITEMS} in memory that the host then reads. */
async function count(mirror: Mirror, device: Device, kernels: URL): Promise<void> {
  const counter = mirror.alloc(4096, { name: 'counter' });
  const program = await device.load(kernels);
  const increment = program.kernel('increment', ['pointer']);
  await device.queue.launch(increment, { items: ITEMS, args: [counter] }).done;
  const counted = counter.view(Int32Array)[0];
  if (counted !== ITEMS) throw new Error(`a kernel that counts to ${ITEMS} left ${counted}`);
}

function wasm(): Promise<Look> {
  return within(wasmDevice({ cores: 1 }), async (mirror, device) => {
    await count(mirror, device, WASM_KERNELS);
    const out = mirror.alloc(4096);
    const program = await device.load(WASM_KERNELS);
    const load = program.kernel('loadWord', ['pointer', 'pointer']);
    const fault = await device.queue
      .launch(load, { items: 1, args: [NOWHERE, out] })
      .done.catch((error: unknown) => error);
    if (!(fault instanceof DeviceFault)) throw new Error(`a wild load at ${hex(NOWHERE)} was not caught`);
    if (device.faults === 'userfaultfd' && fault.address === NOWHERE)
      return { status: 'ok', found: `a kernel ran; its wild load was caught at ${hex(NOWHERE)}` };
    return {
      status: 'limited',
      found: 'a kernel ran; its wild load was caught, without the address',
      remedy: 'see userfaultfd above',
    };
  });
}

function proc(): Promise<Look> {
  return within(processDevice({ cores: 1 }), async (mirror, device) => {
    await count(mirror, device, PROCESS_KERNELS);
    const found = `a kernel ran in process ${device.pid}`;
    if (device.faults === 'userfaultfd') return { status: 'ok', found };
    return {
      status: 'limited',
      found: `${found}; a wild access loses the device`,
      remedy: 'see userfaultfd above',
    };
  });
}

function system(): Promise<Look> {
  return within(processDevice({ cores: 1, system: 'read' }), async (mirror, device) => {
    // Of no buffer: memory that JavaScript has made.
    const own = new Uint32Array(1024).fill(SECRET);
    const pin = mirror.pin(own);
    const out = mirror.alloc(4096);
    const program = await device.load(PROCESS_KERNELS);
    const load = program.kernel('loadWord', ['pointer', 'pointer']);
    await device.queue.launch(load, { items: 1, args: [pin.address, out] }).done;
    const seen = out.view(Uint32Array)[0];
    if (seen !== SECRET) throw new Error(`a kernel read ${seen} where JavaScript had stored ${SECRET}`);
    const found = `a kernel read a JavaScript array at ${hex(pin.address)}`;
    if (device.systemPaging === 'demand') return { status: 'ok', found };
    return {
      status: 'limited',
      found: `${found}, which was pinned; other memory can't be reached`,
      remedy: 'see userfaultfd and ptrace-scope above',
    };
  });
}

function compiler(): DeviceFinding {
  const about = {
    id: 'assemblyscript',
    group: 'devices',
    required: false,
    purpose: 'compileAssemblyScript: kernels compiled by the program itself',
  } as const;
  try {
    return { ...about, status: 'ok', found: import.meta.resolve('assemblyscript/asc') };
  } catch {
    return { ...about, status: 'missing', found: 'not installed', remedy: 'npm install assemblyscript' };
  }
}

async function* opencl(): AsyncGenerator<DeviceFinding> {
  const purpose = 'kernels in OpenCL C, on any driver that takes plain pointers';
  const missing = (found: string): DeviceFinding => ({
    ...{ id: 'opencl', group: 'devices', status: 'missing', required: false, found, purpose },
    remedy: 'sudo apt-get install ocl-icd-libopencl1 pocl-opencl-icd',
  });
  let devices: OpenClDeviceInfo[];
  try {
    devices = listOpenclDevices();
  } catch (error) {
    yield missing((error as Error).message);
    return;
  }
  if (devices.length === 0) yield missing('there are drivers, and none has a device for this user');
  const platforms = [...new Set(devices.map((info) => info.platform))];
  for (const info of devices) {
    const platform = platforms.indexOf(info.platform);
    const device = devices.filter((each) => each.platform === info.platform).indexOf(info);
    yield await examine(`opencl-${platform}-${device}`, purpose, () =>
      openclLook(info, { platform, device }),
    );
  }
}

async function openclLook(
  info: OpenClDeviceInfo,
  choice: { platform: number; device: number },
): Promise<Look> {
  const { coarseGrainBuffer, fineGrainBuffer, fineGrainSystem, atomics } = info.svm;
  const levels = [
    coarseGrainBuffer && 'coarse-grain buffer',
    fineGrainBuffer && 'fine-grain buffer',
    fineGrainSystem && 'fine-grain system',
    atomics && 'atomics',
  ].filter((level) => level !== false);
  const what = `${info.name} (${info.type}, ${info.version}); SVM: ${levels.join(', ') || 'none'}`;
  try {
    return await within(openclDevice(choice), async () => ({
      status: 'ok' as const,
      found: `${what}; takes plain pointers`,
    }));
  } catch (error) {
    return {
      status: 'missing',
      found: `${what}. ${(error as Error).message}`,
      remedy: 'choose another driver: docs/opencl.md',
    };
  }
}
