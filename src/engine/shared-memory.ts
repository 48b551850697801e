/**
 * A memory file mapped into this process, with typed views over it. Host and device processes map the same file,
 * so a store on one side is a load on the other; `Atomics` works on these views across processes.
 *
 * @module
 */
import { viewMemory } from '../ffi/library.ts';
import { close, ftruncate, memfdCreate } from '../linux/memfd.ts';
import { MAP_SHARED, mmap, munmap, PROT_READ, PROT_WRITE } from '../linux/mmap.ts';
import type { Address } from '../mm/address.ts';

export class SharedMemory {
  readonly fd: number;
  readonly address: Address;
  readonly size: number;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  readonly u8: Uint8Array;

  /** Views over `size` bytes that are mapped at `address` already, for instance by another thread of this process. */
  constructor(address: Address, size: number, fd = -1) {
    this.fd = fd;
    this.address = address;
    this.size = size;
    const buffer = viewMemory(address, size);
    this.i32 = new Int32Array(buffer);
    this.f64 = new Float64Array(buffer);
    this.u8 = new Uint8Array(buffer);
  }

  /** A new file of that size, mapped. */
  static create(name: string, size: number): SharedMemory {
    const fd = memfdCreate(name);
    try {
      ftruncate(fd, size);
      return SharedMemory.map(fd, 0, size);
    } catch (error) {
      close(fd);
      throw error;
    }
  }

  /** A part of a file that someone else made. */
  static map(fd: number, offset: number, size: number): SharedMemory {
    return new SharedMemory(mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset), size, fd);
  }

  /** Unmaps. No view may be touched afterwards, by any thread: drop this object. */
  unmap(): void {
    munmap(this.address, this.size);
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Writes as much of `text` as fits at `offset`; gives the bytes written. */
export function writeText(memory: SharedMemory, offset: number, capacity: number, text: string): number {
  return encoder.encodeInto(text, memory.u8.subarray(offset, offset + capacity)).written;
}

export function readText(memory: SharedMemory, offset: number, length: number): string {
  return decoder.decode(memory.u8.slice(offset, offset + length));
}
