/**
 * The process device: kernels are functions of a JavaScript module, run by the cores of a process of their own in which
 * mirrored memory lies at the same addresses as here. What that process has for itself is reserved; what it has free in
 * its window it claims when it starts, so that nothing of its own can ever come to lie where a buffer may.
 *
 * @module
 */

import { FIRST_LOADED_KERNEL } from '../../engine/control-layout.ts';
import { checkLoadOptions, type LoadLimit } from '../../engine/load-limit.ts';
import { OutOfProcessDevice } from '../../engine/out-of-process-device.ts';
import { mostProtectedRanges } from '../../engine/protected-window.ts';
import type { RingDevice } from '../../engine/ring-device.ts';
import { StateError } from '../../errors.ts';
import type { Range } from '../../mm/address.ts';
import type { Capabilities } from '../capabilities.ts';
import type {
  Addressed,
  AttachedDevice,
  Device,
  DeviceContext,
  DeviceSpec,
  Program,
  ReservedRegion,
} from '../device.ts';
import type { FaultMode } from '../option-checks.ts';
import type { LoadRequest, ModuleExports } from './host-messages.ts';
import {
  checkNative,
  isNativeSource,
  type NativeDeclaration,
  type NativeFunctions,
  type NativeSource,
} from './native/declaration.ts';
import { NativeProgram } from './native/native-program.ts';
import {
  type CheckedOptions,
  checkOptions,
  type ProcessDeviceOptions,
  type SystemMode,
} from './process-options.ts';
import { ProcessProgram, sourceUrl } from './process-program.ts';
import { Sessions, withPins } from './sessions.ts';
import { type Advice, checkAdvice, noSystem, systemCapabilities } from './system/advice.ts';
import { MOST_DECLARED_RUNS } from './system/declared-session.ts';
import type { SystemCounters } from './system/system-session.ts';
import type { SystemPaging } from './system-memory.ts';

export type { NativeKinds, NativeParameter, NativeResult, NativeSignature } from './native/declaration.ts';
export type {
  Advice,
  NativeFunctions,
  NativeProgram,
  NativeSource,
  ProcessDeviceOptions,
  SystemCounters,
  SystemMode,
  SystemPaging,
};

/** How a program is loaded. */
export interface LoadOptions {
  /**
   * Milliseconds that the device may take, once loads before it are done; also when the program is loaded again after a
   * loss. Then its process is killed, `load` rejects with a TimeoutError that names the program, other commands with
   * DeviceLost, and the device comes back by itself. Without it there is no limit.
   */
  readonly timeout?: number;
}

/** A device in another process, for `openMirror({ devices: { name: processDevice() } })`. */
export function processDevice(options: ProcessDeviceOptions = {}): DeviceSpec<ProcessDevice> {
  const checked = checkOptions(options);
  return {
    kind: 'process',
    async open(context: DeviceContext): Promise<AttachedDevice<ProcessDevice>> {
      const session = new Sessions(context, checked);
      await session.ring.open();
      const device = new ProcessDevice(session, checked);
      const declared = device.systemPaging === 'declared' ? MOST_DECLARED_RUNS : 0;
      const limit =
        device.faults === 'trap' || checked.system !== 'off'
          ? { mostBuffers: Math.max(1, mostProtectedRanges() - declared) }
          : {};
      return { device, port: withPins(session), ...limit };
    },
  };
}

export class ProcessDevice extends OutOfProcessDevice implements Device {
  readonly kind = 'process';
  readonly window: Range;
  readonly #sessions: Sessions;
  readonly #ring: RingDevice;
  readonly #options: CheckedOptions;
  #nextKernel = FIRST_LOADED_KERNEL;
  #nextProgram = 1;

  /** @internal Use {@link processDevice}. */
  constructor(sessions: Sessions, options: CheckedOptions) {
    super(sessions.ring);
    this.#sessions = sessions;
    this.#ring = sessions.ring;
    this.#options = options;
    this.window = options.window;
  }

  /** What its process has for itself in its window, and what the options add; other regions after a reopen. */
  get reserved(): readonly ReservedRegion[] {
    return this.#sessions.reserved;
  }

  /** How accesses outside live buffers are caught. */
  get faults(): Exclude<FaultMode, 'auto'> {
    return this.#sessions.mode;
  }

