/**
 * The live buffers of a mirror, by address, and the names of those freed lately, for faults. Pure but for the buffers
 * that it holds.
 *
 * @module
 */
import type { NearestBuffer } from '../errors.ts';
import type { Address } from '../mm/address.ts';
import { GapTree } from '../mm/gap-tree.ts';
import type { MappedBuffer } from './mapped-buffer.ts';
import { type NamedRange, nearestBuffer } from './nearest.ts';
import type { SvmBuffer } from './svm-buffer.ts';

/** So many freed buffers are remembered by name. */
const REMEMBERED = 64;

export class LiveBuffers<Buffer extends MappedBuffer = SvmBuffer> {
  readonly #tree: GapTree;
  readonly #byStart = new Map<Address, Buffer>();
  readonly #freed: NamedRange[] = [];
  #coarse = 0;
  /** For faults: the addresses that are set aside. */
  reserved: { at(address: Address): NamedRange | undefined } | undefined;

  constructor(limit: Address) {
    this.#tree = new GapTree(0, limit);
  }

  /** How many of them are coarse. */
  get coarse(): number {
    return this.#coarse;
  }

  add(buffer: Buffer): void {
    if (isCoarse(buffer)) this.#coarse++;
    this.#tree.insert(buffer.address, buffer.end);
    this.#byStart.set(buffer.address, buffer);
  }

  remove(buffer: Buffer): void {
    if (isCoarse(buffer)) this.#coarse--;
    this.#tree.remove(buffer.address, buffer.end);
    this.#byStart.delete(buffer.address);
    this.#freed.push({ name: buffer.name, start: buffer.address, end: buffer.end });
    if (this.#freed.length > REMEMBERED) this.#freed.shift();
  }

  /** A buffer has changed its size, which was `size`. */
  resized(buffer: Buffer, size: number): void {
    this.#tree.remove(buffer.address, buffer.address + size);
    this.#tree.insert(buffer.address, buffer.end);
  }

  /** The buffer whose bytes hold the address. */
  at(address: Address): Buffer | undefined {
    const exact = this.#byStart.get(address);
    if (exact) return exact;
    const range = this.#tree.at(address);
    return range && this.#byStart.get(range.start);
  }

  sorted(): Buffer[] {
    return [...this.#byStart.values()].sort((a, b) => a.address - b.address);
  }

  nearest(address: Address): NearestBuffer | undefined {
    const live = [...this.#byStart.values()].map(({ name, address: start, end }) => ({ name, start, end }));
    return nearestBuffer(address, live, this.#freed, this.reserved?.at(address));
  }
}

function isCoarse(buffer: MappedBuffer): boolean {
  return 'ownership' in buffer && buffer.ownership !== undefined;
}
