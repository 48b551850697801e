/**
 * What a device may ask of a mirror, also of one that is still being opened: which buffers are live for it, what it may
 * do with a range, and how an address lies to the buffers.
 *
 * @module
 */
import type { DeviceContext, Freeable, QueuedFree } from '../device/device.ts';
import type { Arena } from '../engine/arena.ts';
import type { CommandScope } from '../engine/command-scope.ts';
import { outOfRange } from '../errors.ts';
import { pageSize } from '../linux/mmap.ts';
import { alignUp, type Range } from '../mm/address.ts';
import type { Access } from './alloc-options.ts';
import type { LiveBuffers } from './live-buffers.ts';
import { mapChange, unmapChange } from './map-options.ts';
import { SubBuffer } from './sub-buffer.ts';
import { SvmBuffer } from './svm-buffer.ts';

/** The context of the device with that number among the mirror's devices. */
export function deviceContext(
  name: string,
  index: number,
  arena: Arena,
  live: LiveBuffers,
  commands: CommandScope,
  reserve: DeviceContext['reserve'],
): DeviceContext {
  const page = pageSize();
  const accessOf = (buffer: SvmBuffer): Access => buffer.access[index] ?? 'none';
  return {
    name,
    commands,
    arena,
    live: () =>
      live
        .sorted()
        .filter(({ adopted }) => !adopted)
        .map((buffer) => ({
          start: buffer.address,
          end: alignUp(buffer.end, page),
          access: accessOf(buffer),
        }))
        .filter((range): range is Range & { access: 'read' | 'write' } => range.access !== 'none'),
    accessTo(address, size) {
      if (!Number.isSafeInteger(address) || !(size >= 0)) return undefined;
      const buffer = live.at(address);
      if (!buffer || buffer.freeing || address + size > buffer.end) return undefined;
      const access = accessOf(buffer);
      return access === 'none' ? undefined : access;
    },
    inArena: (address) => !live.at(address)?.adopted,
    checkUnmapped(name, address) {
      if (live.coarse > 0) live.at(address)?.ownership?.checkUnmapped(name);
    },
    map: (buffer, options) => mapChange(live.at(buffer.address), buffer, options),
    unmap: (buffer, options) => unmapChange(live.at(buffer.address), buffer, options),
    bufferAt(address) {
      const buffer = live.at(address);
      return buffer && accessOf(buffer) !== 'none' ? { start: buffer.address, end: buffer.end } : undefined;
    },
    beginFree: (name, buffer) => beginFree(live, name, buffer),
    nearest: (address) => live.nearest(address),
    reserve,
  };
}

function beginFree(live: LiveBuffers, name: string, what: Freeable): QueuedFree {
  if (what instanceof SvmBuffer) what.check();
  if (what instanceof SubBuffer) what.parent.check();
  const address = typeof what === 'number' ? what : what.address;
  const buffer = Number.isSafeInteger(address) && address >= 0 ? live.at(address) : undefined;
  if (buffer?.address !== address)
    throw outOfRange(name, 'a live buffer of this mirror, or the address at which one begins', address);
  // A part that begins where its buffer does, or an object at the start of a heap's, is not that buffer.
  if (typeof what !== 'number' && what !== buffer)
    throw outOfRange(
      name,
      `a buffer itself: what lies at the start of buffer '${buffer.name}' holds nothing that could be freed`,
      address,
    );
  return buffer.beginFree();
}