  /** What it reaches besides buffers. */
  get system(): SystemMode {
    return this.#options.system;
  }

  /**
   * How it reaches that: page by page as kernels touch it, or, where page faults can't be had, what `mirror.pin` declares,
   * copied before each launch and back after it.
   */
  get systemPaging(): SystemPaging {
    return this.#sessions.system.paging;
  }

  /**
   * The addresses of its window that are its process's own: what the host has there it never sees. Through views,
   * `atomics` and `memory` an access there is a fault; native code sees what the device has there.
   */
  unmirrorable(): readonly ReservedRegion[] {
    return this.#sessions.reserved.filter((region) => !this.#options.reserved.includes(region));
  }

  /**
   * What kernels can do with memory that no buffer holds; 0 where they reach none. Host and device have copies: there are
   * no atomic operations between them, which buffers have (`capabilities`).
   */
  get systemCapabilities(): Capabilities {
    return systemCapabilities(this.#options.system, this.systemPaging);
  }

  /**
   * Advice on a range of the host's memory, in force before the next launch begins; see docs/system-svm.md. Throws
   * StateError where the device is closed, UnsupportedError where it reaches no such memory, TypeError or RangeError for
   * bad arguments.
   */
  advise(where: Addressed, advice: Advice): void {
    checkAdvice(where, advice);
    if (this.#ring.closed) throw new StateError('closed', `device '${this.name}' is closed`);
    if (this.system === 'off') throw noSystem(this.name);
    this.#sessions.system.advise({ start: where.address, end: where.address + where.size }, advice);
  }

  /** Counters of system SVM; all 0 where it is off. */
  systemCounters(): SystemCounters {
    return this.#sessions.system.counters();
  }

  override async close(): Promise<void> {
    await super.close();
    this.#sessions.system.leave();
  }

  /**
   * Loads an ES module: every core imports it. Its kernels are its exported functions, called as
   * `name(begin, end, ...args)`. From a file: or data: URL, or source text as bytes, which can import nothing by package
   * name. Loading the same URL again gives the same program. Throws ProgramError where there is no such file, where it
   * does not parse, throws while it is imported, or exports no kernel; TimeoutError where it takes longer than it may.
   */
  load(source: URL | Uint8Array | ArrayBuffer, options?: LoadOptions): Promise<Program>;
  /**
   * Loads a shared library into the device's process: its functions are kernels, called with pointers as they are, once
   * for each item. Throws TypeError or RangeError for a bad declaration, ProgramError where the loader finds no such
   * library or function. See docs/native-libraries.md.
   */
  load<const Functions extends NativeFunctions>(
    source: NativeSource<Functions>,
    options?: LoadOptions,
  ): Promise<NativeProgram<Functions>>;
  async load(source: URL | Uint8Array | ArrayBuffer | NativeSource, options?: LoadOptions): Promise<Program> {
    const timeout = checkLoadOptions(options);
    if (isNativeSource(source)) {
      const native = checkNative(source);
      const limit = { what: `loading library '${native.library}'`, timeout };
      return this.inOrder(() => this.#load(native.library, limit, native));
    }
    const url = await sourceUrl(source);
    const limit = { what: `loading module '${url.length > 200 ? `${url.slice(0, 200)}...` : url}'`, timeout };
    return this.inOrder(() => this.#load(url, limit));
  }

  async #load(url: string, limit: LoadLimit, native?: NativeDeclaration): Promise<Program> {
    if (this.#ring.closed) throw new StateError('closed', `device '${this.name}' is closed`);
    const same = (request: LoadRequest): boolean =>
      request.url === url && JSON.stringify(request.native) === JSON.stringify(native);
    const known = this.#sessions.programs.find(({ request }) => same(request));
    if (known) return known.program;
    const first = this.#nextKernel;
    const program = this.#nextProgram++;
    const request: LoadRequest = { type: 'load', program, url, first, ...(native ? { native } : {}) };
    const exports = (await this.#ring.request({ ...request }, limit)) as ModuleExports;
    this.#nextKernel += exports.kernels.length;
    const loaded = native
      ? new NativeProgram(this.#ring, native, first)
      : new ProcessProgram(this.#ring, exports, first);
    const expected = loaded.kernels;
    this.#sessions.programs.push({ request: { ...request, expected }, program: loaded, limit });
    return loaded;
  }
}
