/**
 * The sizes that a heap gives out. A span of 64 KiB holds objects of one size class: multiples of 16 bytes up to 128,
 * then four classes for each doubling up to 32 KiB, so that at most a fifth of an object above 128 bytes is padding
 * (the spacing of jemalloc). Classes of which a span holds no more than of a larger one are left out. Pure.
 *
 * @module
 */
import { KiB } from '../../mm/address.ts';

/** Bytes of a span, and what it is aligned to. */
export const SPAN = 64 * KiB;

/** Every object is aligned to this, and takes a multiple of it. */
export const GRAIN = 16;

/** Larger objects get memory of their own. */
export const LARGEST_CLASS = 0x8000;

/** Bytes of an object, by class. */
export const SIZES: Int32Array = Int32Array.from(sizes());

/** How many objects a span holds, by class. */
export const COUNTS: Int32Array = SIZES.map((size) => Math.floor(SPAN / size));

/** The smallest class for a size, by the size in grains, rounded up. */
export const CLASS_OF: Uint8Array = classes();

/** The smallest class whose objects hold `size` bytes and are aligned to `align`, a power of two up to 32 KiB. */
export function alignedClass(size: number, align: number): number {
  let found = CLASS_OF[(size + GRAIN - 1) >>> 4]!;
  while (SIZES[found]! % align !== 0) found++;
  return found;
}

function sizes(): number[] {
  const all: number[] = [];
  for (let size = GRAIN; size <= 128; size += GRAIN) all.push(size);
  for (let doubled = 128; doubled < LARGEST_CLASS; doubled *= 2)
    for (let quarter = 5; quarter <= 8; quarter++) all.push((doubled / 4) * quarter);
  const holds = (size: number) => Math.floor(SPAN / size);
  return all.filter((size, i) => i + 1 === all.length || holds(size) > holds(all[i + 1]!));
}

function classes(): Uint8Array {
  const table = new Uint8Array(LARGEST_CLASS / GRAIN + 1);
  let fitting = 0;
  for (let grains = 0; grains < table.length; grains++) {
    if (grains * GRAIN > SIZES[fitting]!) fitting++;
    table[grains] = fitting;
  }
  return table;
}
