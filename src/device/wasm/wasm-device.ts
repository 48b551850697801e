/**
 * The wasm device: a 32-bit device in a process of its own, whose cores run WebAssembly over one linear memory that
 * is a window onto the arena. A pointer that JavaScript stored is the linear-memory address that the kernel loads.
 *
 * @module
 */
import { readFile } from 'node:fs/promises';
import { FIRST_LOADED_KERNEL } from '../../engine/control-layout.ts';
import { DeviceProcess } from '../../engine/device-process.ts';
import { RingDevice } from '../../engine/ring-device.ts';
import type { LoadedKernel, RingQueue } from '../../engine/ring-queue.ts';
import type { DeviceLost } from '../../errors.ts';
import {
  formatBytes,
  hex,
  invalidType,
  outOfRange,
  ProgramError,
  StateError,
  UnsupportedError,
} from '../../errors.ts';
import { pageSize } from '../../linux/mmap.ts';
import { overlaps, type Range } from '../../mm/address.ts';
import { type Capabilities, SVM } from '../capabilities.ts';
import type {
  ArgumentKind,
  AttachedDevice,
  Device,
  DeviceContext,
  DeviceCounters,
  DeviceSpec,
  Kernel,
  Program,
  ReservedRegion,
} from '../device.ts';
import {
  checkRequirements,
  detachData,
  inspectModule,
  type KernelExport,
  matchSignature,
} from './binary/index.ts';
import type { DeviceInit, FaultMode, LoadRequest } from './child-messages.ts';
import { MOST_CORES, reservedRegions, STATIC_DATA, WASM_WINDOW } from './regions.ts';

export type { FaultMode };

export interface WasmDeviceOptions {
  /** Worker threads that run kernels, 1 to 16; 2 by default. */
  readonly cores?: number;
  /**
   * How accesses outside live buffers are caught. `'userfaultfd'`: by page faults, with the address, and recovered from
   * whatever the instruction. `'trap'`: those pages are inaccessible; a plain load or store traps (without an address),
   * a wild atomic or bulk access loses the device. `'auto'` (default): userfaultfd, or where that is refused, traps and
   * a warning that says why.
   */
  readonly faults?: FaultMode;
  /** Narrows the window `[64 KiB, 4 GiB)` in which buffers may lie. */
  readonly window?: readonly [low: number, high: number];
  /** More regions that no buffer may lie in, as a device's firmware would have them. */
  readonly reserved?: readonly ReservedRegion[];
}

/** Every launch is [begin, end) of 32-bit integers. */
const MOST_ITEMS = 2 ** 32 - 1;

const CAPABILITIES: Capabilities =
  SVM.SINGLE_ADDRESS_SPACE |
  SVM.CONTEXT_ACCESS |
  SVM.HOST_READ |
  SVM.HOST_WRITE |
  SVM.HOST_MAP |
  SVM.DEVICE_READ |
  SVM.DEVICE_WRITE |
  SVM.DEVICE_ATOMIC_ACCESS |
  SVM.CONCURRENT_ACCESS |
  SVM.CONCURRENT_ATOMIC_ACCESS |
  SVM.INDIRECT_ACCESS;

/** The embedded default device, for `openMirror({ devices: { name: wasmDevice() } })`. */
export function wasmDevice(options: WasmDeviceOptions = {}): DeviceSpec<WasmDevice> {
  const checked = checkOptions(options);
  return {
    kind: 'wasm',
    async open(context: DeviceContext): Promise<AttachedDevice<WasmDevice>> {
      if (pageSize() !== 4096) {
        throw new UnsupportedError(
          'page size',
          `The wasm device lays its memory out for pages of 4 KiB; this kernel's are of ${formatBytes(pageSize())}. Use a kernel with 4 KiB pages.`,
        );
      }
      const { device, ring } = await WasmDevice.open(context, checked);
      return { device, port: ring };
    },
  };
}

interface CheckedOptions {
  readonly cores: number;
  readonly faults: FaultMode;
  readonly window: Range;
  readonly reserved: readonly ReservedRegion[];
}

