/**
 * Buffers in memory that a device's driver has allocated, since it takes no other (clSVMAlloc). The driver chooses the
 * address, so the search has no say; the other devices of such a buffer must reach memory of this process at any address,
 * or it is refused, with the reason, before anything is allocated.
 *
 * @module
 */
import { SVM, satisfies } from '../device/capabilities.ts';
import type { AttachedDevice, MemorySource } from '../device/device.ts';
import { hex, UnsupportedError } from '../errors.ts';
import { type Address, alignUp, type Range } from '../mm/address.ts';
import type { Placement } from '../placement/index.ts';
import type { Access, CheckedAlloc } from './alloc-options.ts';

/** The memory of a buffer that is not the arena's. */
export interface AdoptedMemory {
  readonly placement: Placement;
  /** Whose driver it is of. */
  readonly device: string;
  /** No command uses it any more: devices that could store there can't from now on. */
  end(): void;
  /** Nobody uses it any more. */
  release(): void;
}

/** The device whose driver has to allocate a buffer with such access; undefined where the arena does. */
function sourceFor(attached: readonly AttachedDevice[], access: readonly Access[]) {
  return attached.find(({ memory }, i) => memory !== undefined && access[i] !== 'none');
}

/** Throws UnsupportedError where a device of the buffer takes memory of its driver only; `what` can't be had for that. */
export function checkFromArena(
  attached: readonly AttachedDevice[],
  { access }: Pick<CheckedAlloc, 'access'>,
  what: string,
): void {
  const source = sourceFor(attached, access);
  if (!source) return;
  const { name } = source.device;
  throw new UnsupportedError(
    what,
    `Memory for device '${name}' is allocated by its driver, wherever that likes: there is no ${what} for it. Use alloc, or leave the device out (devices: [...])`,
  );
}

/** Why a device can't reach memory of another one's driver; undefined where it can. Pure. */
export function whyOutOfReach(
  { device, port, memory, throughHost }: AttachedDevice,
  access: Access,
): string | undefined {
  const { name } = device;
  if (memory) return `device '${name}' takes memory of its own driver only`;
  if (throughHost) return undefined;
  if (!satisfies(device.systemCapabilities ?? 0, SVM.SYSTEM_ALLOCATED))
    return `device '${name}' reaches memory of the mirror only (it lacks SYSTEM_ALLOCATED; a process device has it with system: 'read' or 'all')`;
  if (access === 'write' && !port.pinned)
    return `device '${name}' only loads from other memory: give it access 'read'`;
  return undefined;
}

/** What in a device's way lies there; undefined where it reaches all of the range. Pure. */
export function whatIsThere({ device }: AttachedDevice, { start, end }: Range): string | undefined {
  const { name, window, reserved } = device;
  if (start < window.start || end > window.end)
    return `device '${name}' reaches ${hex(window.start)}-${hex(window.end)} only`;
  const own = reserved.find((region) => region.start < end && start < region.end);
  return own && `device '${name}' keeps ${hex(own.start)}-${hex(own.end)} for itself (${own.name})`;
}

/**
 * Memory for a buffer from the driver of one of its devices; undefined where all of them take the arena. Throws
 * UnsupportedError where another of its devices does not reach such memory, or where the options name a place; nothing is
 * allocated then.
 */
export function adoptMemory(
  attached: readonly AttachedDevice[],
  checked: CheckedAlloc,
  pageSize: number,
): AdoptedMemory | undefined {
  const { access, request, driver } = checked;
  const owner = sourceFor(attached, access);
  if (!owner) return undefined;
  const source = owner.memory as MemorySource;
  const { name } = owner.device;
  const refuse = (why: string): never => {
    throw new UnsupportedError(
      `memory of the driver of '${name}' for all devices`,
      `The driver of device '${name}' takes no memory but what it allocates itself (clSVMAlloc), and ${why}. Leave one of them out (devices: [...])`,
    );
  };
  const others = attached.filter((each, i) => each !== owner && access[i] !== 'none');
  if (source.coarse && others[0])
    refuse(
      `that memory is coarse-grained: device '${others[0].device.name}' would not see what it holds, nor be seen to store there`,
    );
  for (const other of others) {
    const why = whyOutOfReach(other, access[attached.indexOf(other)]!);
    if (why) refuse(why);
  }
  const { place, topdown, align = pageSize } = request;
  if (driver || topdown || (place && !('hint' in place)))
    checkFromArena(attached, checked, 'place of choice');
  const size = alignUp(request.size, pageSize);
  const address = source.allocate(size, align);
  const range = { start: address, end: address + size };
  for (const each of [owner, ...others]) {
    const why = whatIsThere(each, range);
    if (why === undefined) continue;
    source.release(address);
    refuse(`what it allocated lies at ${hex(range.start)}-${hex(range.end)}, where ${why}`);
  }
  const pins: (() => void)[] = [];
  try {
    for (const { port, device: other } of others) {
      const write = access[attached.findIndex(({ device }) => device === other)] === 'write';
      const unpin = port.pinned?.({ ...range, write, held: () => true });
      if (unpin) pins.push(unpin);
    }
  } catch (error) {
    for (const unpin of pins) unpin();
    source.release(address);
    throw error;
  }
  return {
    placement: placementOf(address, size, align, place && 'hint' in place ? place.hint : undefined),
    device: name,
    end: () => {
      for (const unpin of pins) unpin();
    },
    release: () => source.release(address),
  };
}

function placementOf(address: Address, size: number, align: number, hint: Address | undefined): Placement {
  const window = { start: address, end: address + size };
  const placed: Placement = { address, size, guard: 0, align, window, strategy: 'driver' };
  if (hint === undefined || hint === address) return placed;
  return { ...placed, hintMissed: { hint, reason: 'the driver of a device has chosen the place' } };
}
