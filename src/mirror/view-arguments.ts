/**
 * What `view` is given, checked by the rules of the constructors of typed arrays. Pure.
 *
 * @module
 */
import { invalidType, outOfRange } from '../errors.ts';

/** What `view` takes beside DataView: `Float64Array` and its like. */
export type TypedArrayConstructor<T> = {
  new (buffer: ArrayBuffer, byteOffset?: number, length?: number): T;
  readonly BYTES_PER_ELEMENT: number;
};

export interface ViewArguments {
  readonly View: TypedArrayConstructor<unknown>;
  /** Elements. */
  readonly count: number;
  /** Bytes of an element. */
  readonly width: number;
}

/** For `size` bytes that lie at an `offset` (of a part of a buffer), from which alignment counts. */
export function checkView(
  type: unknown,
  byteOffset: unknown,
  length: unknown,
  size: number,
  offset = 0,
): ViewArguments {
  if (!makesViews(type)) throw invalidType('type', 'a typed array constructor or DataView', type);
  if (typeof byteOffset !== 'number') throw invalidType('byteOffset', 'a number', byteOffset);
  const View = type as TypedArrayConstructor<unknown>;
  const width = View.BYTES_PER_ELEMENT ?? 1;
  if (
    !Number.isSafeInteger(byteOffset) ||
    byteOffset < 0 ||
    byteOffset > size ||
    (offset + byteOffset) % width !== 0
  ) {
    const past = offset % width === 0 ? '' : ` less ${offset % width}`;
    throw outOfRange('byteOffset', `a multiple of ${width}${past} from 0 to ${size}`, byteOffset);
  }
  const most = Math.floor((size - byteOffset) / width);
  const count = length ?? most;
  if (typeof count !== 'number') throw invalidType('length', 'a number of elements', length);
  if (!Number.isSafeInteger(count) || count < 0 || count > most) {
    throw outOfRange('length', `from 0 to ${most} elements`, length);
  }
  return { View, count, width };
}

/** Whether what a constructor makes is a typed array or a DataView. */
function makesViews(type: unknown): boolean {
  if (typeof type !== 'function') return false;
  return type === DataView || type.prototype instanceof Object.getPrototypeOf(Uint8Array);
}
