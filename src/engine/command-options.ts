/**
 * Checks what every command can be given: what it is to wait for, and when it is to be stopped. Pure.
 *
 * @module
 */
import type { CommandOptions, QueueOptions, QueueOrder } from '../device/device.ts';
import { invalidType, outOfRange } from '../errors.ts';
import { checkTimeout } from './kernel-arguments.ts';
import { Settlement } from './settlement.ts';
import type { StopConditions } from './stop-watch.ts';

const NONE: readonly Settlement[] = [];

export function checkObject(name: string, options: unknown): void {
  if (typeof options !== 'object' || options === null) throw invalidType(name, 'an object', options);
}

/** What a command is to wait for: commands and events of the mirror that `scope` stands for. */
export function checkAfter(after: unknown, scope: object): readonly Settlement[] {
  if (after === undefined) return NONE;
  const list: readonly unknown[] = Array.isArray(after) ? after : [after];
  for (const [i, each] of list.entries()) {
    const name = Array.isArray(after) ? `after[${i}]` : 'after';
    if (!(each instanceof Settlement))
      throw invalidType(name, 'a command or a user event, or an array of these', each);
    if (each.scope !== scope)
      throw outOfRange(name, 'a command or an event of this mirror', 'one of another mirror');
  }
  return list as readonly Settlement[];
}

/** Throws the reason where the signal is aborted already; undefined where nothing can stop the command. */
export function checkStop({ signal, timeout }: CommandOptions): StopConditions | undefined {
  if (signal === undefined && timeout === undefined) return undefined;
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw invalidType('signal', 'an AbortSignal', signal);
  if (timeout !== undefined) checkTimeout(timeout);
  signal?.throwIfAborted();
  return { signal, timeout };
}

export function checkQueueOptions(
  options: QueueOptions | undefined,
  defaultName: string,
): { order: QueueOrder; name: string } {
  if (options === undefined) return { order: 'in', name: defaultName };
  checkObject('options', options);
  const { order = 'in', name = defaultName } = options;
  if (typeof order !== 'string') throw invalidType('order', "'in' or 'out'", order);
  if (order !== 'in' && order !== 'out') throw outOfRange('order', "'in' or 'out'", order);
  if (typeof name !== 'string') throw invalidType('name', 'a string', name);
  if (!/^[\w .-]{1,64}$/.test(name))
    throw outOfRange('name', '1 to 64 letters, digits, dots and dashes', name);
  return { order, name };
}
