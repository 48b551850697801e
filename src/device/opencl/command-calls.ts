/**
 * One call of OpenCL's for each command that goes to a driver: launches, copies, fills, maps and unmaps of coarse-grained
 * memory, and nothing at all.
 *
 * @module
 */
import type { Packet } from '../../engine/command.ts';
import { BUILTIN_KERNEL, PACKET_TYPE } from '../../engine/control-layout.ts';
import type { CommandType, HostRange } from '../device.ts';
import type { DriverContext } from './driver-context.ts';
import type { DriverMemory } from './driver-memory.ts';
import type { Handle, OpenCl } from './icd/loader.ts';
import { checkStatus } from './icd/status.ts';
import { type LaunchValue, setArguments, setFillArguments } from './kernel-values.ts';
import { mapForHost, unmapForHost } from './map-calls.ts';
import type { DriverKernel } from './opencl-program.ts';

/** A launch as OpenCL has it. */
export interface NdRange {
  readonly kernel: DriverKernel;
  /** Work-items per dimension; none of them is 0. */
  readonly global: readonly number[];
  readonly local: readonly number[] | undefined;
}

/** The packet of a launch; without a range there is nothing to do. Its values are no packet's: structures are among them. */
export interface LaunchPacket extends Packet {
  readonly values: readonly LaunchValue[];
  readonly range: NdRange | undefined;
}

/** The packet of a map or unmap that the driver has to know of. */
export interface PassPacket extends Packet {
  readonly ranges: readonly HostRange[];
}

export class CommandCalls {
  readonly cl: OpenCl;
  readonly #fill: Handle;
  readonly #memory: DriverMemory | undefined;
  /** What the driver was asked to map: a map whose turn never came has no unmap. */
  readonly #mapped = new WeakSet<HostRange>();
  /** Two words for each dimension. */
  readonly #global = new Uint32Array(6);
  readonly #local = new Uint32Array(6);

  /** `program` is that of built-in-source.ts; `memory` is what kernels reach, where that is the driver's own. */
  constructor(driver: DriverContext, program: Handle, memory: DriverMemory | undefined) {
    this.cl = driver.cl;
    this.#memory = memory;
    this.#fill = driver.kernel(program, 'mirrorspace_fill');
  }

  /** Whether there is anything for a driver to do, besides that its turn comes. */
  isWork(type: CommandType, packet: Packet): boolean {
    if (type === 'launch') return (packet as LaunchPacket).range !== undefined;
    if (type === 'map' || type === 'unmap') return rangesOf(packet).length > 0;
    return packet.type === PACKET_TYPE.DISPATCH;
  }

  /** Puts a command into the driver's queue; gives the name of the call. Throws OpenClError; nothing is put in then. */
  enqueue(queue: Handle, type: CommandType, packet: Packet, event: Uint32Array): string {
    if (type === 'launch') {
      const { range, values } = packet as LaunchPacket;
      if (range) return this.#launch(queue, range, values, event);
    } else if (type === 'map' || type === 'unmap') {
      const ranges = rangesOf(packet).filter((range) => type === 'map' || this.#mapped.has(range));
      if (ranges.length === 1) return this.#pass(queue, type, ranges[0]!, event);
      for (const range of ranges) this.#pass(queue, type, range, null);
    } else if (packet.type === PACKET_TYPE.DISPATCH) {
      const [target, ...rest] = packet.args as [number, number, ...bigint[]];
      const first = rest[0] as number;
      if (packet.kernel === BUILTIN_KERNEL.COPY) return this.#copy(queue, target, first, packet.items, event);
      return this.#fillWith(queue, target, first, rest.slice(1) as bigint[], packet.items, event);
    }
    const call = 'clEnqueueMarkerWithWaitList';
    checkStatus(call, this.cl.clEnqueueMarkerWithWaitList(queue, 0, null, event));
    return call;
  }

  #launch(
    queue: Handle,
    { kernel, global, local }: NdRange,
    values: readonly LaunchValue[],
    event: Uint32Array,
  ): string {
    setArguments(this.cl, kernel, values);
    setSizes(this.#global, global);
    if (local) setSizes(this.#local, local);
    return this.#run(queue, kernel.handle, global.length, local ? this.#local : null, event);
  }

  #pass(queue: Handle, type: 'map' | 'unmap', range: HostRange, event: Uint32Array | null): string {
    if (type === 'map') {
      const call = mapForHost(this.cl, queue, range, { event });
      this.#mapped.add(range);
      return call;
    }
    this.#mapped.delete(range);
    return unmapForHost(this.cl, queue, range, { event });
  }

  #copy(queue: Handle, target: number, source: number, size: number, event: Uint32Array): string {
    const call = 'clEnqueueSVMMemcpy';
    checkStatus(call, this.cl.clEnqueueSVMMemcpy(queue, 0, target, source, size, 0, null, event));
    return call;
  }

  #fillWith(
    queue: Handle,
    target: number,
    length: number,
    words: readonly bigint[],
    size: number,
    event: Uint32Array,
  ): string {
    // OpenCL fills with patterns of 1, 2, 4, ... 128 bytes, at multiples of their length.
    if ((length & (length - 1)) === 0 && target % length === 0) {
      const call = 'clEnqueueSVMMemFill';
      const pattern = new BigInt64Array(words);
      checkStatus(call, this.cl.clEnqueueSVMMemFill(queue, target, pattern, length, size, 0, null, event));
      return call;
    }
    setFillArguments(this.cl, this.#fill, target, length, words);
    setSizes(this.#global, [size / length]);
    return this.#run(queue, this.#fill, 1, null, event);
  }

  #run(
    queue: Handle,
    kernel: Handle,
    dimensions: number,
    local: Uint32Array | null,
    event: Uint32Array,
  ): string {
    this.#memory?.tell(kernel);
    const call = 'clEnqueueNDRangeKernel';
    checkStatus(
      call,
      this.cl.clEnqueueNDRangeKernel(queue, kernel, dimensions, null, this.#global, local, 0, null, event),
    );
    return call;
  }
}

function rangesOf(packet: Packet): readonly HostRange[] {
  return (packet as Partial<PassPacket>).ranges ?? [];
}

function setSizes(words: Uint32Array, sizes: readonly number[]): void {
  for (let i = 0; i < sizes.length; i++) {
    words[2 * i] = sizes[i]!;
    words[2 * i + 1] = sizes[i]! / 2 ** 32;
  }
}
