/**
 * The platforms (drivers) and devices that the ICD loader finds, and what each says of itself: nothing here is probed.
 *
 * @module
 */
import { UnsupportedError } from '../../../errors.ts';
import * as CL from './constants.ts';
import { infoNumber, infoNumbers, infoText } from './info.ts';
import { type Handle, INSTALL, type OpenCl, openCl } from './loader.ts';
import { checkStatus, statusName } from './status.ts';

export interface OpenClPlatformInfo {
  readonly name: string;
  readonly vendor: string;
  /** `OpenCL 3.0 PoCL 3.1`. */
  readonly version: string;
}

/** What a driver says it can do with shared virtual memory: the bits of CL_DEVICE_SVM_CAPABILITIES. */
export interface OpenClSvm {
  readonly coarseGrainBuffer: boolean;
  readonly fineGrainBuffer: boolean;
  readonly fineGrainSystem: boolean;
  readonly atomics: boolean;
}

/** A device as its driver describes it. */
export interface OpenClDeviceInfo {
  readonly platform: OpenClPlatformInfo;
  readonly name: string;
  readonly vendor: string;
  readonly type: 'cpu' | 'gpu' | 'accelerator' | 'other';
  /** `OpenCL 3.0 ...`. */
  readonly version: string;
  /** Of the version: `3.0` is 3. */
  readonly major: number;
  readonly driverVersion: string;
  readonly computeUnits: number;
  readonly maxWorkGroupSize: number;
  /** The most work-items of a group, per dimension. */
  readonly maxWorkItemSizes: readonly number[];
  /** Bits of a pointer. */
  readonly addressBits: number;
  /** Bytes. */
  readonly globalMemory: number;
  /** Bytes of `local` memory that a work-group has. */
  readonly localMemory: number;
  readonly littleEndian: boolean;
  readonly available: boolean;
  readonly hasCompiler: boolean;
  readonly svm: OpenClSvm;
}

/** A device that was found, with its driver's handle. */
export interface FoundDevice {
  readonly handle: Handle;
  readonly info: OpenClDeviceInfo;
}

const NOT_FOUND = -1;
const PLATFORM_NOT_FOUND = -1001;

/** All devices of all platforms, in the loader's order. Throws UnsupportedError where there is no loader or no driver. */
export function findDevices(): FoundDevice[] {
  const cl = openCl();
  const platforms = handles('clGetPlatformIDs', PLATFORM_NOT_FOUND, (count, ids, found) =>
    cl.clGetPlatformIDs(count, ids, found),
  );
  if (platforms.length === 0) {
    throw new UnsupportedError(
      'OpenCL driver',
      `The OpenCL loader finds no driver (${statusName(PLATFORM_NOT_FOUND)}). ${INSTALL}`,
    );
  }
  return platforms.flatMap((platform) => {
    const text = (name: number) =>
      infoText('clGetPlatformInfo', (...ask) => cl.clGetPlatformInfo(platform, name, ...ask));
    const about: OpenClPlatformInfo = {
      name: text(CL.CL_PLATFORM_NAME),
      vendor: text(CL.CL_PLATFORM_VENDOR),
      version: text(CL.CL_PLATFORM_VERSION),
    };
    return handles('clGetDeviceIDs', NOT_FOUND, (count, ids, found) =>
      cl.clGetDeviceIDs(platform, CL.CL_DEVICE_TYPE_ALL, count, ids, found),
    ).map((handle) => ({ handle, info: describe(cl, handle, about) }));
  });
}

type List = (count: number, ids: BigUint64Array | null, found: Uint32Array | null) => number;

/** Asks how many there are, then for them. The loader says "none" by an error. */
function handles(call: string, none: number, list: List): Handle[] {
  const found = new Uint32Array(1);
  const status = list(0, null, found);
  if (status === none) return [];
  checkStatus(call, status);
  if (found[0] === 0) return [];
  const ids = new BigUint64Array(found[0]!);
  checkStatus(call, list(ids.length, ids, null));
  return [...ids].map(Number);
}

function describe(cl: OpenCl, device: Handle, platform: OpenClPlatformInfo): OpenClDeviceInfo {
  const call = 'clGetDeviceInfo';
  const text = (name: number) => infoText(call, (...ask) => cl.clGetDeviceInfo(device, name, ...ask));
  const number = (name: number) => infoNumber(call, (...ask) => cl.clGetDeviceInfo(device, name, ...ask));
  const version = text(CL.CL_DEVICE_VERSION);
  const major = majorVersion(version);
  // A device below 2.0 does not know the question.
  const svm = major >= 2 ? number(CL.CL_DEVICE_SVM_CAPABILITIES) : 0;
  return {
    platform,
    name: text(CL.CL_DEVICE_NAME),
    vendor: text(CL.CL_DEVICE_VENDOR),
    type: typeName(number(CL.CL_DEVICE_TYPE)),
    version,
    major,
    driverVersion: text(CL.CL_DRIVER_VERSION),
    computeUnits: number(CL.CL_DEVICE_MAX_COMPUTE_UNITS),
    maxWorkGroupSize: number(CL.CL_DEVICE_MAX_WORK_GROUP_SIZE),
    maxWorkItemSizes: infoNumbers(call, (...ask) =>
      cl.clGetDeviceInfo(device, CL.CL_DEVICE_MAX_WORK_ITEM_SIZES, ...ask),
    ),
    addressBits: number(CL.CL_DEVICE_ADDRESS_BITS),
    globalMemory: number(CL.CL_DEVICE_GLOBAL_MEM_SIZE),
    localMemory: number(CL.CL_DEVICE_LOCAL_MEM_SIZE),
    littleEndian: number(CL.CL_DEVICE_ENDIAN_LITTLE) !== 0,
    available: number(CL.CL_DEVICE_AVAILABLE) !== 0,
    hasCompiler: number(CL.CL_DEVICE_COMPILER_AVAILABLE) !== 0,
    svm: {
      coarseGrainBuffer: (svm & CL.CL_DEVICE_SVM_COARSE_GRAIN_BUFFER) !== 0,
      fineGrainBuffer: (svm & CL.CL_DEVICE_SVM_FINE_GRAIN_BUFFER) !== 0,
      fineGrainSystem: (svm & CL.CL_DEVICE_SVM_FINE_GRAIN_SYSTEM) !== 0,
      atomics: (svm & CL.CL_DEVICE_SVM_ATOMICS) !== 0,
    },
  };
}

/** The specification's form is `OpenCL<space><major.minor><space><vendor's own>`. */
function majorVersion(version: string): number {
  return Number(/^OpenCL (\d+)\./.exec(version)?.[1] ?? 0);
}

function typeName(type: number): OpenClDeviceInfo['type'] {
  if (type & CL.CL_DEVICE_TYPE_CPU) return 'cpu';
  if (type & CL.CL_DEVICE_TYPE_GPU) return 'gpu';
  if (type & CL.CL_DEVICE_TYPE_ACCELERATOR) return 'accelerator';
  return 'other';
}
