/**
 * The model of an address space by example: what the random comparison with the kernel does not reach (limits, brk,
 * rights of files, shadow stacks), and that bad input changes nothing.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as mm from '../../src/mm/index.ts';

const PAGE = 4096;
const { AddressSpace, GiB, KiB, MiB, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED } = mm;
const RW = mm.PROT_READ | mm.PROT_WRITE;
const PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS;
const anonymous = { prot: RW, flags: PRIVATE };

const pagesOf = (space: mm.AddressSpace, base = 0) =>
  space.vmas().map(({ start, end, prot }) => [(start - base) / PAGE, (end - base) / PAGE, prot]);

/** Runs `call`, which must fail with `errno` and leave the VMAs as they are. */
function refuses(space: mm.AddressSpace, errno: string, call: () => unknown): void {
  const before = space.snapshot();
  assert.throws(call, { name: 'SystemError', code: 'ERR_MIRROR_SYSTEM', errno });
  assert.deepEqual(space.snapshot(), before);
}

describe('mmap', () => {
  test('the kernel’s choice is below mmapBase, and the next one below that', () => {
    const space = new AddressSpace({ mmapBase: 0x7f0000000000 });
    assert.equal(space.mmap({ ...anonymous, length: 3 * PAGE }), 0x7f0000000000 - 3 * PAGE);
    assert.equal(space.mmap({ ...anonymous, length: 1 }), 0x7f0000000000 - 4 * PAGE);
    assert.equal(space.mapCount, 1);
    assert.equal(space.size, 4 * PAGE);
  });

  test('where the top-down search finds nothing, it goes up from the legacy base', () => {
    const space = new AddressSpace({ mmapBase: 256 * KiB, legacyMmapBase: GiB });
    assert.equal(space.mmap({ ...anonymous, length: MiB }), GiB);
  });

  test('a large anonymous mapping is aligned to huge pages, if there is room for that', () => {
    const space = new AddressSpace({ mmapBase: 0x7f0000001000 });
    assert.equal(space.mmap({ ...anonymous, length: 4 * MiB }), 0x7f0000000000 - 4 * MiB);
    assert.equal(
      new AddressSpace({ mmapBase: 5 * MiB, hugePageSize: 0 }).mmap({ ...anonymous, length: 4 * MiB }),
      MiB,
    );
    const tight = new AddressSpace({
      mmapBase: 4 * MiB + PAGE,
      legacyMmapBase: 2 ** 47 - PAGE,
      mmapMinAddr: PAGE,
    });
    assert.equal(tight.mmap({ ...anonymous, length: 4 * MiB }), PAGE);
  });

  test('a shadow stack keeps a page below itself, a stack 256', () => {
    const space = new AddressSpace({ mmapBase: 1024 * PAGE });
    const at = (vmFlags: number) => [
      new mm.VmArea(
        800 * PAGE,
        810 * PAGE,
        { vmFlags, file: undefined, pageOffset: 800, name: '', anonVma: undefined },
        PAGE,
      ),
      new mm.VmArea(
        810 * PAGE,
        1024 * PAGE,
        { vmFlags: 1, file: undefined, pageOffset: 0, name: '', anonVma: undefined },
        PAGE,
      ),
    ];
    for (const [vmFlags, gap] of [
      [mm.VM_SHADOW_STACK, 1],
      [mm.VM_GROWSDOWN, 256],
      [mm.VM_READ, 0],
    ] as const) {
      space.restore({ vmas: at(vmFlags), brk: undefined });
      assert.equal(space.getUnmappedArea({ ...anonymous, length: PAGE }), (799 - gap) * PAGE);
    }
  });

  test('what a file was opened for decides what may be mapped, and may become writable', () => {
    const space = new AddressSpace();
    const map = (access: 'read' | 'write' | 'read-write', type: number, prot: number) =>
      space.mmap({ length: PAGE, prot, flags: type, file: { access } });
    refuses(space, 'EACCES', () => map('read', MAP_SHARED, RW));
    refuses(space, 'EACCES', () => map('write', MAP_PRIVATE, mm.PROT_READ));
    const shared = map('read', MAP_SHARED, mm.PROT_READ);
    refuses(space, 'EACCES', () => space.mprotect(shared, PAGE, RW));
    space.mprotect(map('read', MAP_PRIVATE, mm.PROT_READ), PAGE, RW);
    space.mprotect(map('read-write', MAP_SHARED, mm.PROT_READ), PAGE, RW);
  });

  test('two mappings of one file merge where offsets continue, and only there', () => {
    const space = new AddressSpace();
    const file = { name: '/tmp/x' };
    const map = (page: number, offset: number) =>
      space.mmap({
        address: GiB + page * PAGE,
        length: PAGE,
        prot: RW,
        flags: MAP_SHARED | MAP_FIXED,
        file,
        offset: offset * PAGE,
      });
    map(0, 5);
    map(1, 6);
    map(2, 8);
    assert.deepEqual(pagesOf(space, GiB), [
      [0, 2, RW],
      [2, 3, RW],
    ]);
    assert.equal(space.find(GiB + PAGE)?.offset, 5 * PAGE);
  });

  test('each refusal has the kernel’s error and changes nothing', () => {
    const space = new AddressSpace();
    space.mmap({ ...anonymous, address: GiB, length: MiB, flags: PRIVATE | MAP_FIXED });
    const tries: [string, Partial<mm.MmapRequest>][] = [
      ['EINVAL', { length: 0 }],
      ['EINVAL', { offset: 1 }],
      ['EINVAL', { flags: MAP_ANONYMOUS }],
      ['EINVAL', { flags: MAP_SHARED | MAP_ANONYMOUS | mm.MAP_GROWSDOWN }],
      ['EINVAL', { address: GiB + 1, flags: PRIVATE | MAP_FIXED }],
      ['EBADF', { flags: MAP_PRIVATE }],
      ['ENOMEM', { length: 2 ** 47 }],
      ['ENOMEM', { length: Number.MAX_SAFE_INTEGER }],
      ['ENOMEM', { address: 2 ** 47 - PAGE, flags: PRIVATE | MAP_FIXED }],
      ['EPERM', { address: PAGE, flags: PRIVATE | MAP_FIXED }],
      ['EEXIST', { address: GiB + MiB - PAGE, flags: PRIVATE | mm.MAP_FIXED_NOREPLACE, length: 2 * PAGE }],
      ['EOVERFLOW', { flags: MAP_SHARED, file: {}, offset: 2 ** 53 - 2 * PAGE, length: 2 * PAGE }],
      ['EOPNOTSUPP', { flags: mm.MAP_SHARED_VALIDATE | mm.MAP_FIXED_NOREPLACE, address: 2 * GiB, file: {} }],
    ];
    for (const [errno, change] of tries) {
      const request = { ...anonymous, length: PAGE, ...change };
      refuses(space, errno, () => space.mmap(request));
      assert.throws(() => space.getUnmappedArea(request), { errno }, JSON.stringify(change));
    }
  });
});

