/**
 * The process device: kernels are functions of a JavaScript module, run by the cores of a process of their own in which
 * mirrored memory lies at the same addresses as here. What that process has for itself is reserved; what it has free in
 * its window it claims when it starts, so that nothing of its own can ever come to lie where a buffer may.
 *
 * @module
 */

import { fstatSync } from 'node:fs';
import { FIRST_LOADED_KERNEL } from '../../engine/control-layout.ts';
import { DeviceProcess } from '../../engine/device-process.ts';
import type { MapLogWriter } from '../../engine/map-log.ts';
import { OutOfProcessDevice } from '../../engine/out-of-process-device.ts';
import { mostProtectedRanges } from '../../engine/protected-window.ts';
import { RingDevice } from '../../engine/ring-device.ts';
import { StateError, SystemError, UnsupportedError } from '../../errors.ts';
import { readMaps } from '../../linux/process-maps.ts';
import type { Range } from '../../mm/address.ts';
import { parseMaps } from '../../mm/parse-maps.ts';
import type {
  AttachedDevice,
  Device,
  DeviceContext,
  DeviceSpec,
  Program,
  ReservedRegion,
} from '../device.ts';
import type { FaultMode } from '../option-checks.ts';
import { covers, roomClearOf } from './claims.ts';
import type { DeviceInit, DeviceReady, LoadRequest, ModuleExports } from './host-messages.ts';
import {
  type CheckedOptions,
  checkOptions,
  PROCESS_WINDOW,
  type ProcessDeviceOptions,
  type SystemMode,
} from './process-options.ts';
import { ProcessProgram, sourceUrl } from './process-program.ts';
import { NO_SYSTEM_COUNTERS, type SystemCounters, SystemSession } from './system/system-session.ts';

export type { ProcessDeviceOptions, SystemCounters, SystemMode };

/** How many processes a reopen tries: each has its own mappings at other addresses, perhaps where buffers lie. */
const MOST_PROCESSES = 16;
/** How many of them are given up since they lie over the host's heap or stack; the next one does what it can. */
const ATTEMPTS_FOR_HOST = 4;

/** A device in another process, for `openMirror({ devices: { name: processDevice() } })`. */
export function processDevice(options: ProcessDeviceOptions = {}): DeviceSpec<ProcessDevice> {
  const checked = checkOptions(options);
  return {
    kind: 'process',
    async open(context: DeviceContext): Promise<AttachedDevice<ProcessDevice>> {
      const session = new Sessions(context, checked);
      await session.ring.open();
      const device = new ProcessDevice(session, checked);
      const limit =
        device.faults === 'trap' || checked.system !== 'off' ? { mostBuffers: mostProtectedRanges() } : {};
      return { device, port: session.ring, ...limit };
    },
  };
}

let warned = false;

/** Says once per process that a wild access costs the device, and why. */
function warnOfTraps(device: string, refused: string): void {
  if (warned) return;
  warned = true;
  process.emitWarning(
    `Device '${device}' is lost at an access outside of buffers: ${refused}`,
    'MirrorspaceWarning',
  );
}

/** A program that is loaded, by its URL. */
interface LoadedProgram {
  readonly request: LoadRequest;
  readonly program: Program;
}

/** The lives of the device's process: how each is started, and what it has for itself. */
class Sessions {
  readonly ring: RingDevice;
  readonly programs: LoadedProgram[] = [];
  reserved: readonly ReservedRegion[] = [];
  mode: Exclude<FaultMode, 'auto'> = 'userfaultfd';
  system: SystemSession | undefined;
  readonly #context: DeviceContext;
  readonly #options: CheckedOptions;

  constructor(context: DeviceContext, options: CheckedOptions) {
    this.#context = context;
    this.#options = options;
    this.ring = new RingDevice({
      context,
      cores: options.cores,
      pointerLimit: PROCESS_WINDOW.end,
      maxItems: Number.MAX_SAFE_INTEGER,
      aboutOwn: (address) => this.#aboutOwn(address),
      start: (log) => this.#start(log),
    });
  }

  /** Starts processes until one has free what is live. */
  async #start(log: MapLogWriter): Promise<DeviceProcess> {
    for (let attempt = 1; ; attempt++) {
      const started = await this.#spawn(log);
      try {
        const ready = started.ready as DeviceReady;
        const taken = this.#context.live().find((range) => !covers(ready.claims, range));
        if (!taken && (attempt >= ATTEMPTS_FOR_HOST || this.#reachesHost(ready))) {
          await this.#attach(started, ready);
          this.#adopt(ready);
          await started.request({ type: 'begin' });
          for (const { request } of this.programs) await started.request({ ...request });
          return started;
        }
        if (taken && (attempt === MOST_PROCESSES || this.ring.closed)) throw inTheWay(this.#context, taken);
      } catch (error) {
        this.system?.close();
        await started.close();
        throw error;
      }
      await started.close();
    }
  }

  /** Whether the host's own heap and stack can be reached: nothing of the device's lies there. */
  #reachesHost({ claims }: DeviceReady): boolean {
    const { system, window } = this.#options;
    if (system === 'off') return true;
    return parseMaps(readMaps('self')).vmas.every(
      ({ kind, start, end }) =>
        (kind !== 'heap' && kind !== 'stack') ||
        start < window.start ||
        end > window.end ||
        covers(claims, { start, end }),
    );
  }

