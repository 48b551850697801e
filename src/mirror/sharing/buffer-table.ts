/**
 * The table of live buffers in a share's control memory. The owner alone writes it; members compare generations with
 * what they have, so nobody replays a history, and one that was away for long catches up at once.
 *
 * @module
 */
import { readText, type SharedMemory, writeText } from '../../engine/shared-memory.ts';
import { SystemError } from '../../errors.ts';
import type { Address } from '../../mm/address.ts';
import {
  BUFFER,
  BUFFER_BYTES,
  BUFFER_F64,
  BUFFER_NAME,
  BUFFER_NAME_BYTES,
  BUFFERS,
  HEADER,
  MOST_BUFFERS,
} from './control-layout.ts';

/** A live buffer, as the table has it. */
export interface TableEntry {
  readonly slot: number;
  readonly generation: number;
  readonly start: Address;
  /** Bytes, as asked for. */
  readonly size: number;
  /** The change of the table that made it longer last; 0 where none has. */
  readonly grown: number;
  readonly name: string;
}

const at = (slot: number): number => BUFFERS + slot * BUFFER_BYTES;

/** The generation of the slot; odd while a buffer lives there. */
export function generationOf(control: SharedMemory, slot: number): number {
  return Atomics.load(control.i32, at(slot) / 4 + BUFFER.GENERATION);
}

export function changes(control: SharedMemory): number {
  return Atomics.load(control.i32, HEADER.HEAD);
}

export function slotsUsed(control: SharedMemory): number {
  return Atomics.load(control.i32, HEADER.BUFFER_SLOTS);
}

/** The live buffer of a slot; undefined where there is none, or it went while it was read. */
export function readEntry(control: SharedMemory, slot: number): TableEntry | undefined {
  const generation = generationOf(control, slot);
  if (generation % 2 === 0) return undefined;
  const base = at(slot);
  const start = control.f64[base / 8 + BUFFER_F64.START]!;
  const size = control.f64[base / 8 + BUFFER_F64.SIZE]!;
  // After the size: see BufferTable.grow.
  const grown = Atomics.load(control.i32, base / 4 + BUFFER.GROWN);
  const length = Math.min(control.i32[base / 4 + BUFFER.NAME_LENGTH]!, BUFFER_NAME_BYTES);
  const name = readText(control, base + BUFFER_NAME, length);
  if (generationOf(control, slot) !== generation) return undefined;
  return { slot, generation, start, size, grown, name };
}

/** Where the buffer of a slot lies, or has lain; and whether it is longer than it was at first. */
export function placeOf(
  { i32, f64 }: SharedMemory,
  slot: number,
): { start: Address; size: number; grown: boolean } {
  const base = at(slot) / 8;
  return {
    start: f64[base + BUFFER_F64.START]!,
    size: f64[base + BUFFER_F64.SIZE]!,
    grown: Atomics.load(i32, base * 2 + BUFFER.GROWN) !== 0,
  };
}

/** The owner's side. */
export class BufferTable {
  readonly #control: SharedMemory;
  readonly #free: number[] = [];
  /** Removed, and not forgotten by all members yet: oldest first. */
  #resting: { readonly slot: number; readonly done: () => boolean }[] = [];

  constructor(control: SharedMemory) {
    this.#control = control;
  }

  /** Throws ENOSPC where the table is full; nothing has changed then. */
  reserve(): number {
    const waiting = this.#resting.findIndex(({ done }) => !done());
    const rested = this.#resting.splice(0, waiting === -1 ? this.#resting.length : waiting);
    for (const { slot } of rested) this.#free.push(slot);
    const slot = this.#free.pop();
    if (slot !== undefined) return slot;
    const used = slotsUsed(this.#control);
    if (used < MOST_BUFFERS) return used;
    throw new SystemError('share', [MOST_BUFFERS], 'ENOSPC', 'A shared mirror has at most so many buffers');
  }

  giveBack(slot: number): void {
    if (slot < slotsUsed(this.#control)) this.#free.push(slot);
  }

  /** Puts a buffer into a slot that was reserved. */
  add(slot: number, start: Address, size: number, name: string): void {
    const { i32, f64 } = this.#control;
    const base = at(slot);
    f64[base / 8 + BUFFER_F64.START] = start;
    f64[base / 8 + BUFFER_F64.SIZE] = size;
    i32[base / 4 + BUFFER.GROWN] = 0;
    i32[base / 4 + BUFFER.NAME_LENGTH] = writeText(
      this.#control,
      base + BUFFER_NAME,
      BUFFER_NAME_BYTES,
      name,
    );
    if (slot >= slotsUsed(this.#control)) Atomics.store(i32, HEADER.BUFFER_SLOTS, slot + 1);
    Atomics.add(i32, base / 4 + BUFFER.GENERATION, 1);
    Atomics.add(i32, HEADER.HEAD, 1);
  }

  /**
   * A buffer is longer now. Its number comes before its size, and both before the change is counted: whoever reads the new
   * size knows which change brings it, and whoever has counted that change has read it.
   */
  grow(slot: number, size: number): void {
    const { i32, f64 } = this.#control;
    const base = at(slot);
    Atomics.store(i32, base / 4 + BUFFER.GROWN, (Atomics.load(i32, HEADER.HEAD) + 1) | 0);
    f64[base / 8 + BUFFER_F64.SIZE] = size;
    Atomics.add(i32, HEADER.HEAD, 1);
  }

  /** Takes a buffer out; gives the number of that change. */
  remove(slot: number): number {
    Atomics.add(this.#control.i32, at(slot) / 4 + BUFFER.GENERATION, 1);
    return (Atomics.add(this.#control.i32, HEADER.HEAD, 1) + 1) | 0;
  }

  /** The slot may be used again once `done` says so. */
  rest(slot: number, done: () => boolean): void {
    this.#resting.push({ slot, done });
  }
}

/** A name as the table has it: the whole characters of its first bytes. */
export function cutName(name: string): string {
  const bytes = new TextEncoder().encode(name);
  if (bytes.byteLength <= BUFFER_NAME_BYTES) return name;
  const { read } = new TextEncoder().encodeInto(name, new Uint8Array(BUFFER_NAME_BYTES));
  return name.slice(0, read);
}
