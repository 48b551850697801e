/**
 * The OpenCL C that every device of this kind compiles when it is opened: the probe, and what `fill` needs for patterns
 * that clEnqueueSVMMemFill does not take. Pure.
 *
 * @module
 */

/** Options for the newest OpenCL C that a device of that version has to know. */
export function languageOption(major: number): string {
  return major >= 3 ? '-cl-std=CL3.0' : '-cl-std=CL2.0';
}

/**
 * PoCL 3.1 has atomics over all SVM devices and does not define the feature macro, without which OpenCL C 3.0 hides
 * `memory_scope_all_svm_devices`. Whether they work is probed.
 */
export const ALL_DEVICES_SCOPE = '-D__opencl_c_atomic_scope_all_devices=1';

/** Compiles the probe without atomics across devices. */
export const WITHOUT_ATOMICS = '-DMIRRORSPACE_WITHOUT_ATOMICS';

/** The words (u64) at the probe's first place; those of the second follow from {@link probeSource}. */
export const PROBE_WORD = {
  POINTER: 0,
  COUNTER: 1,
  HERE: 2,
  ANSWER: 3,
  RUNNING: 4,
  SEEN: 5,
  SECRET: 6,
} as const;

export const BUILT_IN_SOURCE = `
// Stores what it is given and where, through an argument and through a pointer that it finds in memory.
kernel void mirrorspace_probe(global ulong *here, ulong secret) {
  global ulong *there = (global ulong *)here[${PROBE_WORD.POINTER}];
  there[0] = secret;
  there[1] = (ulong)here;
  there[2] = (ulong)there;
  there[3] = sizeof(void *);
  here[${PROBE_WORD.HERE}] = (ulong)here;
  here[${PROBE_WORD.SECRET}] = there[4];
#ifndef MIRRORSPACE_WITHOUT_ATOMICS
  atomic_fetch_add_explicit((volatile global atomic_int *)(here + ${PROBE_WORD.COUNTER}), 5,
                            memory_order_seq_cst, memory_scope_all_svm_devices);
#else
  // Among the work-items of a device every version of OpenCL C has them.
  atomic_add((volatile global int *)(here + ${PROBE_WORD.COUNTER}), 5);
#endif
}

// Says that it runs, and waits for the host's answer: not for ever.
kernel void mirrorspace_probe_concurrent(global ulong *here, ulong most) {
#ifndef MIRRORSPACE_WITHOUT_ATOMICS
  volatile global atomic_int *running = (volatile global atomic_int *)(here + ${PROBE_WORD.RUNNING});
  volatile global atomic_int *answer = (volatile global atomic_int *)(here + ${PROBE_WORD.ANSWER});
  atomic_store_explicit(running, 1, memory_order_seq_cst, memory_scope_all_svm_devices);
  for (ulong i = 0; i < most; i++)
    if (atomic_load_explicit(answer, memory_order_seq_cst, memory_scope_all_svm_devices) != 0) {
      here[${PROBE_WORD.SEEN}] = 1;
      break;
    }
#endif
}

// Item i is filled with a pattern of any length up to 128 bytes.
kernel void mirrorspace_fill(global uchar *to, ulong length, ulong16 pattern) {
  ulong words[16];
  vstore16(pattern, 0, words);
  const uchar *bytes = (const uchar *)words;
  global uchar *at = to + get_global_id(0) * length;
  for (ulong i = 0; i < length; i++) at[i] = bytes[i];
}
`;