  /** Has the pager of this process serve the device, where it reaches system memory. */
  async #attach(started: DeviceProcess, { system, claims }: DeviceReady): Promise<void> {
    if (!system) return;
    const { arena } = this.#context;
    const { pid } = started;
    const request = {
      pid,
      descriptors: system,
      cores: this.#options.cores,
      claims,
      arenaInode: fstatSync(arena.fd).ino,
    };
    this.system?.close();
    const session = await SystemSession.open(
      request,
      this.system?.counters() ?? NO_SYSTEM_COUNTERS,
      (reason) => started.giveUp(reason),
    );
    this.system = session;
    void this.ring.lost.then(() => session.close());
  }

  #spawn(log: MapLogWriter): Promise<DeviceProcess> {
    const { cores, faults, scratch, window, execArgv, system } = this.#options;
    const { arena, name } = this.#context;
    const init: DeviceInit = {
      cores,
      scratch,
      faults,
      logSegments: log.segments,
      window: { start: window.start, end: Math.min(window.end, arena.size) },
      ...(system === 'off' ? {} : { room: roomForDevice() }),
    };
    return DeviceProcess.start({
      name,
      entry: 'device/process/entry-main.cjs',
      execArgv,
      arenaFd: arena.fd,
      log,
      cores,
      init: { ...init },
    });
  }

  #adopt({ faults, refused, reserved }: DeviceReady): void {
    this.mode = faults;
    this.reserved = [...reserved, ...this.#options.reserved];
    this.#context.reserve(this.reserved);
    if (refused !== undefined) warnOfTraps(this.#context.name, refused);
  }

  #aboutOwn(address: number): string | undefined {
    const region = this.reserved.find(({ start, end }) => address >= start && address < end);
    if (region) return `the device has that for itself: ${region.name}`;
    if (!this.system || address < this.#options.window.start) return undefined;
    return "of its host's memory it may read what the host can read, and store nothing";
  }
}

function inTheWay({ name, nearest }: DeviceContext, { start, end }: Range): SystemError {
  const { name: buffer } = nearest(start) ?? { name: 'a buffer' };
  return new SystemError(
    'mmap',
    [start, end - start],
    'EEXIST',
    `Each of ${MOST_PROCESSES} new processes of device '${name}' has something of its own where \`${buffer}\` lies; free it, or try again`,
  );
}

function roomForDevice(): Range {
  const room = roomClearOf(parseMaps(readMaps('self')).vmas);
  if (room) return room;
  throw new UnsupportedError(
    'address space',
    "The device's process has no TiB for its own mappings that this process has free as well: open the device without 'system'",
  );
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
   * The addresses of its window that are its process's own: what the host has there it never sees. Through views,
   * `atomics` and `memory` an access there is a fault; native code sees what the device has there.
   */
  unmirrorable(): readonly ReservedRegion[] {
    return this.#sessions.reserved.filter((region) => !this.#options.reserved.includes(region));
  }

  /** Counters of system SVM; all 0 where it is off. */
  systemCounters(): SystemCounters {
    return this.#sessions.system?.counters() ?? NO_SYSTEM_COUNTERS;
  }

  override async close(): Promise<void> {
    await super.close();
    this.#sessions.system?.close();
  }

  /**
   * Loads an ES module: every core imports it. Its kernels are its exported functions, called as
   * `name(begin, end, ...args)`. From a file: or data: URL, or source text as bytes, which can import nothing by package
   * name. Loading the same URL again gives the same program. Throws ProgramError where there is no such file, where it
   * does not parse, throws while it is imported, or exports no kernel.
   */
  async load(source: URL | Uint8Array | ArrayBuffer): Promise<Program> {
    const url = await sourceUrl(source);
    return this.inOrder(() => this.#load(url));
  }

  async #load(url: string): Promise<Program> {
    if (this.#ring.closed) throw new StateError('closed', `device '${this.name}' is closed`);
    const known = this.#sessions.programs.find(({ request }) => request.url === url);
    if (known) return known.program;
    const first = this.#nextKernel;
    const request: LoadRequest = { type: 'load', program: this.#nextProgram++, url, first };
    const exports = (await this.#ring.request({ ...request })) as ModuleExports;
    this.#nextKernel += exports.kernels.length;
    const program = new ProcessProgram(this.#ring, exports, first);
    const expected = program.kernels;
    this.#sessions.programs.push({ request: { ...request, expected }, program });
    return program;
  }
}
