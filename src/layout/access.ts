/**
 * From a type and a memory to accessors: one class per type, made when the first memory asks for it.
 *
 * @module
 */
import { arrayClass } from './array-access.ts';
import type { CursorClass } from './cursor.ts';
import { type LayoutMemory, regionOf } from './memory.ts';
import { structClass } from './struct-access.ts';
import type { ArrayType, Located, Struct } from './types.ts';

const classes = new WeakMap<object, CursorClass>();

function classOf(type: Struct | ArrayType): CursorClass {
  let made = classes.get(type);
  if (!made) {
    made = type.kind === 'array' ? arrayClass(type, classOf) : structClass(type, classOf);
    classes.set(type, made);
  }
  return made;
}

/** @internal What `type.in(memory)` returns. */
export function locate<V>(type: Struct | ArrayType, memory: LayoutMemory): Located<V> {
  const Accessor = classOf(type);
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
