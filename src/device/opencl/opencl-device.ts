/**
 * The OpenCL device: any OpenCL 2.0 device whose driver takes plain pointers at addresses of our choice, or memory of its
 * own at the host's addresses, fine-grained or coarse-grained, found by a probe when it is opened. The driver works in this process, as
 * drivers expect, so kernels reach buffers where the host has them, and nothing has to be mapped. It also means that a
 * kernel's wild pointer is this process's: docs/opencl.md.
 *
 * @module
 */
import type { DeviceLost } from '../../errors.ts';
import { invalidType, outOfRange, StateError, UnsupportedError } from '../../errors.ts';
import { KiB, type Range } from '../../mm/address.ts';
import type { Capabilities } from '../capabilities.ts';
import type {
  AttachedDevice,
  Device,
  DeviceContext,
  DeviceCounters,
  DeviceSpec,
  MemorySource,
  QueueOptions,
  ReservedRegion,
} from '../device.ts';
import { checkReserved, checkWindow } from '../option-checks.ts';
import { BinaryCache, cacheFolder } from './binary-cache.ts';
import { ALL_DEVICES_SCOPE, BUILT_IN_SOURCE, languageOption, WITHOUT_ATOMICS } from './built-in-source.ts';
import { CommandPort } from './command-port.ts';
import { DriverContext } from './driver-context.ts';
import type { DriverMemory } from './driver-memory.ts';
import { unfit } from './fitness.ts';
import type { FoundDevice, OpenClDeviceInfo } from './icd/devices.ts';
import { checkChoice, chosen, type OpenClChoice } from './list-devices.ts';
import { OpenClProgram, readSource } from './opencl-program.ts';
import type { OpenClQueue } from './opencl-queue.ts';
import { checkPointers, type OpenClPointers } from './pointer-mode.ts';
import { buildProgram } from './program-build.ts';
import { reachableMemory } from './reachable-memory.ts';

/** All of user space, less the first 64 KiB, where null pointers fault. */
const WINDOW: Range = { start: 64 * KiB, end: 2 ** 47 };

export interface OpenClDeviceOptions extends OpenClChoice {
  /** Narrows the window `[64 KiB, 2^47)` in which buffers may lie. */
  readonly window?: readonly [low: number, high: number];
  /**
   * `'plain'`: buffers lie where the mirror chooses. `'svm-alloc'`: the driver allocates them (clSVMAlloc), for drivers
   * that take no other memory; docs/opencl.md has who else reaches them. `'auto'` (default): the first that is seen to
   * work.
   */
  readonly pointers?: OpenClPointers;
  /** Regions of the window in which no buffer may lie. */
  readonly reserved?: readonly ReservedRegion[];
  /**
   * A folder in which compiled programs are kept, for the next load of the same source with the same options on the same
   * device and driver; `true` for `mirrorspace/opencl` in `$XDG_CACHE_HOME` or `~/.cache`. None by default. Who can write
   * there can have code run in this process: a folder that others can write to is not used.
   */
  readonly cache?: boolean | string | URL;
}

export interface OpenClLoadOptions {
  /** Further options of clBuildProgram, such as `'-DN=4 -cl-fast-relaxed-math'`. */
  readonly options?: string;
}

interface Opened {
  readonly context: DriverContext;
  readonly capabilities: Capabilities;
  readonly port: CommandPort;
  readonly buildOptions: string;
  readonly memory: DriverMemory | undefined;
}

/**
 * A device of an OpenCL driver, for `openMirror({ devices: { name: openclDevice() } })`: the first that fits `platform` and
 * `device`. Opening throws UnsupportedError where there is no driver, no such device, or none of them can share memory by
 * pointers, with the reason for each.
 */
export function openclDevice(options: OpenClDeviceOptions = {}): DeviceSpec<OpenClDevice> {
  const choice = checkChoice(options);
  const window = checkWindow(options.window ?? [WINDOW.start, WINDOW.end], WINDOW);
  const reserved = checkReserved(options.reserved ?? []);
  const folder = cacheFolder(options.cache);
  const cache = folder === undefined ? undefined : new BinaryCache(folder);
  const pointers = checkPointers(options.pointers);
  return {
    kind: 'opencl',
    async open(context: DeviceContext): Promise<AttachedDevice<OpenClDevice>> {
      const refusals: UnsupportedError[] = [];
      for (const found of chosen(choice)) {
        try {
          const opened = await open(found, context, window, pointers);
          const device = new OpenClDevice(context.name, window, reserved, opened, cache);
          const memory = opened.memory && sourceOf(opened.memory, opened.port);
          return { device, port: opened.port, throughHost: true, ...(memory ? { memory } : {}) };
        } catch (error) {
          if (!(error instanceof UnsupportedError)) throw error;
          refusals.push(error);
        }
      }
      if (refusals.length === 1) throw refusals[0]!;
      throw new UnsupportedError('OpenCL with SVM', refusals.map(({ message }) => message).join('. '));
    },
  };
}

