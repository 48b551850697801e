/**
 * userfaultfd(2): page faults of a range of this process are read as messages from a descriptor, and the faulting
 * thread sleeps until the range is filled. Only faults from user mode are asked for (UFFD_USER_MODE_ONLY), which
 * needs no privilege. The handler must never run on a thread that can fault. Numbers are from
 * include/uapi/linux/userfaultfd.h.
 *
 * @module
 */
import { SystemError, UnsupportedError } from '../errors.ts';
import { libcFunction } from '../ffi/library.ts';
import type { Address } from '../mm/address.ts';
import { close } from './memfd.ts';
import { readFrom } from './process.ts';
import { lastError, systemCall, systemCallNumber, systemError } from './system-call.ts';

const UFFD_USER_MODE_ONLY = 1;
const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;
const UFFD_API = 0xaan;

export const UFFD_FEATURE_THREAD_ID = 1n << 8n;
export const UFFD_FEATURE_MINOR_SHMEM = 1n << 10n;
/** Addresses to the byte, not to the page; 5.18 on. */
export const UFFD_FEATURE_EXACT_ADDRESS = 1n << 11n;
export const UFFD_FEATURE_WP_HUGETLBFS_SHMEM = 1n << 12n;
/** Pages that are not there yet can be write-protected; 6.4 on. */
export const UFFD_FEATURE_WP_UNPOPULATED = 1n << 13n;
/** A store to a write-protected page clears the protection and waits for nobody; 6.7 on. */
export const UFFD_FEATURE_WP_ASYNC = 1n << 15n;

export const UFFDIO_REGISTER_MODE_MISSING = 1n;
export const UFFDIO_REGISTER_MODE_WP = 2n;
export const UFFDIO_REGISTER_MODE_MINOR = 4n;

const UFFDIO_ZEROPAGE_MODE_DONTWAKE = 1n;
const UFFDIO_CONTINUE_MODE_DONTWAKE = 1n;
const UFFDIO_CONTINUE_MODE_WP = 2n;
const UFFDIO_COPY_MODE_DONTWAKE = 1n;
const UFFDIO_COPY_MODE_WP = 2n;
const UFFDIO_WRITEPROTECT_MODE_WP = 1n;

const UFFDIO_API = 0xc018aa3f;
const UFFDIO_REGISTER = 0xc020aa00;
const UFFDIO_WAKE = 0x8010aa02;
const UFFDIO_COPY = 0xc028aa03;
const UFFDIO_ZEROPAGE = 0xc020aa04;
const UFFDIO_WRITEPROTECT = 0xc018aa06;
const UFFDIO_CONTINUE = 0xc020aa07;

const UFFD_EVENT_PAGEFAULT = 0x12;
const UFFD_PAGEFAULT_FLAG_WRITE = 1;
const UFFD_PAGEFAULT_FLAG_WP = 2;
const UFFD_PAGEFAULT_FLAG_MINOR = 4;
const MESSAGE_BYTES = 32;

const ioctl = libcFunction('int ioctl(int, uint64_t, void *)');

export interface PageFault {
  readonly address: Address;
  readonly access: 'read' | 'write';
  /** `missing`: no page there; `minor`: the file has the page, this mapping does not; `protected`: write-protected. */
  readonly kind: 'missing' | 'minor' | 'protected';
  readonly thread: number;
}

const howToAllow =
  "userfaultfd is refused here. In Docker allow it with a seccomp profile that permits 'userfaultfd', elsewhere use a kernel from 5.19 on with CONFIG_USERFAULTFD; or open the device with faults: 'trap'";

/**
 * A descriptor with the features asked for. Throws {@link UnsupportedError} where the call is refused (seccomp, no
 * CONFIG_USERFAULTFD) or a feature is missing, and says how to get it.
 */
export function openUserfaultfd(features: bigint): number {
  const fd = systemCall(
    systemCallNumber('userfaultfd'),
    O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY,
    0,
    0,
    0,
    0,
    0,
  );
  if (fd === -1) {
    const errno = lastError();
    throw new UnsupportedError('userfaultfd', `${howToAllow} (${errno})`, { errno });
  }
  const request = new BigUint64Array([UFFD_API, features, 0n]);
  if (ioctl(fd, UFFDIO_API, request) === -1) {
    const errno = lastError();
    close(fd);
    throw new UnsupportedError(
      'userfaultfd',
      `${howToAllow} (features 0x${features.toString(16)}: ${errno})`,
      { errno },
    );
  }
  return fd;
}

/**
 * The features that this kernel's userfaultfd has, as UFFD_FEATURE_ bits; or the name of the error where the call is
 * refused. With `kernelFaults` a descriptor is asked for that also gets the faults of system calls, which needs a right.
 */
export function userfaultfdFeatures(kernelFaults: boolean): bigint | string {
  const flags = O_CLOEXEC | O_NONBLOCK | (kernelFaults ? 0 : UFFD_USER_MODE_ONLY);
  const fd = systemCall(systemCallNumber('userfaultfd'), flags, 0, 0, 0, 0, 0);
  if (fd === -1) return lastError();
  const request = new BigUint64Array([UFFD_API, 0n, 0n]);
  const refused = ioctl(fd, UFFDIO_API, request) === -1 ? lastError() : undefined;
  close(fd);
  return refused ?? request[1]!;
}

/** From now on faults in the range become messages. Safe on a range that the caller mapped. */
export function registerRange(fd: number, start: Address, length: number, mode: bigint): void {
  const request = new BigUint64Array([BigInt(start), BigInt(length), mode, 0n]);
  if (ioctl(fd, UFFDIO_REGISTER, request) === -1)
    throw systemError('ioctl', ['UFFDIO_REGISTER', start, length]);
}