function checkOptions(options: WasmDeviceOptions): CheckedOptions {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const {
    cores = 2,
    faults = 'auto',
    window = [WASM_WINDOW.start, WASM_WINDOW.end],
    reserved = [],
  } = options;
  if (typeof cores !== 'number') throw invalidType('cores', 'a number', cores);
  if (!Number.isInteger(cores) || cores < 1 || cores > MOST_CORES) {
    throw outOfRange('cores', `an integer from 1 to ${MOST_CORES}`, cores);
  }
  if (!Array.isArray(window) || window.length !== 2 || window.some((edge) => typeof edge !== 'number'))
    throw invalidType('window', 'two numbers, [low, high)', window);
  const [low, high] = window;
  if (
    !Number.isSafeInteger(low) ||
    !Number.isSafeInteger(high) ||
    low < WASM_WINDOW.start ||
    high > WASM_WINDOW.end ||
    low >= high
  ) {
    throw outOfRange(
      'window',
      `[low, high) within [${hex(WASM_WINDOW.start)}, ${hex(WASM_WINDOW.end)})`,
      `[${low}, ${high})`,
    );
  }
  if (!Array.isArray(reserved)) throw invalidType('reserved', 'an array of { start, end, name }', reserved);
  for (const [i, region] of reserved.entries()) checkReserved(`reserved[${i}]`, region);
  if (faults !== 'auto' && faults !== 'userfaultfd' && faults !== 'trap') {
    if (typeof faults !== 'string') throw invalidType('faults', "'auto', 'userfaultfd' or 'trap'", faults);
    throw outOfRange('faults', "'auto', 'userfaultfd' or 'trap'", faults);
  }
  return { cores, faults, window: { start: low, end: high }, reserved: [...reserved] };
}

function checkReserved(at: string, region: ReservedRegion): void {
  if (typeof region !== 'object' || region === null) throw invalidType(at, '{ start, end, name }', region);
  const { start, end, name } = region;
  if (typeof start !== 'number') throw invalidType(`${at}.start`, 'a number', start);
  if (typeof end !== 'number') throw invalidType(`${at}.end`, 'a number', end);
  if (typeof name !== 'string') throw invalidType(`${at}.name`, 'a string', name);
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start >= end)
    throw outOfRange(at, 'a range with 0 <= start < end', `[${start}, ${end})`);
}

let warned = false;

/** Says once per process that faults are caught by traps, why, and what that costs. */
function warnOfTraps(device: string, refused: string): void {
  if (warned) return;
  warned = true;
  process.emitWarning(
    `Device '${device}' catches wild accesses by traps, without addresses, and is lost at a wild atomic or bulk access: ${refused}`,
    'MirrorspaceWarning',
  );
}

/** A program that is loaded, by the identity of its bytes. */
interface LoadedProgram {
  readonly source: Uint8Array;
  readonly request: LoadRequest;
  readonly statics: Range | undefined;
  readonly program: Program;
}

export class WasmDevice implements Device {
  readonly kind = 'wasm';
  readonly name: string;
  readonly window: Range;
  readonly reserved: readonly ReservedRegion[];
  readonly capabilities = CAPABILITIES;
  /** Worker threads that run kernels. */
  readonly cores: number;
  readonly #ring: RingDevice;
  readonly #programs: LoadedProgram[] = [];
  #nextKernel = FIRST_LOADED_KERNEL;
  #nextProgram = 1;

  readonly #mode: () => Exclude<FaultMode, 'auto'>;

  private constructor(ring: RingDevice, options: CheckedOptions, mode: () => Exclude<FaultMode, 'auto'>) {
    this.#ring = ring;
    this.#mode = mode;
    this.name = ring.name;
    this.cores = options.cores;
    this.window = options.window;
    this.reserved = [...reservedRegions(options.cores), ...options.reserved];
  }

  /** @internal */
  static async open(
    context: DeviceContext,
    options: CheckedOptions,
  ): Promise<{ device: WasmDevice; ring: RingDevice }> {
    let mode: Exclude<FaultMode, 'auto'> = 'userfaultfd';
    const ring = new RingDevice({
      context,
      cores: options.cores,
      pointerLimit: WASM_WINDOW.end,
      maxItems: MOST_ITEMS,
      start: async (log) => {
        const init: DeviceInit = {
          cores: options.cores,
          logSegments: log.segments,
          faults: options.faults,
        };
        const started = await DeviceProcess.start({
          name: context.name,
          entry: 'device/wasm/entry-main.cjs',
          // Without it V8 notices a termination late, after tens of thousands of faults.
          execArgv: ['--no-wasm-dynamic-tiering'],
          arenaFd: context.arena.fd,
          log,
          cores: options.cores,
          init: { ...init },
        });
        const ready = started.ready as { faults: Exclude<FaultMode, 'auto'>; refused?: string };
        mode = ready.faults;
        if (ready.refused !== undefined) warnOfTraps(context.name, ready.refused);
        return started;
      },
    });
    await ring.open();
    return { device: new WasmDevice(ring, options, () => mode), ring };
  }

