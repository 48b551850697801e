/**
 * The live kernel is the oracle of the mirror's mappings: what it says in /proc of them, here and in the device, and of the
 * memory file behind them.
 */
import assert from 'node:assert/strict';
import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import {
  GiB,
  KiB,
  MiB,
  type Mirror,
  openMirror,
  type SvmBuffer,
  type WasmDevice,
  wasmDevice,
} from 'mirrorspace';
import { viewMemory } from '../../src/ffi/library.ts';
import { addSeals, F_SEAL_SHRINK, ftruncate, tryFtruncate } from '../../src/linux/memfd.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  MAP_SHARED,
  mmap,
  mmapNoReplace,
  munmap,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../../src/linux/mmap.ts';
import { arenaDescriptor, arenaMappings, descriptors, mappings } from '../fixtures/proc.ts';

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

/** Lends a buffer to the body and frees it afterwards. */
function withBuffer(size: number, body: (buffer: SvmBuffer) => void): void {
  const buffer = mirror.alloc(size);
  try {
    body(buffer);
  } finally {
    buffer[Symbol.dispose]();
  }
}

/** Bytes of memory behind the arena, as the file system counts them. */
const arenaBytes = (): number => fstatSync(arenaDescriptor(NAME)).blocks * 512;

describe('/proc/self/maps', () => {
  test('shows each buffer as a shared mapping of one memory file, at the offset that is its address', () => {
    const buffers = [1, PAGE, 5 * MiB + 1].map((size) => mirror.alloc(size));
    const inode = String(fstatSync(arenaDescriptor(NAME)).ino);
    assert.deepEqual(
      arenaMappings(NAME).map(({ start, end, offset, flags, prot, deleted, ...vma }) => ({
        ...{ start, end, offset, deleted, inode: vma.inode },
        shared: flags === MAP_SHARED,
        writable: prot === RW,
      })),
      buffers.map(({ address, placement }) => ({
        ...{ start: address, end: address + placement.size, offset: address, deleted: true, inode },
        shared: true,
        writable: true,
      })),
    );
    for (const buffer of buffers) buffer.free();
    assert.deepEqual(arenaMappings(NAME), []);
  });

  test('shows the window in the device: the same file, 4 GiB from a base, offset by offset', () => {
    const window = arenaMappings(NAME, wasm.pid);
    const inode = String(fstatSync(arenaDescriptor(NAME)).ino);
    const bases = new Set(window.map(({ start, offset }) => start - offset));
    assert.equal(bases.size, 1);
    const [base = 0] = bases;
    for (const vma of window) assert.deepEqual([vma.inode, vma.flags, vma.prot], [inode, MAP_SHARED, RW]);
    // [null guard][the device's own memory, private][all the rest, up to 4 GiB]
    const reach = window.map(({ start, end }) => ({ start: start - base, end: end - base }));
    assert.equal(reach[0]?.start, 0);
    assert.equal(reach.at(-1)?.end, 4 * GiB);
    let at = 0;
    for (const { start, end } of reach) {
      const own = mappings(wasm.pid).filter((vma) => vma.start >= base + at && vma.end <= base + start);
      for (const { flags, inode: file } of own) assert.deepEqual([flags, file], [MAP_PRIVATE, '0']);
      if (at > 0) assert.ok(wasm.reserved.some((region) => region.start <= at && at < region.end));
      at = end;
    }
    for (const { start, end } of reach.slice(1)) {
      for (const region of wasm.reserved) assert.ok(region.end <= start || end <= region.start, region.name);
    }
  });

  test('shows the same bytes through the memory of both processes', () => {
    withBuffer(2 * PAGE, (buffer) => {
      wasm.queue.fill(buffer, new Uint8Array([0xde, 0xad, 0xbe, 0xef])).wait();
      const [window] = arenaMappings(NAME, wasm.pid);
      const base = window!.start - window!.offset;
      const seen = Buffer.alloc(8);
      for (const path of [
        `/proc/self/mem ${buffer.address}`,
        `/proc/${wasm.pid}/mem ${base + buffer.address}`,
      ]) {
        const [file, offset] = path.split(' ') as [string, string];
        const fd = openSync(file, 'r');
        try {
          assert.equal(readSync(fd, seen, 0, 8, Number(offset) + PAGE - 4), 8);
        } finally {
          closeSync(fd);
        }
        assert.equal(seen.toString('hex'), 'deadbeefdeadbeef', file);
      }
    });
  });

  test('and the file itself holds a byte at the offset that is its address', () => {
    withBuffer(PAGE, (buffer) => {
      wasm.queue.fill(buffer.address + 100, 0x77, 1).wait();
      const byte = Buffer.alloc(1);
      readSync(arenaDescriptor(NAME), byte, 0, 1, buffer.address + 100);
      assert.equal(byte[0], 0x77);
    });
  });
});

