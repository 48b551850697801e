/**
 * Growing a buffer in place: what lies behind it is searched and mapped first, then devices are told of the new range, as
 * of a buffer of its own, and those who have attached of the new size; and nobody waits.
 *
 * @module
 */
import type { AttachedDevice } from '../device/device.ts';
import { invalidType, outOfRange, PlacementError, UnsupportedError } from '../errors.ts';
import { alignUp, type Range } from '../mm/address.ts';
import type { MirrorIdentity } from '../observe/events.ts';
import type { Placement } from '../placement/index.ts';
import type { Access } from './alloc-options.ts';
import { publishMapped } from './events.ts';
import type { LiveBuffers } from './live-buffers.ts';
import type { Placer } from './placer.ts';
import type { Sharing } from './sharing/owner.ts';
import { isShared, type SvmBuffer } from './svm-buffer.ts';

/** As placement's. */
const LARGEST = 2 ** 52;

/** What of its mirror a buffer needs to grow. */
export interface GrowthParts {
  readonly pageSize: number;
  readonly placer: Placer;
  readonly live: LiveBuffers;
  readonly attached: readonly AttachedDevice[];
  readonly mirror: MirrorIdentity;
  /** Those who have attached; undefined where nobody can have. */
  readonly sharing: Sharing | undefined;
}

export function growBuffer(buffer: SvmBuffer, size: number, parts: GrowthParts): void {
  if (typeof size !== 'number') throw invalidType('size', 'a number of bytes', size);
  if (!Number.isSafeInteger(size) || size < buffer.size || size > LARGEST)
    throw outOfRange('size', `at least the buffer's ${buffer.size} bytes, and at most 2^52`, size);
  if (buffer.adopted)
    throw new UnsupportedError(
      'growth of memory of a driver',
      `buffer '${buffer.name}' can't grow: the driver of device '${buffer.adopted.device}' has allocated its memory (clSVMAlloc)`,
    );
  const { size: before, placement, access, ownership } = buffer;
  let next = placement;
  if (alignUp(size, parts.pageSize) > placement.size) {
    next = extend(buffer, size, parts);
    const more = { start: placement.address + placement.size, end: placement.address + next.size };
    tellMapped(parts.attached, access, more);
  }
  ownership?.grow(buffer.address + size);
  buffer.grown(size, next);
  parts.live.resized(buffer, before);
  if (size > before && isShared(buffer)) parts.sharing?.grow(buffer);
  publishMapped(parts.mirror, buffer, parts.attached, placement.size);
}

function extend(buffer: SvmBuffer, size: number, { placer, attached }: GrowthParts): Placement {
  const { name, placement, access, asked } = buffer;
  const devices = attached.filter((_, i) => access[i] !== 'none').map(({ device }) => device.name);
  try {
    return placer.extend({ placement, devices, asked }, size);
  } catch (error) {
    if (!(error instanceof PlacementError)) throw error;
    throw new PlacementError(
      `buffer '${name}' can't grow to ${size} bytes where it is: ${error.message}`,
      error.refusal,
    );
  }
}

/** Tells all devices of a range that is mapped now, and those that may touch it that they may. */
export function tellMapped(
  attached: readonly AttachedDevice[],
  access: readonly Access[],
  range: Range,
): void {
  for (const { port } of attached) port.arriving?.(range);
  attached.forEach(({ port }, i) => {
    const may = access[i]!;
    if (may !== 'none') port.mapped(range, may);
  });
}