describe('limits', () => {
  test('RLIMIT_AS counts what is mapped less what is replaced', () => {
    const space = new AddressSpace({ addressSpaceLimit: 4 * PAGE });
    const at = space.mmap({ ...anonymous, length: 3 * PAGE });
    refuses(space, 'ENOMEM', () => space.mmap({ ...anonymous, length: 2 * PAGE }));
    refuses(space, 'ENOMEM', () =>
      space.mremap({ address: at, oldLength: PAGE, newLength: 3 * PAGE, flags: 1 }),
    );
    space.mmap({ ...anonymous, address: at + PAGE, length: 3 * PAGE, flags: PRIVATE | MAP_FIXED });
    assert.equal(space.size, 4 * PAGE);
  });

  test('at max_map_count a hole can’t be made, an end can be cut off', () => {
    const space = new AddressSpace({ maxMapCount: 1 });
    const at = space.mmap({ ...anonymous, length: 9 * PAGE });
    refuses(space, 'ENOMEM', () => space.munmap(at + PAGE, PAGE));
    refuses(space, 'ENOMEM', () => space.mprotect(at + PAGE, PAGE, 0));
    refuses(space, 'EAGAIN', () => space.madvise(at + PAGE, PAGE, mm.MADV_DONTFORK));
    space.munmap(at, PAGE);
    assert.equal(space.mapCount, 1);
  });

  test('where there is room for one split of two, the first one stays, as in the kernel', () => {
    const space = new AddressSpace({ maxMapCount: 2 });
    const at = space.mmap({ ...anonymous, length: 9 * PAGE });
    assert.throws(() => space.mprotect(at + PAGE, PAGE, 0), { errno: 'ENOMEM' });
    assert.deepEqual(pagesOf(space, at), [
      [0, 1, RW],
      [1, 9, RW],
    ]);
  });
});

