/**
 * The layout of the control memory of a share: one memory file that the owner makes and every member maps. Constants
 * only. Sparse: what is not used takes no memory. Numbers are byte offsets unless they say `WORD` (an index into an
 * Int32Array) or `F64` (into a Float64Array).
 *
 *     0          header
 *     4 KiB      members    128 x 256 bytes; member 0 is the owner
 *     64 KiB     waiters    4096 x 16 bytes: who waits without blocking, and on which address
 *     1 MiB      buffers    65536 x 128 bytes: generation, name length, start, size, last growth, name
 *     9 MiB      marks      128 x 65536 bytes: what each member has made of each buffer
 *
 * The table of buffers is written by the owner's thread alone. Everything else that two sides write is changed with
 * Atomics, and every state in which a member may be killed is one that the others can go on from.
 *
 * @module
 */

export const MAGIC = 0x4d697273;
export const LAYOUT_VERSION = 1;

export const MEMBERS = 4096;
export const MEMBER_BYTES = 256;
export const MOST_MEMBERS = 128;
export const WAITERS = 65536;
export const WAITER_BYTES = 16;
export const MOST_WAITERS = 4096;
export const BUFFERS = 2 ** 20;
export const BUFFER_BYTES = 128;
export const MOST_BUFFERS = 65536;
export const MARKS = BUFFERS + MOST_BUFFERS * BUFFER_BYTES;
export const SHARE_BYTES = MARKS + MOST_MEMBERS * MOST_BUFFERS;

/** Words of the header. */
export const HEADER = {
  MAGIC: 0,
  VERSION: 1,
  /** {@link SHARE_STATE}. */
  STATE: 2,
  /** Counts the changes of the table of buffers. */
  HEAD: 3,
  /** Slots of the table that have ever been used. */
  BUFFER_SLOTS: 4,
  /** Entries of the table of waiters that have ever been used. */
  WAITER_SLOTS: 5,
  MEMBER_SLOTS: 6,
  /** The thread that is attaching now: one at a time. */
  ATTACHING: 7,
  TOKEN: 8,
  ARENA_FD: 12,
} as const;
export const TOKEN_WORDS = 4;
/** Float64 indexes of the header. */
export const HEADER_F64 = { ARENA_SIZE: 8, ARENA_INODE: 9 } as const;

export const SHARE_STATE = { OPEN: 1, CLOSED: 2 } as const;

/** Words of a member. */
export const MEMBER = {
  /** The kernel's number of its thread; a member is claimed by writing it over 0. */
  THREAD: 0,
  /** Incremented by each one that claims the slot, so that a name of a former member is known to be one. */
  GENERATION: 1,
  PROCESS: 2,
  BELL_FD: 3,
  LIFE_FD: 4,
  /** The change of the table up to which it has done what it had to. */
  APPLIED: 5,
  /** 1: it wants its bell rung at the next change. */
  ASLEEP: 6,
  /** {@link JOINED}. */
  JOINED: 7,
  /** The slot, plus one, of the member whose mappings it uses: one of its own process. 0: it maps for itself. */
  LEADER: 8,
  UNREACHABLE: 9,
} as const;
/**
 * `NO`: it is still mapping what there is. `SERVING`: it has closed, and maps for other threads of its process only.
 * `LEAVING`: it has given up all buffers, and stays known only until the last ArrayBuffer over one of them has been
 * collected.
 */
export const JOINED = { NO: 0, YES: 1, LEAVING: 2, SERVING: 3 } as const;

/** Float64 indexes within a member. */
export const MEMBER_F64 = {
  THREAD_START: 8,
  PROCESS_START: 9,
  BELL_INODE: 10,
  LIFE_INODE: 11,
  /** Where it has this memory mapped. */
  CONTROL: 12,
} as const;

/** Words of a buffer's entry. A generation that is odd is a live buffer's. */
export const BUFFER = {
  GENERATION: 0,
  NAME_LENGTH: 1,
  /** The change of the table that made it longer last; 0 where none has. */
  GROWN: 6,
} as const;
export const BUFFER_F64 = { START: 1, SIZE: 2 } as const;
export const BUFFER_NAME = 32;
export const BUFFER_NAME_BYTES = BUFFER_BYTES - BUFFER_NAME;

/** The byte that a member keeps for a buffer; only that member writes it. */
export const MARK = {
  /** It has the buffer mapped. */
  MAPPED: 1,
  /** Something of its own lies there. */
  UNREACHABLE: 2,
  /** A thread beside the mapping one has an ArrayBuffer over it. */
  VIEWED: 4,
  /** It has the buffer mapped as it was before it grew: something of its own lies behind it. */
  SHORT: 8,
} as const;

/** A waiter's word: the name of its member, and one of these. */
export const WAITER = { WAITING: 1 << 30, NOTIFIED: 1 << 29 } as const;
/** The bits that name a member: its slot plus one, and its generation. */
export const NAME_BITS = (1 << 28) - 1;
