/**
 * Points in time, the earliest first: a binary heap. What is taken out before its time stays in the heap, marked, until
 * it comes to the top or half of the heap is such: so each call takes logarithmic time at most. Pure.
 *
 * @module
 */

export interface Deadline<T> {
  readonly at: number;
  readonly item: T;
}

interface Entry<T> extends Deadline<T> {
  out: boolean;
}

/** Below this many nothing is tidied up. */
const FEW = 64;

export class Deadlines<T> {
  #heap: Entry<T>[] = [];
  #live = 0;

  get size(): number {
    return this.#live;
  }

  add(at: number, item: T): Deadline<T> {
    const entry: Entry<T> = { at, item, out: false };
    this.#live++;
    this.#push(entry);
    return entry;
  }

  /** Takes out one that {@link add} gave; nothing where it has been taken out already. */
  remove(deadline: Deadline<T>): void {
    const entry = deadline as Entry<T>;
    if (entry.out) return;
    entry.out = true;
    this.#live--;
    if (this.#heap.length < FEW || this.#live * 2 > this.#heap.length) return;
    const left = this.#heap.filter(({ out }) => !out);
    this.#heap = [];
    for (const each of left) this.#push(each);
  }

  /** The earliest one; undefined where there is none. */
  first(): Deadline<T> | undefined {
    for (let top = this.#heap[0]; top?.out; top = this.#heap[0]) this.#pop();
    return this.#heap[0];
  }

  /** Takes out the earliest one, if it is not after `now`. */
  takeDue(now: number): T | undefined {
    const top = this.first() as Entry<T> | undefined;
    if (!top || top.at > now) return undefined;
    top.out = true;
    this.#live--;
    this.#pop();
    return top.item;
  }

  #push(entry: Entry<T>): void {
    const heap = this.#heap;
    let at = heap.length;
    for (; at > 0; at = (at - 1) >> 1) {
      const parent = heap[(at - 1) >> 1]!;
      if (parent.at <= entry.at) break;
      heap[at] = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++;
      if (heap[child]!.at >= last.at) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}
