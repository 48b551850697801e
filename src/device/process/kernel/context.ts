/**
 * How a kernel module finds the core that it runs on. The device's own code and a kernel module are different bundles,
 * perhaps of different installations of this package, so module state would be there twice: what they share hangs on
 * `globalThis`, under a registered symbol, one object per core. Pure.
 *
 * @module
 */
import { UnsupportedError } from '../../../errors.ts';
import type { MirroredMemory } from './mirrored-memory.ts';

/** The version is that of this interface: other ones must not meet. */
const KEY = Symbol.for('mirrorspace.kernel.1');

export interface CoreContext {
  readonly core: number;
  readonly cores: number;
  readonly memory: MirroredMemory;
  /** The core's own bytes. */
  scratch(): Uint8Array;
  /** The items of the launch that this core runs a part of; undefined where it runs none. */
  items(): number | undefined;
}

type Holder = { [KEY]?: CoreContext };

/** For the core's own code, before any kernel module is loaded. */
export function provideContext(context: CoreContext): void {
  Object.defineProperty(globalThis, KEY, { value: Object.freeze(context) });
}

export function contextIfAny(): CoreContext | undefined {
  return (globalThis as Holder)[KEY];
}

export function context(): CoreContext {
  const found = contextIfAny();
  if (found) return found;
  throw new UnsupportedError(
    'device core',
    'mirrorspace/kernel works on a core of a process device: load the module with the device (`device.load(url)`) and launch its functions. On the host use buffers (`buffer.view(...)`)',
  );
}
