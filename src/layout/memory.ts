/**
 * The memory that accessors work on: bytes, and the address of the first. Absolute addresses become offsets in a
 * DataView here, once per memory; a memory whose bytes are gone (freed, or a WebAssembly memory that grew) is noticed
 * here too.
 *
 * @module
 */
import { hex, invalidType, MirrorError, outOfRange, StateError } from '../errors.ts';

/** Anything with bytes at an address: an `SvmBuffer`, or an ordinary Uint8Array with an address made up for it. */
export interface LayoutMemory {
  /** Of the first byte. */
  readonly address: number;
  /** Bytes; at most 2^32, the longest view on every supported Node. */
  readonly size: number;
  /** May throw, or be detached, once the memory has been freed. */
  readonly bytes: Uint8Array;
  /** Touching bytes that nothing was asked for may fault: accessors touch none. */
  readonly sparse?: boolean;
}

/** Memory in several pieces, such as a heap's: accessors move from one to another. */
export interface PiecedMemory {
  /** The piece that holds an address; undefined where none does. May throw once all of it is gone. */
  memoryAt(address: number): LayoutMemory | undefined;
  /** Where `alloc` is there, but gives buffers and not addresses: structures are not created there. */
  readonly allocates?: 'buffers';
}

/** Memory that gives out parts of itself, such as an arena. */
export interface AllocatingMemory extends PiecedMemory {
  /** The address of `size` zeroed bytes, aligned to `align`. */
  alloc(size: number, align?: number): number;
}

/** Memory that takes back what it has given out, such as a heap. */
export interface FreeingMemory extends AllocatingMemory {
  free(address: number): void;
}

/** A memory as accessors use it. */
export interface Region {
  readonly memory: LayoutMemory;
  /** The pieces that it is one of. */
  readonly pieces: Pieces | undefined;
  readonly origin: number;
  readonly limit: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

const LARGEST = 2 ** 32;

/** The region of a memory: `last` where the bytes are still the same, or a new one. */
export function regionOf(memory: LayoutMemory, last?: Region, pieces?: Pieces): Region {
  const bytes = last ? bytesOf(memory) : checkedBytes(memory);
  if (last && sameBytes(last.bytes, bytes)) return last;
  const limit = Math.min(memory.size, bytes.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, limit);
  return { memory, pieces, origin: memory.address, limit, bytes, view };
}

export function isPieced(memory: unknown): memory is PiecedMemory {
  return typeof (memory as Partial<PiecedMemory> | null)?.memoryAt === 'function';
}

/** A memory of several pieces, and the regions of those that accessors have been to, kept as long as the pieces are. */
export interface Pieces {
  readonly whole: PiecedMemory;
  readonly known: WeakMap<LayoutMemory, Region>;
}

const wholes = new WeakMap<PiecedMemory, Pieces>();

export function piecesOf(whole: PiecedMemory): Pieces {
  let pieces = wholes.get(whole);
  if (!pieces) {
    pieces = { whole, known: new WeakMap() };
    wholes.set(whole, pieces);
  }
  return pieces;
}

/** The region that holds an address; undefined where no piece does. */
export function regionAt(pieces: Pieces, address: number): Region | undefined {
  const piece = pieces.whole.memoryAt(address);
  if (!piece) return undefined;
  const last = pieces.known.get(piece);
  const region = regionOf(piece, last, pieces);
  if (region !== last) pieces.known.set(piece, region);
  return region;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.byteLength === b.byteLength);
}

function checkedBytes(memory: LayoutMemory): Uint8Array {
  if (typeof memory !== 'object' || memory === null) {
    throw invalidType('memory', 'an object with address, size and bytes', memory);
  }
  const { address, size } = memory;
  if (typeof address !== 'number') throw invalidType('memory.address', 'a number', address);
  if (!Number.isSafeInteger(address) || address < 0) {
    throw outOfRange('memory.address', 'an address below 2^53', address);
  }
  if (typeof size !== 'number') throw invalidType('memory.size', 'a number of bytes', size);
  if (!Number.isSafeInteger(size) || size < 0 || size > LARGEST) {
    throw outOfRange('memory.size', 'at most 2^32 bytes, the longest view', size);
  }
  const bytes = bytesOf(memory);
  // By tag and not by instanceof, which would refuse the arrays of other realms.
  if (Object.prototype.toString.call(bytes) !== '[object Uint8Array]') {
    throw invalidType('memory.bytes', 'a Uint8Array', bytes);
  }
  return bytes;
}

function bytesOf(memory: LayoutMemory): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = memory.bytes;
  } catch (error) {
    // By code and not by class, of which a bundle may have two.
    if (isMirrorError(error)) throw error;
    throw Object.assign(gone(memory), { cause: error });
  }
  if (memory.size > 0 && bytes?.byteLength === 0) throw gone(memory);
  return bytes;
}

function isMirrorError(error: unknown): boolean {
  return error instanceof MirrorError;
}

/** The error for memory that is no longer there. */
export function gone(memory: LayoutMemory, what = 'the memory'): StateError {
  const range = `${hex(memory.address)}-${hex(memory.address + memory.size)}`;
  return new StateError(
    'freed',
    `${what} cannot be reached: the memory at ${range} was freed, or its ArrayBuffer detached`,
  );
}

/** Whether a view's memory has been taken from it. */
export function isGone(view: DataView): boolean {
  try {
    return view.byteLength === 0;
  } catch {
    return true;
  }
}
