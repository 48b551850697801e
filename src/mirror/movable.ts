/**
 * Which memory of the process may be moved: a decision about a range and the list of mappings. What the program, the
 * kernel or the mirror holds by its address is refused where the list tells. What the list does not tell (the heap of
 * V8, the C library's arenas, memory that another library still points into) is the caller's to know. Pure.
 *
 * @module
 */
import { EvacuationError, hex } from '../errors.ts';
import type { Address, Range } from '../mm/address.ts';
import { MAP_SHARED, PROT_EXEC, PROT_READ, type Vma } from '../mm/vma.ts';
import type { Occupied } from '../placement/index.ts';

/** What is known of the process. */
export interface Surroundings {
  /** All its mappings, in ascending order. */
  readonly vmas: readonly Vma[];
  /** Where the stack pointers of its threads are, as far as they are known. */
  readonly stackPointers: readonly Address[];
  /** What the mirror holds in the range. */
  readonly mirrored: readonly Occupied[];
}

/**
 * The mapping that holds all of the range.
 *
 * @throws EvacuationError where there is none, or where it must not move
 */
export function movableMapping(range: Range, { vmas, stackPointers, mirrored }: Surroundings): Vma {
  const { start, end } = range;
  const where = `${hex(start)}-${hex(end)}`;
  const refuse = (reason: EvacuationError['reason'], why: string): never => {
    throw new EvacuationError(reason, `${where} can't be moved: ${why}`, range);
  };
  const own = mirrored.find((held) => held.start < end && start < held.end - bare(held));
  if (own) return refuse('mirror', `'${own.name}' of this mirror lies at ${hex(own.start)}`);

  const first = vmas.findIndex((vma) => vma.end > start);
  const vma = vmas[first];
  if (!vma || vma.start > start) return refuse('not-mapped', `nothing is mapped at ${hex(start)}`);
  if (vma.end < end) {
    const next = vmas[first + 1];
    if (next?.start !== vma.end) return refuse('not-mapped', `nothing is mapped at ${hex(vma.end)}`);
    return refuse(
      'several-mappings',
      `a mapping ends at ${hex(vma.end)}, inside of it. Move them one by one, or give all of it one protection first (mprotect)`,
    );
  }
  if (vma.kind === 'special') return refuse('kernel', `it is the kernel's ${vma.name}`);
  if (vma.kind === 'stack') return refuse('stack', 'it is the stack');
  if (vma.kind === 'heap') return refuse('heap', 'it is the heap that brk gave to the C library');
  if (vma.name.startsWith('/memfd:mirrorspace-'))
    return refuse('mirror', `it is shared memory of Mirrorspace`);
  const pointer = stackPointers.find((address) => start <= address && address < end);
  if (pointer !== undefined)
    return refuse('stack', `a thread of this process has its stack pointer at ${hex(pointer)}`);
  const program = programBehind(vmas, first, start);
  if (program !== undefined) return refuse('program', `it is of the program or library ${program}`);
  return vma;
}

/** For a copy: the bytes must be readable, and nobody else's. */
export function checkCopyable({ prot, flags, name }: Vma, range: Range): void {
  const where = `${hex(range.start)}-${hex(range.end)}`;
  if ((prot & PROT_READ) === 0)
    throw new EvacuationError('unreadable', `${where} can't be copied: it has no PROT_READ`, range);
  if ((flags & MAP_SHARED) !== 0)
    throw new EvacuationError(
      'shared',
      `${where} can't be copied: it is shared (${name || 'anonymous'}), and a copy would not be. Move it: into: 'mapping'`,
      range,
    );
}

/** What an allocated buffer only keeps distance with may hold memory of others. */
function bare({ kind, guard = 0 }: Occupied): number {
  return kind === 'buffer' ? guard : 0;
}

/**
 * The file of code that the range belongs to: code finds its data, and data its data, by fixed distances. Anonymous
 * memory that begins where a library's data ends is its zeroed data (.bss).
 */
function programBehind(vmas: readonly Vma[], index: number, start: Address): string | undefined {
  const vma = vmas[index]!;
  if (vma.prot & PROT_EXEC) return vma.name || '(code in anonymous memory)';
  const before = vmas[index - 1];
  const behind = vma.kind === 'anonymous' && vma.start === start && before?.end === start;
  const { kind, device, inode, name } = behind ? before : vma;
  if (kind !== 'file') return undefined;
  const isCode = (other: Vma): boolean =>
    (other.prot & PROT_EXEC) !== 0 && other.inode === inode && other.device === device;
  return vmas.some(isCode) ? name : undefined;
}
