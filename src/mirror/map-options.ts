/**
 * What `queue.map` and `queue.unmap` are given: checked at the door, and turned into the change of owner. Pure but for the
 * buffer's ownership.
 *
 * @module
 */
import type { Addressed, MapOptions, OwnershipChange, UnmapOptions } from '../device/device.ts';
import { invalidType, outOfRange } from '../errors.ts';
import type { Range } from '../mm/address.ts';
import type { SvmBuffer } from './svm-buffer.ts';

/** A fine buffer is everybody's at any time. */
const NOTHING: OwnershipChange = { ranges: [], begin() {}, complete() {}, fail() {} };

/** `live` is the buffer that holds what was `named`: itself, or a part of it. */
export function mapChange(
  live: SvmBuffer | undefined,
  named: Addressed,
  options: MapOptions = {},
): OwnershipChange {
  const range = rangeOf(named, options);
  const { access = 'readwrite' } = options;
  if (typeof access !== 'string') throw invalidType('access', "'read', 'write' or 'readwrite'", access);
  if (access !== 'read' && access !== 'write' && access !== 'readwrite')
    throw outOfRange('access', "'read', 'write' or 'readwrite'", access);
  return live?.ownership?.map({ ...range, access }) ?? NOTHING;
}

export function unmapChange(
  live: SvmBuffer | undefined,
  named: Addressed,
  options: UnmapOptions = {},
): OwnershipChange {
  const range = rangeOf(named, options);
  const part =
    options.offset !== undefined || options.size !== undefined || named.size !== live?.size
      ? range
      : undefined;
  const change = live?.ownership?.unmap(part);
  return change ? { ...NOTHING, ...change } : NOTHING;
}

/** The bytes meant, in absolute addresses. */
function rangeOf({ address, size: whole }: Addressed, options: UnmapOptions): Range {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const { offset = 0 } = options;
  if (typeof offset !== 'number') throw invalidType('offset', 'a number of bytes', offset);
  if (!Number.isSafeInteger(offset) || offset < 0 || offset >= whole)
    throw outOfRange('offset', `from 0 to ${whole - 1}`, offset);
  const { size = whole - offset } = options;
  if (typeof size !== 'number') throw invalidType('size', 'a number of bytes', size);
  if (!Number.isSafeInteger(size) || size < 1 || size > whole - offset)
    throw outOfRange('size', `from 1 to ${whole - offset}`, size);
  return { start: address + offset, end: address + offset + size };
}
