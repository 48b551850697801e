/**
 * A buffer as a side has it mapped: its place, and views over it. Views are made on first use, one ArrayBuffer per
 * buffer; a buffer that was never viewed costs the collector nothing.
 *
 * @module
 */
import { outOfRange, StateError } from '../errors.ts';
import { viewMemory } from '../ffi/library.ts';
import { type Address, GiB } from '../mm/address.ts';
import { checkView, type TypedArrayConstructor } from './view-arguments.ts';

/** Node 20 aborts the process on views above this. */
const LARGEST_VIEW = 4 * GiB;

export abstract class MappedBuffer {
  readonly name: string;
  /** The same number in JavaScript, in another process, in a kernel. */
  readonly address: Address;
  /** Bytes, as asked for; more once it has grown. */
  readonly size: number;
  #freed = false;
  #buffer: ArrayBuffer | undefined;
  #bytes: Uint8Array | undefined;
  /** Over the buffer as it was before it grew. */
  #former: ArrayBuffer[] = [];

  /** @internal */
  constructor(name: string, address: Address, size: number) {
    this.name = name;
    this.address = address;
    this.size = size;
  }

  /** The address after the last byte. */
  get end(): Address {
    return this.address + this.size;
  }

  get freed(): boolean {
    return this.#freed;
  }

  /** All bytes of the buffer. After `free` a view that was kept stays as long as it was, and reads zeros. */
  get bytes(): Uint8Array {
    const buffer = this.#arrayBuffer(0, this.size);
    this.#bytes ??= new Uint8Array(buffer);
    return this.#bytes;
  }

  /**
   * A typed array (or DataView) over the buffer's memory; `byteOffset` and `length` (in elements) as in their own
   * constructors, and refused by the same rules.
   */
  view<T extends NodeJS.ArrayBufferView>(
    type: TypedArrayConstructor<T>,
    byteOffset?: number,
    length?: number,
  ): T;
  view(type: DataViewConstructor, byteOffset?: number, length?: number): DataView;
  view(type: unknown, byteOffset = 0, length?: number): unknown {
    const { View, count, width } = checkView(type, byteOffset, length, this.size);
    return new View(this.#arrayBuffer(byteOffset, count * width), byteOffset, count);
  }

  /** @internal No more views; gives the ArrayBuffers over the memory that were made. */
  retire(): readonly ArrayBuffer[] {
    this.#freed = true;
    this.#leaveViews();
    const buffers = this.#former;
    this.#former = [];
    for (const buffer of buffers) this.#forbidTransfer(buffer);
    return buffers;
  }

  /** @internal It is longer now. The views that there are keep their length; new ones have it all. */
  protected resize(size: number): void {
    // Nobody knows who has the memory of one that was transferred: no views either way.
    if (this.#buffer?.byteLength !== 0) this.#leaveViews();
    (this as { size: number }).size = size;
  }

  #leaveViews(): void {
    if (this.#buffer) this.#former.push(this.#buffer);
    this.#buffer = undefined;
    this.#bytes = undefined;
  }

  /** @internal Throws where it was freed. */
  check(): void {
    if (this.#freed) this.refuse();
  }

  #arrayBuffer(byteOffset: number, length: number): ArrayBuffer {
    this.check();
    this.checkTouch(byteOffset, length);
    if (this.#buffer) {
      if (this.#buffer.byteLength === 0) this.#refuseTransferred();
      return this.#buffer;
    }
    if (this.size > LARGEST_VIEW) {
      throw outOfRange('size', `at most ${LARGEST_VIEW} bytes for a view of the whole buffer`, this.size);
    }
    this.#buffer = this.makeView();
    return this.#buffer;
  }

  /** @internal Throws where the host may not touch these bytes now. */
  protected checkTouch(_byteOffset: number, _length: number): void {}

  /** @internal */
  protected makeView(): ArrayBuffer {
    return viewMemory(this.address, this.size);
  }

  /**
   * A stale ArrayBuffer must not hand its memory on: nobody would know when the other one goes. (Node 22 on; byte streams
   * transfer without asking for these methods.)
   */
  #forbidTransfer(buffer: ArrayBuffer): void {
    const value = (): never => this.refuse();
    for (const method of ['transfer', 'transferToFixedLength'])
      if (method in buffer) Object.defineProperty(buffer, method, { value });
  }

  #refuseTransferred(): never {
    throw new StateError(
      'transferred',
      `buffer '${this.name}' has no views any more: its ArrayBuffer was transferred (by transfer() or a byte stream), and its bytes are in the ArrayBuffer that took them. Transfer a copy instead, such as bytes.slice().buffer. Kernels can use the buffer as before`,
    );
  }

  /** @internal */
  protected refuse(): never {
    throw new StateError(
      'freed',
      `buffer '${this.name}' was freed (it was at 0x${this.address.toString(16)})`,
    );
  }
}
