/**
 * Mirrored memory as a core of a process device sees it: the ranges in which buffers can lie, each in pieces of up to
 * 4 GiB with an ArrayBuffer over them that is made on first use and kept. So a view of a buffer costs a typed array, and
 * no ArrayBuffer. Pieces lie entirely within those ranges: through them nothing can be reached that is the device
 * process's own. Pure.
 *
 *     range  |--------------------------------------------------------|
 *     pieces |<---- 4 GiB ---->|                                        one every 2 GiB, so that whatever is shorter
 *                     |<---- 4 GiB ---->|                               than 2 GiB lies in one of them
 *                              |<---- 4 GiB ---->|
 *
 * @module
 */
import { hex, MirrorError, outOfRange } from '../../../errors.ts';
import { type Address, GiB, type Range } from '../../../mm/address.ts';

const STRIDE = 2 * GiB;
/** The longest view on every supported Node. */
const LONGEST = 4 * GiB;

/** An address where no buffer can lie: null, or what the device's process has for itself. */
export class AddressError extends MirrorError {
  readonly address: Address;
  readonly size: number;
  constructor(address: Address, size: number) {
    super(
      'ERR_MIRROR_ADDRESS',
      `${hex(address)} to ${hex(address + size)} is not mirrored memory: no buffer can lie there on this device`,
    );
    this.address = address;
    this.size = size;
  }
}

/** A part of mirrored memory with one ArrayBuffer over it; a memory for `mirrorspace/layout`. */
export class Piece {
  readonly address: Address;
  readonly end: Address;
  readonly size: number;
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly i64: BigInt64Array;
  readonly u64: BigUint64Array;

  constructor(start: Address, buffer: ArrayBuffer) {
    this.address = start;
    this.size = buffer.byteLength;
    this.end = start + this.size;
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i64 = new BigInt64Array(buffer);
    this.u64 = new BigUint64Array(buffer);
  }
}

export class MirroredMemory {
  /** By start, disjoint, of whole pages. */
  readonly ranges: readonly Range[];
  readonly #map: (address: Address, length: number) => ArrayBuffer;
  readonly #pieces = new Map<Address, Piece>();
  #last: Piece | undefined;

  /** `map` gives an ArrayBuffer over a part of a range; called once for each piece. */
  constructor(ranges: readonly Range[], map: (address: Address, length: number) => ArrayBuffer) {
    this.ranges = ranges;
    this.#map = map;
  }

  /** The piece that holds all of `[address, address + size)`, a checked range. Throws AddressError where none can. */
  holding(address: Address, size: number): Piece {
    const last = this.#last;
    if (last && address >= last.address && address + size <= last.end) return last;
    const range = this.#rangeAt(address);
    if (!range || address + size > range.end) throw new AddressError(address, size);
    if (size > LONGEST) throw outOfRange('length', 'at most 4 GiB in bytes, the longest view', size);
    const start = range.start + Math.floor((address - range.start) / STRIDE) * STRIDE;
    const piece = this.#piece(start, range);
    if (address + size <= piece.end) {
      this.#last = piece;
      return piece;
    }
    // Longer than the stride, and not at its start: a piece of its own, which others may find as well.
    return this.#piece(address, range);
  }

  /** The piece that holds an address with at least 2 GiB behind it, or all that its range has. */
  at(address: Address): Piece | undefined {
    const range = Number.isSafeInteger(address) ? this.#rangeAt(address) : undefined;
    return range && this.#piece(range.start + Math.floor((address - range.start) / STRIDE) * STRIDE, range);
  }

  #piece(start: Address, range: Range): Piece {
    let piece = this.#pieces.get(start);
    if (!piece) {
      piece = new Piece(start, this.#map(start, Math.min(LONGEST, range.end - start)));
      this.#pieces.set(start, piece);
    }
    return piece;
  }

  #rangeAt(address: Address): Range | undefined {
    const { ranges } = this;
    let low = 0;
    let high = ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ranges[middle]!.end <= address) low = middle + 1;
      else high = middle;
    }
    const range = ranges[low];
    return range && range.start <= address ? range : undefined;
  }
}
