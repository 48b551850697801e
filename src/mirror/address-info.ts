/**
 * What is known of an address of a mirror: which buffer holds it, and who may do what there.
 *
 * @module
 */
import { invalidType, outOfRange } from '../errors.ts';
import { pageSize, residentPages } from '../linux/mmap.ts';
import { type Address, alignDown } from '../mm/address.ts';
import type { Access, BufferType } from './alloc-options.ts';
import type { LiveBuffers } from './live-buffers.ts';
import type { SvmBuffer } from './svm-buffer.ts';

/** What `query` tells about an address. */
export interface AddressInfo {
  readonly buffer: SvmBuffer;
  readonly name: string;
  readonly base: Address;
  /** Bytes from the buffer's start. */
  readonly offset: number;
  readonly type: BufferType;
  /** What each device may do with it. */
  readonly access: Readonly<Record<string, Access>>;
  /** Whether the page is in memory now. One that was committed counts from its first touch on. */
  readonly resident: boolean;
}

export function describeAddress(
  address: Address,
  live: LiveBuffers,
  deviceNames: readonly string[],
): AddressInfo | undefined {
  if (typeof address !== 'number') throw invalidType('address', 'a number', address);
  if (!Number.isSafeInteger(address) || address < 0) throw outOfRange('address', 'an address', address);
  const buffer = live.at(address);
  if (!buffer) return undefined;
  return {
    buffer,
    name: buffer.name,
    base: buffer.address,
    offset: address - buffer.address,
    type: buffer.type,
    access: Object.fromEntries(deviceNames.map((name, i) => [name, buffer.access[i]!])),
    resident: residentPages(alignDown(address, pageSize()), pageSize()) === 1,
  };
}
