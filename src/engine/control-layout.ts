/**
 * The layout of the memory that the host and a device process share to run commands: a header (doorbell, sleepers,
 * completions, counters), a block per core, and a ring of packets per queue. Constants only; all numbers are byte
 * offsets unless they say `WORD`, an index into an Int32Array over the same memory.
 *
 *     0        header            4 KiB
 *     4 KiB    core blocks       64 x 256 bytes
 *     64 KiB   queue 0           4 KiB header, then 256 slots of 1 KiB
 *     ...      queue q           at QUEUES + q * QUEUE_STRIDE
 *     ...      trace rings       4 KiB header, then 4096 records of 64 bytes; untouched where nobody listens
 *
 * @module
 */

export const MAX_CORES = 16;
export const MAX_QUEUES = 16;
export const RING_SLOTS = 256;

const CORES = 4096;
const CORE_STRIDE = 256;
const QUEUES = 65536;
const QUEUE_HEADER = 4096;
const SLOT_BYTES = 1024;
const QUEUE_STRIDE = QUEUE_HEADER + RING_SLOTS * SLOT_BYTES;
const TRACES = QUEUES + MAX_QUEUES * QUEUE_STRIDE;

/** Rings of trace records: what the device's pager tells, and what the pager of its host does. */
export const TRACE_RING = { DEVICE: 0, HOST: 1 } as const;
export const TRACE_RINGS = 2;
export const TRACE_RECORDS = 4096;
export const TRACE_RECORD_BYTES = 64;
const TRACE_HEADER = 4096;
const TRACE_STRIDE = TRACE_HEADER + TRACE_RECORDS * TRACE_RECORD_BYTES;
export const CONTROL_BYTES = TRACES + TRACE_RINGS * TRACE_STRIDE;

/** Words of the header. Words that different processes write at a high rate lie in cache lines of their own. */
export const HEADER = {
  /** Incremented whenever there may be new work; cores sleep on it. */
  DOORBELL: 0,
  SLEEPERS: 1,
  QUEUE_COUNT: 2,
  /** Incremented at every completion; a blocked host sleeps on it. */
  COMPLETIONS: 16,
  /** Threads of the host that are blocked on COMPLETIONS. */
  HOST_BLOCKED: 32,
  /** 1 while the host's event loop sleeps and wants a byte on the wake pipe. */
  HOST_ASLEEP: 33,
  /** Faulting pages that stand in for wild memory now; while there are any, the host holds new packets back. */
  WILD_PAGES: 48,
  FAULTS: 49,
  WILD_FAULTS: 50,
  CORE_RESTARTS: 51,
  /** Length of the text at LOST_REASON. */
  LOST_LENGTH: 52,
  /** Why the process has given itself up, a {@link LOST_CAUSE}; and the core whose kernel is to blame. */
  LOST_CAUSE: 53,
  LOST_CORE: 54,
  /** The host's process and thread, the device's process, and descriptors of the host: for who clears up after a thread that was terminated. */
  HOST_PROCESS: 64,
  HOST_THREAD: 65,
  DEVICE_PROCESS: 66,
  ARENA_FD: 67,
  LOG_FD: 68,
  KICK_FD: 69,
  PIDFD: 70,
  /** 1 where somebody listens to what happens in the device's process: its pager and its host's write trace records. */
  TRACING: 80,
  /** Other descriptors of the host that serve the device, {@link OTHER_FDS} of them; 0 where there is none. */
  OTHER_FDS: 88,
} as const;

export const OTHER_FDS = 8;

/** Float64 index: bytes that the pager made visible. */
export const FILLED_BYTES_F64 = 28;
export const LOST_REASON = 1024;
export const LOST_REASON_BYTES = 3000;

/** Words of a core's block. */
export const CORE = {
  STATE: 0,
  /** The packet that the core may touch (queue and index as one number, see {@link hazard}); its slot is not reused. */
  HAZARD: 1,
  THREAD: 2,
  QUEUE: 3,
  INDEX: 4,
  FAULT_ACCESS: 5,
  FAULT_REASON: 6,
  WILD_PAGES: 7,
  /** Chunks of the current packet that the core has run and not yet counted as finished. */
  UNCOUNTED: 10,
  /** Counts the core's ways into kernels and programs' starts; core-call.ts. */
  CALLS: 11,
  /** Odd while the core is inside a function of a native library, which can't be ended without its process. */
  NATIVE: 12,
} as const;

/** Float64 index within a core's block: the faulting address in the device's window. */
const CORE_FAULT_ADDRESS_F64 = 4;

