/**
 * Which span holds an address: a page table of two levels, with a table of 65,536 spans for each 4 GiB that a heap
 * reaches into in part; 4 GiB that one object covers need no table. A look-up takes the same few nanoseconds however
 * many there are. Pure.
 *
 * @module
 */
import type { Address } from '../../mm/address.ts';
import { SPAN } from './size-classes.ts';

const REACH = 2 ** 32;
/** No high half of anything. */
const NOTHING = 0.5;

export class AddressMap {
  readonly #tables = new Map<number, Int32Array>();
  /** The ids of 4 GiB that hold one thing, by their high half; they have no table. */
  readonly #whole = new Map<number, number>();
  /** The table that served last. */
  #table: Int32Array = new Int32Array(0);
  #high = NOTHING;
  /** The last look-up in that table. */
  #index = -1;
  #id = 0;

  /** Says which `id` (positive) holds `[start, end)`; `start` is a multiple of a span. 0 takes the range out. */
  set(start: Address, end: Address, id: number): void {
    this.#high = NOTHING;
    for (let at = start; at < end; ) {
      const high = Math.floor(at / REACH);
      const next = (high + 1) * REACH;
      const first = (at - high * REACH) / SPAN;
      const last = Math.ceil((Math.min(end, next) - high * REACH) / SPAN);
      if (last - first === REACH / SPAN) {
        this.#tables.delete(high);
        if (id === 0) this.#whole.delete(high);
        else this.#whole.set(high, id);
      } else this.#tableOf(high).fill(id, first, last);
      at = next;
    }
  }

  /** The id at an address; 0 where there is none, and for anything that is no address. */
  get(address: Address): number {
    const low = address >>> 0;
    // Of a fraction, a negative number or NaN this is no high half that any table has.
    const high = (address - low) / 0x1_0000_0000;
    if (high !== this.#high && !this.#use(high)) return this.#whole.get(high) ?? 0;
    const index = low >>> 16;
    // Often the same as before; then what is done with the id need not wait for the address to be known.
    if (index === this.#index) return this.#id;
    this.#index = index;
    this.#id = this.#table[index]!;
    return this.#id;
  }

  /** The table of 4 GiB, made where there is none. */
  #tableOf(high: number): Int32Array {
    let table = this.#tables.get(high);
    if (!table) {
      table = new Int32Array(REACH / SPAN);
      const whole = this.#whole.get(high);
      // Zeroes need not be written: that would take the memory of all of the table, and the time.
      if (whole !== undefined) table.fill(whole);
      this.#whole.delete(high);
      this.#tables.set(high, table);
    }
    return table;
  }

  #use(high: number): boolean {
    const table = this.#tables.get(high);
    if (!table) return false;
    this.#table = table;
    this.#high = high;
    this.#index = -1;
    return true;
  }
}
