/**
 * From a type and a memory to accessors: one class per type, made when the first memory asks for it.
 *
 * @module
 */
import { hex, invalidType, outOfRange } from '../errors.ts';
import { arrayClass } from './array-access.ts';
import type { Cursor, CursorClass } from './cursor.ts';
import {
  type AllocatingMemory,
  type FreeingMemory,
  isPieced,
  type LayoutMemory,
  type PiecedMemory,
  piecesOf,
  regionAt,
  regionOf,
} from './memory.ts';
import { alignof, sizeof } from './rules.ts';
import { structClass } from './struct-access.ts';
import { type ArrayType, describeType, type Located, type Struct } from './types.ts';

const classes = new WeakMap<object, CursorClass>();

function classOf(type: Struct | ArrayType): CursorClass {
  let made = classes.get(type);
  if (!made) {
    made = type.kind === 'array' ? arrayClass(type, classOf) : structClass(type, classOf);
    classes.set(type, made);
  }
  return made;
}

/** Objects are aligned to this at least: the heap's own granularity costs nothing. */
const ALIGN = 8;

/** @internal What `type.in(memory)` returns: with `create` and `destroy` where the memory has `alloc` and `free`. */
export function locate<V>(type: Struct | ArrayType, memory: LayoutMemory | PiecedMemory): Located<V> {
  const Accessor = classOf(type);
  if (isPieced(memory)) return locateInPieces(type, memory, Accessor);
  let region = regionOf(memory);
  return Object.freeze({
    memory,
    at(address: number): V {
      region = regionOf(memory, region);
      const accessor = new Accessor(region);
      accessor.move(address);
      return accessor as V;
    },
  });
}

function locateInPieces<V>(
  type: Struct | ArrayType,
  memory: PiecedMemory,
  Accessor: CursorClass,
): Located<V> {
  const pieces = piecesOf(memory);
  const at = (address: number): V => {
    const region = typeof address === 'number' ? regionAt(pieces, address) : undefined;
    if (!region) throw nowhere(describeType(type), address);
    const accessor = new Accessor(region);
    accessor.move(address);
    return accessor as V;
  };
  const { alloc, free, allocates } = memory as Partial<FreeingMemory>;
  if (typeof alloc !== 'function' || allocates === 'buffers') return Object.freeze({ memory, at });
  const [size, align] = [sizeof(type), Math.max(alignof(type), ALIGN)];
  const create = () => at((memory as AllocatingMemory).alloc(size, align));
  if (typeof free !== 'function') return Object.freeze({ memory, at, create });
  const destroy = (object: unknown) => {
    const address = object instanceof Accessor ? (object as Cursor).address : object;
    if (typeof address !== 'number') {
      throw invalidType('object', `an accessor of ${describeType(type)} or its address`, object);
    }
    (memory as FreeingMemory).free(address);
  };
  return Object.freeze({ memory, at, create, destroy });
}

function nowhere(name: string, address: unknown): Error {
  const what = `address of ${name}`;
  if (typeof address !== 'number') return invalidType(what, 'a number', address);
  const null_ = address === 0 ? ' (it is null)' : '';
  return outOfRange(what, `in a piece of the memory${null_}: none holds ${hex(address)}`, address);
}
