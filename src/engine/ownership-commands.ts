/**
 * The commands that pass coarse buffers between host and devices: to the device they are barriers, since it sees the
 * same pages as ever; what they change, and when, is the mirror's.
 *
 * @module
 */
import type { Addressed, MapOptions, OwnershipChange, UnmapOptions } from '../device/device.ts';
import { invalidType } from '../errors.ts';
import { checkBuffer } from './buffer-checks.ts';
import type { QueuedCommand } from './command.ts';
import { isAddressed } from './kernel-arguments.ts';
import { nothing } from './packets.ts';
import type { QueueHost, RingQueue } from './ring-queue.ts';

export function mapCommand(
  host: QueueHost,
  queue: RingQueue,
  buffer: Addressed,
  options: MapOptions | undefined,
): QueuedCommand {
  check(host, buffer);
  return submit(host, queue, 'map', host.context.map(buffer, options));
}

export function unmapCommand(
  host: QueueHost,
  queue: RingQueue,
  buffer: Addressed,
  options: UnmapOptions | undefined,
): QueuedCommand {
  check(host, buffer);
  return submit(host, queue, 'unmap', host.context.unmap(buffer, options));
}

function check(host: QueueHost, buffer: unknown): void {
  if (!isAddressed(buffer)) throw invalidType('buffer', 'a buffer', buffer);
  checkBuffer(host.context, 'buffer', buffer);
}

function submit(
  host: QueueHost,
  queue: RingQueue,
  type: 'map' | 'unmap',
  change: OwnershipChange,
): QueuedCommand {
  const command = host.submit(queue, type, type, nothing());
  // Only now: a device that is lost has refused, and the owner is who it was.
  change.begin();
  command.ownership = change;
  return command;
}
