/**
 * How members wake each other's event loops: each has a bell (a pipe that its loop polls) and a life line (a pipe that
 * only it can write to, so that it ends with the member). Others open both by /proc. Neither keeps a process alive,
 * unless somebody waits.
 *
 * @module
 */
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { openBell, openForReading, openForWriting } from '../../linux/pipe.ts';
import { writeTo } from '../../linux/process.ts';
import type { Members } from './members.ts';

const ONE = new Uint8Array(1);

function listen(fd: number): Socket {
  const socket = new Socket({ fd, readable: true, writable: false });
  socket.on('error', () => {});
  socket.unref();
  return socket;
}

/** This thread's own bell and life line. */
export class Bell {
  readonly bell: { readonly fd: number; readonly inode: number };
  readonly life: { readonly fd: number; readonly inode: number };
  readonly #socket: Socket;
  #holds = 0;

  constructor(rung: () => void) {
    this.life = openBell('node');
    try {
      this.bell = openBell('raw');
    } catch (error) {
      closeSync(this.life.fd);
      throw error;
    }
    this.#socket = listen(this.bell.fd).on('data', rung);
  }

  /** Somebody waits for it: the process stays alive until {@link letGo}. */
  hold(): void {
    if (this.#holds++ === 0) this.#socket.ref();
  }

  letGo(): void {
    if (--this.#holds === 0) this.#socket.unref();
  }

  close(): void {
    this.#socket.destroy();
    closeSync(this.life.fd);
  }
}

/** Calls back once a member's life line has ended. Gives what stops listening. */
export function watchLife(members: Members, slot: number, ended: () => void): () => void {
  const inode = members.number(slot, 'LIFE_INODE');
  const fd = openForReading(members.get(slot, 'PROCESS'), members.get(slot, 'LIFE_FD'), inode);
  if (fd === undefined) {
    const soon = setImmediate(ended);
    return () => clearImmediate(soon);
  }
  const socket = listen(fd);
  socket.on('end', ended).resume();
  return () => {
    socket.removeAllListeners('end');
    socket.destroy();
  };
}

/** The bells of the others, opened when first rung. */
export class Peers {
  readonly #members: Members;
  readonly #open = new Map<number, { readonly name: number; readonly fd: number }>();

  constructor(members: Members) {
    this.#members = members;
  }

  /** False where the member has gone, or can't be reached from here. */
  ring(slot: number): boolean {
    const name = this.#members.name(slot);
    let peer = this.#open.get(slot);
    if (peer && peer.name !== name) {
      this.forget(slot);
      peer = undefined;
    }
    if (!peer) {
      const process = this.#members.get(slot, 'PROCESS');
      const inode = this.#members.number(slot, 'BELL_INODE');
      const fd = openForWriting(process, this.#members.get(slot, 'BELL_FD'), inode);
      if (fd === undefined) return false;
      peer = { name, fd };
      this.#open.set(slot, peer);
    }
    // A pipe that is full wakes its reader as well.
    return writeTo(peer.fd, ONE) || this.#members.alive(slot);
  }

  forget(slot: number): void {
    const peer = this.#open.get(slot);
    if (!peer) return;
    this.#open.delete(slot);
    closeSync(peer.fd);
  }

  close(): void {
    for (const slot of [...this.#open.keys()]) this.forget(slot);
  }
}
