/**
 * What the threads of a wasm device's process are given and tell each other: plain data, structured-cloned between
 * the main thread (supervisor), the cores and the pager. Types only.
 *
 * @module
 */
import type { MessagePort } from 'node:worker_threads';
import type { Address } from '../../mm/address.ts';

/** How wild accesses are caught: `auto` is userfaultfd where it is to be had, else traps. */
export type FaultMode = 'auto' | 'userfaultfd' | 'trap';

/** What a device process is started with. */
export interface DeviceInit {
  readonly cores: number;
  readonly logSegments: number;
  readonly faults: FaultMode;
}

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

/** A program as the host sends it: the module without its static data, and the data to place. */
export interface LoadRequest {
  readonly type: 'load';
  readonly program: number;
  readonly module: Uint8Array<ArrayBuffer>;
  readonly segments: readonly { readonly address: number; readonly bytes: Uint8Array }[];
  readonly kernels: readonly { readonly id: number; readonly name: string }[];
}
