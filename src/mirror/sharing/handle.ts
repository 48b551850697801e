/**
 * The handle of a share: a plain object that says which process made it, which of its descriptors is the control
 * memory, and a random token that is written there too. It holds no descriptor itself, so it goes through JSON,
 * structured clone, arguments and environment. Who has it opens the memory through /proc, as the kernel permits to
 * processes of one user; nothing else is asked of the owner.
 *
 * @module
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { SharedMemory } from '../../engine/shared-memory.ts';
import { AttachError, invalidType, outOfRange, StateError } from '../../errors.ts';
import { outOfDescriptors } from '../../linux/pipe.ts';
import { isAlive } from '../../linux/task.ts';
import { HEADER, LAYOUT_VERSION, MAGIC, SHARE_BYTES, SHARE_STATE, TOKEN_WORDS } from './control-layout.ts';

/** What `share()` gives and `attachMirror` takes: a plain object, good for JSON and structured clone. */
export interface ShareHandle {
  readonly kind: 'mirrorspace-share';
  readonly version: number;
  /** The mirror's name. */
  readonly name: string;
  /** The process that opened the mirror, and when it began, in clock ticks. */
  readonly pid: number;
  readonly started: number;
  /** The descriptor of the control memory there, and its inode. */
  readonly fd: number;
  readonly inode: number;
  /** 32 hexadecimal digits, from the system's random numbers. */
  readonly token: string;
}

const TOKEN = /^[0-9a-f]{32}$/;
const NAME = /^[\w.-]{1,64}$/;

/** The handle, checked; or that which is in a string of JSON. */
export function checkHandle(given: unknown): ShareHandle {
  let value = given;
  if (typeof value === 'string') {
    try {
      value = JSON.parse(value);
    } catch {
      throw invalidType('handle', 'what mirror.share() gave, or its JSON', given);
    }
  }
  if (typeof value !== 'object' || value === null || (value as ShareHandle).kind !== 'mirrorspace-share')
    throw invalidType('handle', 'what mirror.share() gave, or its JSON', given);
  const handle = value as ShareHandle;
  for (const field of ['version', 'pid', 'started', 'fd', 'inode'] as const) {
    if (typeof handle[field] !== 'number') throw invalidType(`handle.${field}`, 'a number', handle[field]);
    if (!Number.isSafeInteger(handle[field]) || handle[field] < 0)
      throw outOfRange(`handle.${field}`, 'a safe integer of at least 0', handle[field]);
  }
  for (const [field, form] of [
    ['name', NAME],
    ['token', TOKEN],
  ] as const) {
    if (typeof handle[field] !== 'string') throw invalidType(`handle.${field}`, 'a string', handle[field]);
    if (!form.test(handle[field]))
      throw outOfRange(`handle.${field}`, `of the form ${form.source}`, handle[field]);
  }
  if (handle.version !== LAYOUT_VERSION)
    throw outOfRange(
      'handle.version',
      `${LAYOUT_VERSION}, as in this version of the package`,
      handle.version,
    );
  return handle;
}

/** The words of a token, as they lie in the control memory. */
export function tokenWords(token: string): number[] {
  return Array.from(
    { length: TOKEN_WORDS },
    (_, i) => Number.parseInt(token.slice(8 * i, 8 * i + 8), 16) | 0,
  );
}

/**
 * Opens a descriptor of another process of this user (or of this process) anew, and makes sure that it is the file it
 * should be. The caller closes it.
 */
export function openOf(handle: ShareHandle, fd: number, inode: number): number {
  const gone = (): AttachError =>
    new AttachError('gone', `process ${handle.pid}, which opened mirror '${handle.name}', no longer has it`);
  if (!isAlive(handle.pid, handle.started)) throw gone();
  let opened: number;
  try {
    // Safe: opening changes nothing, and what it is is looked at before it is used.
    opened = openSync(`/proc/${handle.pid}/fd/${fd}`, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'EMFILE' || code === 'ENFILE') throw outOfDescriptors(code);
    if (code !== 'EACCES' && code !== 'EPERM') throw gone();
    throw new AttachError(
      'not-permitted',
      `process ${handle.pid}, which opened mirror '${handle.name}', may not be read from here (${code}): both must run as one user, and neither may have given up being dumpable`,
    );
  }
  if (fstatSync(opened).ino === inode) return opened;
  closeSync(opened);
  throw gone();
}

/** Maps the control memory that a handle stands for. */
export function openControl(handle: ShareHandle): SharedMemory {
  const fd = openOf(handle, handle.fd, handle.inode);
  let control: SharedMemory | undefined;
  try {
    if (fstatSync(fd).size !== SHARE_BYTES) throw otherMirror(handle);
    control = SharedMemory.map(fd, 0, SHARE_BYTES);
  } finally {
    closeSync(fd);
  }
  const { i32 } = control;
  const own = tokenWords(handle.token).every((word, i) => i32[HEADER.TOKEN + i] === word);
  if (i32[HEADER.MAGIC] === MAGIC && i32[HEADER.VERSION] === LAYOUT_VERSION && own) {
    if (Atomics.load(i32, HEADER.STATE) === SHARE_STATE.OPEN) return control;
    control.unmap();
    throw new StateError('closed', `mirror '${handle.name}' is closed`);
  }
  control.unmap();
  throw otherMirror(handle);
}

function otherMirror(handle: ShareHandle): AttachError {
  return new AttachError(
    'other-mirror',
    `what process ${handle.pid} has there is not the mirror '${handle.name}' that the handle was made for`,
  );
}
