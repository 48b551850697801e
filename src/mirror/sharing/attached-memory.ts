/**
 * How an attached side has the owner's buffers: mapped by itself at their own addresses (own-mappings.ts); or, in a thread
 * beside one that has them mapped already, only seen (seen-mappings.ts). Both give the memory up when the owner frees it,
 * without any access that could crash and without a look at another buffer's bytes. Types only.
 *
 * @module
 */
import type { Obstacle } from '../../errors.ts';
import type { AttachedBuffer } from './attached-buffer.ts';
import type { TableEntry } from './buffer-table.ts';

export interface AttachedMemory {
  /** Says how this side is brought up to date, should another one of this thread need it; undefined: no more. */
  mapsBy(catchUp: (() => void) | undefined): void;
  /** Brings up to date what this side depends on, as far as this thread can. */
  catchUpFirst(): void;
  /** The buffer, or what is in its way; undefined where it will come later. */
  add(entry: TableEntry): AttachedBuffer | Obstacle | undefined;
  /**
   * The buffer is as long as `entry` says: brings it there. `false` where that will come later; what is in the way where it
   * stays as long as it was.
   */
  grow(buffer: AttachedBuffer, entry: TableEntry): Obstacle | boolean;
  /** Ends all access; false where that can't be done yet. */
  remove(buffer: AttachedBuffer): boolean;
  /** Ends what this thread does with it; its memory stays for other threads until {@link remove}. */
  keep(buffer: AttachedBuffer): void;
  /** Somebody rang. */
  look(): void;
  /** For a thread that blocks, and hears nothing: looks whether the mappings have lost their thread. */
  survey(): void;
  /** Tells those who use these mappings that they have gone. */
  tell(): void;
  /** Other threads may use these mappings too. */
  readonly shared: boolean;
  /** Others of this process do so now, be they of another thread or of this one. */
  readonly used: boolean;
  /** There are no mappings any more to see. */
  readonly ended: boolean;
  /** ArrayBuffers over removed buffers are alive, and this member must stay known until they are not. */
  readonly held: boolean;
  /** Calls back when {@link used} or {@link held} may have changed, and no bell says so. */
  whenReleased(callback: () => void): void;
  close(): void;
}
