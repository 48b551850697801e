/**
 * This thread's part in a share: its slot among the members, its bell, and who else is there. Owner and attached sides
 * have one each.
 *
 * @module
 */
import type { SharedMemory } from '../../engine/shared-memory.ts';
import { AttachError, StateError } from '../../errors.ts';
import { threadId } from '../../linux/process.ts';
import { readTask } from '../../linux/task.ts';
import { Bell, Peers } from './bell.ts';
import { changes } from './buffer-table.ts';
import { MOST_MEMBERS } from './control-layout.ts';
import { Members } from './members.ts';

/** Why nobody can use a share any more, in the words of StateError. */
export type Ended = 'closed' | 'lost';

export class Membership {
  readonly mirror: string;
  readonly control: SharedMemory;
  readonly members: Members;
  readonly peers: Peers;
  readonly bell: Bell;
  readonly slot: number;
  /** This member's number in locks. */
  readonly name: number;
  /** Takes in what has changed, and looks whether the others still live, for a thread that blocks and hears no bell. */
  refresh: (() => void) | undefined;
  #head: number | undefined;
  readonly #rung = new Set<() => void>();
  readonly #atEnd = new Set<(reason: Ended) => void>();
  #ended: Ended | undefined;
  #left = false;

  /** Takes a slot. Throws AttachError, `full`, where all are taken. */
  constructor(mirror: string, control: SharedMemory, side: 'owner' | 'attached') {
    this.mirror = mirror;
    this.control = control;
    this.members = new Members(control);
    this.peers = new Peers(this.members);
    this.bell = new Bell(() => {
      for (const listener of this.#rung) listener();
    });
    const thread = threadId();
    const slot = this.members.claim(
      {
        thread,
        threadStart: readTask(thread)?.start ?? 0,
        process: process.pid,
        processStart: readTask(process.pid)?.start ?? 0,
        bell: this.bell.bell,
        life: this.bell.life,
      },
      control.address,
      side === 'owner' ? 0 : 1,
    );
    if (slot === undefined) {
      this.bell.close();
      throw new AttachError(
        'full',
        `mirror '${mirror}' has ${MOST_MEMBERS} members, which is all that it can have`,
      );
    }
    this.slot = slot;
    this.name = this.members.name(slot);
  }

  get ended(): Ended | undefined {
    return this.#ended;
  }

  /** Calls back whenever the bell was rung. */
  onRing(listener: () => void): void {
    this.#rung.add(listener);
  }

  /** Calls back when this part of the share ends, for whatever waits. Gives what takes the callback away. */
  onEnd(listener: (reason: Ended) => void): () => void {
    this.#atEnd.add(listener);
    return () => this.#atEnd.delete(listener);
  }

  /** Nothing new will come: everybody who waits is told. */
  end(reason: Ended): void {
    this.#ended ??= reason;
    for (const listener of this.#atEnd) listener(reason);
    this.#atEnd.clear();
  }

  /** {@link refresh}, but only where the table of buffers has changed meanwhile: cheap enough for every use of a lock. */
  freshen(): void {
    if (this.#ended) return;
    const head = changes(this.control);
    if (head === this.#head) return;
    this.#head = head;
    this.refresh?.();
  }

  /** Throws where the share has ended for this member. */
  check(): void {
    if (this.#ended) throw this.error(this.#ended);
  }

  error(reason: Ended): StateError {
    return new StateError(
      reason,
      reason === 'closed'
        ? `mirror '${this.mirror}' is closed`
        : `mirror '${this.mirror}' was lost: the process or thread that opened it has ended`,
    );
  }

  /** True once {@link leave} was called: the control memory is not there any more. */
  get left(): boolean {
    return this.#left;
  }

  /** Gives slot, bell and control memory back. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.end('closed');
    this.members.release(this.slot);
    this.peers.close();
    this.bell.close();
    this.control.unmap();
  }
}
