/**
 * A part of a buffer that stands for a buffer of its own, as OpenCL's sub-buffers do: an argument of kernels, copies, fills
 * and maps, with views of its own. It holds no memory, and has nothing to free.
 *
 * @module
 */
import { invalidType, outOfRange } from '../errors.ts';
import type { Address } from '../mm/address.ts';
import type { BufferType } from './alloc-options.ts';
import type { SvmBuffer } from './svm-buffer.ts';
import { checkView, type TypedArrayConstructor } from './view-arguments.ts';

interface Part {
  readonly offset: number;
  readonly size: number;
}

/** The part of `whole` bytes that is meant; up to their end by default. */
export function checkPart(whole: number, offset: unknown, size: unknown): Part {
  if (typeof offset !== 'number') throw invalidType('offset', 'a number of bytes', offset);
  if (!Number.isSafeInteger(offset) || offset < 0 || offset >= whole)
    throw outOfRange('offset', `from 0 to ${whole - 1}`, offset);
  const length = size === undefined ? whole - offset : size;
  if (typeof length !== 'number') throw invalidType('size', 'a number of bytes', size);
  if (!Number.isSafeInteger(length) || length < 1 || length > whole - offset)
    throw outOfRange('size', `from 1 to ${whole - offset}`, size);
  return { offset, size: length };
}

export class SubBuffer {
  /** The buffer that it is a part of. */
  readonly parent: SvmBuffer;
  /** Bytes from the parent's start. */
  readonly offset: number;
  readonly address: Address;
  readonly size: number;

  /** @internal Use {@link SvmBuffer.sub}. */
  constructor(parent: SvmBuffer, { offset, size }: Part) {
    this.parent = parent;
    this.offset = offset;
    this.address = parent.address + offset;
    this.size = size;
  }

  get end(): Address {
    return this.address + this.size;
  }

  /** `points[4096..8192)` */
  get name(): string {
    return `${this.parent.name}[${this.offset}..${this.offset + this.size})`;
  }

  get type(): BufferType {
    return this.parent.type;
  }

  /** True once the parent was freed. */
  get freed(): boolean {
    return this.parent.freed;
  }

  /** True while a command is to free the parent. */
  get freeing(): boolean {
    return this.parent.freeing;
  }

  /** Its bytes; throws where the parent's could not be had. */
  get bytes(): Uint8Array {
    return this.parent.view(Uint8Array, this.offset, this.size);
  }

  /** As the parent's `view`, of this part. Elements must lie as the parent's do. */
  view<T extends NodeJS.ArrayBufferView>(
    type: TypedArrayConstructor<T>,
    byteOffset?: number,
    length?: number,
  ): T;
  view(type: DataViewConstructor, byteOffset?: number, length?: number): DataView;
  view(type: unknown, byteOffset = 0, length?: number): unknown {
    const { count } = checkView(type, byteOffset, length, this.size, this.offset);
    return this.parent.view(type as DataViewConstructor, this.offset + byteOffset, count);
  }

  /** A part of this part: the parent's. */
  sub(offset: number, size?: number): SubBuffer {
    this.parent.check();
    const part = checkPart(this.size, offset, size);
    return new SubBuffer(this.parent, { offset: this.offset + part.offset, size: part.size });
  }
}