/** {@link registerRange} that gives the refusal's name (`EINVAL`, `EBUSY`, ...), or `''`. */
export function tryRegisterRange(fd: number, start: Address, length: number, mode: bigint): string {
  const request = new BigUint64Array([BigInt(start), BigInt(length), mode, 0n]);
  return ioctl(fd, UFFDIO_REGISTER, request) === -1 ? lastError() : '';
}

/** Lets threads that wait for the range try again. */
export function wakeRange(fd: number, start: Address, length: number): void {
  if (ioctl(fd, UFFDIO_WAKE, new BigUint64Array([BigInt(start), BigInt(length)])) === -1)
    throw systemError('ioctl', ['UFFDIO_WAKE', start, length]);
}

const fill = new BigInt64Array(4);

/** What a fill did: bytes done before it stopped, and why it stopped (`''` where it did all). */
export interface Filled {
  readonly bytes: number;
  readonly errno: string;
}

function fillRange(fd: number, command: number, start: Address, length: number, mode: bigint): Filled {
  fill[0] = BigInt(start);
  fill[1] = BigInt(length);
  fill[2] = mode;
  fill[3] = 0n;
  if (ioctl(fd, command, fill) === 0) return { bytes: length, errno: '' };
  const errno = lastError();
  const done = Number(fill[3]);
  return { bytes: Math.max(0, done), errno };
}

/** Zero pages for a missing range, waking its waiters unless told not to. EEXIST where a page is there already. */
export function zeroRange(fd: number, start: Address, length: number, wake = true): Filled {
  return fillRange(fd, UFFDIO_ZEROPAGE, start, length, wake ? 0n : UFFDIO_ZEROPAGE_MODE_DONTWAKE);
}

/**
 * Maps the pages that the file already has, waking the range's waiters unless told not to. EFAULT at a page that the file lacks, EEXIST
 * at one that is mapped already. `readOnly` maps them write-protected (the range must be registered for that).
 */
export function continueRange(
  fd: number,
  start: Address,
  length: number,
  readOnly = false,
  wake = true,
): Filled {
  const mode = (readOnly ? UFFDIO_CONTINUE_MODE_WP : 0n) | (wake ? 0n : UFFDIO_CONTINUE_MODE_DONTWAKE);
  return fillRange(fd, UFFDIO_CONTINUE, start, length, mode);
}

const copied = new BigInt64Array(5);

/**
 * Copies from the caller's memory, wherever that is, into missing pages of the process that the descriptor is of, and
 * wakes nobody. The pages come up write-protected. Safe for the caller whatever lies at the source: EFAULT
 * where it can't be read. EEXIST at a page that is there already, ENOENT or EINVAL where the range is not registered for
 * both modes, ESRCH where that process has ended.
 */
export function copyRange(
  fd: number,
  target: Address,
  source: Address,
  length: number,
  wake = false,
): Filled {
  copied[0] = BigInt(target);
  copied[1] = BigInt(source);
  copied[2] = BigInt(length);
  copied[3] = wake ? UFFDIO_COPY_MODE_WP : UFFDIO_COPY_MODE_DONTWAKE | UFFDIO_COPY_MODE_WP;
  copied[4] = 0n;
  if (ioctl(fd, UFFDIO_COPY, copied) === 0) return { bytes: length, errno: '' };
  const errno = lastError();
  return { bytes: Math.max(0, Number(copied[4])), errno };
}

/**
 * Write-protects a registered range, or takes the protection away and wakes its waiters. Touches no bytes. Gives `''`, or
 * why not: ENOENT where the range is not registered, ESRCH where its process has ended.
 */
export function writeProtect(fd: number, start: Address, length: number, on: boolean): string {
  const request = new BigUint64Array([BigInt(start), BigInt(length), on ? UFFDIO_WRITEPROTECT_MODE_WP : 0n]);
  let errno = '';
  do {
    if (ioctl(fd, UFFDIO_WRITEPROTECT, request) === 0) return '';
    errno = lastError();
  } while (errno === 'EAGAIN');
  return errno;
}

/** Reads pending faults; an empty list where there are none. */
export class FaultReader {
  readonly #fd: number;
  readonly #bytes = new Uint8Array(MESSAGE_BYTES * 16);
  readonly #data = new DataView(this.#bytes.buffer);
  constructor(fd: number) {
    this.#fd = fd;
  }

  read(): PageFault[] {
    const got = readFrom(this.#fd, this.#bytes);
    const faults: PageFault[] = [];
    for (let at = 0; at + MESSAGE_BYTES <= got; at += MESSAGE_BYTES) {
      if (this.#data.getUint8(at) !== UFFD_EVENT_PAGEFAULT) {
        throw new SystemError('read', [this.#fd], `event ${this.#data.getUint8(at)}`);
      }
      const flags = this.#data.getUint32(at + 8, true);
      faults.push({
        address: Number(this.#data.getBigUint64(at + 16, true)),
        access: flags & UFFD_PAGEFAULT_FLAG_WRITE ? 'write' : 'read',
        kind:
          flags & UFFD_PAGEFAULT_FLAG_WP
            ? 'protected'
            : flags & UFFD_PAGEFAULT_FLAG_MINOR
              ? 'minor'
              : 'missing',
        thread: this.#data.getUint32(at + 24, true),
      });
    }
    return faults;
  }
}
