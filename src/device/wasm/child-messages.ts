/**
 * What the threads of a wasm device's process are given beside what the threads of every device are: the linear memory,
 * compiled programs. Types only.
 *
 * @module
 */
import type { CoreStart, PagerStart } from '../../engine/thread-messages.ts';
import type { Address } from '../../mm/address.ts';

export type { DeviceInit, LoadRequest } from './host-messages.ts';

/** A compiled program as cores take it in. */
export interface CoreModule {
  readonly id: number;
  readonly module: WebAssembly.Module;
  readonly kernels: readonly { readonly id: number; readonly name: string }[];
}

/** What a core is started with. */
export interface CoreData extends CoreStart<CoreModule> {
  readonly memory: WebAssembly.Memory;
  readonly cores: number;
  readonly scratch: number;
  readonly base: Address;
  /** Set where the window works by protection, without userfaultfd. */
  readonly logSegments?: number;
}

/** What the pager is started with. */
export interface PagerData extends PagerStart {
  /** Absent where the window works by protection. */
  readonly userfaultfd?: number;
  readonly base: Address;
  readonly scratch: number;
}
