/**
 * Copies of which one end is ordinary memory of the host, an ArrayBuffer's. No device reaches that, so the host carries
 * them out itself when their turn in the queue has come; mirrored memory it reads and writes through the arena's file,
 * where the offset of a byte is its address: no view is made, and memory that has run out is an error. Memory that a
 * device's driver has allocated is in no file: the kernel copies it from address to address.
 *
 * @module
 */
import { readSync, writeSync } from 'node:fs';
import type { DeviceContext } from '../device/device.ts';
import { invalidType, outOfRange, StateError, SystemError } from '../errors.ts';
import { addressOf } from '../ffi/library.ts';
import { copyMemory } from '../linux/process-vm.ts';
import type { Address } from '../mm/address.ts';
import type { HostAction } from './command.ts';

/** Most bytes that one call reads or writes. */
const MOST_BYTES = 2 ** 30;

/** Where a copy begins or ends: at an address; of a part of an ArrayBuffer, as it was when it was named, where it has one. */
export interface CopyEnd {
  readonly address: Address;
  readonly size: number;
  readonly view?: ArrayBufferView;
}

/** What a view shows; `name` is the argument's. */
export function hostBytes(name: string, view: ArrayBufferView, size = view.byteLength): CopyEnd {
  if (typeof size !== 'number') throw invalidType('size', 'a number of bytes', size);
  if (!Number.isSafeInteger(size) || size < 1 || size > view.byteLength)
    throw outOfRange('size', `from 1 to the ${name}'s ${view.byteLength} bytes`, size);
  return { view, size, address: addressOf(view as NodeJS.ArrayBufferView) };
}

/** The host's part of a copy; ends without a view are mirrored memory. */
export function hostCopy(
  { arena: { fd }, inArena }: Pick<DeviceContext, 'arena' | 'inArena'>,
  target: CopyEnd,
  source: CopyEnd,
  size: number,
): HostAction {
  return () => {
    if (!source.view) {
      const into = bytesOf('target', target, size);
      if (inArena(source.address)) fromArena(fd, source.address, into);
      else copyMemory(addressOf(into), source.address, size);
    } else {
      const from = bytesOf('source', source, size);
      if (target.view) bytesOf('target', target, size).set(from);
      else if (inArena(target.address)) toArena(fd, target.address, from);
      else copyMemory(target.address, addressOf(from), size);
    }
  };
}

/** The bytes as they are now: the ArrayBuffer may have been transferred, or made shorter. */
function bytesOf(name: string, { view }: CopyEnd, size: number): Uint8Array {
  if (!view || view.byteLength < size) {
    throw new StateError(
      'transferred',
      `the ${name} of a copy has ${view?.byteLength} bytes left of ${size}: its ArrayBuffer was transferred, or made shorter, before the copy's turn had come. Leave it alone until 'done'`,
    );
  }
  return new Uint8Array(view.buffer, view.byteOffset, size);
}

function fromArena(arena: number, address: Address, into: Uint8Array): void {
  for (let done = 0; done < into.length; ) {
    const length = Math.min(into.length - done, MOST_BYTES);
    const read = inFile('pread', address + done, length, () =>
      readSync(arena, into, done, length, address + done),
    );
    done += read;
  }
}

function toArena(arena: number, address: Address, from: Uint8Array): void {
  for (let done = 0; done < from.length; ) {
    const length = Math.min(from.length - done, MOST_BYTES);
    done += inFile('pwrite', address + done, length, () =>
      writeSync(arena, from, done, length, address + done),
    );
  }
}

function inFile(call: string, address: Address, length: number, transfer: () => number): number {
  try {
    const bytes = transfer();
    if (bytes > 0) return bytes;
    throw new SystemError(call, [address, length], 'EIO');
  } catch (error) {
    if (error instanceof SystemError) throw error;
    const { code = 'EIO' } = error as NodeJS.ErrnoException;
    throw new SystemError(call, [address, length], code, 'Memory could not be copied');
  }
}
