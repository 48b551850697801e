/**
 * Everybody who can run the suite's kernels in an open mirror: the host, and each device with its program loaded. Cases
 * go over sides without knowing which is which.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { addressOf } from '../../ffi/library.ts';
import { SVM_TYPE, satisfies } from '../capabilities.ts';
import type { ArgumentKind, Command, Device, Kernel, KernelArgument, Program } from '../device.ts';
import { KERNELS, type KernelName } from './kernel-list.ts';
import { type KernelViewType, kernelsOver, type PortableKernel } from './kernels.ts';
import type {
  ConformanceAlloc,
  ConformanceBuffer,
  ConformanceMirror,
  ConformancePart,
  ConformanceTarget,
  Need,
} from './target.ts';

/** How long, in milliseconds, the host waits inside of a kernel, or a case for something that must come, before it fails. */
export const PATIENCE = 120_000;

export type Values = readonly KernelArgument[];

/** One who runs kernels. */
export interface Side {
  readonly name: string;
  run(kernel: KernelName, items: number, args: Values): Promise<void>;
}

export class DeviceSide implements Side {
  readonly name: string;
  readonly device: Device;
  readonly program: Program;
  /** What it has not, with the reason. */
  readonly without: Readonly<Partial<Record<Need, string>>>;

  constructor(device: Device, program: Program, without: DeviceSide['without'] = {}) {
    this.without = without;
    this.name = device.name;
    this.device = device;
    this.program = program;
  }

  kernel(name: KernelName): Kernel {
    return this.program.kernel(name, KERNELS[name] as readonly ArgumentKind[]);
  }

  /** Launches; `more` are further options of the launch. */
  launch(name: KernelName, items: number, args: Values, more: object = {}): Command {
    return this.device.queue.launch(this.kernel(name), { items, args, ...more } as never);
  }

  async run(name: KernelName, items: number, args: Values): Promise<void> {
    await this.launch(name, items, args).done;
  }
}

/** This thread, on views of the mirror's buffers. */
class HostSide implements Side {
  readonly name = 'host';
  /** Memory of the process that is no buffer's. */
  readonly plain = new Set<ConformancePart>();
  readonly #kernels: Readonly<Record<KernelName, PortableKernel>>;
  #since = 0;

  constructor(mirror: ConformanceMirror) {
    const { plain } = this;
    this.#kernels = kernelsOver({
      view<T>(type: KernelViewType<T>, address: number, length: number): T {
        const own = [...plain].find(({ address: start, size }) => address >= start && address < start + size);
        const buffer = own ?? mirror.memoryAt(address);
        assert.ok(buffer, `the host finds a buffer at 0x${address.toString(16)}`);
        const { bytes } = buffer;
        return new type(bytes.buffer as ArrayBuffer, bytes.byteOffset + address - buffer.address, length);
      },
      stuck: () => performance.now() - this.#since > PATIENCE,
    });
  }

  async run(name: KernelName, items: number, args: Values): Promise<void> {
    this.#since = performance.now();
    const call = this.#kernels[name] as (begin: number, end: number, ...values: unknown[]) => void;
    call(0, items, ...args.map((value) => (typeof value === 'object' ? value.address : value)));
  }
}

/** An open mirror with the suite's program on each device. */
export class Sides {
  readonly mirror: ConformanceMirror;
  readonly devices: readonly DeviceSide[];
  readonly host: HostSide;

  private constructor(mirror: ConformanceMirror, devices: readonly DeviceSide[]) {
    this.mirror = mirror;
    this.devices = devices;
    this.host = new HostSide(mirror);
  }

  static async open(target: ConformanceTarget): Promise<Sides> {
    const mirror = await target.open();
    try {
      const devices: DeviceSide[] = [];
      for (const device of Object.values(mirror.devices))
        devices.push(
          new DeviceSide(device, await device.load(await target.program(device)), target.without?.(device)),
        );
      assert.ok(devices.length > 0, 'the mirror has a device');
      return new Sides(mirror, devices);
    } catch (error) {
      await mirror.close();
      throw error;
    }
  }

