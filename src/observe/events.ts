/**
 * What mirrors tell about themselves: an interface for each event, with addresses, sizes and times. Types only. Times
 * and durations are milliseconds, times on the machine's monotonic clock (that of `process.hrtime` and of a command's
 * `times`), so that events of all processes compare; sizes are bytes; ranges are half-open.
 *
 * @module
 */
import type { Address, Range } from '../mm/address.ts';
import type { Placement, Refusal } from '../placement/index.ts';

/** Which mirror: names may be used twice, numbers are not, within a thread. */
export interface MirrorIdentity {
  readonly id: number;
  /** As given to `openMirror`. */
  readonly name: string;
}

/** What all events have. */
export interface MirrorEvent {
  readonly mirror: MirrorIdentity;
  /** When it happened, or began. */
  readonly time: number;
  /** The line of the program that asked for it; where {@link recordSites} was turned on, and a call is the cause. */
  readonly site?: string;
}

/** What all events of a device have. */
export interface DeviceEvent extends MirrorEvent {
  /** The key under which the device was given to `openMirror`. */
  readonly device: string;
}

/** A mirror was opened. */
export interface OpenEvent extends MirrorEvent {
  readonly devices: readonly ObservedDevice[];
  /** The mirror itself: a `Mirror`. Not enumerable, so that the event can be written as JSON. */
  readonly object: object;
}

/** A device as it was when its mirror was opened. */
export interface ObservedDevice {
  readonly name: string;
  readonly kind: string;
  readonly window: Range;
  readonly reserved: readonly (Range & { readonly name: string })[];
}

/** A mirror has been closed. */
export interface CloseEvent extends MirrorEvent {}

/** A place was found, and memory mapped there. */
export interface PlaceEvent extends MirrorEvent {
  /** What for: a buffer, more of one, or a reservation, for which nothing is mapped yet. */
  readonly purpose: 'alloc' | 'grow' | 'reserve';
  /** Bytes, as asked for. */
  readonly size: number;
  readonly placement: Placement;
  /** How often it was searched: more than once where the picture of the process was old. */
  readonly searches: number;
  /** Searching and mapping. */
  readonly duration: number;
}

/** No place was found; the caller gets a `PlacementError` with the same refusal. */
export interface RefuseEvent extends MirrorEvent {
  readonly purpose: 'alloc' | 'grow' | 'reserve';
  readonly size: number;
  readonly refusal: Refusal;
  /** The refusal in words. */
  readonly message: string;
  readonly duration: number;
}

/** A buffer came to be, or has grown. */
export interface MapEvent extends MirrorEvent {
  readonly buffer: string;
  readonly address: Address;
  /** Bytes, as asked for. */
  readonly size: number;
  /** Bytes that are mapped: whole pages. */
  readonly mapped: number;
  readonly type: 'fine' | 'coarse';
  /** What each device may do with it. */
  readonly access: Readonly<Record<string, 'none' | 'read' | 'write'>>;
  /** Where it has grown: the bytes that were mapped before. */
  readonly grownFrom?: number;
}

/** A buffer's free has taken effect: no command uses it any more, and its memory has been given back. */
export interface UnmapEvent extends MirrorEvent {
  readonly buffer: string;
  readonly address: Address;
  readonly size: number;
  readonly mapped: number;
  /** Giving it back. */
  readonly duration: number;
}

/** A command was put into a queue: a launch, or any other. */
export interface LaunchEvent extends DeviceEvent {
  /** Its number: no other command of this thread has it. */
  readonly command: number;
  readonly queue: string;
  /** As the command's: `launch`, `copy`, `fill`, `map`, `unmap`, `migrate`, `free`, `barrier` or `marker`. */
  readonly type: string;
  /** The kernel's name; that of the type where there is none. */
  readonly kernel: string;
  /** For a launch the items, for copies and fills the bytes; absent where the host carries it out. */
  readonly items?: number;
  /**
   * What a kernel is called with, addresses of buffers as numbers; integers that no number holds exactly as hexadecimal text.
   * For fills the target's address first, for copies the target's and the source's. Absent where the host carries it out.
   */
  readonly args?: readonly (number | string)[];
  /** Numbers of the commands that it waits for. User events have none. */
  readonly after: readonly number[];
}

