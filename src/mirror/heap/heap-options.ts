/**
 * The options of `mirror.heap` and the sizes given to a heap, and their check at the door. What concerns devices goes
 * on to `mirror.alloc`, which checks it when the first chunk is made. Pure.
 *
 * @module
 */
import { invalidType, outOfRange, UnsupportedError } from '../../errors.ts';
import { alignUp, GiB, isPowerOfTwo, MiB } from '../../mm/address.ts';
import type { AllocOptions } from '../alloc-options.ts';
import { SPAN } from './size-classes.ts';

export interface HeapOptions extends Pick<AllocOptions, 'devices' | 'access' | 'commit' | 'hugePages'> {
  /** A heap is touched by host and devices at the same time: only `'fine'` (the default) will do. */
  readonly type?: 'fine';
  /** For messages and the names of its buffers; `heap-N` by default. */
  readonly name?: string;
  /**
   * Bytes by which the heap grows, a multiple of 64 KiB up to 1 GiB. By default each chunk is as large as all before
   * it, from 1 to 32 MiB. Where no hole is left for one, a smaller chunk is taken.
   */
  readonly chunkSize?: number;
  /** The most address space, in bytes, that the heap may take, large objects included. No limit by default. */
  readonly maxBytes?: number;
}

/** Options that are checked. */
export interface CheckedHeap {
  readonly name: string | undefined;
  readonly chunkSize: number | undefined;
  readonly maxBytes: number;
  /** For every buffer of the heap. */
  readonly buffers: AllocOptions;
}

const LARGEST_CHUNK = 1 * GiB;
const FIRST_CHUNK = 1 * MiB;
const LAST_CHUNK = 32 * MiB;

export function checkHeapOptions(options: HeapOptions = {}): CheckedHeap {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const { name, chunkSize, maxBytes = Number.POSITIVE_INFINITY, ...buffers } = options;
  if (name !== undefined && typeof name !== 'string') throw invalidType('name', 'a string', name);
  if (chunkSize !== undefined) {
    if (typeof chunkSize !== 'number') throw invalidType('chunkSize', 'a number of bytes', chunkSize);
    if (!(chunkSize >= SPAN && chunkSize <= LARGEST_CHUNK) || chunkSize % SPAN !== 0) {
      throw outOfRange('chunkSize', 'a multiple of 64 KiB up to 1 GiB', chunkSize);
    }
  }
  if (typeof maxBytes !== 'number') throw invalidType('maxBytes', 'a number of bytes', maxBytes);
  if (!(maxBytes >= SPAN)) throw outOfRange('maxBytes', 'at least 64 KiB', maxBytes);
  if ('type' in buffers && buffers.type !== undefined && buffers.type !== 'fine') {
    if (typeof buffers.type !== 'string') throw invalidType('type', "'fine'", buffers.type);
    throw new UnsupportedError(
      `heaps of type '${buffers.type}'`,
      "A heap's objects, and its own bookkeeping among them, are touched by the host at any time, also while devices use them: that takes buffers of type 'fine'. Allocate coarse memory by mirror.alloc",
    );
  }
  const known = ['type', 'devices', 'access', 'commit', 'hugePages'];
  const unknown = Object.keys(buffers).find((option) => !known.includes(option));
  if (unknown !== undefined)
    throw outOfRange('options', `${known.join(', ')}, name, chunkSize and maxBytes`, unknown);
  return { name, chunkSize, maxBytes, buffers: { ...buffers, align: SPAN } };
}

/** How large the next chunk should be, given all bytes so far. */
export function nextChunk(chunkSize: number | undefined, chunkBytes: number): number {
  return chunkSize ?? Math.min(Math.max(alignUp(chunkBytes, SPAN), FIRST_CHUNK), LAST_CHUNK);
}

export function checkObject(size: number, align: number): void {
  if (typeof size !== 'number') throw invalidType('size', 'a number of bytes', size);
  if (!Number.isSafeInteger(size) || size < 1)
    throw outOfRange('size', 'a number of bytes, at least 1', size);
  if (typeof align !== 'number') throw invalidType('align', 'a number of bytes', align);
  if (!isPowerOfTwo(align) || align > SPAN) {
    throw outOfRange('align', 'a power of two up to 65536 (mirror.alloc aligns further)', align);
  }
}
