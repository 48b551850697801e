/**
 * System SVM where what is mapped changes between launches: other memory at the same addresses, files that change
 * without a store, the kernel's own pages; and where the device's process goes and comes back.
 */
import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { DeviceFault, DeviceLost } from 'mirrorspace';
import { viewMemory } from '../../src/ffi/library.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  mapZeroPages,
  mmap,
  mremap,
  munmap,
  PROT_READ,
  PROT_WRITE,
} from '../../src/linux/mmap.ts';
import { readMaps } from '../../src/linux/process-maps.ts';
import { parseMaps } from '../../src/mm/parse-maps.ts';
import { eventually, isRunning } from '../fixtures/proc.ts';
import { runProgram } from '../fixtures/run-child.ts';
import { faultOf, fill, hostPages, PAGE, withSystem } from '../fixtures/system.ts';

const MREMAP_MAYMOVE = 1;
const MREMAP_FIXED = 2;

describe('other memory at the same addresses', () => {
  it('is seen after munmap and mmap of the range, also where nothing was stored since', () =>
    withSystem(async ({ proc, touch }) => {
      const pages = hostPages(8, 10);
      assert.deepEqual(
        await touch(pages.address, 8),
        Uint8Array.from({ length: 8 }, (_, i) => 10 + i),
      );
      munmap(pages.address, pages.size);
      assert.equal((await faultOf(touch(pages.address, 8))).address, pages.address);
      assert.equal(proc.systemCounters().remappedBytes, 8 * PAGE);
      mmap(pages.address, pages.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      assert.deepEqual(await touch(pages.address, 8), new Uint8Array(8));
      // At once, without a launch in between.
      fill(pages, 20);
      assert.equal((await touch(pages.address, 8))[7], 27);
      mapZeroPages(pages.address, pages.size);
      pages.bytes[PAGE] = 1;
      assert.deepEqual(await touch(pages.address, 8), Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 0));
    }));

  it('is seen where a neighbour was fetched from the new mapping before', () =>
    withSystem(async ({ program, mirror, proc, out, touch }) => {
      const pages = hostPages(64, 1);
      assert.equal((await touch(pages.address, 1))[0], 1);
      // While a kernel runs that has begun before, and reads another page of the new mapping.
      const word = mirror.alloc(PAGE);
      const later = program.kernel('readLater', ['pointer', 'pointer']);
      const command = proc.queue.launch(later, { items: 1, args: [word, out] });
      while (Atomics.load(word.view(Int32Array), 0) !== 1) await new Promise(setImmediate);
      mapZeroPages(pages.address, pages.size);
      word.view(Float64Array)[1] = pages.address + 40 * PAGE;
      Atomics.store(word.view(Int32Array), 0, 2);
      await command.done;
      assert.equal(out.bytes[0], 0);
      assert.equal((await touch(pages.address, 1))[0], 0);
    }));

  it('is seen after mremap to it, and is gone where mremap took it away', () =>
    withSystem(async ({ touch }) => {
      const from = hostPages(4, 30);
      const to = hostPages(4, 60);
      assert.equal((await touch(from.address, 4))[3], 33);
      assert.equal((await touch(to.address, 4))[3], 63);
      mremap(from.address, from.size, from.size, MREMAP_MAYMOVE | MREMAP_FIXED, to.address);
      assert.deepEqual(await touch(to.address, 4), Uint8Array.of(30, 31, 32, 33));
      assert.equal((await faultOf(touch(from.address, 1))).reason, 'unmapped');
      to.bytes[0] = 99;
      assert.equal((await touch(to.address, 1))[0], 99);
    }));

  it('is a buffer where one is allocated, and host memory again after it was freed', () =>
    withSystem(async ({ mirror, touch }) => {
      const at = 0x2_0000_0000;
      mmap(at, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | 0x100000, -1, 0);
      new Uint8Array(viewMemory(at, 2 * PAGE)).fill(1);
      assert.deepEqual(await touch(at, 2), Uint8Array.of(1, 1));
      munmap(at, 2 * PAGE);
      const buffer = mirror.alloc(2 * PAGE, { place: { at } });
      assert.deepEqual(await touch(at, 2), Uint8Array.of(0, 0));
      buffer.free();
      assert.equal((await faultOf(touch(at, 1))).address, at);
      mmap(at, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | 0x100000, -1, 0);
      new Uint8Array(viewMemory(at, 2 * PAGE)).fill(3);
      assert.deepEqual(await touch(at, 2), Uint8Array.of(3, 3));
      munmap(at, 2 * PAGE);
      // Nothing of what was copied got into the arena.
      assert.ok(mirror.alloc(2 * PAGE, { place: { at } }).bytes.every((byte) => byte === 0));
    }));
});

