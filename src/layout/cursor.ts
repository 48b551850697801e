/**
 * The base of all accessors: a place in a memory. An accessor is a flyweight: it holds a DataView and an offset, and
 * moving it is one store. Its properties begin with `$`, which no field may, so that they need no symbols: V8 finds
 * named properties fastest.
 *
 * @module
 */
import { hex, invalidType, outOfRange } from '../errors.ts';
import { gone, isGone, type Region, regionAt } from './memory.ts';

/** What accessors are to each other; users see their fields only. */
export interface Cursor {
  $region: Region;
  $view: DataView;
  $origin: number;
  /** The highest offset that `move` need not look at twice: see {@link lastOf}. */
  $last: number;
  /** Bytes from the start of the view. */
  $base: number;
  /** Accessors of fields that have fields, by number; made on first use. */
  $parts: (Cursor | undefined)[];
  readonly address: number;
  move(address: number): void;
  toJSON(): object;
}

const none: (Cursor | undefined)[] = [];

/** The class of a type's accessors. */
export type CursorClass = new (region: Region) => Cursor;

/** What a class of accessors is made for. */
export interface Shape {
  /** For messages: `Node`, `array(f32, 16)`. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly align: number;
  /** How many fields have fields. */
  readonly parts: number;
  /** What else a new accessor needs. */
  complete?(cursor: Cursor): void;
}

/**
 * A class of accessors without fields. It extends nothing, since an object of a derived class takes V8 ten times as long
 * to make; and its properties are declared and not defined, since a class field is `undefined` first, and V8 would then
 * keep it as a value that may be anything, at three times the cost of an access.
 */
export function cursorClass(shape: Shape): CursorClass {
  const { name, align, parts } = shape;
  // The sign too: one test for what is not aligned and for what lies before the memory.
  const mask = (align - 1) | (1 << 31);
  return class implements Cursor {
    declare $region: Region;
    declare $view: DataView;
    declare $origin: number;
    declare $last: number;
    declare $base: number;
    declare $parts: (Cursor | undefined)[];

    constructor(region: Region) {
      this.$region = region;
      this.$view = region.view;
      this.$origin = region.origin;
      this.$last = lastOf(region, shape);
      this.$base = 0;
      this.$parts = parts === 0 ? none : new Array<Cursor | undefined>(parts).fill(undefined);
      shape.complete?.(this);
    }

    get address(): number {
      return this.$origin + this.$base;
    }

    move(address: number): void {
      if (typeof address !== 'number') {
        moveSlowly(this, shape, address);
        return;
      }
      const offset = address - this.$origin;
      // An integer of 32 bits stays as it is. One with a sign, since that costs V8 the least: it need not go back to
      // floating point to compare, and it keeps a property in floating point once it has seen 2^31 or more there.
      const at = offset | 0;
      if (at !== offset || at > this.$last || (at & mask) !== 0) {
        moveSlowly(this, shape, address);
        return;
      }
      this.$base = at;
    }

    toJSON(): object {
      return { [name]: hex(this.address) };
    }

    /** What Node's `console.log` shows, in place of the properties above. */
    [Symbol.for('nodejs.util.inspect.custom')](): unknown {
      return isGone(this.$view) ? '[freed memory]' : this.toJSON();
    }
  };
}

/**
 * The highest offset at which the type still fits, below 2^31; negative where it never does, and where the memory begins
 * at no multiple of its alignment, so that offsets say nothing of it.
 */
function lastOf({ origin, limit }: Region, { size, align }: Shape): number {
  return origin % align === 0 ? Math.min(limit - size, 2 ** 31 - 1) : -1;
}

/** Whether the type may stand at an address of a region. */
function fits({ origin, limit }: Region, { size, align }: Shape, address: number): boolean {
  const offset = address - origin;
  return offset >= 0 && offset <= limit - size && Number.isInteger(offset) && address % align === 0;
}

/**
 * Goes where offsets alone don't decide, to another piece of a memory that has several, or throws. In another piece
 * accessors of parts are made anew: those that somebody holds stay where they are.
 */
function moveSlowly(cursor: Cursor, shape: Shape, address: unknown): void {
  if (typeof address !== 'number') throw misplaced(cursor, shape, address);
  const own = cursor.$region;
  if (fits(own, shape, address)) {
    cursor.$base = address - own.origin;
    return;
  }
  const region = own.pieces && regionAt(own.pieces, address);
  if (!region) throw misplaced(cursor, shape, address);
  if (!fits(region, shape, address)) throw misplaced(cursor, shape, address, region);
  cursor.$region = region;
  cursor.$view = region.view;
  cursor.$origin = region.origin;
  cursor.$last = lastOf(region, shape);
  cursor.$base = address - region.origin;
  if (shape.parts > 0) cursor.$parts = new Array<Cursor | undefined>(shape.parts).fill(undefined);
  shape.complete?.(cursor);
}

function misplaced(
  cursor: Cursor,
  { name, size, align }: Shape,
  address: unknown,
  { origin, limit, pieces }: Region = cursor.$region,
): Error {
  const what = `address of ${name}`;
  if (typeof address !== 'number') return invalidType(what, 'a number', address);
  if (Number.isSafeInteger(address) && address % align !== 0) {
    return outOfRange(what, `a multiple of ${align} bytes`, address);
  }
  const range = `${pieces ? 'piece ' : ''}[${hex(origin)}, ${hex(origin + limit)})`;
  const null_ = address === 0 ? ' (it is null)' : '';
  return outOfRange(what, `where its ${size} bytes lie in the memory ${range}${null_}`, address);
}

/** The error of a field of an accessor, given what the view threw. */
export function failed(cursor: Cursor, name: string, error: unknown): unknown {
  return isGone(cursor.$view) ? gone(cursor.$region.memory, name) : error;
}

/** Copies the bytes of an accessor to `offset` bytes after another's place, as C assigns a struct. */
export function assign(
  target: Cursor,
  offset: number,
  source: unknown,
  type: CursorClass,
  size: number,
  name: string,
): void {
  if (!(source instanceof type)) throw invalidType(name, 'an accessor of the same type', source);
  try {
    const from = source.$region.bytes.subarray(source.$base, source.$base + size);
    target.$region.bytes.set(from, target.$base + offset);
  } catch (error) {
    throw failed(isGone(source.$view) ? source : target, name, error);
  }
}