  get queue(): RingQueue {
    return this.#ring.queue;
  }

  /** The device's process, or that of its last life. */
  get pid(): number {
    return this.#ring.pid;
  }

  /** How accesses outside live buffers are caught. */
  get faults(): Exclude<FaultMode, 'auto'> {
    return this.#mode();
  }

  get lost(): Promise<DeviceLost> {
    return this.#ring.lost;
  }

  createQueue(): RingQueue {
    return this.#ring.createQueue();
  }

  counters(): DeviceCounters {
    return this.#ring.counters();
  }

  /**
   * Loads a module: from a file URL, or bytes. Its static data is placed once, between 64 KiB and 2 MiB; every core
   * instantiates it over the shared memory. Loading the same bytes again gives the same program. Throws ProgramError
   * where it is no module, or cannot run on this device; the message says how to compile it instead.
   */
  async load(source: URL | Uint8Array | ArrayBuffer): Promise<Program> {
    const bytes = await readSource(source);
    if (this.#ring.closed) throw new StateError('closed', `device '${this.name}' is closed`);
    const known = this.#programs.find((entry) => Buffer.compare(entry.source, bytes) === 0);
    if (known) return known.program;
    const info = inspectModule(bytes);
    const { kernels, statics } = checkRequirements(info, { statics: STATIC_DATA });
    for (const other of this.#programs) {
      if (!statics || !other.statics || !overlaps(statics, other.statics)) continue;
      throw new ProgramError(
        'overlap',
        `the static data [${hex(statics.start)}, ${hex(statics.end)}) overlaps that of a program loaded before, [${hex(other.statics.start)}, ${hex(other.statics.end)}); link it elsewhere (asc --memoryBase, clang -Wl,--global-base), below ${hex(STATIC_DATA.end)}`,
      );
    }
    const { module, segments } = detachData(bytes);
    const numbered = kernels.map(({ name }) => ({ id: this.#nextKernel++, name }));
    const request: LoadRequest = {
      type: 'load',
      program: this.#nextProgram++,
      module,
      segments,
      kernels: numbered,
    };
    await this.#ring.request({ ...request });
    const ids = new Map(numbered.map(({ id, name }) => [name, id]));
    const program = new WasmProgram(this.#ring, kernels, ids);
    this.#programs.push({ source: bytes, request, statics, program });
    return program;
  }

  async reopen(): Promise<void> {
    if (!(await this.#ring.reopen())) return;
    for (const { request } of this.#programs) await this.#ring.request({ ...request });
  }

  close(): Promise<void> {
    return this.#ring.close();
  }
}

class WasmProgram implements Program {
  readonly kernels: readonly string[];
  readonly #owner: object;
  readonly #exports: ReadonlyMap<string, KernelExport>;
  readonly #ids: ReadonlyMap<string, number>;

  constructor(owner: object, kernels: readonly KernelExport[], ids: ReadonlyMap<string, number>) {
    this.#owner = owner;
    this.kernels = kernels.map(({ name }) => name);
    this.#exports = new Map(kernels.map((kernel) => [kernel.name, kernel]));
    this.#ids = ids;
  }

  kernel<const Kinds extends readonly ArgumentKind[]>(name: string, kinds: Kinds): Kernel<Kinds> {
    if (typeof name !== 'string') throw invalidType('name', 'a string', name);
    const found = this.#exports.get(name);
    if (!found) {
      throw new ProgramError(
        'unknown-kernel',
        `the program has no kernel '${name}'; it has ${this.kernels.join(', ')}`,
      );
    }
    matchSignature(name, kinds, found.params);
    const kernel: LoadedKernel = { name, kinds: [...kinds], id: this.#ids.get(name)!, owner: this.#owner };
    return Object.freeze(kernel) as unknown as Kernel<Kinds>;
  }
}

async function readSource(source: URL | Uint8Array | ArrayBuffer): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return Uint8Array.from(source);
  if (source instanceof ArrayBuffer) return new Uint8Array(source.slice(0));
  if (!(source instanceof URL))
    throw invalidType('program', 'a file URL, a Uint8Array or an ArrayBuffer', source);
  if (source.protocol !== 'file:') throw outOfRange('program', 'a file: URL', source.href);
  try {
    return Uint8Array.from(await readFile(source));
  } catch (cause) {
    throw new ProgramError('not-found', `the program ${source.href} could not be read: ${String(cause)}`, {
      cause,
    });
  }
}
