/**
 * What the threads of a device process are given and tell each other, whatever the device: plain data,
 * structured-cloned between the main thread (supervisor), the cores and the pager. A device adds to it. Types only.
 *
 * @module
 */
import type { MessagePort, Worker } from 'node:worker_threads';
import type { Address } from '../mm/address.ts';

/** The threads of a device process, started already or on demand; each waits for a message with its data. */
export interface DeviceThreads {
  readonly pager: Worker;
  core(): Worker;
}

/** A program as cores take it in. */
export interface CoreProgramData {
  readonly id: number;
}

/** What every core is started with. */
export interface CoreStart<Program extends CoreProgramData> {
  readonly core: number;
  readonly control: Address;
  readonly programs: readonly Program[];
  readonly mail: MessagePort;
  /** Word `core` counts the messages in this core's mail. */
  readonly mailCount: Int32Array;
  /** The count when the core was started: mail from then on is new. */
  readonly mailSeen: number;
}

/** The reason of the ProgramError where a core could not take a program in. */
export type LoadReason =
  | 'instantiate'
  | 'compile'
  | 'no-kernels'
  | 'changed'
  | 'not-found'
  | 'unknown-kernel';

export interface LoadFailure {
  readonly message: string;
  /** `'instantiate'` by default. */
  readonly reason?: LoadReason;
}

/** What a core answers: it serves, or a program was taken in (and what it says of it), or not. */
export type CoreReport =
  | { readonly type: 'serving' }
  | {
      readonly type: 'loaded';
      readonly id: number;
      readonly failure?: LoadFailure;
      readonly value?: unknown;
    };

/** What every pager is started with. */
export interface PagerStart {
  readonly control: Address;
  readonly cores: number;
  readonly logSegments: number;
}

export type PagerReport =
  | { readonly type: 'serving' }
  | { readonly type: 'stopping'; readonly core: number; readonly loading: boolean }
  | { readonly type: 'restored'; readonly core: number };
