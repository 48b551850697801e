/** The driver's entry points: where the kernel calls them, how their answer is checked, and the example that is one. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as mm from '../../src/mm/index.ts';

const PAGE = 4096;
const { AddressSpace, GiB, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, MiB } = mm;
const RW = mm.PROT_READ | mm.PROT_WRITE;
const shared = { prot: RW, flags: MAP_SHARED };

/** A file whose search answers what it is told, and writes down what it is asked. */
function driver(answer: (request: mm.AreaRequest) => unknown) {
  const asked: mm.AreaRequest[] = [];
  const file: mm.MappedFile = {
    name: '/dev/driver',
    fileOperations: {
      getUnmappedArea(_space, request) {
        asked.push(request);
        return answer(request) as number;
      },
    },
  };
  return { file, asked };
}

test('a driver is asked for every mapping of its file, with hint, offset and flags', () => {
  const space = new AddressSpace();
  const { file, asked } = driver(({ address }) => address || GiB);
  assert.equal(space.mmap({ ...shared, length: 5, file, offset: 3 * PAGE }), GiB);
  assert.equal(space.mmap({ ...shared, address: 3 * GiB + 7, length: PAGE, file }), 3 * GiB);
  assert.equal(
    space.mmap({ ...shared, address: 4 * GiB, length: PAGE, file, flags: MAP_SHARED | MAP_FIXED }),
    4 * GiB,
  );
  assert.deepEqual(
    asked.map(({ address, length, offset, flags }) => [address, length, offset, flags]),
    [
      [0, PAGE, 3 * PAGE, MAP_SHARED],
      [3 * GiB, PAGE, 0, MAP_SHARED],
      [4 * GiB, PAGE, 0, MAP_SHARED | MAP_FIXED],
    ],
  );
});

test('mremap asks the driver where to move, and one that answers for itself can’t be moved with others', () => {
  const space = new AddressSpace();
  const { file, asked } = driver(({ flags, address, length }) =>
    flags & MAP_FIXED ? address : length * 1024,
  );
  const at = space.mmap({ ...shared, length: 2 * PAGE, file });
  const to = space.mremap({
    address: at,
    oldLength: 2 * PAGE,
    newLength: 4 * PAGE,
    flags: mm.MREMAP_MAYMOVE | (mm.MREMAP_DONTUNMAP & 0),
  });
  // In place, since the next bytes are free: nobody is asked.
  assert.equal(to, at);
  space.mmap({
    prot: RW,
    flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
    address: at + 4 * PAGE,
    length: PAGE,
  });
  const moved = space.mremap({
    address: at,
    oldLength: 4 * PAGE,
    newLength: 8 * PAGE,
    flags: mm.MREMAP_MAYMOVE,
  });
  assert.equal(moved, 8 * PAGE * 1024);
  assert.equal(asked.length, 2);
  space.mmap({
    prot: RW,
    flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
    address: moved + 8 * PAGE,
    length: PAGE,
  });
  const both = { address: moved, oldLength: 9 * PAGE, newLength: 9 * PAGE, newAddress: 9 * GiB };
  assert.throws(() => space.mremap({ ...both, flags: mm.MREMAP_MAYMOVE | mm.MREMAP_FIXED }), {
    errno: 'EFAULT',
  });
});

test('the answer is checked: page boundary, end of the address space, and, beyond the kernel, overlap', () => {
  const space = new AddressSpace();
  const taken = space.mmap({ prot: RW, flags: MAP_PRIVATE | MAP_ANONYMOUS, length: MiB });
  const cases: [unknown, object][] = [
    [undefined, { errno: 'ENOMEM' }],
    [GiB + 1, { errno: 'EINVAL' }],
    [0.5, { errno: 'EINVAL' }],
    [-PAGE, { errno: 'EINVAL' }],
    [2 ** 47, { errno: 'ENOMEM' }],
    [Number.POSITIVE_INFINITY, { errno: 'ENOMEM' }],
    [PAGE, { errno: 'EPERM' }],
    [taken, { errno: 'EEXIST' }],
    [taken - PAGE, { errno: 'EEXIST' }],
    [Number.NaN, { code: 'ERR_INVALID_ARG_TYPE' }],
    ['1', { code: 'ERR_INVALID_ARG_TYPE' }],
    [5n, { code: 'ERR_INVALID_ARG_TYPE' }],
  ];
  const before = space.snapshot();
  for (const [answer, error] of cases)
    assert.throws(
      () => space.mmap({ ...shared, length: 2 * PAGE, file: driver(() => answer).file }),
      error,
      String(answer),
    );
  assert.deepEqual(space.snapshot(), before);
});

