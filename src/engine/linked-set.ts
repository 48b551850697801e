/**
 * A set in the order of insertion, of which the first member is found, and any member taken out, in constant time: what
 * queues of commands wait in. An array pays for each removal with its length, and the built-in Set finds its first
 * member only behind all that were removed before it. Pure.
 *
 * @module
 */

interface Link<T> {
  readonly member: T;
  previous: Link<T> | undefined;
  next: Link<T> | undefined;
}

export class LinkedSet<T> {
  readonly #links = new Map<T, Link<T>>();
  #first: Link<T> | undefined;
  #last: Link<T> | undefined;

  get size(): number {
    return this.#links.size;
  }

  /** The oldest member; undefined where there is none. */
  get first(): T | undefined {
    return this.#first?.member;
  }

  /** Puts it behind all others; nothing where it is a member already. */
  add(member: T): void {
    if (this.#links.has(member)) return;
    const link: Link<T> = { member, previous: this.#last, next: undefined };
    if (this.#last) this.#last.next = link;
    else this.#first = link;
    this.#last = link;
    this.#links.set(member, link);
  }

  /** Takes the oldest out; undefined where there is none. */
  shift(): T | undefined {
    const link = this.#first;
    if (link) this.delete(link.member);
    return link?.member;
  }

  /** Takes a member out; false where it is none. */
  delete(member: T): boolean {
    const link = this.#links.get(member);
    if (!link) return false;
    this.#links.delete(member);
    if (link.previous) link.previous.next = link.next;
    else this.#first = link.next;
    if (link.next) link.next.previous = link.previous;
    else this.#last = link.previous;
    return true;
  }

  /** Takes all out, oldest first. */
  takeAll(): T[] {
    const members: T[] = [];
    for (let link = this.#first; link; link = link.next) members.push(link.member);
    this.#links.clear();
    this.#first = undefined;
    this.#last = undefined;
    return members;
  }
}