describe('memory whose changes can not be seen', () => {
  it('is fetched anew for each launch: a mapped file changed by write(2) and through a second mapping', () =>
    withSystem(async ({ proc, touch }) => {
      const folder = mkdtempSync(join(tmpdir(), 'system-svm-'));
      const fd = openSync(join(folder, 'file'), 'w+');
      try {
        writeSync(fd, new Uint8Array(4 * PAGE).fill(5));
        const shared = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        const copied = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        for (const address of [shared, copied])
          assert.deepEqual(await touch(address, 4), Uint8Array.of(5, 5, 5, 5));
        writeSync(fd, Uint8Array.of(6), 0, 1, 0);
        new Uint8Array(viewMemory(shared, PAGE * 2))[PAGE] = 7;
        for (const address of [shared, copied])
          assert.deepEqual(await touch(address, 4), Uint8Array.of(6, 7, 5, 5));
        assert.ok(proc.systemCounters().untrackedBytes >= 8 * PAGE);
        // Beyond the end of the file there is nothing, though it is mapped.
        ftruncateSync(fd, 2 * PAGE);
        assert.deepEqual(await touch(shared, 2), Uint8Array.of(6, 7));
        const fault = await faultOf(touch(shared + 3 * PAGE, 1));
        assert.equal(fault.address, shared + 3 * PAGE);
        assert.equal(fault.reason, 'unmapped');
        munmap(shared, 4 * PAGE);
        munmap(copied, 4 * PAGE);
      } finally {
        closeSync(fd);
        rmSync(folder, { recursive: true });
      }
    }));

  it("is data or a typed fault where it is the kernel's own: vvar, vdso", () =>
    withSystem(async ({ proc, touch, read }) => {
      const pages = hostPages(1, 1);
      const special = parseMaps(readMaps('self')).vmas.filter(({ kind }) => kind === 'special');
      assert.ok(special.length > 0);
      for (const { start, name } of special) {
        if (name !== '[vdso]')
          await touch(start, 1).catch((error) => assert.ok(error instanceof DeviceFault));
        else {
          const here = new Uint8Array(viewMemory(start, 64)).slice();
          // Unless the device's own lies there.
          const bytes = await read(start, 64).catch((error) => assert.ok(error instanceof DeviceFault));
          if (bytes) assert.deepEqual(bytes, here);
        }
      }
      assert.equal((await touch(pages.address, 1))[0], 1);
      assert.equal(proc.counters().reopens, 0);
    }));
});

describe('a device with system SVM that ends', () => {
  it('comes back by reopen and goes on counting', () =>
    withSystem(async ({ proc, touch }) => {
      const pages = hostPages(2, 70);
      assert.equal((await touch(pages.address, 2))[1], 71);
      const before = proc.systemCounters();
      const { pid } = proc;
      process.kill(pid, 'SIGKILL');
      await eventually('the device ends', () => !isRunning(pid));
      await assert.rejects(touch(pages.address, 2), DeviceLost);
      await proc.reopen();
      assert.equal((await touch(pages.address, 2))[1], 71);
      const { fetches, fetchedBytes } = proc.systemCounters();
      assert.ok(fetches > before.fetches);
      assert.equal(fetchedBytes, before.fetchedBytes + 2 * PAGE);
    }));

  it('keeps no process alive, and no process waiting', async () => {
    for (const how of ['by itself', 'exit', 'close']) {
      const { end, said, stderr } = await runProgram('system-ends.mjs', [how]);
      assert.equal(end, 0, stderr);
      const { pid } = said[0] as { pid: number };
      await eventually(`the device's process ends: ${how}`, () => !isRunning(pid));
    }
  });
});