test('what a driver throws comes out of mmap, and the address space works on', () => {
  const space = new AddressSpace();
  const { file } = driver(() => {
    throw new Error('no firmware');
  });
  assert.throws(() => space.mmap({ ...shared, length: PAGE, file }), /no firmware/);
  assert.equal(space.mapCount, 0);
  space.mmap({ prot: RW, flags: MAP_PRIVATE | MAP_ANONYMOUS, length: PAGE });
});

test('a driver can look at the address space and not change it', () => {
  const space = new AddressSpace();
  const verbs: (() => unknown)[] = [
    () => space.munmap(0, PAGE),
    () => space.mmap({ ...shared, length: PAGE, file }),
    () => space.mprotect(0, PAGE, 0),
    () => space.mremap({ address: 0, oldLength: 1, newLength: 1 }),
    () => space.madvise(0, PAGE, 0),
    () => space.brk(0),
    () => space.restore({ vmas: [], brk: undefined }),
  ];
  const states: string[] = [];
  const { file } = driver(() => {
    for (const verb of verbs)
      try {
        verb();
      } catch (error) {
        states.push((error as mm.MapsError & { state: string }).state);
      }
    return space.find(0) ? 0 : GiB;
  });
  assert.equal(space.mmap({ ...shared, length: PAGE, file }), GiB);
  assert.deepEqual(
    states,
    verbs.map(() => 'busy'),
  );
});

test('fileOperations.mmap marks the VMA or refuses it; then what MAP_FIXED replaced is gone, as in the kernel', () => {
  const space = new AddressSpace();
  const marking = { fileOperations: { mmap: () => mm.VM_DONTEXPAND | mm.VM_IO } };
  const at = space.mmap({ ...shared, length: PAGE, file: marking });
  assert.ok((space.find(at)!.vmFlags & mm.VM_IO) !== 0);
  assert.throws(() => space.mremap({ address: at, oldLength: PAGE, newLength: 2 * PAGE, flags: 1 }), {
    errno: 'EFAULT',
  });
  const refusing = {
    fileOperations: {
      mmap(): void {
        throw new Error('no pages');
      },
    },
  };
  assert.throws(
    () => space.mmap({ ...shared, address: at, length: PAGE, flags: MAP_SHARED | MAP_FIXED, file: refusing }),
    /no pages/,
  );
  assert.equal(space.mapCount, 0);
});

test('the three searches of the kernel’s own files can be a file’s', () => {
  const space = new AddressSpace({ mmapBase: 0x7f0000001000, shmemHugePageSize: 2 * MiB });
  const map = (getUnmappedArea: NonNullable<mm.FileOperations['getUnmappedArea']>, offset = 0) =>
    space.mmap({ ...shared, length: 2 * MiB, file: { fileOperations: { getUnmappedArea } }, offset }) %
    (2 * MiB);
  assert.equal(map(mm.defaultGetUnmappedArea), PAGE);
  assert.equal(map(mm.thpGetUnmappedArea), 0);
  // Congruent to the offset, and only where a whole huge page of the file is mapped.
  assert.equal(
    space.mmap({
      ...shared,
      length: 4 * MiB,
      file: { fileOperations: { getUnmappedArea: mm.thpGetUnmappedArea } },
      offset: 3 * PAGE,
    }) %
      (2 * MiB),
    3 * PAGE,
  );
  assert.equal(map(mm.shmemGetUnmappedArea), 0);
});

test('the example driver’s buffers never collide and are always reached; without its search they do', () => {
  const path = fileURLToPath(new URL('../../examples/driver.ts', import.meta.url));
  const output = execFileSync(process.execPath, ['--import', 'tsx', path], { encoding: 'utf8' });
  const counts = [...output.matchAll(/(\d+) reached, (\d+) out of reach, (\d+) collide/g)].map(([, ...n]) =>
    n.map(Number),
  );
  assert.equal(counts.length, 3);
  const [left, naive, searched] = counts as [number[], number[], number[]];
  assert.deepEqual(left, [0, 1000, 0]);
  assert.ok(naive[2]! > 100 && naive[0]! + naive[2]! === 1000);
  assert.deepEqual(searched, [1000, 0, 0]);
  assert.match(output, /memory that was mapped before/);
  // The live part: three buffers where the kernel shows the arena, all of them reached.
  assert.equal([...output.matchAll(/^ +0x\w+ .* {2}reached, in \/memfd:mirrorspace-gpu0$/gm)].length, 3);
});
