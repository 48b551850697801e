/**
 * The kernels that every device of this engine has without a program: copy, fill and prefetch, over whatever gives the bytes of a
 * range in the core's address space. Pure.
 *
 * @module
 */
import { BUILTIN_KERNEL } from './control-layout.ts';
import type { CoreKernel } from './core-loop.ts';

/** The kernels by number, {@link BUILTIN_KERNEL}. `bytesAt` may be called with ranges that fault. */
export function transferKernels(
  bytesAt: (address: number, length: number) => Uint8Array,
): (CoreKernel | undefined)[] {
  const kernels: (CoreKernel | undefined)[] = [];
  kernels[BUILTIN_KERNEL.COPY] = (begin, end, target, source) => {
    const length = end - begin;
    bytesAt(Number(target) + begin, length).set(bytesAt(Number(source) + begin, length));
  };
  kernels[BUILTIN_KERNEL.FILL] = (begin, end, target, length, ...words) => {
    fill(bytesAt(Number(target) + begin, end - begin), patternOf(Number(length), words as bigint[]));
  };
  kernels[BUILTIN_KERNEL.PREFETCH] = (begin, end, page, ...ranges) =>
    touch(bytesAt, begin, end, Number(page), ranges.map(Number));
  return kernels;
}

/** Reads a byte of each of the pages [begin, end) of all ranges, which are given as start and number of pages. */
function touch(
  bytesAt: (address: number, length: number) => Uint8Array,
  begin: number,
  end: number,
  page: number,
  ranges: readonly number[],
): number {
  let sum = 0;
  let first = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    const [start, pages] = [ranges[i]!, ranges[i + 1]!];
    const from = Math.max(begin - first, 0);
    const to = Math.min(end - first, pages);
    first += pages;
    if (from >= to) continue;
    const bytes = bytesAt(start + from * page, (to - from) * page);
    for (let at = 0; at < bytes.length; at += page) sum += bytes[at]!;
  }
  return sum;
}

function patternOf(length: number, words: bigint[]): Uint8Array {
  return new Uint8Array(new BigInt64Array(words).buffer, 0, length);
}

/** Repeats the pattern over `target`, whose length is a multiple of its own. */
function fill(target: Uint8Array, pattern: Uint8Array): void {
  if (pattern.length === 1) {
    target.fill(pattern[0]!);
    return;
  }
  target.set(pattern);
  for (let done = pattern.length; done < target.length; done *= 2) {
    target.copyWithin(done, 0, Math.min(done, target.length - done));
  }
}
