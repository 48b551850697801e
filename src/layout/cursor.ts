/**
 * The base of all accessors: a place in a memory. An accessor is a flyweight: it holds a DataView and an offset, and
 * moving it is one store. Its properties begin with `$`, which no field may, so that they need no symbols: V8 finds
 * named properties fastest.
 *
 * @module
 */
import { hex, invalidType, outOfRange } from '../errors.ts';
import { gone, isGone, pieceRegion, type Region } from './memory.ts';

/** What accessors are to each other; users see their fields only. */
export interface Cursor {
  $region: Region;
  $view: DataView;
  $origin: number;
  /** The highest offset at which the type still fits; negative where it never does. */
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
  const { name, size, align, parts } = shape;
  const mask = align - 1;
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
      this.$last = region.limit - size;
      this.$base = 0;
      this.$parts = parts === 0 ? none : new Array<Cursor | undefined>(parts).fill(undefined);
      shape.complete?.(this);
    }

    get address(): number {
      return this.$origin + this.$base;
    }

    move(address: number): void {
      const offset = typeof address === 'number' ? address - this.$origin : -1;
      // Only integers from 0 to 2^32 - 1 stay as they are, and a view is never longer. Stored as the integer: V8 keeps
      // a property in floating point once it has seen one there.
      const at = offset >>> 0;
      if (at !== offset || at > this.$last || (address & mask) !== 0) {
        enterPiece(this, shape, address);
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
 * Goes to another piece of a memory that has several, or throws. Accessors of parts are made anew: those that somebody
 * holds stay where they are.
 */
function enterPiece(cursor: Cursor, shape: Shape, address: unknown): void {
  const { whole } = cursor.$region;
  const region = whole && typeof address === 'number' ? pieceRegion(whole, address) : undefined;
  if (!region) throw misplaced(cursor, shape, address);
  const offset = (address as number) - region.origin;
  const at = offset >>> 0;
  if (at !== offset || at > region.limit - shape.size || (address as number) % shape.align !== 0) {
    throw misplaced(cursor, shape, address, region);
  }
  cursor.$region = region;
  cursor.$view = region.view;
  cursor.$origin = region.origin;
  cursor.$last = region.limit - shape.size;
  cursor.$base = at;
  if (shape.parts > 0) cursor.$parts = new Array<Cursor | undefined>(shape.parts).fill(undefined);
  shape.complete?.(cursor);
}

function misplaced(
  cursor: Cursor,
  { name, size, align }: Shape,
  address: unknown,
  { origin, limit, whole }: Region = cursor.$region,
): Error {
  const what = `address of ${name}`;
  if (typeof address !== 'number') return invalidType(what, 'a number', address);
  if (Number.isSafeInteger(address) && address % align !== 0) {
    return outOfRange(what, `a multiple of ${align} bytes`, address);
  }
  const range = `${whole ? 'piece ' : ''}[${hex(origin)}, ${hex(origin + limit)})`;
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
