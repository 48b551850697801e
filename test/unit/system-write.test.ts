/**
 * System SVM, write: what kernels store to host memory is there when their launch has ended, byte by byte, and nothing
 * else is; where they may not, nothing is.
 */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { viewMemory } from '../../src/ffi/library.ts';
import { memfdCreate } from '../../src/linux/memfd.ts';
import {
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  mapZeroPages,
  mmap,
  mprotect,
  munmap,
  PROT_READ,
  PROT_WRITE,
} from '../../src/linux/mmap.ts';
import { faultOf, hostPages, PAGE, withSystem } from '../fixtures/system.ts';

const all = { system: 'all' } as const;

describe('stores to what is pinned', () => {
  it('are there when the launch has ended, to the byte, and stores elsewhere are EPERM', () =>
    withSystem(async ({ mirror, proc, program }) => {
      const put = program.kernel('put', ['pointer', 'u32']);
      const pages = hostPages(3, 10);
      const pinned = pages.bytes.subarray(PAGE + 100, PAGE + 200);
      using pin = mirror.pin(pinned, { write: true });
      assert.equal(pin.address, pages.address + PAGE + 100);
      await proc.queue.launch(put, { items: 1, args: [pin.address + 7, 99] }).done;
      assert.equal(pinned[7], 99);
      for (const address of [pages.address, pages.address + PAGE + 50, pin.end]) {
        const fault = await faultOf(proc.queue.launch(put, { items: 1, args: [address, 1] }));
        assert.equal(fault.errno, 'EPERM');
        assert.equal(fault.address, address);
      }
      const expected = new Uint8Array(3 * PAGE)
        .fill(10, 0, PAGE)
        .fill(11, PAGE, 2 * PAGE)
        .fill(12, 2 * PAGE);
      expected[PAGE + 107] = 99;
      assert.deepEqual(pages.bytes, expected);
      assert.equal(proc.systemCounters().writtenBackBytes, 1);
    }));

  it('reach nothing of the same page that is not pinned, even once the page is open', () =>
    withSystem(async ({ mirror, proc, program }) => {
      const increment = program.kernel('incrementEvery', ['pointer', 'f64']);
      const pages = hostPages(1, 5);
      const pin = mirror.pin(pages.bytes.subarray(0, 8), { write: true });
      await proc.queue.launch(increment, { items: 64, chunk: 64, args: [pages.address, 1] }).done;
      assert.deepEqual(pages.bytes.subarray(0, 10), Uint8Array.of(6, 6, 6, 6, 6, 6, 6, 6, 5, 5));
      pin.dispose();
      pin.dispose();
      const fault = await faultOf(proc.queue.launch(increment, { items: 1, args: [pages.address, 1] }));
      assert.equal(fault.errno, 'EPERM');
      assert.equal(pages.bytes[0], 6);
    }));

  it('are asked for with views that have bytes', () =>
    withSystem(async ({ mirror, read }) => {
      assert.throws(() => mirror.pin(5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
      assert.throws(() => mirror.pin(new Uint8Array(0)), { code: 'ERR_OUT_OF_RANGE' });
      assert.throws(() => mirror.pin(new Uint8Array(1), { write: 1 as never }), {
        code: 'ERR_INVALID_ARG_TYPE',
      });
      const floats = Float64Array.of(1.5, 2.5);
      using pin = mirror.pin(floats);
      assert.equal(pin.size, 16);
      assert.equal(new Float64Array((await read(pin.address, 16)).buffer)[1], 2.5);
      floats[1] = 7;
      assert.equal(new Float64Array((await read(pin.address, 16)).buffer)[1], 7);
      assert.equal(mirror.pin(new SharedArrayBuffer(24)).size, 24);
    }));
});

describe('stores anywhere', () => {
  it('are there when the launch has ended, and are read back by the next', () =>
    withSystem(async ({ proc, program, read }) => {
      const pages = hostPages(300, 0);
      const increment = program.kernel('incrementEvery', ['pointer', 'f64']);
      for (let round = 1; round <= 3; round++) {
        await proc.queue.launch(increment, { items: 300, chunk: 300, args: [pages.address, PAGE] }).done;
        for (let i = 0; i < 300; i++) {
          assert.equal(pages.bytes[i * PAGE], (i + round) & 255);
          assert.equal(pages.bytes[i * PAGE + 1], i & 255);
        }
        assert.equal((await read(pages.address + 7 * PAGE, 1))[0], 7 + round);
      }
      const { writtenBackBytes, writeBacks, writableFaults } = proc.systemCounters();
      assert.equal(writtenBackBytes, 900);
      assert.equal(writeBacks, 3);
      assert.ok(writableFaults < 200, `${writableFaults} faults for 900 pages`);
    }, all));

  it('lose no byte that the host stores to the same pages at the same time', () =>
    withSystem(async ({ proc, program }) => {
      const count = 4;
      const pages = hostPages(count);
      const increment = program.kernel('incrementEvery', ['pointer', 'f64']);
      const items = (count * PAGE) / 2;
      let counter = 0;
      for (let round = 1; round <= 20; round++) {
        // Even bytes are the device's, odd ones the host's.
        const command = proc.queue.launch(increment, { items, chunk: 700, args: [pages.address, 2] });
        let ended = false;
        const done = command.done.then(() => {
          ended = true;
        });
        do {
          counter++;
          for (let i = 1; i < pages.size; i += 2) pages.bytes[i] = counter;
          await new Promise(setImmediate);
        } while (!ended);
        await done;
        for (let i = 0; i < pages.size; i += 2) {
          assert.equal(pages.bytes[i], round, `device's byte ${i} in round ${round}`);
          assert.equal(pages.bytes[i + 1], counter & 255, `host's byte ${i + 1} in round ${round}`);
        }
      }
      assert.equal(proc.systemCounters().writtenBackBytes, 20 * items);
    }, all));

  it('of two queues to different bytes of one page all arrive', () =>
    withSystem(async ({ proc, program }) => {
      const pages = hostPages(2);
      const increment = program.kernel('incrementEvery', ['pointer', 'f64']);
      const queues = [proc.queue, proc.createQueue()];
      const commands = Array.from({ length: 60 }, (_, i) =>
        queues[i % 2]!.launch(increment, { items: PAGE, chunk: PAGE, args: [pages.address + (i % 2), 2] }),
      );
      await Promise.all(commands.map(({ done }) => done));
      assert.ok(pages.bytes.every((byte) => byte === 30));
    }, all));

  it('reach a shared file, and a private copy of one without the file', () =>
    withSystem(async ({ proc, program }) => {
      const put = program.kernel('put', ['pointer', 'u32']);
      const folder = mkdtempSync(join(tmpdir(), 'system-svm-'));
      const fd = openSync(join(folder, 'file'), 'w+');
      try {
        writeSync(fd, new Uint8Array(2 * PAGE).fill(5));
        const shared = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        const copied = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        await proc.queue.launch(put, { items: 1, args: [shared + 3, 77] }).done;
        await proc.queue.launch(put, { items: 1, args: [copied + 4, 78] }).done;
        const got = new Uint8Array(5);
        readSync(fd, got, 0, 5, 0);
        assert.deepEqual(got, Uint8Array.of(5, 5, 5, 77, 5));
        assert.equal(new Uint8Array(viewMemory(copied, PAGE))[4], 78);
        munmap(shared, 2 * PAGE);
        munmap(copied, 2 * PAGE);
      } finally {
        closeSync(fd);
        rmSync(folder, { recursive: true });
      }
    }, all));

  it('are EPERM where the host may not store either, and work after mprotect', () =>
    withSystem(async ({ proc, program }) => {
      const put = program.kernel('put', ['pointer', 'u32']);
      const pages = hostPages(2, 9);
      mprotect(pages.address, PAGE, PROT_READ);
      const fault = await faultOf(proc.queue.launch(put, { items: 1, args: [pages.address, 1] }));
      assert.equal(fault.errno, 'EPERM');
      assert.equal(pages.bytes[0], 9);
      mprotect(pages.address, PAGE, PROT_READ | PROT_WRITE);
      await proc.queue.launch(put, { items: 1, args: [pages.address, 1] }).done;
      assert.equal(pages.bytes[0], 1);
      assert.equal(
        (await faultOf(proc.queue.launch(put, { items: 1, args: [pages.end, 1] }))).errno,
        'EFAULT',
      );
    }, all));

  it('to what is mapped anew meanwhile fail their launch, by name, and change nothing of the new mapping', () =>
    withSystem(async ({ mirror, proc, program }) => {
      const pages = hostPages(4, 1);
      const word = mirror.alloc(PAGE);
      const slow = program.kernel('putThenWait', ['pointer', 'u32', 'pointer']);
      const command = proc.queue.launch(slow, { items: 1, args: [pages.address + PAGE, 200, word] });
      while (Atomics.load(word.view(Int32Array), 0) !== 1) await new Promise(setImmediate);
      mapZeroPages(pages.address, pages.size);
      Atomics.store(word.view(Int32Array), 0, 2);
      const fault = await faultOf(command);
      assert.equal(fault.address, pages.address + PAGE);
      assert.match(fault.message, /could not be written back/);
      assert.ok(pages.bytes.every((byte) => byte === 0));
      assert.equal(proc.systemCounters().unwrittenBytes, PAGE);
      const put = program.kernel('put', ['pointer', 'u32']);
      await proc.queue.launch(put, { items: 1, args: [pages.address, 4] }).done;
      assert.equal(pages.bytes[0], 4);
    }, all));

  it('nor do they reach a file that has come to lie where they went, or another part of the same one', () =>
    withSystem(async ({ mirror, proc, program }) => {
      const pages = hostPages(1, 1);
      const word = mirror.alloc(PAGE);
      const words = word.view(Int32Array);
      const slow = program.kernel('putThenWait', ['pointer', 'u32', 'pointer']);
      const files = ['one', 'other'].map((name) => memfdCreate(name));
      for (const [i, fd] of files.entries()) writeSync(fd, new Uint8Array(2 * PAGE).fill(10 + i));
      const mapAt =
        (flags: number, fd: number, offset = 0) =>
        () => {
          mmap(pages.address, PAGE, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, offset);
        };
      const [one, other] = files as [number, number];
      const shared = mapAt(MAP_SHARED, one);
      const anonymous = (): void => mapZeroPages(pages.address, PAGE);
      for (const [words_, first, second, value] of [
        ['a file by another', shared, mapAt(MAP_SHARED, other), 11],
        ['a file by another part of it', shared, mapAt(MAP_SHARED, one, PAGE), 10],
        ['a file by a private copy of it', shared, mapAt(MAP_PRIVATE, one), 10],
        ['a private copy by the file', mapAt(MAP_PRIVATE, one), shared, 10],
        ['a file by memory', shared, anonymous, 0],
        ['memory by a file', anonymous, shared, 10],
      ] as const) {
        first();
        words[0] = 0;
        const command = proc.queue.launch(slow, { items: 1, args: [pages.address + 5, 200, word] });
        while (Atomics.load(words, 0) !== 1) await new Promise(setImmediate);
        second();
        Atomics.store(words, 0, 2);
        const fault = await faultOf(command);
        assert.match(fault.message, /could not be written back/, words_);
        assert.ok(
          pages.bytes.every((byte) => byte === value),
          `${words_}: ${pages.bytes[5]}`,
        );
      }
      // The same part of the same file shows the same bytes, whoever has mapped it last.
      shared();
      words[0] = 0;
      const command = proc.queue.launch(slow, { items: 1, args: [pages.address + 5, 200, word] });
      while (Atomics.load(words, 0) !== 1) await new Promise(setImmediate);
      shared();
      Atomics.store(words, 0, 2);
      await command.done;
      assert.deepEqual([...pages.bytes.subarray(4, 7)], [10, 200, 10]);
      for (const fd of files) closeSync(fd);
    }, all));
});
