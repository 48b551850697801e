/**
 * Opening a mirror: the platform is checked, the arena made, every device opened in parallel; where one can't be, the
 * others are closed again and nothing is left behind.
 *
 * @module
 */
import type { AttachedDevice, Device, DeviceSpec } from '../device/device.ts';
import { clearAbandoned } from '../engine/abandoned.ts';
import { Arena, FULL_ARENA_SIZE } from '../engine/arena.ts';
import { CommandScope } from '../engine/command-scope.ts';
import { formatBytes, invalidType, outOfRange } from '../errors.ts';
import { keepOwnMaps, releaseOwnMaps } from '../linux/process-maps.ts';
import { deviceContext } from './device-context.ts';
import { publishOpened } from './events.ts';
import { LiveBuffers } from './live-buffers.ts';
import { Mirror } from './mirror.ts';
import { checkPlatform } from './platform.ts';

/** The devices of a mirror by name; the names are the caller's. */
export type DeviceSpecs = Record<string, DeviceSpec>;

export type DevicesOf<Specs extends DeviceSpecs> = {
  [Name in keyof Specs]: Specs[Name] extends DeviceSpec<infer D extends Device> ? D : never;
};

export interface MirrorOptions<Specs extends DeviceSpecs> {
  readonly devices: Specs;
  /** Shows in /proc/PID/maps; `mirror` by default. */
  readonly name?: string;
}

/**
 * Opens a mirror with its devices. Throws TypeError or RangeError for bad options, UnsupportedError where this
 * machine or runtime can't, and says what is missing.
 */
export async function openMirror<const Specs extends DeviceSpecs>(
  options: MirrorOptions<Specs>,
): Promise<Mirror<DevicesOf<Specs>>> {
  const { entries, name } = checkOptions(options);
  checkPlatform();
  // To place a buffer needs no descriptor later.
  keepOwnMaps();
  let arena: Arena;
  try {
    clearAbandoned();
    arena = new Arena(name);
  } catch (error) {
    releaseOwnMaps();
    throw error;
  }
  if (arena.size < FULL_ARENA_SIZE) {
    process.emitWarning(
      `RLIMIT_FSIZE allows an arena of ${formatBytes(arena.size)} only: buffers lie below that address.`,
      'MirrorspaceWarning',
    );
  }
  const live = new LiveBuffers(arena.size);
  const commands = new CommandScope(name);
  // Async, so that a device which throws at once does not keep the others from being closed.
  let mirror: Mirror<DevicesOf<Specs>> | undefined;
  const opening = entries.map(async ([device, spec], i) =>
    spec.open(
      deviceContext(device, i, arena, live, commands, (regions) => mirror?.setReserved(device, regions)),
    ),
  );
  const results = await Promise.allSettled(opening);
  const attached = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = results.find((result) => result.status === 'rejected');
  try {
    if (failed) throw failed.reason;
    mirror = new Mirror<DevicesOf<Specs>>(arena, live, attached, commands);
    publishOpened(commands.mirror, mirror, attached);
    return mirror;
  } catch (error) {
    await closeAll(attached);
    arena.close();
    releaseOwnMaps();
    throw error;
  }
}

async function closeAll(attached: readonly AttachedDevice[]): Promise<void> {
  await Promise.all(attached.map(({ device }) => device.close()));
}

function checkOptions(options: MirrorOptions<DeviceSpecs>): {
  entries: [string, DeviceSpec][];
  name: string;
} {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const { devices, name = 'mirror' } = options;
  if (typeof devices !== 'object' || devices === null) {
    throw invalidType('devices', 'an object of devices by name, such as { wasm: wasmDevice() }', devices);
  }
  if (typeof name !== 'string') throw invalidType('name', 'a string', name);
  if (!/^[\w.-]{1,64}$/.test(name))
    throw outOfRange('name', '1 to 64 letters, digits, dots and dashes', name);
  const entries = Object.entries(devices);
  for (const [device, spec] of entries) {
    if (typeof spec?.open !== 'function')
      throw invalidType(`devices.${device}`, 'a device, such as wasmDevice()', spec);
    if (device === 'host') throw outOfRange('devices', "names other than 'host'", device);
  }
  return { entries, name };
}
