/**
 * Memory of a driver that takes no other (clSVMAlloc), for the mirror to adopt: whole pages of it, zeroed, as the arena's
 * are. Kernels that reach such memory through pointers only have to be told of it (CL_KERNEL_EXEC_INFO_SVM_PTRS): each is
 * told of all that there is before it is launched, where that has changed.
 *
 * @module
 */
import { SystemError } from '../../errors.ts';
import { addressOf } from '../../ffi/library.ts';
import { copyMemory } from '../../linux/process-vm.ts';
import { type Address, alignUp, MiB } from '../../mm/address.ts';
import type { MemorySource } from '../device.ts';
import type { DriverContext } from './driver-context.ts';
import * as CL from './icd/constants.ts';
import type { Handle } from './icd/loader.ts';
import { checkStatus } from './icd/status.ts';

const ZEROS = new Uint8Array(MiB);

export class DriverMemory implements MemorySource {
  readonly #driver: DriverContext;
  /** What the driver gave, by the address that was made of it. */
  readonly #given = new Map<Address, Handle>();
  /** Counts the changes of what is given. */
  #version = 0;
  /** Up to which change a kernel has been told. */
  readonly #told = new Map<Handle, number>();

  constructor(driver: DriverContext) {
    this.#driver = driver;
  }

  allocate(size: number, align: number): Address {
    // A driver aligns to the largest type of OpenCL C at most, 128 bytes.
    const memory = this.#driver.allocate(size + align);
    if (memory === 0)
      throw new SystemError(
        'clSVMAlloc',
        [size + align],
        'ENOMEM',
        `The driver of '${this.#driver.info.name}' gives no fine-grained memory of that size`,
      );
    const address = alignUp(memory, align);
    for (let done = 0; done < size; done += ZEROS.length)
      copyMemory(address + done, addressOf(ZEROS), Math.min(ZEROS.length, size - done));
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
