/**
 * The lives of a process device's process: how each is started, what it has for itself, and who answers for the memory of
 * the host that it reaches.
 *
 * @module
 */

import { DeviceProcess } from '../../engine/device-process.ts';
import { type LoadLimit, within } from '../../engine/load-limit.ts';
import type { MapLogWriter } from '../../engine/map-log.ts';
import { RingDevice } from '../../engine/ring-device.ts';
import { SystemError, UnsupportedError } from '../../errors.ts';
import { readMaps } from '../../linux/process-maps.ts';
import type { Range } from '../../mm/address.ts';
import { parseMaps } from '../../mm/parse-maps.ts';
import type { DeviceContext, MirrorPort, Program, ReservedRegion } from '../device.ts';
import type { FaultMode } from '../option-checks.ts';
import { covers, roomClearOf } from './claims.ts';
import type { DeviceInit, DeviceReady, LoadRequest } from './host-messages.ts';
import { type CheckedOptions, PROCESS_WINDOW } from './process-options.ts';
import { hostRanges } from './system/host-ranges.ts';
import { SystemMemory } from './system-memory.ts';

/** How many processes a reopen tries: each has its own mappings at other addresses, perhaps where buffers lie. */
const MOST_PROCESSES = 16;
/** Of this many, all but the last are given up where they lie in the way of the host's own memory. */
const ATTEMPTS_FOR_HOST = 4;

/** The mirror's port, with what the mirror pins. */
export function withPins({ ring, system }: Sessions): MirrorPort {
  return {
    arriving: (range) => system.yield(range),
    mapped: (range, access) => ring.mapped(range, access),
    unmapped: (range) => ring.unmapped(range),
    drained: (callback) => ring.drained(callback),
    nudge: () => ring.nudge(),
    pinned: (pin) => system.pin(pin),
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
  readonly limit: LoadLimit;
}

/** The lives of the device's process: how each is started, and what it has for itself. */
export class Sessions {
  readonly ring: RingDevice;
  readonly programs: LoadedProgram[] = [];
  reserved: readonly ReservedRegion[] = [];
  mode: Exclude<FaultMode, 'auto'> = 'userfaultfd';
  readonly system: SystemMemory;
  readonly #context: DeviceContext;
  readonly #options: CheckedOptions;

  constructor(context: DeviceContext, options: CheckedOptions) {
    this.#context = context;
    this.#options = options;
    this.system = new SystemMemory(context, options, () => this.ring);
    this.ring = new RingDevice({
      context,
      cores: options.cores,
      pointerLimit: PROCESS_WINDOW.end,
      maxItems: Number.MAX_SAFE_INTEGER,
      aboutOwn: (address) => this.#aboutOwn(address),
      aboutLoss: (lost) => this.system.aboutLoss(lost),
      ...(options.system === 'off'
        ? {}
        : {
            around: this.system.around,
            reaches: (name, address, size) => this.system.checkReach(name, address, size),
            declare: (ranges) => this.system.declare(ranges),
            forget: (range) => this.system.advise(range, 'drop'),
          }),
      start: (log) => this.#start(log),
    });
  }

  /** Starts processes until one has free what is live. */
  async #start(log: MapLogWriter): Promise<DeviceProcess> {
    this.system.leave();
    for (let attempt = 1; ; attempt++) {
      let started: DeviceProcess | undefined;
      try {
        started = await this.#spawn(log);
        const ready = started.ready as DeviceReady;
        const taken = this.#context.live().find((range) => !covers(ready.claims, range));
        if (!taken && (attempt >= ATTEMPTS_FOR_HOST || this.#reachesHost(ready))) {
          await this.system.attach(started, ready);
          this.#adopt(ready);
          await started.request({ type: 'begin' });
          await this.#loadAgain(started);
          return started;
        }
        if (taken && (attempt === MOST_PROCESSES || this.ring.closed)) throw inTheWay(this.#context, taken);
      } catch (error) {
        this.system.leave();
        await started?.close();
        if (!this.system.fallsBack(error)) throw error;
        continue;
      }
      await started.close();
    }
  }

  async #loadAgain(started: DeviceProcess): Promise<void> {
    for (const { request, limit } of this.programs)
      await within(limit, (reason) => started.giveUp(reason), started.request({ ...request }));
  }

  /** Whether nothing of the device's lies where the host has most of its memory. */
  #reachesHost({ claims }: DeviceReady): boolean {
    const { system, window } = this.#options;
    if (system === 'off') return true;
    return hostRanges(parseMaps(readMaps('self')).vmas).every(
      (range) => range.start < window.start || range.end > window.end || covers(claims, range),
    );
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
      ...(this.system.paging === 'declared' ? { declared: true } : {}),
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
    return address < this.#options.window.start ? undefined : this.system.aboutFault();
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
