/**
 * For those who write devices: the interface that the mirror knows, and the machinery of devices in processes of their
 * own (arena, rings, pager, supervisor).
 *
 * @module mirrorspace/device
 */

export { Arena } from '../engine/arena.ts';
export {
  type FaultMode,
  mapArena,
  openFaults,
  type PlacedWindow,
  placeWindow,
  registerArena,
  restoreArena,
} from '../engine/arena-window.ts';
export {
  CHILD_FD,
  type DeviceReply,
  type DeviceRequest,
  type RemoteError,
} from '../engine/child-protocol.ts';
export {
  type CommandHost,
  type HostAction,
  type Packet,
  QueuedCommand,
  type TimesSource,
} from '../engine/command.ts';
export { CommandScope } from '../engine/command-scope.ts';
export { Completer, monotonicNow, type PacketFailure } from '../engine/completion.ts';
export * as controlLayout from '../engine/control-layout.ts';
export { enterCall, type Inside, leaveCall } from '../engine/core-call.ts';
export { type CoreKernel, CoreLoop, type CoreProgram } from '../engine/core-loop.ts';
export { type DeviceHandlers, DeviceMain, type DeviceMainOptions, serveHost } from '../engine/device-main.ts';
export { DeviceProcess, type DeviceProcessOptions } from '../engine/device-process.ts';
export { firstMessage } from '../engine/first-message.ts';
export type { LoadLimit } from '../engine/load-limit.ts';
export { LoadedProgram } from '../engine/loaded-program.ts';
export { lose, type Runaway } from '../engine/loss.ts';
export { MapLogReader, MapLogWriter } from '../engine/map-log.ts';
export { OutOfProcessDevice } from '../engine/out-of-process-device.ts';
export { Pager } from '../engine/pager.ts';
export type { PagerMail, PagerOptions, PagerSystem } from '../engine/pager-options.ts';

export {
  ProtectedWindow,
  runStandIn,
  type StandInOptions,
} from '../engine/protected-window.ts';
export { RingDevice, type RingDeviceOptions } from '../engine/ring-device.ts';
export { type Ordering, type QueueHost, RingQueue } from '../engine/ring-queue.ts';
export type { PacketAround } from '../engine/ring-slots.ts';
export { type CoreData, type CoreServer, serveCore } from '../engine/serve-core.ts';
export { type PagedWindow, type PagerData, servePager } from '../engine/serve-pager.ts';
export { Settlement } from '../engine/settlement.ts';
export { SharedMemory } from '../engine/shared-memory.ts';
export type { StopConditions } from '../engine/stop-watch.ts';
export { Supervisor, type SupervisorOptions } from '../engine/supervisor.ts';
export type {
  CoreProgramData,
  CoreReport,
  CoreStart,
  DeviceThreads,
  LoadFailure,
  LoadReason,
  PagerReport,
  PagerStart,
} from '../engine/thread-messages.ts';
export { transferKernels } from '../engine/transfer-kernels.ts';
export * from './capabilities.ts';
export * from './device.ts';
