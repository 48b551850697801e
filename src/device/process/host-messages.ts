/**
 * What the host and a process device's process tell each other. Types only.
 *
 * @module
 */
import type { Range } from '../../mm/address.ts';
import type { ReservedRegion } from '../device.ts';
import type { FaultMode } from '../option-checks.ts';
import type { NativeDeclaration } from './native/declaration.ts';
import type { SystemDescriptors } from './system/messages.ts';

/** What a device process is started with. */
export interface DeviceInit {
  readonly cores: number;
  /** Bytes of scratch memory for each core. */
  readonly scratch: number;
  readonly logSegments: number;
  readonly faults: FaultMode;
  readonly window: Range;
  /** Where the process's own mappings are to go, so that those of its host can be reached. Absent where they can't. */
  readonly room?: Range;
  /** Its host's memory lies among the buffers, as far as it is declared: no pager of the host answers faults. */
  readonly declared?: boolean;
}

/** What it says once its cores have come up. Nothing is answered for its window before `begin`. */
export interface DeviceReady {
  readonly faults: 'userfaultfd' | 'trap';
  /** Why it is not userfaultfd, where that was wanted. */
  readonly refused?: string;
  readonly claims: readonly Range[];
  readonly reserved: readonly ReservedRegion[];
  /** For the pager of the host, where memory is reached that no buffer holds. */
  readonly system?: SystemDescriptors;
}

/** The claims hold what is live: from now on faults are answered. */
export interface BeginRequest {
  readonly type: 'begin';
}

/** A module for every core to import, or a library to open. */
export interface LoadRequest {
  readonly type: 'load';
  readonly program: number;
  readonly url: string;
  /** The number of its first kernel; the others follow in the order of their names. */
  readonly first: number;
  /** Set where it is a shared library, of which these functions are kernels; `url` is its name then. */
  readonly native?: NativeDeclaration;
  /** The kernels that it had before, where it is loaded again. */
  readonly expected?: readonly string[];
}

/** What a module exports. */
export interface ModuleExports {
  readonly kernels: readonly { readonly name: string; readonly length: number }[];
  /** Exported functions that are no kernels, and what they are instead. */
  readonly others: readonly { readonly name: string; readonly what: string }[];
}