/** A closed device allocates nothing; what it has allocated it takes back. */
function sourceOf(memory: DriverMemory, port: CommandPort): MemorySource {
  return {
    coarse: memory.coarse,
    allocate: (size, align) => {
      port.checkOpen();
      return memory.allocate(size, align);
    },
    release: (address) => memory.release(address),
  };
}

async function open(
  found: FoundDevice,
  context: DeviceContext,
  window: Range,
  pointers: OpenClPointers,
): Promise<Opened> {
  const { info } = found;
  const reason = unfit(info);
  if (reason)
    throw new UnsupportedError(
      'SVM',
      `The OpenCL device '${info.name}' of '${info.platform.name}' is not fit: ${reason}`,
    );
  const driver = new DriverContext(found);
  try {
    const { program, atomics, buildOptions } = await buildIn(driver);
    const reach = { start: window.start, end: Math.min(window.end, context.arena.size) };
    const asked = { arenaFd: context.arena.fd, window: reach, pointers, program, atomics };
    const { memory, capabilities } = await reachableMemory(driver, asked);
    const port = new CommandPort(context, driver, program, memory);
    return { context: driver, capabilities, port, buildOptions, memory };
  } catch (error) {
    driver.release();
    throw error;
  }
}

/** Compiles the device's own program with the first options that the driver takes: those are for all programs then. */
async function buildIn(driver: DriverContext) {
  const language = `${languageOption(driver.info.major)} -cl-kernel-arg-info`;
  const scope = `${language} ${ALL_DEVICES_SCOPE}`;
  if (driver.info.svm.atomics)
    for (const buildOptions of [scope, language]) {
      const program = await driver.build(BUILT_IN_SOURCE, buildOptions).catch(() => undefined);
      if (program !== undefined) return { program, atomics: true, buildOptions };
    }
  const program = await driver.build(BUILT_IN_SOURCE, `${language} ${WITHOUT_ATOMICS}`);
  return { program, atomics: false, buildOptions: language };
}

export class OpenClDevice implements Device {
  readonly kind = 'opencl';
  readonly name: string;
  readonly window: Range;
  readonly reserved: readonly ReservedRegion[];
  /** Those that the start-up probe has seen at work. */
  readonly capabilities: Capabilities;
  /** What the driver says of the device. */
  readonly info: OpenClDeviceInfo;
  /** How the driver takes pointers: `'svm-alloc'` where it allocates the device's buffers itself. */
  readonly pointers: Exclude<OpenClPointers, 'auto'>;
  /** Never resolves: the driver lives and dies with this process. */
  readonly lost: Promise<DeviceLost> = new Promise(() => {});
  readonly #driver: DriverContext;
  readonly #port: CommandPort;
  readonly #buildOptions: string;
  readonly #cache: BinaryCache | undefined;

  /** @internal Use {@link openclDevice}. */
  constructor(
    name: string,
    window: Range,
    reserved: readonly ReservedRegion[],
    opened: Opened,
    cache: BinaryCache | undefined,
  ) {
    this.name = name;
    this.window = window;
    this.reserved = reserved;
    this.capabilities = opened.capabilities;
    this.info = opened.context.info;
    this.pointers = opened.memory ? 'svm-alloc' : 'plain';
    this.#driver = opened.context;
    this.#port = opened.port;
    this.#buildOptions = opened.buildOptions;
    this.#cache = cache;
  }

  get queue(): OpenClQueue {
    return this.#port.queue;
  }

  createQueue(options?: QueueOptions): OpenClQueue {
    return this.#port.createQueue(options);
  }

  /**
   * Compiles OpenCL C: its text, its bytes, or a file's. Throws ProgramError with the build log where it does not compile,
   * or declares no kernel. The event loop goes on meanwhile.
   */
  async load(
    source: string | URL | Uint8Array | ArrayBuffer,
    { options = '' }: OpenClLoadOptions = {},
  ): Promise<OpenClProgram> {
    if (typeof options !== 'string') throw invalidType('options', 'a string of build options', options);
    if (options.includes('\0')) throw outOfRange('options', 'a string without null characters', options);
    const text = await readSource(source);
    this.#port.checkOpen();
    return this.#port.keepOpen(async () => {
      const all = `${this.#buildOptions} ${options}`.trim();
      return new OpenClProgram(
        this.#port,
        this.#driver,
        await buildProgram(this.#driver, this.#cache, text, all),
      );
    });
  }

  counters(): DeviceCounters {
    const none = { faults: 0, filledBytes: 0, wildFaults: 0, coreRestarts: 0, reopens: 0 };
    return { ...none, launches: this.#port.launches };
  }

  /** Nothing where the device is open: it is never lost. */
  async reopen(): Promise<void> {
    if (this.#port.closed) throw new StateError('closed', `device '${this.name}' is closed`);
  }

  /** Resolves once pending commands have ended (OpenCL can't stop them) and the driver's objects are released. */
  close(): Promise<void> {
    return this.#port.close();
  }
}
