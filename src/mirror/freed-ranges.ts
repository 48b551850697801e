/**
 * What happens to a buffer's range after its free has taken effect: the host gives it up, devices and attached
 * processes are told, and its addresses are free again once none of them, and no ArrayBuffer, uses it any more.
 *
 * @module
 */
import type { AttachedDevice } from '../device/device.ts';
import type { Address, Range } from '../mm/address.ts';
import type { PlacementSpace } from '../placement/index.ts';
import type { AdoptedMemory } from './adopted-memory.ts';
import { type BufferMemory, wasTransferred } from './buffer-memory.ts';
import { Quarantine, type Question } from './quarantine.ts';
import type { Sharing } from './sharing/owner.ts';
import { isShared, type SvmBuffer } from './svm-buffer.ts';

export class FreedRanges {
  readonly #memory: BufferMemory;
  readonly #space: PlacementSpace;
  readonly #attached: readonly AttachedDevice[];
  readonly #quarantine: Quarantine;
  /** From the first `share` on. */
  sharing: Sharing | undefined;
  /** The memory file has been closed: there is nothing left to give back to it. */
  arenaClosed = false;
  #releasing = false;

  constructor(memory: BufferMemory, space: PlacementSpace, attached: readonly AttachedDevice[]) {
    this.#memory = memory;
    this.#space = space;
    this.#attached = attached;
    // Attached processes ask one question, all together.
    this.#quarantine = new Quarantine(attached.length + 1, (range) => memory.unmap(range));
  }

  /** True where only devices or attached processes keep some range from being used. */
  get waitsForDevices(): boolean {
    return this.#quarantine.waitsForDevices;
  }

  /** The free takes effect: no command that was submitted before it runs any more. */
  takeAway(buffer: SvmBuffer, views: readonly ArrayBuffer[]): void {
    if (buffer.adopted) {
      this.#takeBack(buffer.adopted, views);
      return;
    }
    const { address, size, guard } = buffer.placement;
    const range: Range = { start: address, end: address + size };
    const shared = isShared(buffer) ? this.sharing?.remove(address) : undefined;
    const viewed = views.length > 0 || shared?.held === true;
    const remains = this.#memory.retire(address, size, guard, viewed);
    const questions: (Question | undefined)[] = [];
    let open = false;
    let late = false;
    for (let i = 0; i < this.#attached.length; i++) {
      if (buffer.access[i] === 'none') continue;
      const acknowledged = this.#attached[i]!.port.unmapped(range);
      if (acknowledged()) continue;
      questions[i] = acknowledged;
      open = true;
    }
    if (shared && !shared.acknowledged()) {
      questions[this.#attached.length] = shared.acknowledged;
      open = true;
      // What an attached process stores until it hears of the free must go as well.
      late = true;
    }
    this.#memory.discard(address, size);
    if (!remains.mapped && !open) {
      this.#giveBack(address);
      this.sharing?.forgetPicture();
      return;
    }
    const taken = { start: address, end: range.end + guard, guard, owner: 'host', name: buffer.name };
    if (views.some(wasTransferred)) {
      // Nobody can know when that ArrayBuffer goes: these addresses are never used again.
      const name = `${buffer.name} (freed; its view was transferred)`;
      this.#space.replace(address, { ...taken, kind: 'vma', name });
      return;
    }
    this.#space.replace(address, { ...taken, kind: 'quarantined' });
    const collected = this.#quarantine.add(
      { ...range, ...remains, shared: remains.shared || late },
      viewed,
      questions,
    );
    let holders = views.length + (shared?.held ? 1 : 0);
    const released = (): void => {
      if (--holders > 0) return;
      collected();
      this.#releaseSoon();
    };
    for (const view of views) this.#memory.whenCollected(view, released);
    if (shared?.held) shared.whenReleased(released);
  }

  /** A driver has its memory back once no ArrayBuffer is left over it: until then one that was kept shows it as it was. */
  #takeBack(memory: AdoptedMemory, views: readonly ArrayBuffer[]): void {
    memory.end();
    if (views.length === 0) memory.release();
    // One that was transferred is never heard of again, and keeps the memory.
    if (views.some(wasTransferred)) return;
    let holders = views.length;
    const released = (): void => {
      if (--holders === 0) memory.release();
    };
    for (const view of views) this.#memory.whenCollected(view, released);
  }

  /** The collector reports one by one what it has taken at once: all of it is given back together. */
  #releaseSoon(): void {
    if (this.#releasing) return;
    this.#releasing = true;
    queueMicrotask(() => {
      this.#releasing = false;
      this.release();
    });
  }

  /** To all, or to the reservation that they are of. */
  #giveBack(address: Address): void {
    const taken = this.#space.remove(address);
    this.#memory.reserved.at(address)?.give(taken);
  }

  /** Gives back the addresses that are safe again; true where there were any. */
  release(again = false): boolean {
    const safe = this.#quarantine.release(again);
    let mappings = 0;
    for (const { start, end, mapped, shared } of safe) {
      if (mapped) mappings++;
      // Only now that nobody can store there any more, and before anybody else may.
      if (shared && !this.arenaClosed) this.#memory.discard(start, end - start);
      this.#giveBack(start);
    }
    if (mappings > 0) this.#memory.gone(mappings);
    if (safe.length > 0) this.sharing?.forgetPicture();
    return safe.length > 0;
  }
}
