/**
 * How many mappings this process can still make. Linux counts them (vm.max_map_count), and a process that has none
 * left does not get an error where it fails: V8 and the C library end it. So the mirror refuses a little earlier.
 * Counting means reading /proc/self/maps, so it is done rarely: when half of the room that was left at the last count
 * has been used.
 *
 * @module
 */
import { SystemError } from '../errors.ts';
import { mapLimit } from '../linux/map-count.ts';
import { readMaps } from '../linux/process-maps.ts';

/** Mappings that are left to the rest of the process, where the limit is not tiny. */
const LEFT_TO_OTHERS = 1024;
/** Below this much room it is not worth counting again on the way. */
const FEW = 64;

export class MappingRoom {
  readonly #limit = mapLimit();
  readonly #reserve = Math.min(LEFT_TO_OTHERS, Math.floor(this.#limit / 8));
  /** The mirror's own mappings, those that the kernel has merged counted apart. */
  #own = 0;
  /** Up to here there is room for certain, as far as the mirror goes. */
  #granted = 0;

  /** Before a mapping is made. Throws ENOMEM where there is no room. */
  take(size: number): void {
    if (this.#own >= this.#granted) this.#count(size);
    this.#own++;
  }

  /** A mapping was not made after all, or has gone. */
  give(): void {
    this.#own--;
  }

  #count(size: number): void {
    let count = 0;
    try {
      const maps = readMaps('self');
      for (let at = maps.indexOf('\n'); at !== -1; at = maps.indexOf('\n', at + 1)) count++;
    } catch (error) {
      // Without a descriptor to spare they can't be counted now.
      if (!(error instanceof SystemError)) throw error;
    }
    const left = this.#limit - this.#reserve - count;
    if (left < 1) {
      throw new SystemError(
        'mmap',
        [size],
        'ENOMEM',
        `This process has ${count} mappings. vm.max_map_count allows it ${this.#limit}, and Mirrorspace leaves ${this.#reserve} of them to the rest of the process, which would not survive without. Free buffers, use fewer and larger ones, or raise it: sysctl vm.max_map_count`,
      );
    }
    this.#granted = this.#own + Math.max(Math.floor(left / 2), Math.min(left, FEW));
  }
}
