/**
 * The commands that pass coarse buffers between host and devices: to the device they are barriers, since it sees the
 * same pages as ever; what they change, and when, is the mirror's.
 *
 * @module
 */
import type {
  Addressed,
  CommandOptions,
  DeviceContext,
  MapOptions,
  OwnershipChange,
  UnmapOptions,
} from '../device/device.ts';
import { invalidType } from '../errors.ts';
import { checkBuffer } from './buffer-checks.ts';
import type { QueuedCommand } from './command.ts';
import { isAddressed } from './kernel-arguments.ts';

/** How a queue takes a command. */
type Put = (
  type: 'map' | 'unmap',
  options: CommandOptions,
  ranges: OwnershipChange['ranges'],
) => QueuedCommand;

export function mapCommand(
  context: DeviceContext,
  put: Put,
  buffer: Addressed,
  options: MapOptions | undefined,
): QueuedCommand {
  check(context, buffer);
  return submit(put, 'map', options, context.map(buffer, options));
}

export function unmapCommand(
  context: DeviceContext,
  put: Put,
  buffer: Addressed,
  options: UnmapOptions | undefined,
): QueuedCommand {
  check(context, buffer);
  return submit(put, 'unmap', options, context.unmap(buffer, options));
}

function check(context: DeviceContext, buffer: unknown): void {
  if (!isAddressed(buffer)) throw invalidType('buffer', 'a buffer', buffer);
  checkBuffer(context, 'buffer', buffer);
}

function submit(
  put: Put,
  type: 'map' | 'unmap',
  options: CommandOptions | undefined,
  change: OwnershipChange,
): QueuedCommand {
  const command = put(type, options ?? {}, change.ranges);
  // One whose prerequisite has failed changes nothing.
  if (command.settled) return command;
  // Only now: a device that is lost has refused, and the owner is who it was.
  change.begin();
  command.ownership = change;
  return command;
}