/**
 * A core owns itself in IDLE, RUNNING and LOADING. Whoever changes RUNNING to STOPPING (the pager at a wild fault, the
 * supervisor at an abort) owns it from then on: the core, once back from the kernel, finds the change and parks. The supervisor
 * changes STOPPING back where it was too late, and the core is in the next packet already.
 */
export const CORE_STATE = {
  IDLE: 0,
  RUNNING: 1,
  LOADING: 2,
  STOPPING: 3,
  /** Termination has been requested: held faults may be let go. */
  TERMINATING: 4,
  /** The thread has ended; its wild pages are to be restored. */
  STOPPED: 5,
} as const;

export const LOST_CAUSE = {
  OTHER: 0,
  /** The core touched too many wild pages; its block has the first. */
  RUNAWAY_KERNEL: 1,
  /** The same, in the start function of a program. */
  RUNAWAY_START: 2,
  /** The kernel was to be stopped, for another reason than a fault, and went on. */
  UNSTOPPABLE_KERNEL: 3,
} as const;

export const FAULT_REASON = { UNMAPPED: 1, READ_ONLY: 2 } as const;

/** Kinds of entries in the log of maps; UNMAP_IN_USE where commands were running, whose stores may come late. */
export const MAP_ENTRY = { MAP_WRITE: 1, MAP_READ: 2, UNMAP: 3, UNMAP_IN_USE: 4 } as const;

/** Words of a queue's header. */
export const QUEUE = {
  /** Packets written; the host's. */
  WRITE: 0,
  /** 1 where packets may run in any order, and at the same time; set before the cores see the queue. */
  OUT_OF_ORDER: 1,
  /** Packets complete, with all before them; the device's, in a cache line of its own. */
  HEAD: 16,
} as const;

/** Words of a trace ring's header: records written (the writer's), and those that found no room; records read (the host's). */
export const TRACE = { WRITTEN: 0, DROPPED: 1, READ: 16 } as const;

/** Words of a slot. */
export const SLOT = {
  TYPE: 0,
  KERNEL: 1,
  CHUNKS: 2,
  ARGUMENTS: 3,
  /** Chunks claimed, by atomic add; may run past CHUNKS. */
  NEXT: 16,
  FINISHED: 17,
  /** 0, or a {@link PACKET_STATUS}. */
  STATUS: 18,
  ERROR_LENGTH: 19,
  /** 1 once the packet is complete and all its other words are final. */
  DONE: 20,
} as const;

/** Float64 indices within a slot. */
export const SLOT_F64 = { ITEMS: 2, CHUNK: 3, STARTED: 4, FINISHED: 5 } as const;

/** Byte offsets within a slot. */
export const SLOT_TAGS = 96;
export const SLOT_ARGUMENTS = 128;
export const MAX_ARGUMENTS = 24;
export const SLOT_ERROR = 320;
export const SLOT_ERROR_BYTES = SLOT_BYTES - SLOT_ERROR;

export const PACKET_TYPE = { DISPATCH: 1, BARRIER: 2 } as const;
export const PACKET_STATUS = { NONE: 0, FAILED: 1, CANCELLED: 2 } as const;

/** How a packet's argument is stored in its 8 bytes. */
export const ARGUMENT_TAG = { NUMBER: 0, BIGINT: 1, UNSIGNED: 2 } as const;

/** Kernels that every device has, below the numbers of loaded ones. */
export const BUILTIN_KERNEL = { COPY: 1, FILL: 2, PREFETCH: 3 } as const;
export const FIRST_LOADED_KERNEL = 16;

export const coreWord = (core: number): number => (CORES + core * CORE_STRIDE) / 4;
export const coreFaultAddress = (core: number): number =>
  (CORES + core * CORE_STRIDE) / 8 + CORE_FAULT_ADDRESS_F64;
export const queueWord = (queue: number): number => (QUEUES + queue * QUEUE_STRIDE) / 4;
export const slotByte = (queue: number, index: number): number =>
  QUEUES + queue * QUEUE_STRIDE + QUEUE_HEADER + (index & (RING_SLOTS - 1)) * SLOT_BYTES;

export const traceWord = (ring: number): number => (TRACES + ring * TRACE_STRIDE) / 4;
/** Float64 index. */
export const traceRecord = (ring: number, number: number): number =>
  (TRACES + ring * TRACE_STRIDE + TRACE_HEADER + (number & (TRACE_RECORDS - 1)) * TRACE_RECORD_BYTES) / 8;

/** No packet. */
export const NO_HAZARD = -1;

/** A packet's queue and index as one number that fits a word: 4 bits of queue, 27 of index. Equality is all it is for. */
export const hazard = (queue: number, index: number): number => (queue << 27) | (index & 0x7ffffff);
