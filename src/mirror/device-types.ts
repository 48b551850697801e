/**
 * Which types of buffers a mirror's devices offer: their capability bits against the masks of the types. Pure.
 *
 * @module
 */
import {
  type Capabilities,
  type CapabilityName,
  capabilityNames,
  SVM,
  SVM_TYPE,
  satisfies,
} from '../device/capabilities.ts';
import type { AttachedDevice } from '../device/device.ts';
import { invalidType, outOfRange, UnsupportedError } from '../errors.ts';
import type { BufferType, CheckedAlloc } from './alloc-options.ts';

const ALL: Capabilities = Object.values(SVM).reduce((all: number, bit) => all | bit, 0);

/** What a coarse buffer does not have, whatever its device can do: the host touches it only while it is mapped. */
const NOT_COARSE: Capabilities =
  SVM.HOST_READ | SVM.HOST_WRITE | SVM.CONCURRENT_ACCESS | SVM.CONCURRENT_ATOMIC_ACCESS;

/** What `alloc` is told, the mask that a device must offer for it, and what of its bits then holds. */
const TYPES: readonly {
  readonly type: BufferType;
  readonly mask: Capabilities;
  readonly holds: Capabilities;
}[] = [
  { type: 'fine', mask: SVM_TYPE.FINE, holds: ALL },
  { type: 'coarse', mask: SVM_TYPE.COARSE, holds: ALL & ~NOT_COARSE },
];

/**
 * The type of buffer that has every `required` bit of {@link SVM} on all of the devices, and of those types the one with
 * the most `desired` bits; `'fine'` where that is no difference, undefined where there is none (clGetSVMSuggestedTypeIndexKHR
 * of cl_khr_unified_svm). Throws TypeError or RangeError for what are no capabilities.
 */
export function suggestType(
  devices: readonly { readonly capabilities: Capabilities }[],
  required: Capabilities,
  desired: Capabilities = 0,
): BufferType | undefined {
  if (!Array.isArray(devices)) throw invalidType('devices', 'an array of devices', devices);
  const offered = devices.map((device, i) => checkBits(`devices[${i}].capabilities`, device?.capabilities));
  const needed = checkBits('required', required);
  const wanted = checkBits('desired', desired);
  let best: { readonly type: BufferType; readonly bits: number } | undefined;
  for (const { type, mask, holds } of TYPES) {
    if (!offered.every((bits) => satisfies(bits, mask) && satisfies(bits & holds, needed))) continue;
    const common = offered.reduce((all, bits) => all & bits, holds);
    const bits = capabilityNames(common & wanted).length;
    if (!best || bits > best.bits) best = { type, bits };
  }
  return best?.type;
}

function checkBits(name: string, bits: unknown): Capabilities {
  if (typeof bits !== 'number') throw invalidType(name, 'a set of SVM bits', bits);
  if (!Number.isInteger(bits) || (bits & ~ALL) !== 0 || bits < 0 || bits > ALL)
    throw outOfRange(name, 'a set of SVM bits', bits);
  return bits;
}

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
