/**
 * Which types of buffers a mirror's devices offer: their capability bits against the masks of the types. Pure.
 *
 * @module
 */
import { type CapabilityName, capabilityNames, SVM_TYPE, satisfies } from '../device/capabilities.ts';
import type { AttachedDevice } from '../device/device.ts';
import { UnsupportedError } from '../errors.ts';
import type { CheckedAlloc } from './alloc-options.ts';

/** Throws UnsupportedError where a device that shall reach the buffer does not offer its type. */
export function checkOffered(
  attached: readonly AttachedDevice[],
  { type, access }: Pick<CheckedAlloc, 'type' | 'access'>,
): void {
  const mask = type === 'coarse' ? SVM_TYPE.COARSE : SVM_TYPE.FINE;
  for (let i = 0; i < attached.length; i++) {
    if (access[i] === 'none') continue;
    const { name, capabilities } = attached[i]!.device;
    if (satisfies(capabilities, mask)) continue;
    const missing: CapabilityName[] = capabilityNames(mask & ~capabilities);
    throw new UnsupportedError(
      `type '${type}'`,
      `Device '${name}' does not offer buffers of type '${type}' (it lacks ${missing.join(', ')}): choose another type, or leave the device out (devices: [...])`,
    );
  }
  if (type === 'coarse' && access.every((each) => each === 'none')) {
    throw new UnsupportedError(
      "type 'coarse'",
      "A coarse buffer is passed to the host by a device's queue, and no device reaches this one: name a device, or use type 'fine'",
    );
  }
}
