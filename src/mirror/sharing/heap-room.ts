/**
 * Where the heaps of other processes that run this binary lie. Linux puts the heap (brk) of a program that is linked at
 * a fixed address, as Node's are, at a random place within 1 GiB above it, in each process at another. A buffer in there
 * would be in the way of some of the processes that attach later, so a shared mirror uses it last.
 *
 * @module
 */
import { readlinkSync } from 'node:fs';
import { readMaps } from '../../linux/process-maps.ts';
import { GiB, MiB, type Range } from '../../mm/address.ts';
import { parseMaps } from '../../mm/parse-maps.ts';

/** arch_randomize_brk(): 1 GiB on 64-bit x86 (32 MiB before Linux 6.9) and on arm64. */
const RANDOM = 1 * GiB;
/** For how far the heap grows; where it can't, malloc takes other memory. */
const GROWTH = 256 * MiB;

/** The addresses at which such heaps may lie; undefined where the binary is linked to go anywhere. */
export function heapRoom(): Range | undefined {
  const binary = readlinkSync('/proc/self/exe');
  const { vmas } = parseMaps(readMaps('self'));
  // Parts of the file may be mapped once more, as data, where other mappings are.
  let last = vmas.findLastIndex(({ name, start }) => name === binary && start < 4 * GiB);
  if (last === -1) return undefined;
  // Its zeroed data (bss) goes on behind the last mapping of the file.
  while (vmas[last + 1]?.start === vmas[last]!.end && vmas[last + 1]!.name === '') last++;
  const { end } = vmas[last]!;
  return { start: end, end: end + RANDOM + GROWTH };
}
