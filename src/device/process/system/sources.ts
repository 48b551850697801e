/**
 * What copies were made of whose changes can't be tracked (files, shared memory): so that nothing is written back to
 * another mapping that has come to lie at the same addresses. Pure.
 *
 * @module
 */
import type { MappedArea } from '../../../linux/page-map.ts';
import type { Range } from '../../../mm/address.ts';

interface Source extends Range {
  readonly area: MappedArea;
}

export class Sources {
  readonly #blockSize: number;
  /** By block, the latest last. */
  readonly #blocks = new Map<number, Source[]>();

  constructor(blockSize: number) {
    this.#blockSize = blockSize;
  }

  /** A range was copied from that area. */
  add({ start, end }: Range, area: MappedArea): void {
    const last = Math.ceil(end / this.#blockSize);
    for (let block = Math.floor(start / this.#blockSize); block < last; block++) {
      const known = this.#blocks.get(block);
      if (known) known.push({ start, end, area });
      else this.#blocks.set(block, [{ start, end, area }]);
    }
  }

  /** What a page was copied from last; undefined where that is not known. */
  of(page: number): MappedArea | undefined {
    const known = this.#blocks.get(Math.floor(page / this.#blockSize));
    return known?.findLast(({ start, end }) => start <= page && page < end)?.area;
  }

  /** No copy is left. */
  clear(): void {
    this.#blocks.clear();
  }
}

/**
 * Whether two areas show the same bytes at the addresses that they have in common: of the same file, at the same offset,
 * shared or private alike. Private memory of no file can't be told apart.
 */
export function showsTheSame(a: MappedArea, b: MappedArea): boolean {
  if (a.inode !== b.inode || a.device !== b.device || a.shared !== b.shared) return false;
  return a.inode === 0 || a.offset - a.start === b.offset - b.start;
}
