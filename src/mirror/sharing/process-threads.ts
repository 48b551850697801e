/**
 * The other threads of this process that hold the same share. They have no mappings of their own, only views, so a
 * buffer's memory must stay mapped (as zero pages, once it is freed) until the last of their ArrayBuffers has been
 * collected. Also clears away what threads that ended have left.
 *
 * @module
 */
import { munmap } from '../../linux/mmap.ts';
import { watchLife } from './bell.ts';
import { JOINED, MARK, SHARE_BYTES } from './control-layout.ts';
import type { Membership } from './membership.ts';

/** The life line ends a little before the thread does: look again after so many milliseconds. */
const LOOK_AGAIN = 20;

export class ProcessThreads {
  readonly #own: Membership;
  readonly #watched = new Map<number, { readonly name: number; readonly stop: () => void }>();
  readonly #waiting = new Map<number, () => void>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #whenGone = (): void => {};

  constructor(own: Membership) {
    this.#own = own;
  }

  /** The members that use this one's mappings. */
  *#followers(): Generator<number> {
    const { members, slot: own } = this.#own;
    for (const slot of members.present()) if (members.follows(slot, own)) yield slot;
  }

  /** True while another that uses these mappings has not given them up. */
  get any(): boolean {
    const { members } = this.#own;
    for (const slot of this.#followers())
      if (members.get(slot, 'JOINED') !== JOINED.LEAVING && members.alive(slot)) return true;
    return false;
  }

  /** Calls back whenever one of the others has gone. */
  whenGone(callback: () => void): void {
    this.#whenGone = callback;
  }

  /** True while a thread has an ArrayBuffer over the buffer. */
  holds(buffer: number): boolean {
    const { members } = this.#own;
    for (const slot of this.#followers())
      if ((members.mark(slot, buffer) & MARK.VIEWED) !== 0 && members.alive(slot)) return true;
    return false;
  }

  get waiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Calls back once no thread holds the buffer, which is in use no more. */
  whenReleased(buffer: number, callback: () => void): void {
    this.#waiting.set(buffer, callback);
  }

  /** Rings the other threads: a buffer is there for them now. */
  ring(): void {
    for (const slot of this.#followers()) this.#own.peers.ring(slot);
  }

  /** Somebody rang: there may be new threads, and views may have gone. */
  look(): void {
    const { members } = this.#own;
    for (const slot of this.#followers()) {
      const name = members.name(slot);
      const known = this.#watched.get(slot);
      if (known?.name === name) continue;
      known?.stop();
      this.#watched.set(slot, { name, stop: watchLife(members, slot, () => this.#gone(slot, name)) });
    }
    for (const [buffer, callback] of this.#waiting) {
      if (this.holds(buffer)) continue;
      this.#waiting.delete(buffer);
      callback();
    }
  }

  #gone(slot: number, name: number): void {
    const { members } = this.#own;
    if (this.#watched.get(slot)?.name !== name) return;
    if (members.slotOf(name) === slot && members.alive(slot)) {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        this.#gone(slot, name);
      }, LOOK_AGAIN);
      this.#timers.add(timer.unref());
      return;
    }
    this.clearAway(slot, name);
    this.look();
    this.#whenGone();
  }

  /** A thread of this process has ended: its slot goes, and its mapping of the control memory, which is nobody's now. */
  clearAway(slot: number, name: number): void {
    const { members, peers } = this.#own;
    this.#watched.get(slot)?.stop();
    this.#watched.delete(slot);
    peers.forget(slot);
    if (members.slotOf(name) !== slot) return;
    const control = members.number(slot, 'CONTROL');
    members.release(slot);
    munmap(control, SHARE_BYTES);
  }

  close(): void {
    for (const { stop } of this.#watched.values()) stop();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#watched.clear();
  }
}
