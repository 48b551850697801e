/**
 * The numbers of OpenCL's registry (cl.h, 3.0) that this device uses, under the registry's names. Pure.
 *
 * @module
 */

export const CL_PLATFORM_VERSION = 0x0901;
export const CL_PLATFORM_NAME = 0x0902;
export const CL_PLATFORM_VENDOR = 0x0903;

export const CL_DEVICE_TYPE_CPU = 1 << 1;
export const CL_DEVICE_TYPE_GPU = 1 << 2;
export const CL_DEVICE_TYPE_ACCELERATOR = 1 << 3;
export const CL_DEVICE_TYPE_ALL = 0xffffffff;

export const CL_DEVICE_TYPE = 0x1000;
export const CL_DEVICE_MAX_COMPUTE_UNITS = 0x1002;
export const CL_DEVICE_MAX_WORK_GROUP_SIZE = 0x1004;
export const CL_DEVICE_MAX_WORK_ITEM_SIZES = 0x1005;
export const CL_DEVICE_ADDRESS_BITS = 0x100d;
export const CL_DEVICE_GLOBAL_MEM_SIZE = 0x101f;
export const CL_DEVICE_LOCAL_MEM_SIZE = 0x1023;
export const CL_DEVICE_ENDIAN_LITTLE = 0x1026;
export const CL_DEVICE_AVAILABLE = 0x1027;
export const CL_DEVICE_COMPILER_AVAILABLE = 0x1028;
export const CL_DEVICE_NAME = 0x102b;
export const CL_DEVICE_VENDOR = 0x102c;
export const CL_DRIVER_VERSION = 0x102d;
export const CL_DEVICE_VERSION = 0x102f;
export const CL_DEVICE_SVM_CAPABILITIES = 0x1053;

export const CL_DEVICE_SVM_COARSE_GRAIN_BUFFER = 1 << 0;
export const CL_DEVICE_SVM_FINE_GRAIN_BUFFER = 1 << 1;
export const CL_DEVICE_SVM_FINE_GRAIN_SYSTEM = 1 << 2;
export const CL_DEVICE_SVM_ATOMICS = 1 << 3;

export const CL_MEM_READ_WRITE = 1 << 0;
export const CL_MEM_SVM_FINE_GRAIN_BUFFER = 1 << 10;
export const CL_MEM_SVM_ATOMICS = 1 << 11;

export const CL_QUEUE_PROPERTIES = 0x1093;
export const CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE = 1 << 0;
export const CL_QUEUE_PROFILING_ENABLE = 1 << 1;

export const CL_PROGRAM_BUILD_LOG = 0x1183;
export const CL_PROGRAM_BINARY_SIZES = 0x1165;
export const CL_PROGRAM_BINARIES = 0x1166;
export const CL_PROGRAM_KERNEL_NAMES = 0x1168;

export const CL_KERNEL_NUM_ARGS = 0x1191;
export const CL_KERNEL_ARG_ADDRESS_QUALIFIER = 0x1196;
export const CL_KERNEL_ARG_ACCESS_QUALIFIER = 0x1197;
export const CL_KERNEL_ARG_TYPE_NAME = 0x1198;
export const CL_KERNEL_ARG_NAME = 0x119a;
export const CL_KERNEL_ARG_ADDRESS_GLOBAL = 0x119b;
export const CL_KERNEL_ARG_ADDRESS_LOCAL = 0x119c;
export const CL_KERNEL_ARG_ADDRESS_CONSTANT = 0x119d;
export const CL_KERNEL_ARG_ADDRESS_PRIVATE = 0x119e;
export const CL_KERNEL_ARG_ACCESS_NONE = 0x11a3;
export const CL_KERNEL_WORK_GROUP_SIZE = 0x11b0;
export const CL_KERNEL_COMPILE_WORK_GROUP_SIZE = 0x11b1;
export const CL_KERNEL_LOCAL_MEM_SIZE = 0x11b2;
export const CL_KERNEL_EXEC_INFO_SVM_PTRS = 0x11b6;
export const CL_KERNEL_EXEC_INFO_SVM_FINE_GRAIN_SYSTEM = 0x11b7;

export const CL_MAP_READ = 1;
export const CL_MAP_WRITE = 2;

export const CL_EVENT_COMMAND_EXECUTION_STATUS = 0x11d3;
export const CL_COMPLETE = 0;

export const CL_PROFILING_COMMAND_QUEUED = 0x1280;
export const CL_PROFILING_COMMAND_START = 0x1282;
export const CL_PROFILING_COMMAND_END = 0x1283;
