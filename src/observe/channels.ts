/**
 * The channels on which events are published: one of `node:diagnostics_channel` for each. Whoever publishes asks first
 * whether somebody listens, and makes no event where nobody does.
 *
 * @module
 */
import { type Channel, channel } from 'node:diagnostics_channel';
import { invalidType, outOfRange } from '../errors.ts';
import { EVENT_NAMES } from './event-names.ts';
import type { EventName, MirrorEvents } from './events.ts';

/** The name of an event's channel. */
export const channelName = (name: EventName): string => `mirrorspace:${name}`;

/** @internal Kept here: what nobody holds is collected, with its listeners. */
export const channels = Object.fromEntries(
  EVENT_NAMES.map((name) => [name, channel(channelName(name))]),
) as Record<EventName, Channel>;

const FROM_DEVICES = [
  channels.fault,
  channels.fetch,
  channels['write-back'],
  channels.invalidate,
  channels.dropped,
];

/** @internal Whether somebody wants to know what happens in device processes. */
export function wantsDeviceEvents(): boolean {
  for (const each of FROM_DEVICES) if (each.hasSubscribers) return true;
  return false;
}

/** @internal */
export function publish<Name extends EventName>(name: Name, event: MirrorEvents[Name]): void {
  channels[name].publish(event);
}

/**
 * Has `listener` called with every event of that name, of all mirrors of this thread, at once when it happens (for faults
 * and what else happens in device processes: within 50 milliseconds, and before the command ends that it was for). Gives
 * the way to end that. The same as `subscribe` of `node:diagnostics_channel`, with types. Throws TypeError or RangeError.
 */
export function subscribe<Name extends EventName>(
  name: Name,
  listener: (event: MirrorEvents[Name]) => void,
): () => void {
  if (typeof name !== 'string') throw invalidType('name', 'the name of an event', name);
  if (!EVENT_NAMES.includes(name)) throw outOfRange('name', `one of ${EVENT_NAMES.join(', ')}`, name);
  if (typeof listener !== 'function') throw invalidType('listener', 'a function', listener);
  const called = (event: unknown): void => listener(event as MirrorEvents[Name]);
  channels[name].subscribe(called);
  return () => {
    channels[name].unsubscribe(called);
  };
}
