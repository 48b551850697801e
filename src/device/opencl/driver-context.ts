/**
 * A context of an OpenCL driver with one device: queues, programs and kernels come from it and are released with it.
 *
 * @module
 */
import { ProgramError, StateError } from '../../errors.ts';
import { addressOf } from '../../ffi/library.ts';
import type { QueueOrder } from '../device.ts';
import { buildFailure } from './build-log.ts';
import * as CL from './icd/constants.ts';
import type { FoundDevice, OpenClDeviceInfo } from './icd/devices.ts';
import { created, infoText } from './icd/info.ts';
import { type Handle, type OpenCl, openCl } from './icd/loader.ts';
import { checkStatus, openClError } from './icd/status.ts';

const BUILD_PROGRAM_FAILURE = -11;

export class DriverContext {
  readonly cl: OpenCl;
  readonly info: OpenClDeviceInfo;
  readonly device: Handle;
  readonly #context: Handle;
  readonly #queues: Handle[] = [];
  readonly #programs: Handle[] = [];
  readonly #kernels: Handle[] = [];
  #released = false;

  /** Throws OpenClError where the driver makes no context. */
  constructor({ handle, info }: FoundDevice) {
    const cl = openCl();
    this.cl = cl;
    this.info = info;
    this.device = handle;
    this.#context = created('clCreateContext', (status) =>
      cl.clCreateContext(null, 1, new BigUint64Array([BigInt(handle)]), 0, 0, status),
    );
  }

  /** A queue whose commands are timed. */
  createQueue(order: QueueOrder): Handle {
    const outOfOrder = order === 'out' ? CL.CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE : 0;
    const properties = new BigUint64Array([
      BigInt(CL.CL_QUEUE_PROPERTIES),
      BigInt(CL.CL_QUEUE_PROFILING_ENABLE | outOfOrder),
      0n,
    ]);
    const queue = created('clCreateCommandQueueWithProperties', (status) =>
      this.cl.clCreateCommandQueueWithProperties(this.#context, this.device, properties, status),
    );
    this.#queues.push(queue);
    return queue;
  }

  /** Compiles and links, off this thread. Throws ProgramError with the build log, or OpenClError. */
  async build(source: string, options: string): Promise<Handle> {
    const { cl, device } = this;
    const text = Buffer.from(source, 'utf8');
    const lengths = new BigUint64Array([BigInt(text.length)]);
    // A pointer into `text`, which the call copies.
    const strings = new BigUint64Array([text.length === 0 ? 0n : BigInt(addressOf(text))]);
    const program = created('clCreateProgramWithSource', (status) =>
      cl.clCreateProgramWithSource(this.#context, 1, strings, lengths, status),
    );
    const failure = await this.#finish(program, options);
    if (failure === 0) return program;
    const log = infoText('clGetProgramBuildInfo', (...ask) =>
      cl.clGetProgramBuildInfo(program, device, CL.CL_PROGRAM_BUILD_LOG, ...ask),
    );
    cl.clReleaseProgram(program);
    if (failure === BUILD_PROGRAM_FAILURE)
      throw new ProgramError(
        'compile',
        `the OpenCL C program does not compile: ${buildFailure(log, source)}`,
      );
    throw openClError('clBuildProgram', failure, `The options were '${options}'`);
  }

  /** A program of what {@link binaryOf} gave, off this thread; undefined where the driver does not take it. */
  async buildBinary(binary: Uint8Array, options: string): Promise<Handle | undefined> {
    const { cl, device } = this;
    const status = new Int32Array(1);
    const program = cl.clCreateProgramWithBinary(
      this.#context,
      1,
      new BigUint64Array([BigInt(device)]),
      new BigUint64Array([BigInt(binary.length)]),
      // A pointer into `binary`, which the call copies.
      new BigUint64Array([BigInt(addressOf(binary))]),
      new Int32Array(1),
      status,
    );
    if (status[0] !== 0) return undefined;
    if ((await this.#finish(program, options)) === 0) return program;
    cl.clReleaseProgram(program);
    return undefined;
  }

  /**
   * What the driver has compiled; undefined where it gives none. Off this thread: PoCL compiles all kernels for it, as for
   * their first launches.
   */
  async binaryOf(program: Handle): Promise<Uint8Array | undefined> {
    const { cl } = this;
    const call = 'clGetProgramInfo';
    // Of one device: the context has no other.
    const size = new BigUint64Array(1);
    checkStatus(call, await cl.clGetProgramInfoAsync(program, CL.CL_PROGRAM_BINARY_SIZES, 8, size, null));
    if (size[0] === 0n) return undefined;
    const binary = new Uint8Array(Number(size[0]));
    const place = new BigUint64Array([BigInt(addressOf(binary))]);
    checkStatus(call, await cl.clGetProgramInfoAsync(program, CL.CL_PROGRAM_BINARIES, 8, place, null));
    return binary;
  }

  /** Builds a program that was made; gives what clBuildProgram said. */
  async #finish(program: Handle, options: string): Promise<number> {
    const failure = await this.cl.clBuildProgram(program, 0, null, options, 0, 0);
    if (failure !== 0) return failure;
    if (this.#released) {
      this.cl.clReleaseProgram(program);
      throw new ProgramError('compile', 'the device was closed while the program was compiled');
    }
    this.#programs.push(program);
    return 0;
  }

  kernelNames(program: Handle): string[] {
    const names = infoText('clGetProgramInfo', (...ask) =>
      this.cl.clGetProgramInfo(program, CL.CL_PROGRAM_KERNEL_NAMES, ...ask),
    );
    return names === '' ? [] : names.split(';');
  }

  /** Throws StateError where all was released. */
  kernel(program: Handle, name: string): Handle {
    if (this.#released)
      throw new StateError('closed', `the device is closed: '${name}' can't be had any more`);
    const kernel = created('clCreateKernel', (status) => this.cl.clCreateKernel(program, name, status));
    this.#kernels.push(kernel);
    if (this.info.svm.fineGrainSystem) {
      checkStatus(
        'clSetKernelExecInfo',
        this.cl.clSetKernelExecInfo(
          kernel,
          CL.CL_KERNEL_EXEC_INFO_SVM_FINE_GRAIN_SYSTEM,
          4,
          new Uint32Array([1]),
        ),
      );
    }
    return kernel;
  }

  /** Memory of the driver's own, wherever it likes; 0 where it gives none. Outlives {@link release}. */
  allocate(size: number, grain: 'fine' | 'coarse'): Handle {
    const { cl, info } = this;
    const atomics = info.svm.atomics ? CL.CL_MEM_SVM_ATOMICS : 0;
    const fine = grain === 'fine' ? CL.CL_MEM_SVM_FINE_GRAIN_BUFFER | atomics : 0;
    const flags = CL.CL_MEM_READ_WRITE | fine;
    const memory = cl.clSVMAlloc(this.#context, flags, size, 0);
    // Who has memory of the context needs the context to give it back.
    if (memory !== 0) cl.clRetainContext(this.#context);
    return memory;
  }

  /** What {@link allocate} gave. */
  giveBack(memory: Handle): void {
    this.cl.clSVMFree(this.#context, memory);
    this.cl.clReleaseContext(this.#context);
  }

  /** To be called once no command is pending. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    const { cl } = this;
    for (const kernel of this.#kernels) cl.clReleaseKernel(kernel);
    for (const program of this.#programs) cl.clReleaseProgram(program);
    for (const queue of this.#queues) cl.clReleaseCommandQueue(queue);
    cl.clReleaseContext(this.#context);
  }
}
