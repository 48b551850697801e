/**
 * What the threads of a wasm device's process are given and tell each other: plain data, structured-cloned between
 * the main thread (supervisor), the cores and the pager. Types only.
 *
 * @module
 */
import type { MessagePort } from 'node:worker_threads';
import type { Address } from '../../mm/address.ts';

export type { DeviceInit, FaultMode, LoadRequest } from './host-messages.ts';

/** A compiled program as cores take it in. */
export interface CoreModule {
  readonly id: number;
  readonly module: WebAssembly.Module;
  readonly kernels: readonly { readonly id: number; readonly name: string }[];
}

/** What a core is started with. */
export interface CoreData {
  readonly core: number;
  readonly memory: WebAssembly.Memory;
  readonly control: Address;
  readonly programs: readonly CoreModule[];
  readonly mail: MessagePort;
  /** Word `core` counts the messages in this core's mail. */
  readonly mailCount: Int32Array;
  /** The count when the core was started: mail from then on is new. */
  readonly mailSeen: number;
  readonly base: Address;
  /** Set where the window works by protection, without userfaultfd. */
  readonly logSegments?: number;
}

/** What a core answers: it serves, or a program was taken in (or not). */
export type CoreReport =
  | { readonly type: 'serving' }
  | { readonly type: 'loaded'; readonly id: number; readonly error?: string };

/** What the pager is started with. */
export interface PagerData {
  /** Absent where the window works by protection. */
  readonly userfaultfd?: number;
  readonly base: Address;
  readonly control: Address;
  readonly cores: number;
  readonly logSegments: number;
}

export type PagerReport =
  | { readonly type: 'serving' }
  | { readonly type: 'stopping'; readonly core: number; readonly loading: boolean }
  | { readonly type: 'restored'; readonly core: number };
