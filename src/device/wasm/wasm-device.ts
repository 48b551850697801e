/**
 * The wasm device: a 32-bit device in a process of its own, whose cores run WebAssembly over one linear memory that
 * is a window onto the arena. A pointer that JavaScript stored is the linear-memory address that the kernel loads.
 *
 * @module
 */
import { FIRST_LOADED_KERNEL } from '../../engine/control-layout.ts';
import { DeviceProcess } from '../../engine/device-process.ts';
import { LoadedProgram } from '../../engine/loaded-program.ts';
import { OutOfProcessDevice } from '../../engine/out-of-process-device.ts';
import { mostProtectedRanges } from '../../engine/protected-window.ts';
import { RingDevice } from '../../engine/ring-device.ts';
import { formatBytes, hex, ProgramError, StateError, UnsupportedError } from '../../errors.ts';
import { pageSize } from '../../linux/mmap.ts';
import { overlaps, type Range } from '../../mm/address.ts';
import type {
  AttachedDevice,
  Device,
  DeviceContext,
  DeviceSpec,
  Program,
  ReservedRegion,
} from '../device.ts';
import type { FaultMode } from '../option-checks.ts';
import {
  checkRequirements,
  detachData,
  exportStackPointer,
  inspectModule,
  matchSignature,
} from './binary/index.ts';
import type { DeviceInit, LoadRequest } from './host-messages.ts';
import { readSource } from './program-source.ts';
import { aboutOwn, reservedRegions, STATIC_DATA, WASM_WINDOW } from './regions.ts';
import { type CheckedOptions, checkOptions, type WasmDeviceOptions } from './wasm-options.ts';

export type { WasmDeviceOptions };

/** Every launch is [begin, end) of 32-bit integers. */
const MOST_ITEMS = 2 ** 32 - 1;

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
      return {
        device,
        port: ring,
        ...(device.faults === 'trap' ? { mostBuffers: mostProtectedRanges() } : {}),
      };
    },
  };
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
interface ProgramOnDevice {
  readonly source: Uint8Array;
  readonly request: LoadRequest;
  readonly statics: Range | undefined;
  readonly program: Program;
}

export class WasmDevice extends OutOfProcessDevice implements Device {
  readonly kind = 'wasm';
  readonly window: Range;
  readonly reserved: readonly ReservedRegion[];
  readonly #ring: RingDevice;
  readonly #programs: ProgramOnDevice[];
  #nextKernel = FIRST_LOADED_KERNEL;
  #nextProgram = 1;

  readonly #mode: () => Exclude<FaultMode, 'auto'>;

  private constructor(
    ring: RingDevice,
    options: CheckedOptions,
    programs: ProgramOnDevice[],
    mode: () => Exclude<FaultMode, 'auto'>,
  ) {
    super(ring);
    this.#ring = ring;
    this.#programs = programs;
    this.#mode = mode;
    this.window = options.window;
    this.reserved = [...reservedRegions(options.cores, options.scratch), ...options.reserved];
  }

  /** @internal */
  static async open(
    context: DeviceContext,
    options: CheckedOptions,
  ): Promise<{ device: WasmDevice; ring: RingDevice }> {
    const programs: ProgramOnDevice[] = [];
    let mode: Exclude<FaultMode, 'auto'> = 'userfaultfd';
    const ring = new RingDevice({
      context,
      cores: options.cores,
      pointerLimit: WASM_WINDOW.end,
      maxItems: MOST_ITEMS,
      aboutOwn: (address) => aboutOwn(address, options.cores, options.scratch),
      start: async (log) => {
        const init: DeviceInit = {
          cores: options.cores,
          scratch: options.scratch,
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
        // After a reopen the programs are there before the first launch can be.
        try {
          for (const { request } of programs) await started.request({ ...request });
        } catch (error) {
          await started.close();
          throw error;
        }
        return started;
      },
    });
    await ring.open();
    return { device: new WasmDevice(ring, options, programs, () => mode), ring };
  }

  /** How accesses outside live buffers are caught. */
  get faults(): Exclude<FaultMode, 'auto'> {
    return this.#mode();
  }

  /**
   * Loads a module: from a file URL, or bytes. Its static data is placed once, between 64 KiB and 2 MiB; every core
   * instantiates it over the shared memory. Loading the same bytes again gives the same program. Throws ProgramError
   * where it is no module, or cannot run on this device; the message says how to compile it instead.
   */
  async load(source: URL | Uint8Array | ArrayBuffer): Promise<Program> {
    const bytes = await readSource(source);
    return this.inOrder(() => this.#load(bytes));
  }

  async #load(bytes: Uint8Array): Promise<Program> {
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
    const { module, segments } = detachData(exportStackPointer(bytes, info));
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
    const params = new Map(kernels.map((kernel) => [kernel.name, kernel.params]));
    const program = new LoadedProgram(this.#ring, ids, (name, kinds) =>
      matchSignature(name, kinds, params.get(name)!),
    );
    this.#programs.push({ source: bytes, request, statics, program });
    return program;
  }
}
