/**
 * What a thread with mirrors and its pager for system SVM tell each other. Types only.
 *
 * @module
 */
import type { MessagePort } from 'node:worker_threads';
import type { Range } from '../../../mm/address.ts';

/** What a device's process has made for system SVM: descriptors by their numbers there. */
export interface SystemDescriptors {
  readonly userfaultfd: number;
  /** The shared memory of {@link AREA}. */
  readonly area: number;
  /** An eventfd that cores ring when they ask. */
  readonly bell: number;
}

export interface HostPagerData {
  /** Rung, for a message. The pager closes it in the end. */
  readonly bell: number;
  readonly port: MessagePort;
  /** One word: 1 once the thread calls nothing native any more, so that it may be ended at any moment. */
  readonly ended: Int32Array;
}

export interface AttachRequest {
  readonly type: 'attach';
  readonly id: number;
  readonly pid: number;
  readonly descriptors: SystemDescriptors;
  readonly cores: number;
  readonly claims: readonly Range[];
  readonly arenaInode: number;
  /** The descriptor by which the thread of the mirror has the shared memory. */
  readonly areaFd: number;
  readonly mode: 'read' | 'all';
}

/**
 * `prefetch`: copy what is there now. `drop`: forget the copies before the next packet. A size: what a fault there is to
 * fetch, in bytes; 0 as it would otherwise. Read mostly: what was copied once is copied again as soon as it is out of date.
 */
export type Advice = 'prefetch' | 'drop' | { readonly fetchSize: number } | { readonly readMostly: boolean };

/** `pin`: kernels may store there; `unpin` takes one `pin` back. `detach`: the device's process is ending or has ended. `stop`: the thread is to end. */
export type HostPagerRequest =
  | AttachRequest
  | { readonly type: 'pin' | 'unpin'; readonly id: number; readonly range: Range }
  | { readonly type: 'advise'; readonly id: number; readonly range: Range; readonly advice: Advice }
  | { readonly type: 'detach'; readonly id: number }
  /** The last one. `rings`: how often the bell is rung in all, this message's ring included. */
  | { readonly type: 'stop'; readonly rings: number };

/** `failed`: the device can't be attached, or can't be served any more. */
export type HostPagerReport =
  | { readonly type: 'attached'; readonly id: number }
  | { readonly type: 'failed'; readonly id: number; readonly message: string };
