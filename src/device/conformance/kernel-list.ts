/**
 * The kernels that the conformance suite launches: names, argument kinds, and what each must do. Every device under test
 * needs a program with all of them; how it is written is the device's own affair. All words are little-endian; "adds"
 * means an atomic operation that host and all devices agree on. A kernel is called for parts [begin, end) of the items.
 * Pure.
 *
 * @module
 */
import type { ArgumentKind } from '../device.ts';

export const KERNELS = {
  /** Adds 1 to the i32 `counts[i]` for each item i. `(counts)` */
  countItems: ['pointer'],
  /** Takes a number n by adding 1 to the i32 at `next`, then stores begin and end as u32 at `log[2n]`, `log[2n + 1]`. `(next, log)` */
  recordChunks: ['pointer', 'pointer'],
  /**
   * Stores its arguments behind `out`: the pointer as u64 at 0, u32 at 8, i32 at 12, u64 at 16, i64 at 24, f32 at 32, f64
   * at 40. `(out, pointer, u32, i32, u64, i64, f32, f64)`
   */
  storeArguments: ['pointer', 'pointer', 'u32', 'i32', 'u64', 'i64', 'f32', 'f64'],
  /** Takes a number n by adding 1 to the i32 `log[0]`, then stores `value` at `log[1 + n]`; once per call. `(log, value)` */
  append: ['pointer', 'u32'],
  /** Adds 1 to the i32 at `counter`, once per item. `(counter)` */
  increment: ['pointer'],
  /** Copies the u32 at `address` to `out`. `(address, out)` */
  loadWord: ['pointer', 'pointer'],
  /** Stores `value` as u32 at `address`. `(address, value)` */
  storeWord: ['pointer', 'u32'],
  /** Fails as code of this kind of program does: a trap, an exception. `()` */
  fail: [],
  /** Loads the i32 at `flag` again and again until it is `value`, then stores `value + 1` at `answer`. `(flag, value, answer)` */
  awaitWord: ['pointer', 'u32', 'pointer'],
  /** Stores 1 as i32 at `flag`, and never ends. `(flag)` */
  spin: ['pointer'],
  /**
   * Item i makes a list of `length` nodes { u64 next; u32 item; u32 position } and stores the first one's address as u64
   * at `heads[i]`. A node is the next free one, by adding 1 to the i32 at `allocated`: of `even` where its position is
   * even, of `odd` where it is odd. `(heads, even, odd, allocated, length)`
   */
  createLinkedLists: ['pointer', 'pointer', 'pointer', 'pointer', 'u32'],
  /**
   * Item i follows its list from `heads[i]`, and adds 1 to the i32 at `errors` for each node that has another item or
   * position, and for a list that is not `length` long. `(heads, length, errors)`
   */
  verifyLinkedLists: ['pointer', 'u32', 'pointer'],
  /** Adds 1 to the i32 at `errors` unless the byte at `address` is `expected`. `(address, expected, errors)` */
  expectByte: ['pointer', 'u32', 'pointer'],
  /** Item i adds 1, without atomics, to the i32 at index i of each of three arrays; their addresses are three u64 at `struct`. `(struct)` */
  incrementThree: ['pointer'],
  /**
   * Item i is stored as `3 * i + 1` at `out[i]` (i32), then i + 1 at `count`; then it waits until the i32 at `seen` is i +
   * 1, or negative: then the kernel ends. `(out, count, seen, n)`, once per call for all n.
   */
  produce: ['pointer', 'pointer', 'pointer', 'u32'],
  /**
   * Writes every `lanes`th byte of `size` from index `lane` on, `rounds` times, while others write the bytes between: in
   * round r (from 1) byte i becomes the low 8 bits of `13 * i + 7 * r`. Before it is overwritten it must be as the round
   * before left it: else 1 is added to `ERRORS`. See {@link PROGRESS} for how it keeps in step.
   * `(bytes, size, lane, lanes, rounds, progress)`
   */
  writeBytes: ['pointer', 'u32', 'u32', 'u32', 'u32', 'pointer'],
  /** Adds 1 to the i32 at `errors` for each of `size` bytes that is not what round `rounds` left. `(bytes, size, rounds, errors)` */
  checkBytes: ['pointer', 'u32', 'u32', 'pointer'],
  /**
   * Inserts `count` nodes into a hash table of `bins` lists, whose heads are u64 at `table`, by compare and exchange, while
   * others do. Node k of this lane lies at `nodes + 16 * (lane * count + k)`: { u64 next; u32 value; u32 lane }, its value
   * is `2654435761 * (lane * count + k)` modulo 2^32, its bin `value % bins`. What was lost to another inserter is tried
   * again, and added to `RETRIES`. A round is {@link BATCH} nodes. `(table, bins, nodes, count, lane, lanes, progress)`
   */
  insertNodes: ['pointer', 'u32', 'pointer', 'u32', 'u32', 'u32', 'pointer'],
  /**
   * Follows all bins; gives at `result` as u32: how many nodes there are (at most `most + 1`), how many are in a wrong
   * bin, and the sum of the values modulo 2^32. `(table, bins, most, result)`
   */
  countNodes: ['pointer', 'u32', 'u32', 'pointer'],
} as const satisfies Record<string, readonly ArgumentKind[]>;

export type KernelName = keyof typeof KERNELS;

/**
 * The i32 words at `progress`, by which lanes that run at the same time keep in step: after a round a lane stores its
 * number at `LANES + lane`. It begins round r only once each of the others has ended round r - 2: so none can run before
 * or after the others, and between two of its rounds each of the others has done something. While it waits, and `STOP` is
 * not 0, it gives up. At the begin of each round it adds 1 to `WITNESS + lane` where all others are between their first
 * round and their last: they run now.
 */
export const PROGRESS = { STOP: 0, ERRORS: 1, RETRIES: 2, LANES: 8, WITNESS: 40, BYTES: 320 } as const;

/** Nodes that {@link KERNELS.insertNodes} inserts in a round. */
export const BATCH = 16;
