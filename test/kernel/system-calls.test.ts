/**
 * The live kernel is the oracle of each system call's wrapper: how it answers the call that goes wrong, and the one that
 * does not.
 */
import assert from 'node:assert/strict';
import { fstatSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import {
  GiB,
  KiB,
  type Mirror,
  openMirror,
  type SystemError,
  UnsupportedError,
  type WasmDevice,
  wasmDevice,
} from 'mirrorspace';
import { addressOf, viewMemory } from '../../src/ffi/library.ts';
import { futexWait, futexWake } from '../../src/linux/futex.ts';
import {
  addSeals,
  allocatePages,
  close,
  F_SEAL_GROW,
  F_SEAL_SHRINK,
  ftruncate,
  memfdCreate,
  punchHole,
  tryFtruncate,
} from '../../src/linux/memfd.ts';
import {
  adviseMemory,
  MADV_DONTDUMP,
  MAP_ANONYMOUS,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  MAP_SHARED,
  madvise,
  mmap,
  mmapNoReplace,
  mprotect,
  mremap,
  munmap,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  pageSize,
  residentPages,
} from '../../src/linux/mmap.ts';
import {
  eventfd,
  Poller,
  pidfdOpen,
  readFrom,
  setParentDeathSignal,
  signalEventfd,
  threadId,
  writeTo,
} from '../../src/linux/process.ts';
import { readMaps } from '../../src/linux/process-maps.ts';
import { FaultReader, openUserfaultfd, registerRange, wakeRange } from '../../src/linux/userfaultfd.ts';
import { arenaDescriptor, descriptors, mappings } from '../fixtures/proc.ts';

const NAME = 'oracle';
const PAGE = 4 * KiB;
const RW = PROT_READ | PROT_WRITE;

let mirror: Mirror<{ wasm: WasmDevice }>;
let wasm: WasmDevice;
before(async () => {
  mirror = await openMirror({
    name: NAME,
    devices: { wasm: wasmDevice({ cores: 1, window: [1.5 * GiB, 4 * GiB] }) },
  });
  wasm = mirror.devices.wasm;
});
after(() => mirror.close());

describe('a call that the kernel refuses is a SystemError with its name, arguments and errno:', () => {
  /** A free place, and a descriptor that nobody has. */
  const [NOWHERE, BAD] = [3 * GiB, 987_654];
  const anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
  const word = new Int32Array(4);
  const cases: [what: string, call: () => unknown, syscall: string, errno: string, args: unknown[]][] = [
    [
      'a name that is too long',
      () => memfdCreate('x'.repeat(250)),
      'memfd_create',
      'EINVAL',
      ['x'.repeat(250)],
    ],
    ['a length of no file', () => ftruncate(BAD, PAGE), 'ftruncate', 'EBADF', [BAD, PAGE]],
    ['a negative length', () => ftruncate(arenaDescriptor(NAME), -1), 'ftruncate', 'EINVAL', [NaN, -1]],
    ['a length that is tried of no file', () => tryFtruncate(BAD, PAGE), 'ftruncate', 'EBADF', [BAD, PAGE]],
    [
      'seals of no file',
      () => addSeals(BAD, F_SEAL_GROW),
      'fcntl',
      'EBADF',
      [BAD, 'F_ADD_SEALS', F_SEAL_GROW],
    ],
    ['a hole in no file', () => punchHole(BAD, 0, PAGE), 'fallocate', 'EBADF', [BAD, 'PUNCH_HOLE', 0, PAGE]],
    ['pages of no file', () => allocatePages(BAD, 0, PAGE), 'fallocate', 'EBADF', [BAD, 0, PAGE]],
    ['to close what is not open', () => close(BAD), 'close', 'EBADF', [BAD]],
    [
      'to map nothing',
      () => mmap(0, 0, RW, anonymous, -1, 0),
      'mmap',
      'EINVAL',
      [0, 0, RW, anonymous, -1, 0],
    ],
    [
      'to map no file',
      () => mmap(0, PAGE, RW, MAP_SHARED, BAD, 0),
      'mmap',
      'EBADF',
      [0, PAGE, RW, 1, BAD, 0],
    ],
    [
      'to map all there is',
      () => mmap(0, 2 ** 52, RW, anonymous, -1, 0),
      'mmap',
      'ENOMEM',
      [0, 2 ** 52, RW, anonymous, -1, 0],
    ],
    [
      'to map exactly in the middle of a page',
      () => mmapNoReplace(NOWHERE + 1, PAGE, RW, anonymous, -1, 0),
      'mmap',
      'EINVAL',
      [NOWHERE + 1, PAGE, RW, anonymous, -1, 0],
    ],
    [
      'to map no file exactly there',
      () => mmapNoReplace(NOWHERE, PAGE, RW, MAP_SHARED, BAD, NOWHERE),
      'mmap',
      'EBADF',
      [NOWHERE, PAGE, RW, MAP_SHARED, BAD, NOWHERE],
    ],
    [
      'to map beyond user space',
      () => mmapNoReplace(2 ** 47, PAGE, RW, anonymous, -1, 0),
      'mmap',
      'ENOMEM',
      [2 ** 47, PAGE, RW, anonymous, -1, 0],
    ],
    ['to unmap half a page', () => munmap(NOWHERE + 8, PAGE), 'munmap', 'EINVAL', [NOWHERE + 8, PAGE]],
    ['to protect nothing', () => mprotect(NOWHERE, PAGE, 0), 'mprotect', 'ENOMEM', [NOWHERE, PAGE, 0]],
    ['to advise nothing', () => adviseMemory(NOWHERE, PAGE, 4), 'madvise', 'ENOMEM', [NOWHERE, PAGE, 4]],
    [
      'to resize nothing',
      () => mremap(NOWHERE, PAGE, 2 * PAGE, 0, 0),
      'mremap',
      'EFAULT',
      [NOWHERE, PAGE, 2 * PAGE, 0, 0],
    ],
    ['pages of nothing', () => residentPages(NOWHERE, PAGE), 'mincore', 'ENOMEM', [NOWHERE, PAGE]],
    ['a signal that is none', () => setParentDeathSignal(999), 'prctl', 'EINVAL', ['PR_SET_PDEATHSIG', 999]],
    ['a process that is none', () => pidfdOpen(-1), 'pidfd_open', 'EINVAL', [-1]],
    ['a process that has gone', () => pidfdOpen(2 ** 22 + 1), 'pidfd_open', 'ESRCH', [2 ** 22 + 1]],
    ['the maps of none', () => readMaps(2 ** 22 + 1), 'open', 'ENOENT', [`/proc/${2 ** 22 + 1}/maps`]],
    ['to signal what is no eventfd', () => signalEventfd(BAD), 'write', 'EBADF', [BAD, 8]],
    ['to write to what is not open', () => writeTo(BAD, new Uint8Array(3)), 'write', 'EBADF', [BAD, 3]],
    ['to read what is not open', () => readFrom(BAD, new Uint8Array(3)), 'read', 'EBADF', [BAD, 3]],
    [
      'to wait on half a word',
      () => futexWait(addressOf(word) + 2, 0, 0),
      'futex',
      'EINVAL',
      [addressOf(word) + 2, 'FUTEX_WAIT', 0, 0],
    ],
    ['to wait on nothing', () => futexWait(NOWHERE, 0, 0), 'futex', 'EFAULT', [NOWHERE, 'FUTEX_WAIT', 0, 0]],
    ['to wake nothing', () => futexWake(NOWHERE, 1), 'futex', 'EFAULT', [NOWHERE, 'FUTEX_WAKE', 1]],
    [
      'to register with no userfaultfd',
      () => registerRange(BAD, NOWHERE, PAGE, 1n),
      'ioctl',
      'EBADF',
      ['UFFDIO_REGISTER', NOWHERE, PAGE],
    ],
    [
      'to wake by none',
      () => wakeRange(BAD, NOWHERE, PAGE),
      'ioctl',
      'EBADF',
      ['UFFDIO_WAKE', NOWHERE, PAGE],
    ],
    ['to read faults of none', () => new FaultReader(BAD).read(), 'read', 'EBADF', [BAD, 32 * 16]],
  ];

  for (const [what, call, syscall, errno, args] of cases)
    test(`${what} is ${errno}`, () => {
      const before = descriptors().size;
      assert.throws(call, (error) => {
        assert.ok(error instanceof Error);
        // The tests run from source what the package has built: the class is compared by what it is.
        const { name, message, ...rest } = error as SystemError;
        assert.equal(name, 'SystemError', message);
        const expected = args.map((arg) => (Number.isNaN(arg) ? arenaDescriptor(NAME) : arg));
        assert.deepEqual(rest, { code: 'ERR_MIRROR_SYSTEM', syscall, errno, args: expected });
        for (const words of [syscall, errno]) assert.ok(message.includes(words), message);
        return true;
      });
      assert.equal(descriptors().size, before);
      assert.equal(
        mappings().some(({ start, end }) => start < NOWHERE + PAGE && NOWHERE < end),
        false,
      );
    });

  test('to poll more descriptors than a process may have open is EINVAL', (t) => {
    const limit = Number(/^Max open files +([0-9]+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]);
    if (!(limit < 2 ** 22)) return t.skip('there is no such limit here that a list could exceed');
    const poller = new Poller(new Array(limit + 1).fill(0));
    assert.throws(() => poller.wait(0), { syscall: 'poll', errno: 'EINVAL', args: [limit + 1, 0] });
  });

  test('a userfaultfd with a feature that does not exist is an UnsupportedError, and leaves no descriptor', () => {
    const before = descriptors().size;
    assert.throws(
      () => openUserfaultfd(1n << 60n),
      (error: UnsupportedError) => {
        assert.equal(error.name, UnsupportedError.name);
        assert.equal(error.missing, 'userfaultfd');
        assert.match(error.message, /0x1000000000000000: EINVAL/);
        return true;
      },
    );
    assert.equal(descriptors().size, before);
  });
});

describe('calls that succeed', () => {
  test('eventfd and poll agree about a signal, and a full eventfd is no error', () => {
    const fd = eventfd();
    const poller = new Poller([fd]);
    const counter = new BigUint64Array(1);
    assert.equal(poller.wait(0), 0);
    assert.equal(readFrom(fd, counter), 0);
    signalEventfd(fd);
    signalEventfd(fd);
    assert.equal(poller.wait(-1), 1);
    assert.equal(poller.ready(0), true);
    assert.equal(readFrom(fd, counter), 8);
    assert.equal(counter[0], 2n);
    assert.equal(writeTo(fd, new BigUint64Array([2n ** 64n - 2n])), true);
    signalEventfd(fd);
    assert.equal(writeTo(fd, new BigUint64Array([1n])), false);
    close(fd);
  });

  test('a futex that has another value, or whose time is up, says so', () => {
    const word = new Int32Array([5]);
    const address = addressOf(word);
    assert.equal(futexWait(address, 4, Number.POSITIVE_INFINITY), 'changed');
    assert.equal(futexWait(address, 5, 1), 'timeout');
    assert.equal(futexWake(address, 1), 0);
  });

  test('a pidfd polls only once its process has ended', () => {
    const fd = pidfdOpen(wasm.pid);
    assert.equal(new Poller([fd]).wait(0), 0);
    close(fd);
  });

  test('a memory file without seals can shrink, and with them no more', () => {
    const fd = memfdCreate('mirrorspace-test');
    ftruncate(fd, 4 * PAGE);
    allocatePages(fd, 0, 4 * PAGE);
    assert.equal(fstatSync(fd).blocks * 512, 4 * PAGE);
    punchHole(fd, PAGE, 2 * PAGE);
    assert.equal(fstatSync(fd).blocks * 512, 2 * PAGE);
    ftruncate(fd, PAGE);
    addSeals(fd, F_SEAL_SHRINK);
    assert.throws(() => ftruncate(fd, 0), { errno: 'EPERM' });
    ftruncate(fd, 2 * PAGE);
    assert.equal(fstatSync(fd).size, 2 * PAGE);
    close(fd);
  });

  test('protection and residence are what the kernel shows', () => {
    const at = 3 * GiB;
    assert.equal(mmap(at, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), at);
    assert.equal(residentPages(at, 4 * PAGE), 0);
    new Uint8Array(viewMemory(at + PAGE, PAGE))[7] = 1;
    assert.equal(residentPages(at, 4 * PAGE), 1);
    mprotect(at, PAGE, PROT_NONE);
    assert.deepEqual(
      mappings()
        .filter(({ start, end }) => start >= at && end <= at + 4 * PAGE)
        .map(({ start, end, prot }) => [start, end, prot]),
      [
        [at, at + PAGE, PROT_NONE],
        [at + PAGE, at + 4 * PAGE, RW],
      ],
    );
    assert.equal(madvise(at, 4 * PAGE, MADV_DONTDUMP), true);
    assert.equal(madvise(at, 4 * PAGE, 12345), false);
    munmap(at, 4 * PAGE);
  });

  test('the page size is that of the auxiliary vector, and the thread is this process’s first', () => {
    const smaps = readFileSync('/proc/self/smaps', 'latin1');
    assert.equal(pageSize(), Number(/^KernelPageSize: +([0-9]+) kB/m.exec(smaps)?.[1]) * KiB);
    assert.equal(threadId(), process.pid);
    assert.equal(readMaps('self').split('\n')[0]?.split(' ')[0], readMaps(process.pid).split(' ')[0]);
  });
});
