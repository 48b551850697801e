/**
 * The functions of OpenCL's ICD loader (libOpenCL.so.1), which finds the drivers that are installed. Loaded on first use:
 * who opens no OpenCL device pays nothing, and a driver that brings a compiler with it (PoCL has LLVM) stays out of the
 * process. Handles are addresses as numbers, 0 for none. The prototypes are those of cl.h.
 *
 * @module
 */
import { UnsupportedError } from '../../../errors.ts';
import { type NativeLibrary, openLibrary } from '../../../ffi/library.ts';

const LIBRARY = 'libOpenCL.so.1';

/** What to install, for the refusals. */
export const INSTALL =
  'Debian and Ubuntu have a loader and a driver for the CPU: apt-get install ocl-icd-libopencl1 pocl-opencl-icd';

/** Handles, `cl_*` in OpenCL: addresses of the driver's own objects. */
export type Handle = number;

function declare(library: NativeLibrary) {
  const func = (prototype: string) => library.func(prototype);
  return {
    clGetPlatformIDs: func('int clGetPlatformIDs(uint32_t, void *, void *)'),
    clGetPlatformInfo: func('int clGetPlatformInfo(uintptr_t, uint32_t, size_t, void *, void *)'),
    clGetDeviceIDs: func('int clGetDeviceIDs(uintptr_t, uint64_t, uint32_t, void *, void *)'),
    clGetDeviceInfo: func('int clGetDeviceInfo(uintptr_t, uint32_t, size_t, void *, void *)'),
    clCreateContext: func(
      'uintptr_t clCreateContext(void *, uint32_t, void *, uintptr_t, uintptr_t, void *)',
    ),
    clReleaseContext: func('int clReleaseContext(uintptr_t)'),
    clRetainContext: func('int clRetainContext(uintptr_t)'),
    clSVMAlloc: func('uintptr_t clSVMAlloc(uintptr_t, uint64_t, size_t, uint32_t)'),
    clSVMFree: func('void clSVMFree(uintptr_t, uintptr_t)'),
    clCreateCommandQueueWithProperties: func(
      'uintptr_t clCreateCommandQueueWithProperties(uintptr_t, uintptr_t, void *, void *)',
    ),
    clReleaseCommandQueue: func('int clReleaseCommandQueue(uintptr_t)'),
    clFlush: func('int clFlush(uintptr_t)'),
    clFinish: func('int clFinish(uintptr_t)'),
    /** {@link OpenCl.clFinish} on a thread of libuv's pool. */
    clFinishAsync: library.asyncFunc('int clFinish(uintptr_t)'),
    clCreateProgramWithSource: func(
      'uintptr_t clCreateProgramWithSource(uintptr_t, uint32_t, void *, void *, void *)',
    ),
    clCreateProgramWithBinary: func(
      'uintptr_t clCreateProgramWithBinary(uintptr_t, uint32_t, void *, void *, void *, void *, void *)',
    ),
    /** Compiles, on a thread of libuv's pool: that may take seconds. */
    clBuildProgram: library.asyncFunc(
      'int clBuildProgram(uintptr_t, uint32_t, void *, const char *, uintptr_t, uintptr_t)',
    ),
    clGetProgramBuildInfo: func(
      'int clGetProgramBuildInfo(uintptr_t, uintptr_t, uint32_t, size_t, void *, void *)',
    ),
    clGetProgramInfo: func('int clGetProgramInfo(uintptr_t, uint32_t, size_t, void *, void *)'),
    /** {@link OpenCl.clGetProgramInfo} on a thread of libuv's pool: for binaries a driver may compile once more. */
    clGetProgramInfoAsync: library.asyncFunc(
      'int clGetProgramInfo(uintptr_t, uint32_t, size_t, void *, void *)',
    ),
    clReleaseProgram: func('int clReleaseProgram(uintptr_t)'),
    clCreateKernel: func('uintptr_t clCreateKernel(uintptr_t, const char *, void *)'),
    clGetKernelInfo: func('int clGetKernelInfo(uintptr_t, uint32_t, size_t, void *, void *)'),
    clGetKernelArgInfo: func('int clGetKernelArgInfo(uintptr_t, uint32_t, uint32_t, size_t, void *, void *)'),
    clGetKernelWorkGroupInfo: func(
      'int clGetKernelWorkGroupInfo(uintptr_t, uintptr_t, uint32_t, size_t, void *, void *)',
    ),
    clSetKernelExecInfo: func('int clSetKernelExecInfo(uintptr_t, uint32_t, size_t, void *)'),
    clSetKernelArg: func('int clSetKernelArg(uintptr_t, uint32_t, size_t, void *)'),
    clSetKernelArgSVMPointer: func('int clSetKernelArgSVMPointer(uintptr_t, uint32_t, uintptr_t)'),
    clReleaseKernel: func('int clReleaseKernel(uintptr_t)'),
    clEnqueueNDRangeKernel: func(
      'int clEnqueueNDRangeKernel(uintptr_t, uintptr_t, uint32_t, void *, void *, void *, uint32_t, void *, void *)',
    ),
    clEnqueueSVMMemcpy: func(
      'int clEnqueueSVMMemcpy(uintptr_t, uint32_t, uintptr_t, uintptr_t, size_t, uint32_t, void *, void *)',
    ),
    clEnqueueSVMMemFill: func(
      'int clEnqueueSVMMemFill(uintptr_t, uintptr_t, void *, size_t, size_t, uint32_t, void *, void *)',
    ),
    clEnqueueSVMMap: func(
      'int clEnqueueSVMMap(uintptr_t, uint32_t, uint64_t, uintptr_t, size_t, uint32_t, void *, void *)',
    ),
    clEnqueueSVMUnmap: func('int clEnqueueSVMUnmap(uintptr_t, uintptr_t, uint32_t, void *, void *)'),
    clEnqueueMarkerWithWaitList: func('int clEnqueueMarkerWithWaitList(uintptr_t, uint32_t, void *, void *)'),
    clGetEventInfo: func('int clGetEventInfo(uintptr_t, uint32_t, size_t, void *, void *)'),
    clGetEventProfilingInfo: func('int clGetEventProfilingInfo(uintptr_t, uint32_t, size_t, void *, void *)'),
    clWaitForEvents: func('int clWaitForEvents(uint32_t, void *)'),
    /** {@link OpenCl.clWaitForEvents} on a thread of libuv's pool. */
    clWaitForEventsAsync: library.asyncFunc('int clWaitForEvents(uint32_t, void *)'),
    clRetainEvent: func('int clRetainEvent(uintptr_t)'),
    clReleaseEvent: func('int clReleaseEvent(uintptr_t)'),
  };
}

/** OpenCL's functions, by their own names. */
export type OpenCl = ReturnType<typeof declare>;

let loaded: OpenCl | undefined;

/** Throws UnsupportedError where there is no loader, or one that is older than OpenCL 2.0. */
export function openCl(): OpenCl {
  if (loaded) return loaded;
  let library: NativeLibrary;
  try {
    library = openLibrary(LIBRARY);
  } catch (cause) {
    if (cause instanceof UnsupportedError) throw cause;
    throw new UnsupportedError(
      'OpenCL loader',
      `There is no OpenCL here: ${LIBRARY} could not be loaded (${messageOf(cause)}). ${INSTALL}`,
      { cause },
    );
  }
  try {
    loaded = declare(library);
  } catch (cause) {
    throw new UnsupportedError(
      'OpenCL 2.0 loader',
      `${LIBRARY} is older than OpenCL 2.0: ${messageOf(cause)}. ${INSTALL}`,
      { cause },
    );
  }
  return loaded;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
