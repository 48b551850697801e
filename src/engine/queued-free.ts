/**
 * Freeing as a command (clEnqueueSVMFree): either the buffers themselves, which the mirror keeps from being named by
 * other commands from the call on; or whatever a callback of the user's makes of the pointers that it gets.
 *
 * @module
 */
import type { Addressed, DeviceContext, Freeable, QueuedFree } from '../device/device.ts';
import { invalidType, outOfRange } from '../errors.ts';
import type { HostAction } from './command.ts';
import { isAddressed } from './kernel-arguments.ts';

export function checkFreeables(what: unknown): readonly Freeable[] {
  const list: readonly unknown[] = Array.isArray(what) ? [...what] : [what];
  if (list.length === 0) throw outOfRange('buffers', 'at least one buffer or address', 0);
  for (const [i, each] of list.entries()) {
    if (typeof each !== 'number' && !isAddressed(each))
      throw invalidType(Array.isArray(what) ? `buffers[${i}]` : 'buffers', 'a buffer or an address', each);
  }
  return list as readonly Freeable[];
}

/** What frees all of them, or puts all back. Throws, with nothing changed, where one is no buffer that can be freed. */
export function beginFrees(context: DeviceContext, what: readonly Freeable[]): QueuedFree {
  const begun: QueuedFree[] = [];
  const cancel = (): void => {
    for (const each of begun) each.cancel();
  };
  try {
    for (const [i, each] of what.entries())
      begun.push(context.beginFree(`buffers[${i}]`, typeof each === 'number' ? each : (each as Addressed)));
  } catch (error) {
    cancel();
    throw error;
  }
  return {
    commit: () => {
      for (const each of begun) each.commit();
    },
    cancel,
  };
}

export function callWith(
  callback: (buffers: readonly Freeable[]) => void,
  what: readonly Freeable[],
): HostAction {
  return () => {
    const given: unknown = callback(what);
    if (!isThenable(given)) return;
    // Nobody else would look at its end, and Node ends the process for that.
    given.then(undefined, () => {});
    throw invalidType(
      'callback',
      'a function that has freed what it was given when it returns, and no async one',
      given,
    );
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | undefined | null)?.then === 'function';
}
