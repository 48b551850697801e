/**
 * The accessors of arrays: `get(index)` and `set(index, value)`, and not `[index]`, which only a Proxy could offer at
 * many times the cost. Elements that have fields share one accessor, which `get` sets to its place.
 *
 * An index is checked by reading a byte through a view of as many bytes as the array has elements. A comparison would do
 * as well, but V8 peels no loop that an inlined `throw` leaves, and then looks up the accessor anew for each element: the
 * sum over an array of structs took 1.8 times as long. The view would take NaN, and what is no number, for some number:
 * they become -1, which costs nothing where V8 knows the index as an integer.
 *
 * @module
 */
import { invalidType, outOfRange } from '../errors.ts';
import { type Codec, codecOf, refusal } from './codec.ts';
import { assign, type Cursor, type CursorClass, cursorClass, failed } from './cursor.ts';
import { isGone, type Region } from './memory.ts';
import { alignof, sizeof } from './rules.ts';
import type { ClassOf } from './struct-access.ts';
import { type AnyType, type ArrayType, describeType, type Struct } from './types.ts';

/** An array's accessor. */
interface ArrayCursor extends Cursor {
  /** As many bytes of the memory as there are elements. */
  $guard: DataView;
  /** The accessor that its elements share, where they have one. */
  $part: Cursor;
}

/** What the elements of one array are. */
interface Elements {
  readonly length: number;
  /** Bytes from one to the next. */
  readonly stride: number;
  /** The array's type, for messages. */
  readonly name: string;
}

interface ElementAccess {
  get(this: ArrayCursor, index: number): unknown;
  set(this: ArrayCursor, index: number, value: unknown): void;
}

export function arrayClass(type: ArrayType, classOf: ClassOf): CursorClass {
  const element = type.element as AnyType;
  const codec = codecOf(element);
  const { length } = type;
  const stride = sizeof(element);
  const name = describeType(type);
  const elements = { length, stride, name };
  const composed = element as Struct | ArrayType;
  const access = codec ? valueElements(codec, elements) : partElements(() => classOf(composed), elements);
  const made = cursorClass({
    name,
    size: sizeof(type),
    align: alignof(type),
    parts: 0,
    complete(cursor) {
      const { $region: region } = cursor;
      const array = cursor as ArrayCursor;
      array.$guard = guardOf(region, length);
      if (!codec) array.$part = new (classOf(composed))(region);
    },
  });
  const show = codec
    ? (array: ArrayCursor, index: number) => codec.show(array.$view, array.$base + index * stride)
    : (array: ArrayCursor, index: number) => (access.get.call(array, index) as Cursor).toJSON();
  define(made, 'length', length);
  define(made, 'get', access.get);
  define(made, 'set', access.set);
  define(made, Symbol.iterator, function* (this: ArrayCursor) {
    for (let index = 0; index < length; index++) yield access.get.call(this, index);
  });
  define(made, 'toJSON', function (this: ArrayCursor) {
    try {
      return Array.from({ length }, (_, index) => show(this, index));
    } catch (error) {
      throw failed(this, name, error);
    }
  });
  return made;
}

/** Where the memory may fault it is as many bytes of no one's. */
function guardOf({ memory, view, limit }: Region, length: number): DataView {
  if (memory.sparse) return new DataView(new ArrayBuffer(length));
  // Shorter only where the array does not fit, which `move` is about to find.
  return new DataView(view.buffer, view.byteOffset, Math.min(length, limit));
}

function valueElements(codec: Codec, elements: Elements): ElementAccess {
  const { read, accepts, write } = codec;
  const { stride, name } = elements;
  return {
    get(index) {
      try {
        this.$guard.getUint8(index === +index ? index : -1);
        // The guard and Math.imul take an index alike: as an integer, with what fraction it has cut off.
        return read(this.$view, this.$base + (Math.imul(index, stride) >>> 0), name);
      } catch (error) {
        throw refusedElement(this, elements, index, error);
      }
    },
    set(index, value) {
      if (!accepts(value)) throw refusal(`an element of ${name}`, codec, value);
      try {
        this.$guard.getUint8(index === +index ? index : -1);
        write(this.$view, this.$base + (Math.imul(index, stride) >>> 0), value);
      } catch (error) {
        throw refusedElement(this, elements, index, error);
      }
    },
  };
}

function partElements(element: () => CursorClass, elements: Elements): ElementAccess {
  const { stride, name } = elements;
  return {
    get(index) {
      try {
        this.$guard.getUint8(index === +index ? index : -1);
      } catch (error) {
        throw refusedElement(this, elements, index, error);
      }
      const part = this.$part;
      part.$base = (this.$base + Math.imul(index, stride)) >>> 0;
      return part;
    },
    set(index, value) {
      try {
        this.$guard.getUint8(index === +index ? index : -1);
      } catch (error) {
        throw refusedElement(this, elements, index, error);
      }
      const offset = Math.imul(index, stride) >>> 0;
      assign(this, offset, value, element(), stride, `an element of ${name}`);
    },
  };
}

/** The error of an element, given what a view threw. */
function refusedElement(array: ArrayCursor, elements: Elements, index: unknown, error: unknown): unknown {
  const { length, name } = elements;
  if (isGone(array.$view)) return failed(array, name, error);
  if (typeof index !== 'number') return invalidType(`index of ${name}`, 'a number', index);
  const whole = Math.trunc(index);
  if (whole >= 0 && whole < length) return error;
  return outOfRange(`index of ${name}`, `from 0 to ${length - 1}`, index);
}

function define(made: CursorClass, key: PropertyKey, value: unknown): void {
  Object.defineProperty(made.prototype, key, { value, configurable: true, writable: true });
}
