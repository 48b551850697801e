/**
 * The ranges of mirrored memory that transfers name, checked against what the device may touch.
 *
 * @module
 */
import type { Addressed, DeviceContext } from '../device/device.ts';
import { invalidType, outOfRange } from '../errors.ts';
import { checkBuffer, checkRange } from './buffer-checks.ts';
import { type CopyEnd, hostBytes } from './host-copies.ts';
import { isAddressed } from './kernel-arguments.ts';

/** Whose memory it is, and how much of it one command can name. */
export interface RangeContext {
  readonly context: DeviceContext;
  readonly maxItems: number;
}

/** The range of a transfer; `target` is one that is written. Throws where the device may not touch it now. */
export function checkedRange(
  { context, maxItems }: RangeContext,
  name: 'source' | 'target',
  where: number | Addressed,
  size: number | undefined,
): { address: number; size: number } {
  const address = isAddressed(where) ? where.address : where;
  if (typeof address !== 'number') throw invalidType(name, 'an address or a buffer', where);
  const length = size ?? (isAddressed(where) ? where.size : undefined);
  if (length === undefined) throw invalidType('size', 'a number of bytes where no buffer says it', size);
  if (typeof length !== 'number') throw invalidType('size', 'a number of bytes', length);
  if (!Number.isSafeInteger(length) || length < 1 || length > maxItems) {
    throw outOfRange('size', `from 1 to ${maxItems} bytes`, length);
  }
  if (isAddressed(where)) {
    checkBuffer(context, name, where);
    if (length > where.size) throw outOfRange('size', `at most the ${name}'s ${where.size} bytes`, length);
  }
  checkRange(context, name, address, length, name === 'target' ? 'write' : 'read');
  context.checkUnmapped(name, address);
  return { address, size: length };
}

/** An end of a copy, which may be a view of ordinary memory. */
export function copyEnd(
  of: RangeContext,
  name: 'source' | 'target',
  where: number | Addressed | ArrayBufferView,
  size: number | undefined,
): CopyEnd {
  return ArrayBuffer.isView(where) ? hostBytes(name, where, size) : checkedRange(of, name, where, size);
}

/** Any range of the address space. Throws TypeError or RangeError where it is none. */
export function checkAddressed(name: string, where: Addressed): Addressed {
  if (typeof where !== 'object' || where === null) throw invalidType(name, '{ address, size }', where);
  for (const part of ['address', 'size'] as const) {
    if (typeof where[part] !== 'number') throw invalidType(`${name}.${part}`, 'a number', where[part]);
    if (!Number.isSafeInteger(where[part]) || where[part] < 0)
      throw outOfRange(`${name}.${part}`, 'an integer >= 0', where[part]);
  }
  if (where.address + where.size > 2 ** 47)
    throw outOfRange(`${name}.size`, 'a range that ends below 2^47', where.size);
  return where;
}
