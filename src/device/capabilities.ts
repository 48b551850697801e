/**
 * What a device can do with shared memory: the 15 capability bits of the experimental OpenCL extension
 * `cl_khr_unified_svm`, the classic levels as masks over them, and the match of required and desired bits against
 * the types that a device offers. A device never sets a bit that it does not honour.
 *
 * @module
 */

export const SVM = {
  SINGLE_ADDRESS_SPACE: 1 << 0,
  SYSTEM_ALLOCATED: 1 << 1,
  DEVICE_OWNED: 1 << 2,
  DEVICE_UNASSOCIATED: 1 << 3,
  CONTEXT_ACCESS: 1 << 4,
  HOST_OWNED: 1 << 5,
  HOST_READ: 1 << 6,
  HOST_WRITE: 1 << 7,
  HOST_MAP: 1 << 8,
  DEVICE_READ: 1 << 9,
  DEVICE_WRITE: 1 << 10,
  DEVICE_ATOMIC_ACCESS: 1 << 11,
  CONCURRENT_ACCESS: 1 << 12,
  CONCURRENT_ATOMIC_ACCESS: 1 << 13,
  INDIRECT_ACCESS: 1 << 14,
} as const;

export type CapabilityName = keyof typeof SVM;

/** A set of {@link SVM} bits. */
export type Capabilities = number;

function mask(...bits: number[]): Capabilities {
  return bits.reduce((all, bit) => all | (1 << bit), 0);
}

/** The classic types of memory, as the extension defines them. */
export const SVM_TYPE = {
  COARSE: mask(0, 3, 4, 8, 9, 10, 11),
  FINE: mask(0, 3, 4, 6, 7, 8, 9, 10, 11, 12),
  DEVICE: mask(0, 2, 9, 10, 11, 14),
  HOST: mask(0, 3, 4, 5, 6, 7, 9, 10, 14),
  SINGLE_DEVICE_SHARED: mask(0, 6, 7, 9, 10, 14),
  SYSTEM: mask(0, 1, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14),
} as const;

/** The names of the bits that are set. */
export function capabilityNames(capabilities: Capabilities): CapabilityName[] {
  return (Object.keys(SVM) as CapabilityName[]).filter((name) => (capabilities & SVM[name]) !== 0);
}

/** True where `offered` has every bit of `required`. */
export function satisfies(offered: Capabilities, required: Capabilities): boolean {
  return (offered & required) === required;
}
