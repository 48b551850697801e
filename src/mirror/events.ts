/**
 * What a mirror publishes about itself: that it was opened, and where its memory lies. Devices publish the rest
 * themselves. Nothing is made where nobody listens.
 *
 * @module
 */
import type { AttachedDevice } from '../device/device.ts';
import { monotonicNow } from '../engine/completion.ts';
import { PlacementError } from '../errors.ts';
import { channels, publish } from '../observe/channels.ts';
import type { MirrorIdentity, PlaceEvent } from '../observe/events.ts';
import { site } from '../observe/sites.ts';
import type { Placement } from '../placement/index.ts';
import type { FreedRanges } from './freed-ranges.ts';
import type { SvmBuffer } from './svm-buffer.ts';

/** `object`: the mirror itself. */
export function publishOpened(
  mirror: MirrorIdentity,
  object: object,
  attached: readonly AttachedDevice[],
): void {
  if (!channels.open.hasSubscribers) return;
  const devices = attached.map(({ device: { name, kind, window, reserved } }) => ({
    name,
    kind,
    window,
    reserved,
  }));
  const event = { mirror, time: monotonicNow(), devices, ...site() };
  publish(
    'open',
    Object.defineProperty(event, 'object', { value: object }) as typeof event & { object: object },
  );
}

export function publishClosed(mirror: MirrorIdentity): void {
  if (channels.close.hasSubscribers) publish('close', { mirror, time: monotonicNow() });
}

/** A buffer is mapped; `grownFrom` so many bytes. */
export function publishMapped(
  mirror: MirrorIdentity,
  buffer: SvmBuffer,
  attached: readonly AttachedDevice[],
  grownFrom?: number,
): void {
  if (!channels.map.hasSubscribers) return;
  const { name, address, size, type, placement } = buffer;
  publish('map', {
    mirror,
    time: monotonicNow(),
    buffer: name,
    address,
    size,
    mapped: placement.size,
    type,
    access: Object.fromEntries(attached.map(({ device }, i) => [device.name, buffer.access[i]!])),
    ...(grownFrom === undefined ? {} : { grownFrom }),
    ...site(),
  });
}

/** Takes a buffer's memory away, and publishes that. */
export function publishUnmapping(
  mirror: MirrorIdentity,
  freed: FreedRanges,
  buffer: SvmBuffer,
  views: readonly ArrayBuffer[],
): void {
  if (!channels.unmap.hasSubscribers) {
    freed.takeAway(buffer, views);
    return;
  }
  const { name, address, size, placement } = buffer;
  const time = monotonicNow();
  freed.takeAway(buffer, views);
  const duration = monotonicNow() - time;
  publish('unmap', { mirror, time, buffer: name, address, size, mapped: placement.size, duration });
}

/** What is being looked for. */
export interface Sought {
  readonly purpose: PlaceEvent['purpose'];
  readonly size: number;
}

/** Searches and maps, and publishes what came of it; `search` also gives how often it has searched. */
export function publishPlacing(
  mirror: MirrorIdentity,
  { purpose, size }: Sought,
  search: () => { readonly placement: Placement; readonly searches: number },
): Placement {
  const { place, refuse } = channels;
  if (!place.hasSubscribers && !refuse.hasSubscribers) return search().placement;
  const time = monotonicNow();
  try {
    const { placement, searches } = search();
    const duration = monotonicNow() - time;
    if (place.hasSubscribers)
      publish('place', { mirror, time, purpose, size, placement, searches, duration, ...site() });
    return placement;
  } catch (error) {
    const duration = monotonicNow() - time;
    if (error instanceof PlacementError && refuse.hasSubscribers) {
      const { message, refusal } = error;
      publish('refuse', { mirror, time, purpose, size, refusal, message, duration, ...site() });
    }
    throw error;
  }
}
