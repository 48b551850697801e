/**
 * The names of all events, for who publishes them and for who listens to them in a browser, where there are no channels.
 * Pure.
 *
 * @module
 */
import type { EventName } from './events.ts';

/** The names of all events; the channel of `map` is `mirrorspace:map`. */
export const EVENT_NAMES: readonly EventName[] = [
  'open',
  'close',
  'place',
  'refuse',
  'map',
  'unmap',
  'launch',
  'complete',
  'fault',
  'fetch',
  'write-back',
  'invalidate',
  'device-lost',
  'device-reopen',
  'dropped',
];
