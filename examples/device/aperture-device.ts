/**
 * A device that somebody else wrote: it sees a gigabyte of memory at an address of its own choosing, as a card does
 * through an aperture. Its cores run JavaScript in another process, where byte `a` of the mirror is at `base + a`, so
 * kernels reach memory by asking for views. It is built on what `mirrorspace` publishes, and on nothing else: rings,
 * doorbells, page faults, stops and losses are the engine's. This is the host's half; process.js is the device's.
 *
 * @module
 */
import { GiB, ProgramError, type Range, StateError } from 'mirrorspace';
import {
  type AttachedDevice,
  controlLayout,
  type Device,
  type DeviceContext,
  DeviceProcess,
  type DeviceSpec,
  LoadedProgram,
  OutOfProcessDevice,
  type Program,
  type ReservedRegion,
  RingDevice,
} from 'mirrorspace/device';

export interface ApertureOptions {
  readonly cores?: number;
  /** Where the aperture begins; 2^36 by default. */
  readonly at?: number;
}

/** What is asked of the device's process, again after each reopen. */
type LoadRequest = { type: 'load'; id: number; url: string; first: number };

/** The firmware has the first page of the aperture: no buffer lies there. */
const FIRMWARE = 4096;

export function apertureDevice({
  cores = 2,
  at = 2 ** 36,
}: ApertureOptions = {}): DeviceSpec<ApertureDevice> {
  const window = { start: at, end: at + GiB };
  return {
    kind: 'aperture',
    async open(context: DeviceContext): Promise<AttachedDevice<ApertureDevice>> {
      const loaded: LoadRequest[] = [];
      const ring = new RingDevice({
        context,
        cores,
        pointerLimit: window.end,
        maxItems: Number.MAX_SAFE_INTEGER,
        // For each life of the device's process.
        async start(log) {
          const child = await DeviceProcess.start({
            name: context.name,
            entry: new URL('./process.js', import.meta.url),
            execArgv: [],
            arenaFd: context.arena.fd,
            log,
            cores,
            init: { cores, window, logSegments: log.segments },
          });
          try {
            for (const request of loaded) await child.request({ ...request });
          } catch (error) {
            await child.close();
            throw error;
          }
          return child;
        },
      });
      await ring.open();
      return { device: new ApertureDevice(ring, window, loaded), port: ring };
    },
  };
}

export class ApertureDevice extends OutOfProcessDevice implements Device {
  readonly kind = 'aperture';
  readonly window: Range;
  readonly reserved: readonly ReservedRegion[];
  readonly #ring: RingDevice;
  readonly #loaded: LoadRequest[];
  #nextKernel = controlLayout.FIRST_LOADED_KERNEL;

  constructor(ring: RingDevice, window: Range, loaded: LoadRequest[]) {
    super(ring);
    this.#ring = ring;
    this.#loaded = loaded;
    this.window = window;
    this.reserved = [{ start: window.start, end: window.start + FIRMWARE, name: 'firmware' }];
  }

  /** Loads a module whose default export makes kernels: `(memory) => ({ name(begin, end, ...args) { … } })`. */
  load(program: URL | Uint8Array | ArrayBuffer): Promise<Program> {
    if (!(program instanceof URL)) throw new TypeError('this device loads modules by their URL');
    return this.inOrder(async () => {
      if (this.#ring.closed) throw new StateError('closed', `device '${this.name}' is closed`);
      const request: LoadRequest = {
        type: 'load',
        id: this.#loaded.length + 1,
        url: program.href,
        first: this.#nextKernel,
      };
      const names = (await this.#ring.request({ ...request, program: request.id })) as string[];
      if (names.length === 0) throw new ProgramError('no-kernels', `${program.href} has no kernel`);
      this.#nextKernel += names.length;
      this.#loaded.push(request);
      return new LoadedProgram(this.#ring, new Map(names.map((name, i) => [name, request.first + i])));
    });
  }
}
