/**
 * Attaching to a mirror that another process or thread shares. One thread of all attaches at a time; whatever fails
 * leaves nothing mapped, open or entered.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';
import type { SharedMemory } from '../../engine/shared-memory.ts';
import { AttachError } from '../../errors.ts';
import { checkPlatform } from '../platform.ts';
import type { AttachedMemory } from './attached-memory.ts';
import { AttachedMirror } from './attached-mirror.ts';
import { goOut, tryEnter } from './attaching.ts';
import { HEADER, HEADER_F64 } from './control-layout.ts';
import { checkHandle, openControl, openOf, type ShareHandle } from './handle.ts';
import { Membership } from './membership.ts';
import { clearUpAfter, mapsHere } from './orphaned-mappings.ts';
import { OwnMappings } from './own-mappings.ts';
import { SeenMappings } from './seen-mappings.ts';

/**
 * Attaches this thread to the mirror that a handle of {@link Mirror.share} stands for: its buffers appear at the
 * addresses that they have in the process that opened it. `handle` may be its JSON. Rejects with TypeError or RangeError
 * for what is no handle; AttachError where this process can't attach, with reason `gone` also where the mirror was closed;
 * StateError where it is being closed just now.
 */
export async function attachMirror(handle: ShareHandle | string): Promise<AttachedMirror> {
  const checked = checkHandle(handle);
  checkPlatform();
  const control = openControl(checked);
  try {
    await enter(control);
  } catch (error) {
    control.unmap();
    throw error;
  }
  let own: Membership;
  try {
    own = new Membership(checked.name, control, 'attached');
  } catch (error) {
    goOut(control);
    control.unmap();
    throw error;
  }
  let memory: AttachedMemory | undefined;
  try {
    if (!own.members.alive(0)) throw ownerGone(checked);
    memory = memoryFor(own, checked);
    return new AttachedMirror(own, memory, !isMainThread);
  } catch (error) {
    memory?.close();
    goOut(control);
    own.leave();
    throw error;
  } finally {
    if (!own.left) goOut(control);
  }
}

/** Waits for whoever is attaching now, unless that has died meanwhile. Nothing in there waits. */
async function enter(control: SharedMemory): Promise<void> {
  while (!tryEnter(control)) await sleep(1);
}

/** Its own mappings, or those of the thread of this process that has some. */
function memoryFor(own: Membership, handle: ShareHandle): AttachedMemory {
  const { members, slot, control } = own;
  for (const other of members.present()) {
    if (!mapsHere(own, other)) continue;
    if (!members.alive(other)) {
      clearUpAfter(own, other);
      continue;
    }
    members.set(slot, 'LEADER', other + 1);
    return new SeenMappings(own, other);
  }
  const size = control.f64[HEADER_F64.ARENA_SIZE]!;
  const fd = openOf(handle, control.i32[HEADER.ARENA_FD]!, control.f64[HEADER_F64.ARENA_INODE]!);
  return new OwnMappings(own, fd, size);
}

function ownerGone({ name, pid }: ShareHandle): AttachError {
  return new AttachError('gone', `the thread of process ${pid} that opened mirror '${name}' has ended`);
}
