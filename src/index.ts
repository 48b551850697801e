/**
 * Mirrorspace: shared virtual memory for TypeScript. The same virtual address names the same bytes on the CPU and on
 * every device.
 *
 * @module mirrorspace
 */
export { type Capabilities, capabilityNames, SVM, SVM_TYPE, satisfies } from './device/capabilities.ts';
export type {
  Addressed,
  ArgumentKind,
  ArgumentsOf,
  Command,
  CommandOptions,
  CommandStatus,
  CommandTimes,
  CommandType,
  Device,
  DeviceCounters,
  DeviceSpec,
  Freeable,
  FreeOptions,
  Items,
  Kernel,
  KernelArgument,
  LaunchOptions,
  MapOptions,
  MemoryRange,
  MigrateOptions,
  Prerequisite,
  Program,
  Queue,
  QueueOptions,
  QueueOrder,
  ReservedRegion,
  TransferOptions,
  UnmapOptions,
  UserEvent,
} from './device/device.ts';
export type {
  OpenClArgumentKind,
  OpenClArgumentsOf,
  OpenClKernel,
  StructFieldValue,
  StructFieldValues,
  StructKind,
  StructValue,
} from './device/opencl/argument-kinds.ts';
export type { OpenClDeviceInfo, OpenClPlatformInfo, OpenClSvm } from './device/opencl/icd/devices.ts';
export { listOpenclDevices, type OpenClChoice } from './device/opencl/list-devices.ts';
export {
  type OpenClDevice,
  type OpenClDeviceOptions,
  type OpenClLoadOptions,
  openclDevice,
} from './device/opencl/opencl-device.ts';
export type { OpenClProgram } from './device/opencl/opencl-program.ts';
export type { OpenClLaunchOptions, OpenClQueue } from './device/opencl/opencl-queue.ts';
export type { OpenClPointers } from './device/opencl/pointer-mode.ts';
export type { FaultMode } from './device/option-checks.ts';
export {
  type Advice,
  type LoadOptions,
  type NativeFunctions,
  type NativeKinds,
  type NativeParameter,
  type NativeProgram,
  type NativeResult,
  type NativeSignature,
  type NativeSource,
  type ProcessDevice,
  type ProcessDeviceOptions,
  processDevice,
  type SystemCounters,
  type SystemMode,
  type SystemPaging,
} from './device/process/process-device.ts';
export { type CompileOptions, compileAssemblyScript } from './device/wasm/compile-assemblyscript.ts';
export {
  type WasmDevice,
  type WasmDeviceOptions,
  wasmDevice,
} from './device/wasm/wasm-device.ts';
export * from './errors.ts';
export type { AddressInfo } from './mirror/address-info.ts';
export type { Access, AllocOptions, BufferType } from './mirror/alloc-options.ts';
export type { CollectionOptions, OpenOptions } from './mirror/collections/cell.ts';
export type { KeyOf, KeyType } from './mirror/collections/map-keys.ts';
export {
  type HashMapHeader,
  type HashMapLayout,
  SharedHashMap,
} from './mirror/collections/shared-hash-map.ts';
export { SharedString } from './mirror/collections/shared-string.ts';
export { SharedVector, type VectorLayout } from './mirror/collections/shared-vector.ts';
export { suggestType } from './mirror/device-types.ts';
export type { DriverPlace } from './mirror/driver-place.ts';
export type { EvacuateOptions, Evacuation } from './mirror/evacuate.ts';
export type { Heap } from './mirror/heap/heap.ts';
export type { HeapArena } from './mirror/heap/heap-arena.ts';
export type { HeapOptions } from './mirror/heap/heap-options.ts';
export type { HeapClass, HeapStatistics } from './mirror/heap/heap-statistics.ts';
export type { HugePages } from './mirror/huge-pages.ts';
export type { MappedBuffer } from './mirror/mapped-buffer.ts';
export type { DeviceRecord, Mirror } from './mirror/mirror.ts';
export { type DeviceSpecs, type DevicesOf, type MirrorOptions, openMirror } from './mirror/open-mirror.ts';
export type { Pin, PinOptions } from './mirror/pin.ts';
export type { CommitOptions, Reservation, ReserveOptions } from './mirror/reservation.ts';
export { attachMirror } from './mirror/sharing/attach.ts';
export type { AttachedBuffer } from './mirror/sharing/attached-buffer.ts';
export type { AttachedAddressInfo, AttachedMirror } from './mirror/sharing/attached-mirror.ts';
export type { ShareHandle } from './mirror/sharing/handle.ts';
export type { Ended } from './mirror/sharing/membership.ts';
export type { Sharer } from './mirror/sharing/owner.ts';
export type { SubBuffer } from './mirror/sub-buffer.ts';
export type { SvmBuffer } from './mirror/svm-buffer.ts';
export { type ChannelOptions, SharedChannel } from './mirror/sync/channel.ts';
export { type Locked, SharedMutex } from './mirror/sync/mutex.ts';
export type { MirrorSide } from './mirror/sync/side.ts';
export type { TimeoutOptions, WaitOptions } from './mirror/sync/wait-options.ts';
export type { WaitResult } from './mirror/sync/waits.ts';
export { checkSystem } from './mirror/system-check/check-system.ts';
export type { SystemFinding } from './mirror/system-check/finding.ts';
export type { TypedArrayConstructor } from './mirror/view-arguments.ts';
export { type Address, GiB, KiB, MiB, type Range, TiB } from './mm/address.ts';
export {
  type Blocker,
  describeRefusal,
  type Hole,
  type Occupied,
  type Place,
  type Placement,
  type PlacementRequest,
  type Plan,
  type Refusal,
  type Remedy,
  type ResolvedRequest,
} from './placement/index.ts';