/** A command has ended. */
export interface CompleteEvent extends DeviceEvent {
  readonly command: number;
  readonly queue: string;
  readonly type: string;
  readonly kernel: string;
  readonly status: 'complete' | 'failed';
  readonly times: {
    readonly queued: number;
    readonly submitted?: number;
    readonly started?: number;
    readonly finished?: number;
  };
  /** From its start to its end; absent where it never began. `time` is when it was seen to have ended. */
  readonly duration?: number;
  readonly error?: ObservedError;
}

/** What is told of an error. */
export interface ObservedError {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  /** Of a device's fault. */
  readonly address?: Address;
  readonly core?: number;
}

/** A page fault of a device, answered or not. */
export interface FaultEvent extends DeviceEvent {
  readonly address: Address;
  readonly access: 'read' | 'write';
  /** The core that touched it; -1 where that is not known. */
  readonly core: number;
  /**
   * - `allocated`: in a live buffer, where no side had memory yet: now it has
   * - `mapped`: in a live buffer, which has memory there: the device sees it now
   * - `own`: in the device's own memory
   * - `unmapped`: in no live buffer, so that the launch fails
   * - `read-only`: a store where this device may only read, so that the launch fails
   */
  readonly outcome: 'allocated' | 'mapped' | 'own' | 'unmapped' | 'read-only';
  /** What the device sees from now on, about the address; empty where the launch fails. */
  readonly range: Range;
  readonly bytes: number;
  /** From the pager's reading of the fault to its answer. */
  readonly duration: number;
}

/** Host memory that no buffer holds was copied to a device. */
export interface FetchEvent extends DeviceEvent {
  /** Where the device touched it; the start of the range for a prefetch. */
  readonly address: Address;
  readonly range: Range;
  /** Bytes that were copied: what the device had of the range already was not. */
  readonly bytes: number;
  readonly cause: 'fault' | 'prefetch';
  readonly duration: number;
}

/** What kernels had stored to host memory that no buffer holds was compared with what was there, and written back. */
export interface WriteBackEvent extends DeviceEvent {
  /** Whole pages that were compared. */
  readonly range: Range;
  /** Bytes that had changed, and that the host has now. */
  readonly bytes: number;
  /**
   * `completion`: a command has ended; `invalidation`: the host has changed something there, so that the device's pages
   * must go; `capacity`: too many pages were open for stores.
   */
  readonly cause: 'completion' | 'invalidation' | 'capacity';
  /** Bytes of pages that could not be written back: what was mapped there has gone, or may not be stored to. */
  readonly unwrittenBytes: number;
  readonly duration: number;
}

/** A device's copies of host memory are out of date, and are dropped before its next packet. */
export interface InvalidateEvent extends DeviceEvent {
  readonly range: Range;
  /** Bytes of copies that the device had in the range. */
  readonly bytes: number;
  /**
   * `written`: the host has stored there; `remapped`: something else is mapped there; `untracked`: changes there can't be
   * seen, as with files and shared memory; `advised`: `device.advise` said so.
   */
  readonly cause: 'written' | 'remapped' | 'untracked' | 'advised';
}

/** A device was lost other than by being closed. */
export interface DeviceLostEvent extends DeviceEvent {
  readonly reason: string;
  /** Exit code or signal of its process, where one is known. */
  readonly exit?: number | string;
  /** A kernel that could not be stopped was the cause: the device comes back by itself. */
  readonly runaway: boolean;
}

/** A lost device is back. */
export interface DeviceReopenEvent extends DeviceEvent {
  readonly pid: number;
}

/** Events of a device process that came faster than they were read, and are missing. */
export interface DroppedEvent extends DeviceEvent {
  readonly count: number;
}

/** All events, by the ends of their channels' names: `map` is that of channel `mirrorspace:map`. */
export interface MirrorEvents {
  readonly open: OpenEvent;
  readonly close: CloseEvent;
  readonly place: PlaceEvent;
  readonly refuse: RefuseEvent;
  readonly map: MapEvent;
  readonly unmap: UnmapEvent;
  readonly launch: LaunchEvent;
  readonly complete: CompleteEvent;
  readonly fault: FaultEvent;
  readonly fetch: FetchEvent;
  readonly 'write-back': WriteBackEvent;
  readonly invalidate: InvalidateEvent;
  readonly 'device-lost': DeviceLostEvent;
  readonly 'device-reopen': DeviceReopenEvent;
  readonly dropped: DroppedEvent;
}

export type EventName = keyof MirrorEvents;