describe('brk', () => {
  const start = 0x600000;

  test('the heap grows, shrinks, and stays where something is in the way', () => {
    const space = new AddressSpace({ brkStart: start });
    assert.equal(space.brk(0), start);
    assert.equal(space.brk(start + 10), start + 10);
    assert.equal(space.brk(start + 5 * PAGE), start + 5 * PAGE);
    assert.deepEqual(pagesOf(space, start), [[0, 5, RW]]);
    assert.equal(space.brk(start + PAGE + 1), start + PAGE + 1);
    assert.deepEqual(pagesOf(space, start), [[0, 2, RW]]);
    space.mmap({ ...anonymous, address: start + 4 * PAGE, length: PAGE, flags: PRIVATE | MAP_FIXED });
    // A page is kept free behind the heap.
    assert.equal(space.brk(start + 4 * PAGE), start + PAGE + 1);
    assert.equal(space.brk(start + 3 * PAGE), start + 3 * PAGE);
    assert.equal(space.brk(start - 1), start + 3 * PAGE);
    assert.equal(space.brk(2 ** 50), start + 3 * PAGE);
  });

  test('without a heap it answers 0, and a stack above keeps its gap', () => {
    assert.equal(new AddressSpace().brk(GiB), 0);
    const space = new AddressSpace({ brkStart: start });
    const flags = PRIVATE | MAP_FIXED | mm.MAP_GROWSDOWN;
    space.mmap({ ...anonymous, address: start + 300 * PAGE, length: PAGE, flags });
    assert.equal(space.brk(start + 44 * PAGE), start);
    assert.equal(space.brk(start + 43 * PAGE), start + 43 * PAGE);
  });
});

test('a snapshot is not changed by what comes after, and can be restored', () => {
  const space = new AddressSpace({ brkStart: MiB });
  const at = space.mmap({ ...anonymous, length: 9 * PAGE });
  space.brk(MiB + PAGE);
  const snapshot = space.snapshot();
  const copy = structuredClone(snapshot.vmas.map(({ start, end }) => [start, end]));
  space.munmap(at + PAGE, PAGE);
  space.brk(MiB);
  assert.deepEqual(
    snapshot.vmas.map(({ start, end }) => [start, end]),
    copy,
  );
  space.restore(snapshot);
  assert.deepEqual(space.snapshot(), snapshot);
  assert.equal(space.brk(0), MiB + PAGE);
});

test('arguments of the wrong kind or value are refused before anything changes', () => {
  const space = new AddressSpace();
  const type = { code: 'ERR_INVALID_ARG_TYPE' };
  const range = { code: 'ERR_OUT_OF_RANGE' };
  for (const bad of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => space.mmap({ ...anonymous, length: bad }), range);
    assert.throws(() => space.mmap({ ...anonymous, length: 1, address: bad }), range);
    assert.throws(() => space.mmap({ ...anonymous, length: 1, offset: bad }), range);
    assert.throws(() => space.mmap({ length: 1, prot: bad, flags: PRIVATE }), range);
    assert.throws(() => space.munmap(bad, PAGE), range);
    assert.throws(() => space.mprotect(0, bad, 0), range);
    assert.throws(() => space.madvise(0, PAGE, bad), range);
    assert.throws(() => space.brk(bad), range);
    assert.throws(() => space.mremap({ address: 0, oldLength: bad, newLength: 1 }), range);
    assert.throws(() => space.find(bad), range);
  }
  assert.throws(() => space.mmap(null as never), type);
  assert.throws(() => space.mmap({ ...anonymous, length: '1' as never }), type);
  assert.throws(() => space.mmap({ ...anonymous, length: 1, file: 3 as never }), type);
  assert.throws(() => space.munmap('0' as never, 1), type);
  assert.throws(() => new AddressSpace(3 as never), type);
  assert.throws(() => new AddressSpace({ pageSize: 3 }), range);
  assert.throws(() => new AddressSpace({ taskSize: 2 ** 53 }), range);
  assert.throws(() => new AddressSpace({ mmapBase: 1 }), range);
  assert.throws(() => new AddressSpace({ layout: 'down' as never }), range);
  assert.throws(() => new AddressSpace({ brk: 4096 }), range);
  assert.equal(space.mapCount, 0);
});
