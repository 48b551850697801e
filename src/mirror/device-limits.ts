/**
 * How many buffers each device reaches, and may reach: one that protects its window by mappings has not room for as many
 * as the host. Pure.
 *
 * @module
 */
import type { AttachedDevice } from '../device/device.ts';
import { SystemError } from '../errors.ts';
import type { Access } from './alloc-options.ts';

export class DeviceLimits {
  readonly #attached: readonly AttachedDevice[];
  /** By number of the device. */
  readonly #reached: number[];

  constructor(attached: readonly AttachedDevice[]) {
    this.#attached = attached;
    this.#reached = attached.map(() => 0);
  }

  /** Before a buffer of `size` bytes is placed. Throws ENOMEM where one of its devices has no room for another. */
  check(access: readonly Access[], size: number): void {
    this.#attached.forEach(({ device, mostBuffers = Number.POSITIVE_INFINITY }, i) => {
      if (access[i] === 'none' || this.#reached[i]! < mostBuffers) return;
      throw new SystemError(
        'mprotect',
        [size],
        'ENOMEM',
        `Device '${device.name}' reaches ${mostBuffers} buffers already, and has no room for another: without userfaultfd each takes two of the mappings that vm.max_map_count allows its process. Free buffers, use fewer and larger ones, or raise it: sysctl vm.max_map_count`,
      );
    });
  }

  /** A buffer came to be, or has gone (`change` -1). */
  count(access: readonly Access[], change: 1 | -1 = 1): void {
    access.forEach((each, i) => {
      if (each !== 'none') this.#reached[i]! += change;
    });
  }
}
