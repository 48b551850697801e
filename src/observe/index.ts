/**
 * Seeing what mirrors do: typed events on `node:diagnostics_channel`, on request with the line of the program that caused
 * each, and traces of them for Chrome and Perfetto.
 *
 * @module mirrorspace/observe
 */
export type { Address, Range } from '../mm/address.ts';
export type { Placement, Refusal } from '../placement/index.ts';
export { Activity, type SeenCommand } from './activity.ts';
export { channelName, subscribe } from './channels.ts';
export { chromeTrace, type MemorySample, type RecordedEvent, type TraceOptions } from './chrome-trace.ts';
export { EVENT_NAMES } from './event-names.ts';
export type * from './events.ts';
export { Recorder, type RecorderOptions } from './recorder.ts';
export { recordSites } from './sites.ts';
export {
  type BufferToSee,
  type DeviceToSee,
  type MirrorSnapshot,
  type MirrorToSee,
  residenceOf,
  type SeenBuffer,
  type SeenDevice,
  type SeenHeld,
  type SeenVma,
} from './snapshot.ts';
export { type SnapshotOptions, takeSnapshot } from './take-snapshot.ts';
export type * from './trace-format.ts';