  /** The host first. */
  get all(): readonly Side[] {
    return [this.host, ...this.devices];
  }

  /** Who stores, and who loads afterwards: all pairs of two different ones, and each with itself. */
  pairs(): { producer: Side; consumer: Side }[] {
    return this.all.flatMap((producer) => this.all.map((consumer) => ({ producer, consumer })));
  }

  /** Why there are no fine buffers for all devices; undefined where there are. */
  get withoutFine(): string | undefined {
    const without = this.devices.find(({ device }) => !satisfies(device.capabilities, SVM_TYPE.FINE));
    return without && `device '${without.name}' offers no buffers of type 'fine'`;
  }

  /** Runs `body` with buffers that are freed afterwards: fine ones where nothing else is said and all devices offer them. */
  async with(
    sizes: readonly (number | readonly [size: number, options: ConformanceAlloc])[],
    body: (...buffers: ConformanceBuffer[]) => Promise<void>,
  ): Promise<void> {
    const buffers: ConformanceBuffer[] = [];
    try {
      for (const each of sizes) {
        const [size, asked] = typeof each === 'number' ? [each, {}] : each;
        const options = this.withoutFine === undefined ? asked : { type: 'coarse' as const, ...asked };
        buffers.push(this.mirror.alloc(size, options));
      }
      await body(...buffers);
    } finally {
      for (const buffer of buffers) if (!buffer.freed) buffer.free();
    }
  }

  /** Memory as `malloc` gives it, which nobody allocated for a device; for as long as `body` runs. */
  async plain(
    sizes: readonly number[],
    body: (...memory: ConformancePart[]) => Promise<void>,
  ): Promise<void> {
    const memory = sizes.map((size, i) => {
      const bytes = new Uint8Array(size);
      const part: ConformancePart = {
        ...{ name: `plain-${i}`, type: 'fine', freed: false },
        ...{ address: addressOf(bytes), size, bytes },
      };
      this.host.plain.add(part);
      return part;
    });
    try {
      await body(...memory);
    } finally {
      for (const part of memory) this.host.plain.delete(part);
    }
  }

  /**
   * Runs `body` as the side may: where that is the host, coarse buffers are mapped meanwhile, by the queue of `device`.
   */
  async as<T>(
    side: Side,
    coarse: readonly ConformanceBuffer[],
    body: () => Promise<T>,
    device = this.devices[0]!.device,
  ): Promise<T> {
    if (side !== this.host) return body();
    await Promise.all(coarse.map((buffer) => device.queue.map(buffer).done));
    try {
      return await body();
    } finally {
      await Promise.all(coarse.map((buffer) => device.queue.unmap(buffer).done));
    }
  }

  /** What the host does with buffers, of which coarse ones are mapped meanwhile. */
  onHost<T>(buffers: readonly ConformanceBuffer[], body: () => T, device?: Device): Promise<T> {
    const coarse = buffers.filter(({ type }) => type === 'coarse');
    return this.as(this.host, coarse, async () => body(), device);
  }

  /** All sides at once, the devices first, since the host blocks; gives when all have ended. */
  async together(kernel: KernelName, args: (lane: number, lanes: number) => Values): Promise<void> {
    const lanes = this.devices.length + 1;
    const commands = this.devices.map((side, i) => side.launch(kernel, 1, args(i + 1, lanes)));
    await this.host.run(kernel, 1, args(0, lanes));
    await Promise.all(commands.map(({ done }) => done));
  }
}

export function i32(buffer: ConformancePart): Int32Array {
  const { bytes } = buffer;
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
}

export function u32(buffer: ConformancePart): Uint32Array {
  const { bytes } = buffer;
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
}

/** Waits until the condition holds; fails after {@link PATIENCE}. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + PATIENCE;
  while (!condition()) {
    assert.ok(performance.now() < end, `${what} never came`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Keeps the process alive while something is awaited that does not. */
export async function alive<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 1000);
  try {
    return await promise;
  } finally {
    clearInterval(timer);
  }
}
