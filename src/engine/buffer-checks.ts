/**
 * Whether a device may touch what a command names: refused here, before anything is put in. Pure but for the mirror that
 * it asks.
 *
 * @module
 */
import type { Addressed, DeviceContext } from '../device/device.ts';
import { hex, invalidType, outOfRange, StateError } from '../errors.ts';
import type { Range } from '../mm/address.ts';
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

/**
 * What a launch checks its arguments against. `reaches`: where the device reaches memory that no buffer holds; throws where
 * it does not reach this.
 */
export function argumentContext(
  context: DeviceContext,
  pointerLimit: number,
  reaches?: (name: string, address: number, size: number) => void,
): ArgumentContext {
  return {
    pointerLimit,
    checkBuffer(name, buffer) {
      if (reaches && isForeign(context, buffer)) {
        reaches(name, buffer.address, buffer.size);
        return;
      }
      checkBuffer(context, name, buffer);
      context.checkUnmapped(name, buffer.address);
    },
    checkPointer(name, address) {
      context.checkUnmapped(name, address);
      reaches?.(name, address, 0);
    },
    foreign(name, used) {
      if (isAddressed(used)) {
        if (reaches && isForeign(context, used))
          return { start: used.address, end: used.address + used.size };
        checkBuffer(context, name, used);
      } else if (typeof used !== 'number') {
        throw invalidType(name, 'an address or a buffer', used);
      } else if (reaches && isRange(used, 1) && !context.bufferAt(used)) {
        return { start: used, end: used + 1 };
      } else {
        checkRange(context, name, used, 1, 'read');
      }
      context.checkUnmapped(name, isAddressed(used) ? used.address : used);
      return undefined;
    },
  };
}

/** Whether something at an address is memory of the host's, and no buffer, live or freed, of any device. */
function isForeign(context: DeviceContext, buffer: Addressed): boolean {
  const { address, size } = buffer;
  if ('freed' in buffer || !isRange(address, size)) return false;
  return context.accessTo(address, size) === undefined;
}

function isRange(address: number, size: number): boolean {
  return Number.isSafeInteger(address) && address > 0 && Number.isSafeInteger(size) && size > 0;
}

const NONE: readonly Range[] = [];

/**
 * Throws where a buffer that a kernel reaches through other pointers is not live, not this device's, or mapped. Gives what
 * is no buffer, for devices that reach such memory.
 */
export function checkUses({ foreign }: ArgumentContext, uses: unknown): readonly Range[] {
  if (!Array.isArray(uses)) throw invalidType('uses', 'an array of buffers or addresses', uses);
  const ranges = uses.flatMap((used: unknown, i) => foreign(`uses[${i}]`, used) ?? []);
  return ranges.length === 0 ? NONE : ranges;
}
