/**
 * Whether a device may touch what a command names: refused here, before anything is put in. Pure but for the mirror that
 * it asks.
 *
 * @module
 */
import type { Addressed, DeviceContext } from '../device/device.ts';
import { hex, invalidType, outOfRange, StateError } from '../errors.ts';
import { type ArgumentContext, isAddressed } from './kernel-arguments.ts';

/** Throws StateError where the buffer is freed, RangeError where it is not this device's to touch, TypeError for a Proxy. */
export function checkBuffer(context: DeviceContext, name: string, buffer: Addressed): void {
  if (isFreed(name, buffer)) {
    throw new StateError('freed', `${name} is a freed buffer (it was at ${hex(buffer.address)})`);
  }
  checkRange(context, name, buffer.address, buffer.size, 'read');
}

function isFreed(name: string, buffer: Addressed): boolean {
  try {
    const { freed, freeing } = buffer as { freed?: unknown; freeing?: unknown };
    return freed === true || freeing === true;
  } catch {
    // A buffer keeps that in a private field, which no Proxy has.
    throw invalidType(name, 'a buffer itself, not a Proxy of it', buffer);
  }
}

/** Throws RangeError where the range is not in one live buffer to which the device has that access. */
export function checkRange(
  context: DeviceContext,
  name: string,
  address: number,
  size: number,
  access: 'read' | 'write',
): void {
  const allowed = context.accessTo(address, size);
  if (allowed === undefined) {
    throw outOfRange(name, `within one live buffer that device '${context.name}' may touch`, address);
  }
  if (access === 'write' && allowed === 'read') {
    throw outOfRange(name, `in a buffer that device '${context.name}' may write`, address);
  }
}

/** What a launch checks its arguments against. */
export function argumentContext(context: DeviceContext, pointerLimit: number): ArgumentContext {
  return {
    pointerLimit,
    checkBuffer(name, buffer) {
      checkBuffer(context, name, buffer);
      context.checkUnmapped(name, buffer.address);
    },
    checkPointer: (name, address) => context.checkUnmapped(name, address),
  };
}

/** Throws where a buffer that a kernel reaches through other pointers is not live, not this device's, or mapped. */
export function checkUses(context: DeviceContext, uses: unknown): void {
  if (!Array.isArray(uses)) throw invalidType('uses', 'an array of buffers or addresses', uses);
  uses.forEach((used: unknown, i) => {
    const name = `uses[${i}]`;
    if (isAddressed(used)) checkBuffer(context, name, used);
    else if (typeof used === 'number') checkRange(context, name, used, 1, 'read');
    else throw invalidType(name, 'an address or a buffer', used);
    context.checkUnmapped(name, isAddressed(used) ? used.address : used);
  });
}
