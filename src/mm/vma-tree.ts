/**
 * The VMAs of a process in order of address: a {@link GapTree} of their ranges for searches, and the VMAs
 * themselves by their start. The counts that limits are compared with are kept here as well.
 *
 * @module
 */

import type { Address, Range } from './address.ts';
import { GapTree } from './gap-tree.ts';
import { VM_GROWSDOWN, VM_SHADOW_STACK, type VmArea } from './vm-area.ts';

export class VmaTree implements Iterable<VmArea> {
  readonly ranges: GapTree;
  readonly #areas = new Map<Address, VmArea>();
  #bytes = 0;
  #guarded = 0;

  constructor(end: Address, areas: readonly VmArea[] = []) {
    this.ranges = GapTree.from(areas, 0, end);
    for (const area of areas) {
      this.#areas.set(area.start, area);
      this.#count(area, 1);
    }
  }

  /** Number of VMAs. */
  get size(): number {
    return this.#areas.size;
  }

  /** Sum of their sizes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether any of them keeps a gap free below itself. */
  get guarded(): boolean {
    return this.#guarded > 0;
  }

  /** The VMA that contains the address. */
  at(address: Address): VmArea | undefined {
    return this.#of(this.ranges.at(address));
  }

  /** The VMA that starts there. */
  startingAt(start: Address): VmArea | undefined {
    return this.#areas.get(start);
  }

  /** The first VMA that ends above the address: the kernel's `find_vma`. */
  find(address: Address): VmArea | undefined {
    return this.at(address) ?? this.#of(this.ranges.next(address));
  }

  /** The first VMA that has a byte in [start, end). */
  firstIn(start: Address, end: Address): VmArea | undefined {
    const found = this.find(start);
    return found && found.start < end ? found : undefined;
  }

  /** The last VMA that ends at or below the address. */
  before(address: Address): VmArea | undefined {
    return this.#of(this.ranges.previous(address));
  }

  /** The VMA that ends exactly there. */
  endingAt(address: Address): VmArea | undefined {
    const found = this.before(address);
    return found?.end === address ? found : undefined;
  }

  insert(area: VmArea): void {
    this.ranges.insert(area.start, area.end);
    this.#areas.set(area.start, area);
    this.#count(area, 1);
  }

  remove(area: VmArea): void {
    this.ranges.remove(area.start, area.end);
    this.#areas.delete(area.start);
    this.#count(area, -1);
  }

  /** Puts others in the place of one. */
  replace(old: VmArea, ...areas: VmArea[]): void {
    const [first] = areas;
    if (areas.length === 1 && first!.start === old.start && first!.end === old.end) {
      this.#areas.set(old.start, first!);
      this.#count(old, -1);
      this.#count(first!, 1);
      return;
    }
    this.remove(old);
    for (const area of areas) this.insert(area);
  }

  *[Symbol.iterator](): Generator<VmArea, void, undefined> {
    for (const { start } of this.ranges) yield this.#areas.get(start)!;
  }

  #of(range: Range | undefined): VmArea | undefined {
    return range && this.#areas.get(range.start);
  }

  #count(area: VmArea, by: 1 | -1): void {
    this.#bytes += by * (area.end - area.start);
    if (area.vmFlags & (VM_GROWSDOWN | VM_SHADOW_STACK)) this.#guarded += by;
  }
}
