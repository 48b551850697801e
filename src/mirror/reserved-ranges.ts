/**
 * Addresses that are set aside: mapped inaccessible in this process, so that nobody else takes them, and taken in the
 * picture that placement searches. Parts of them come and go as buffers; what is freed there comes back here.
 *
 *     reserve     |--------------------------------|     one hole
 *     commit      |------|## buffer ##|------------|     two
 *     free        |------|------------|------------|     three neighbours, as good as one
 *
 * @module
 */
import { type Address, overlaps, type Range } from '../mm/address.ts';
import type { PlacementSpace } from '../placement/index.ts';

export class ReservedRange implements Range {
  readonly name: string;
  readonly start: Address;
  readonly end: Address;
  readonly #space: PlacementSpace;
  readonly #guard: number;
  /** Where nothing is committed, by start. Each is inserted in the space. */
  #holes: Range[] = [];

  /** Takes a range that the space has free. */
  constructor(name: string, { start, end }: Range, guard: number, space: PlacementSpace) {
    this.name = name;
    this.start = start;
    this.end = end;
    this.#space = space;
    this.#guard = guard;
    this.#add({ start, end });
    if (guard > 0) this.#insert({ start: end, end: end + guard });
  }

  get holes(): readonly Range[] {
    return this.#holes;
  }

  /** Takes a part out, for a buffer; false where not all of it is a hole, and nothing has changed then. */
  take(part: Range): boolean {
    const over = this.#holes.filter((hole) => overlaps(hole, part));
    const covered = over.reduce(
      (sum, { start, end }) => sum + Math.min(end, part.end) - Math.max(start, part.start),
      0,
    );
    if (covered < part.end - part.start) return false;
    for (const hole of over) {
      this.#space.remove(hole.start);
      this.#holes = this.#holes.filter((other) => other !== hole);
    }
    const { start } = over[0]!;
    const { end } = over.at(-1)!;
    if (start < part.start) this.#add({ start, end: part.start });
    if (end > part.end) this.#add({ start: part.end, end });
    return true;
  }

  /** A part is a hole again; the space has it free. */
  give(part: Range): void {
    this.#add(part);
  }

  /** The holes are the space's again. */
  dissolve(): readonly Range[] {
    const holes = this.#holes;
    this.#holes = [];
    for (const { start } of holes) this.#space.remove(start);
    if (this.#guard > 0) this.#space.remove(this.end);
    return holes;
  }

  #add(hole: Range): void {
    this.#insert(hole);
    this.#holes = [...this.#holes, hole].sort((a, b) => a.start - b.start);
  }

  #insert({ start, end }: Range): void {
    this.#space.insert({ start, end, kind: 'buffer', name: `${this.name} (reserved)`, owner: 'host' });
  }
}

/** All of a mirror. */
export class ReservedRanges {
  #list: ReservedRange[] = [];

  add(range: ReservedRange): void {
    this.#list.push(range);
  }

  remove(range: ReservedRange): void {
    this.#list = this.#list.filter((other) => other !== range);
  }

  at(address: Address): ReservedRange | undefined {
    return this.#list.find(({ start, end }) => address >= start && address < end);
  }

  /** The parts of a range that are reserved, and those that are not. */
  split({ start, end }: Range): { readonly reserved: Range[]; readonly rest: Range[] } {
    const reserved = this.#list
      .filter((range) => range.start < end && start < range.end)
      .map((range) => ({ start: Math.max(start, range.start), end: Math.min(end, range.end) }))
      .sort((a, b) => a.start - b.start);
    const rest: Range[] = [];
    let at: Address = start;
    for (const part of reserved) {
      if (part.start > at) rest.push({ start: at, end: part.start });
      at = part.end;
    }
    if (at < end) rest.push({ start: at, end });
    return { reserved, rest };
  }
}
