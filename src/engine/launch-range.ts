/**
 * Checks the items of a launch: how many there are, in which work-groups, and how many a core takes at a time. Pure.
 *
 * @module
 */
import type { Items } from '../device/device.ts';
import { invalidType, outOfRange } from '../errors.ts';

const MAX_CHUNKS = 2 ** 30;
const LARGEST_DEFAULT_CHUNK = 2 ** 20;

/** The number of items in all; `limit` is the device's. */
export function countItems(items: Items, limit: number): number {
  let total = 1;
  for (const value of dimensions('items', items, 0)) total *= value;
  if (total > limit) throw outOfRange('items', `at most ${limit} in all`, total);
  return total;
}

/** The items of a work-group; 1 where there are none. `items` has been checked. */
export function groupSize(local: Items | undefined, items: Items): number {
  if (local === undefined) return 1;
  const whole = typeof items === 'number' ? [items] : items;
  const sizes = dimensions('local', local, 1);
  if (sizes.length !== whole.length)
    throw outOfRange('local', `of as many dimensions as the items, ${whole.length}`, sizes.length);
  let total = 1;
  for (const [i, size] of sizes.entries()) {
    const name = sizes.length === 1 ? 'local' : `local[${i}]`;
    if (whole[i]! % size !== 0) throw outOfRange(name, `a divisor of the ${whole[i]} items`, size);
    total *= size;
  }
  return total;
}

/** Items that a core takes at a time, whole groups: enough to be worth the claim, few enough to share the work evenly. */
export function chunkSize(chunk: number | undefined, items: number, cores: number, group: number): number {
  if (chunk === undefined) {
    const share = Math.ceil(items / (cores * 8));
    const least = Math.max(1, Math.min(share, LARGEST_DEFAULT_CHUNK), Math.ceil(items / MAX_CHUNKS));
    return group === 1 ? least : Math.ceil(least / group) * group;
  }
  if (typeof chunk !== 'number') throw invalidType('chunk', 'a number of items', chunk);
  if (!Number.isSafeInteger(chunk) || chunk < 1) throw outOfRange('chunk', 'an integer >= 1', chunk);
  if (chunk % group !== 0) throw outOfRange('chunk', `a multiple of a work-group's ${group} items`, chunk);
  if (items / chunk > MAX_CHUNKS)
    throw outOfRange('chunk', `at least ${Math.ceil(items / MAX_CHUNKS)} for ${items} items`, chunk);
  return chunk;
}

/** One to three integers. */
function dimensions(name: string, value: unknown, least: number): readonly number[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length < 1 || list.length > 3)
    throw outOfRange(name, 'a number, or one to three numbers', list.length);
  for (const each of list) {
    if (typeof each !== 'number')
      throw invalidType(name, 'a number, or an array of one to three numbers', each);
    if (!Number.isSafeInteger(each) || each < least) throw outOfRange(name, `an integer >= ${least}`, each);
  }
  return list as readonly number[];
}
