/**
 * The live buffers of a mirror, by address, and the names of those freed lately, for faults. Pure but for the buffers
 * that it holds.
 *
 * @module
 */
import type { NearestBuffer } from '../errors.ts';
import type { Address } from '../mm/address.ts';
import { GapTree } from '../mm/gap-tree.ts';
import { type NamedRange, nearestBuffer } from './nearest.ts';
import type { SvmBuffer } from './svm-buffer.ts';

/** So many freed buffers are remembered by name. */
const REMEMBERED = 64;

export class LiveBuffers {
  readonly #tree: GapTree;
  readonly #byStart = new Map<Address, SvmBuffer>();
  readonly #freed: NamedRange[] = [];
  /** By number of the device: how many of them it reaches. */
  readonly #reached: number[] = [];

  constructor(limit: Address) {
    this.#tree = new GapTree(0, limit);
  }

  add(buffer: SvmBuffer): void {
    this.#tree.insert(buffer.address, buffer.end);
    this.#byStart.set(buffer.address, buffer);
    this.#count(buffer, 1);
  }

  remove(buffer: SvmBuffer): void {
    this.#tree.remove(buffer.address, buffer.end);
    this.#byStart.delete(buffer.address);
    this.#count(buffer, -1);
    this.#freed.push({ name: buffer.name, start: buffer.address, end: buffer.end });
    if (this.#freed.length > REMEMBERED) this.#freed.shift();
  }

  /** How many of them a device reaches, by its number. */
  reachedBy(device: number): number {
    return this.#reached[device] ?? 0;
  }

  #count({ access }: SvmBuffer, change: number): void {
    access.forEach((each, device) => {
      if (each !== 'none') this.#reached[device] = this.reachedBy(device) + change;
    });
  }

  /** The buffer whose bytes hold the address. */
  at(address: Address): SvmBuffer | undefined {
    const exact = this.#byStart.get(address);
    if (exact) return exact;
    const range = this.#tree.at(address);
    return range && this.#byStart.get(range.start);
  }

  sorted(): SvmBuffer[] {
    return [...this.#byStart.values()].sort((a, b) => a.address - b.address);
  }

  nearest(address: Address): NearestBuffer | undefined {
    const live = [...this.#byStart.values()].map(({ name, address: start, end }) => ({ name, start, end }));
    return nearestBuffer(address, live, this.#freed);
  }
}