describe('the memory file', () => {
  test('costs nothing until it is touched, and freeing gives back what was touched', () => {
    assert.equal(arenaBytes(), 0);
    const vast = mirror.alloc(GiB);
    assert.equal(arenaBytes(), 0);
    const touched = mirror.alloc(8 * MiB);
    wasm.queue.fill(touched, 1).wait();
    assert.ok(arenaBytes() >= 8 * MiB);
    vast.free();
    const rest = arenaBytes();
    assert.ok(rest >= 8 * MiB && rest < 16 * MiB, String(rest));
    touched.free();
    assert.equal(arenaBytes(), 0);
  });

  test('has the memory of a committed buffer before anybody touches it', () => {
    const buffer = mirror.alloc(3 * MiB, { commit: true });
    assert.equal(arenaBytes(), 3 * MiB);
    buffer.free();
    assert.equal(arenaBytes(), 0);
  });

  test('reads as zero where a buffer was freed, in a new buffer at the same place', () => {
    const place = { at: 2 * GiB } as const;
    const first = mirror.alloc(PAGE, { place });
    wasm.queue.fill(first, 0xff).wait();
    first.free();
    withBuffer(PAGE, () => {});
    const second = mirror.alloc(PAGE, { place });
    const target = mirror.alloc(PAGE);
    wasm.queue.copy(target, second).wait();
    assert.ok(target.bytes.every((byte) => byte === 0));
    second.free();
    target.free();
  });

  test('cannot be truncated or grown by anybody who holds a descriptor', () => {
    const fd = arenaDescriptor(NAME);
    const { size } = fstatSync(fd);
    assert.ok(size >= 4 * GiB);
    for (const length of [0, PAGE, size - 1, size + PAGE]) {
      const refused = { name: 'SystemError', syscall: 'ftruncate', errno: 'EPERM', args: [fd, length] };
      assert.throws(() => ftruncate(fd, length), refused);
      assert.throws(() => tryFtruncate(fd, length), refused);
    }
    assert.throws(() => addSeals(fd, F_SEAL_SHRINK), { syscall: 'fcntl', errno: 'EPERM' });
    // A way to it of one's own is no way around the seals.
    const own = openSync(`/proc/self/fd/${fd}`, 'r+');
    try {
      assert.throws(() => ftruncate(own, 0), { errno: 'EPERM' });
    } finally {
      closeSync(own);
    }
    assert.equal(fstatSync(fd).size, size);
  });

  test('is not inherited by the programs that this process starts, but for the device', () => {
    for (const fd of [...descriptors()]
      .filter(([, target]) => target.startsWith('/memfd:'))
      .map(([at]) => at)) {
      const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1];
      assert.ok(Number.parseInt(flags ?? '0', 8) & 0o2000000, `descriptor ${fd}`);
    }
    const arena = `/memfd:mirrorspace-${NAME} (deleted)`;
    assert.equal(statSync(`/proc/${wasm.pid}/fd/3`).ino, fstatSync(arenaDescriptor(NAME)).ino);
    assert.equal([...descriptors(wasm.pid).values()].filter((target) => target === arena).length, 1);
  });
});

describe('mmapNoReplace', () => {
  const lines = () => mappings().filter(({ start, end }) => start >= 2 * GiB && end <= 4 * GiB);

  test('takes a free place, and leaves a taken one as it is', () => {
    const at = 2 * GiB;
    const flags = MAP_PRIVATE | MAP_ANONYMOUS;
    assert.equal(mmapNoReplace(at, 2 * PAGE, RW, flags, -1, 0), true);
    const bytes = new Uint8Array(viewMemory(at, 2 * PAGE)).fill(0x5c);
    const before = lines();
    assert.deepEqual(
      before.map(({ start, end }) => [start, end]),
      [[at, at + 2 * PAGE]],
    );
    for (const [start, length] of [
      [at, PAGE],
      [at + PAGE, PAGE],
      [at - PAGE, 2 * PAGE],
      [at + PAGE, 64 * PAGE],
      [at - 64 * PAGE, 128 * PAGE],
    ] as const) {
      assert.equal(mmapNoReplace(start, length, PROT_NONE, flags, -1, 0), false);
      assert.throws(() => mmap(start, length, RW, flags | MAP_FIXED_NOREPLACE, -1, 0), {
        name: 'SystemError',
        syscall: 'mmap',
        errno: 'EEXIST',
      });
    }
    assert.deepEqual(lines(), before);
    assert.ok(bytes.every((byte) => byte === 0x5c));
    munmap(at, 2 * PAGE);
    assert.deepEqual(lines(), []);
  });

  test('leaves the node binary as it is', () => {
    const own = mappings().filter(({ name }) => name === process.execPath);
    assert.ok(own.length > 1);
    for (const { start, end } of own)
      assert.equal(mmapNoReplace(start, end - start, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), false);
    assert.deepEqual(
      mappings().filter(({ name }) => name === process.execPath),
      own,
    );
  });
});
