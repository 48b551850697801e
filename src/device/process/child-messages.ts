/**
 * What the threads of a process device's process are given beside what the threads of every device are. Types only.
 *
 * @module
 */
import type { CoreStart, PagerStart } from '../../engine/thread-messages.ts';
import type { Range } from '../../mm/address.ts';
import type { NativeDeclaration } from './native/declaration.ts';

export type { BeginRequest, DeviceInit, DeviceReady, LoadRequest, ModuleExports } from './host-messages.ts';

/** A module, or a library, as cores take it in. */
export interface CoreModule {
  readonly id: number;
  readonly url: string;
  readonly first: number;
  /** Set where it is a shared library. */
  readonly native?: NativeDeclaration;
  readonly expected?: readonly string[];
}

/** What a core is started with. */
export interface CoreData extends CoreStart<CoreModule> {
  readonly cores: number;
  readonly scratch: number;
  readonly claims: readonly Range[];
  /** Set where the window works by protection, without userfaultfd. */
  readonly logSegments?: number;
  /** Set where memory is reached that no buffer holds. */
  readonly system?: { readonly area: number; readonly bell: number; readonly logSegments: number };
}

/** What the pager is started with. */
export interface PagerData extends PagerStart {
  /** Absent where the window works by protection. */
  readonly userfaultfd?: number;
  /** Set where memory is reached that no buffer holds: that memory's userfaultfd, and what is shared with its pager. */
  readonly system?: { readonly userfaultfd: number; readonly area: number };
}
