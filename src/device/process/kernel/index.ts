/**
 * `mirrorspace/kernel`: what the kernel modules of a process device import. A kernel is an exported function
 * `name(begin, end, ...args)` over the items `[begin, end)`; pointers are numbers, the same as on the host. Importing this
 * elsewhere is harmless; using it there throws UnsupportedError. Pure: it works through the core that it runs on.
 *
 * @module
 */
import { UnsupportedError } from '../../../errors.ts';
import { context, contextIfAny } from './context.ts';

export type { Address } from '../../../mm/address.ts';
export { type AtomicWord, atomics } from './atomics.ts';
export { AddressError } from './mirrored-memory.ts';
export { type KernelMemory, type MemoryPiece, memory, type ViewConstructor, view } from './views.ts';
export { WorkItems } from './work-items.ts';

/** Whether this code runs on a core of a process device. */
export function isDevice(): boolean {
  return contextIfAny() !== undefined;
}

/** The number of this core, from 0. Module variables are each core's own. */
export function core(): number {
  return context().core;
}

/** How many cores the device has. */
export function cores(): number {
  return context().cores;
}

/**
 * Bytes that this core has for itself, the same ones at each call: room for what a kernel works out on its way, with
 * nothing allocated per call. As many as the device's option `scratch` says. They keep what is in them from one kernel to
 * the next, until the core is started anew; they are no mirrored memory and have no address.
 */
export function scratch(): Uint8Array {
  return context().scratch();
}

/** The items of the whole launch that this core runs a part of. Throws UnsupportedError outside of a kernel. */
export function items(): number {
  const all = context().items();
  if (all !== undefined) return all;
  throw new UnsupportedError('launch', 'items() is known inside of a kernel only, while a launch runs it');
}
