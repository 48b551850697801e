/**
 * Memory of a driver that takes no other (clSVMAlloc), for the mirror to adopt: whole pages of it, zeroed, as the arena's
 * are; fine-grained where the driver has that, else coarse-grained, which the host touches between clEnqueueSVMMap and
 * clEnqueueSVMUnmap alone. Kernels that reach such memory through pointers only have to be told of it
 * (CL_KERNEL_EXEC_INFO_SVM_PTRS): each is told of all that there is before it is launched, where that has changed.
 *
 * @module
 */
import { SystemError } from '../../errors.ts';
import { addressOf } from '../../ffi/library.ts';
import { copyMemory } from '../../linux/process-vm.ts';
import { type Address, alignUp, MiB } from '../../mm/address.ts';
import type { HostRange, MemorySource } from '../device.ts';
import type { DriverContext } from './driver-context.ts';
import * as CL from './icd/constants.ts';
import type { Handle } from './icd/loader.ts';
import { checkStatus } from './icd/status.ts';
import { mapForHost, unmapForHost } from './map-calls.ts';

const ZEROS = new Uint8Array(MiB);

export class DriverMemory implements MemorySource {
  readonly coarse: boolean;
  readonly #driver: DriverContext;
  /** For what is mapped in between commands of others. */
  readonly #queue: Handle;
  /** What the driver gave, by the address that was made of it. */
  readonly #given = new Map<Address, Handle>();
  /** Counts the changes of what is given. */
  #version = 0;
  /** Up to which change a kernel has been told. */
  readonly #told = new Map<Handle, number>();

  constructor(driver: DriverContext) {
    this.#driver = driver;
    this.coarse = !driver.info.svm.fineGrainBuffer;
    this.#queue = this.coarse ? driver.createQueue('in') : 0;
  }

  allocate(size: number, align: number): Address {
    // A driver aligns to the largest type of OpenCL C at most, 128 bytes.
    const memory = this.#driver.allocate(size + align, this.coarse ? 'coarse' : 'fine');
    if (memory === 0)
      throw new SystemError(
        'clSVMAlloc',
        [size + align],
        'ENOMEM',
        `The driver of '${this.#driver.info.name}' gives no ${this.coarse ? 'coarse' : 'fine'}-grained memory of that size`,
      );
    const address = alignUp(memory, align);
    try {
      this.onHost([{ start: address, end: address + size, access: 'write' }], () => {
        for (let done = 0; done < size; done += ZEROS.length)
          copyMemory(address + done, addressOf(ZEROS), Math.min(ZEROS.length, size - done));
      });
    } catch (error) {
      this.#driver.giveBack(memory);
      throw error;
    }
    this.#given.set(address, memory);
    this.#version++;
    return address;
  }

  release(address: Address): void {
    const memory = this.#given.get(address)!;
    this.#given.delete(address);
    this.#version++;
    this.#driver.giveBack(memory);
  }

  /** Calls `body` while the host has these parts, which no command uses meanwhile. Throws OpenClError. */
  onHost<T>(ranges: readonly HostRange[], body: () => T): T {
    if (!this.coarse) return body();
    const { cl } = this.#driver;
    const mapped: HostRange[] = [];
    try {
      for (const range of ranges) {
        mapForHost(cl, this.#queue, range, { blocking: true });
        mapped.push(range);
      }
      return body();
    } finally {
      for (const range of mapped) unmapForHost(cl, this.#queue, range);
      cl.clFinish(this.#queue);
    }
  }

  /** Before a launch. Throws OpenClError. */
  tell(kernel: Handle): void {
    if (this.#told.get(kernel) === this.#version || this.#given.size === 0) return;
    const pointers = BigUint64Array.from(this.#given.values(), BigInt);
    checkStatus(
      'clSetKernelExecInfo',
      this.#driver.cl.clSetKernelExecInfo(
        kernel,
        CL.CL_KERNEL_EXEC_INFO_SVM_PTRS,
        pointers.byteLength,
        pointers,
      ),
    );
    this.#told.set(kernel, this.#version);
  }
}
