/**
 * The suite's kernels in JavaScript, over whatever gives a view of memory at an address: for devices whose kernels are
 * JavaScript, and for the host, which takes part in most cases as one more side. Pure.
 *
 * @module
 */
import { BATCH, type KernelName, PROGRESS } from './kernel-list.ts';

/** A typed array's constructor, or DataView. */
export interface KernelViewType<T> {
  new (buffer: ArrayBuffer, byteOffset: number, length: number): T;
}

/** Memory as kernels reach it. */
export interface KernelViews {
  /** `length` elements at an address. */
  view<T>(type: KernelViewType<T>, address: number, length: number): T;
  /** Asked while a kernel waits for others: true where it is to give up. */
  stuck?(): boolean;
}

/** A kernel over the items [begin, end); arguments by kind, 64-bit ones as bigints. */
export type PortableKernel = (begin: number, end: number, ...args: never[]) => void;

const NODE = 16;

/** All kernels of the suite, by name. */
export function kernelsOver(memory: KernelViews): Readonly<Record<KernelName, PortableKernel>> {
  const i32 = (address: number, length = 1) => memory.view(Int32Array, address, length);
  const u32 = (address: number, length = 1) => memory.view(Uint32Array, address, length);
  const u64 = (address: number, length = 1) => memory.view(BigUint64Array, address, length);
  const add = (address: number): number => Atomics.add(i32(address), 0, 1);

  /** One lane's part in keeping step; see {@link PROGRESS}. */
  function lane(progress: number, me: number, lanes: number, rounds: number) {
    const words = i32(progress, PROGRESS.BYTES / 4);
    return {
      words,
      /** False where it is to give up. */
      begin(round: number): boolean {
        let witnessed = true;
        for (let other = 0; other < lanes; other++) {
          if (other === me) continue;
          let done = Atomics.load(words, PROGRESS.LANES + other);
          while (done < round - 2) {
            if (memory.stuck?.()) Atomics.store(words, PROGRESS.STOP, 1);
            if (Atomics.load(words, PROGRESS.STOP) !== 0) return false;
            done = Atomics.load(words, PROGRESS.LANES + other);
          }
          if (done < 1 || done >= rounds) witnessed = false;
        }
        if (witnessed) Atomics.add(words, PROGRESS.WITNESS + me, 1);
        return true;
      },
      end(round: number): void {
        Atomics.store(words, PROGRESS.LANES + me, round);
      },
    };
  }

  const kernels = {
    countItems(begin: number, end: number, counts: number) {
      for (let i = begin; i < end; i++) add(counts + 4 * i);
    },
    recordChunks(begin: number, end: number, next: number, log: number) {
      u32(log + 8 * add(next), 2).set([begin, end]);
    },
    storeArguments(
      _begin: number,
      _end: number,
      out: number,
      p: number,
      u: number,
      i: number,
      wideU: bigint,
      wideI: bigint,
      f: number,
      d: number,
    ) {
      const data = memory.view(DataView as unknown as KernelViewType<DataView>, out, 48);
      data.setBigUint64(0, BigInt(p), true);
      data.setUint32(8, u, true);
      data.setInt32(12, i, true);
      data.setBigUint64(16, wideU, true);
      data.setBigInt64(24, wideI, true);
      data.setFloat32(32, f, true);
      data.setFloat64(40, d, true);
    },
    append(_begin: number, _end: number, log: number, value: number) {
      const n = add(log);
      u32(log + 4 + 4 * n)[0] = value;
    },
    increment(begin: number, end: number, counter: number) {
      for (let i = begin; i < end; i++) add(counter);
    },
    loadWord(_begin: number, _end: number, address: number, out: number) {
      u32(out)[0] = u32(address)[0]!;
    },
    storeWord(_begin: number, _end: number, address: number, value: number) {
      u32(address)[0] = value;
    },
    fail() {
      throw new Error('this kernel fails');
    },
    awaitWord(_begin: number, _end: number, flag: number, value: number, answer: number) {
      const word = i32(flag);
      while (Atomics.load(word, 0) !== (value | 0));
      Atomics.store(i32(answer), 0, value + 1);
    },
    spin(_begin: number, _end: number, flag: number) {
      Atomics.store(i32(flag), 0, 1);
      for (;;);
    },
    createLinkedLists(
      begin: number,
      end: number,
      heads: number,
      even: number,
      odd: number,
      allocated: number,
      length: number,
    ) {
      for (let item = begin; item < end; item++) {
        let link = heads + 8 * item;
        for (let position = 0; position < length; position++) {
          const node = (position % 2 === 0 ? even : odd) + NODE * add(allocated);
          u32(node + 8, 2).set([item, position]);
          u64(link)[0] = BigInt(node);
          link = node;
        }
        u64(link)[0] = 0n;
      }
    },
    verifyLinkedLists(begin: number, end: number, heads: number, length: number, errors: number) {
      for (let item = begin; item < end; item++) {
        let node = Number(u64(heads + 8 * item)[0]);
        let position = 0;
        for (; node !== 0 && position <= length; position++) {
          const [its, at] = u32(node + 8, 2);
          if (its !== item || at !== position) add(errors);
          node = Number(u64(node)[0]);
        }
        if (position !== length) add(errors);
      }
    },
    expectByte(_begin: number, _end: number, address: number, expected: number, errors: number) {
      if (memory.view(Uint8Array, address, 1)[0] !== expected) add(errors);
    },
    incrementThree(begin: number, end: number, struct: number) {
      for (const array of u64(struct, 3)) {
        const words = i32(Number(array) + 4 * begin, end - begin);
        for (let i = 0; i < words.length; i++) words[i]! += 1;
      }
    },
    produce(_begin: number, _end: number, out: number, count: number, seen: number, n: number) {
      const words = i32(out, n);
      const [mine, theirs] = [i32(count), i32(seen)];
      for (let i = 0; i < n; i++) {
        words[i] = 3 * i + 1;
        Atomics.store(mine, 0, i + 1);
        let answer = Atomics.load(theirs, 0);
        while (answer !== i + 1 && answer >= 0) answer = Atomics.load(theirs, 0);
        if (answer < 0) return;
      }
    },
    writeBytes(
      _begin: number,
      _end: number,
      bytes: number,
      size: number,
      me: number,
      lanes: number,
      rounds: number,
      progress: number,
    ) {
      const all = memory.view(Uint8Array, bytes, size);
      const step = lane(progress, me, lanes, rounds);
      for (let round = 1; round <= rounds && step.begin(round); round++) {
        let wrong = 0;
        for (let i = me; i < size; i += lanes) {
          if (round > 1 && all[i] !== ((13 * i + 7 * (round - 1)) & 255)) wrong++;
          all[i] = 13 * i + 7 * round;
        }
        Atomics.add(step.words, PROGRESS.ERRORS, wrong);
        step.end(round);
      }
    },
    checkBytes(_begin: number, _end: number, bytes: number, size: number, rounds: number, errors: number) {
      const all = memory.view(Uint8Array, bytes, size);
      for (let i = 0; i < size; i++) if (all[i] !== ((13 * i + 7 * rounds) & 255)) add(errors);
    },
    insertNodes(
      _begin: number,
      _end: number,
      table: number,
      bins: number,
      nodes: number,
      count: number,
      me: number,
      lanes: number,
      progress: number,
    ) {
      const heads = u64(table, bins);
      const rounds = Math.ceil(count / BATCH);
      const step = lane(progress, me, lanes, rounds);
      for (let round = 1; round <= rounds && step.begin(round); round++) {
        for (let k = (round - 1) * BATCH; k < Math.min(count, round * BATCH); k++) {
          const index = me * count + k;
          const node = nodes + NODE * index;
          const value = Math.imul(index, 2654435761) >>> 0;
          u32(node + 8, 2).set([value, me]);
          const next = u64(node);
          let head = Atomics.load(heads, value % bins);
          for (;;) {
            next[0] = head;
            const found = Atomics.compareExchange(heads, value % bins, head, BigInt(node));
            if (found === head) break;
            Atomics.add(step.words, PROGRESS.RETRIES, 1);
            head = found;
          }
        }
        step.end(round);
      }
    },
    countNodes(_begin: number, _end: number, table: number, bins: number, most: number, result: number) {
      let [count, wrong, sum] = [0, 0, 0];
      for (let bin = 0; bin < bins; bin++) {
        let node = Number(Atomics.load(u64(table + 8 * bin), 0));
        while (node !== 0 && count <= most) {
          const value = u32(node + 8)[0]!;
          count++;
          if (value % bins !== bin) wrong++;
          sum = (sum + value) >>> 0;
          node = Number(u64(node)[0]);
        }
      }
      u32(result, 3).set([count, wrong, sum]);
    },
  };
  return kernels as unknown as Readonly<Record<KernelName, PortableKernel>>;
}
