/**
 * Where an item of a launch lies in its one to three dimensions, and in its work-group: OpenCL's `get_global_id` and its
 * like, from the one number that a kernel has. Items are numbered group by group, and in a group the last dimension
 * runs fastest; so are the groups. Pure: host and kernels count alike.
 *
 * @module
 */
import { invalidType, outOfRange } from '../../../errors.ts';

export class WorkItems {
  /** How many dimensions there are. */
  readonly dimensions: number;
  readonly #sizes: readonly number[];
  readonly #groups: readonly number[];
  readonly #local: number[];
  readonly #group: number[];
  readonly #inGroup: number;
  readonly #count: number;
  #index = 0;

  /** `items` and `local` as the launch was given them. Throws TypeError or RangeError for others than it would take. */
  constructor(items: number | readonly number[], local?: number | readonly number[]) {
    const whole = typeof items === 'number' ? [items] : items;
    if (!Array.isArray(whole))
      throw invalidType('items', 'a number, or an array of one to three numbers', items);
    const sizes = local === undefined ? whole.map(() => 1) : typeof local === 'number' ? [local] : local;
    if (!Array.isArray(sizes))
      throw invalidType('local', 'a number, or an array of one to three numbers', local);
    if (whole.length < 1 || whole.length > 3)
      throw outOfRange('items', 'of one to three dimensions', whole.length);
    if (sizes.length !== whole.length)
      throw outOfRange('local', `of as many dimensions as the items, ${whole.length}`, sizes.length);
    for (let i = 0; i < whole.length; i++) {
      if (!Number.isSafeInteger(whole[i]) || whole[i] < 0)
        throw outOfRange('items', 'integers >= 0', whole[i]);
      if (!Number.isSafeInteger(sizes[i]) || sizes[i] < 1 || whole[i] % sizes[i] !== 0)
        throw outOfRange('local', `a divisor of the ${whole[i]} items`, sizes[i]);
    }
    this.dimensions = whole.length;
    this.#sizes = [...sizes];
    this.#groups = whole.map((count: number, i: number) => count / sizes[i]);
    this.#local = sizes.map(() => 0);
    this.#group = sizes.map(() => 0);
    this.#inGroup = sizes.reduce((product: number, size: number) => product * size, 1);
    this.#count = whole.reduce((product: number, size: number) => product * size, 1);
  }

  /** Goes to an item; the next one costs no division. Gives itself. Throws RangeError for an item that is none. */
  at(index: number): this {
    if (index === this.#index) return this;
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.#count)
      throw outOfRange('index', `an item, from 0 to ${this.#count - 1}`, index);
    if (index === this.#index + 1) {
      if (!step(this.#local, this.#sizes)) step(this.#group, this.#groups);
    } else {
      place(index % this.#inGroup, this.#local, this.#sizes);
      place(Math.floor(index / this.#inGroup), this.#group, this.#groups);
    }
    this.#index = index;
    return this;
  }

  /** `get_global_id`; 0 in a dimension that the launch does not have. */
  globalId(dimension: number): number {
    const size = this.#sizes[dimension];
    return size === undefined ? 0 : this.#group[dimension]! * size + this.#local[dimension]!;
  }

  /** `get_local_id`: the place in the work-group. */
  localId(dimension: number): number {
    return this.#local[dimension] ?? 0;
  }

  /** `get_group_id`. */
  groupId(dimension: number): number {
    return this.#group[dimension] ?? 0;
  }

  /** `get_local_size`. */
  localSize(dimension: number): number {
    return this.#sizes[dimension] ?? 1;
  }

  /** `get_num_groups`. */
  groups(dimension: number): number {
    return this.#groups[dimension] ?? 1;
  }
}

/** The next place, the last dimension running fastest; false where it is the first again. */
function step(at: number[], sizes: readonly number[]): boolean {
  for (let i = at.length - 1; i >= 0; i--) {
    at[i]!++;
    if (at[i]! < sizes[i]!) return true;
    at[i] = 0;
  }
  return false;
}

function place(index: number, at: number[], sizes: readonly number[]): void {
  let left = index;
  for (let i = at.length - 1; i >= 0; i--) {
    at[i] = left % sizes[i]!;
    left = Math.floor(left / sizes[i]!);
  }
}
