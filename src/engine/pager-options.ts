/**
 * What a pager is given, and what it knows of a fault. Types only.
 *
 * @module
 */
import type { PageFault } from '../linux/userfaultfd.ts';
import type { Address, Range } from '../mm/address.ts';
import type { MapLogReader } from './map-log.ts';
import type { SharedMemory } from './shared-memory.ts';

export interface PagerOptions {
  readonly control: SharedMemory;
  readonly log: MapLogReader;
  readonly userfaultfd: number;
  /** Where virtual address 0 of the window lies in this process. */
  readonly base: Address;
  readonly limit: Address;
  readonly arena: number;
  /** An eventfd: the host wants log entries applied, or the supervisor has moved a core on. */
  readonly kick: number;
  readonly cores: number;
  readonly pageSize: number;
  /** The device's own memory within the window (stacks, static data): anonymous pages, always live. */
  readonly own: readonly Range[];
  readonly system?: PagerSystem;
  /** Maps and registers a page of the window as it was at the start; `live` where a buffer lies there. */
  restore(page: Address, live: boolean): void;
  /** A core has been taken from its kernel (state STOPPING) and must be terminated. */
  stopping(core: number, loading: boolean): void;
  /** A stopped core's wild pages are gone. */
  restored(core: number): void;
  /** A core's kernel (or start function) is why {@link PagerOptions.lose} will be called. */
  blame(core: number, loading: boolean): void;
  /** The device can't go on. Does not return. */
  lose(reason: string): never;
}

/** A fault that another pager could not answer, with what it is to the core that made it. */
export interface PagerMail extends PageFault {
  /** One of `FAULT_REASON`. */
  readonly reason: number;
  readonly calls: readonly number[];
}

/**
 * Where the window holds more than buffers: what lies where changes with the log, and another pager answers for the rest.
 */
export interface PagerSystem {
  /** An entry of the log. */
  apply(kind: number, start: Address, end: Address): void;
  mail(): Iterable<PagerMail>;
  wake(page: Address): void;
  /** A page that is no buffer's: lets the access of a core that is being stopped go on, and takes its traces away. */
  letGo(page: Address): void;
  restore(page: Address): void;
}

/** A fault as it was read about, and the number of each core's call just before that. */
export interface Message extends PageFault {
  readonly calls: readonly number[];
}
