/**
 * System SVM, read: a device in another process reads memory of this one that nobody allocated for it, at the same
 * address. The device's process id and its counters show that it was fetched, and how often.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { capabilityNames, openMirror, processDevice, UnsupportedError } from 'mirrorspace';
import { addressOf } from '../../src/ffi/library.ts';
import { MADV_DONTNEED, madvise, mprotect, PROT_NONE, PROT_READ, PROT_WRITE } from '../../src/linux/mmap.ts';
import { faultOf, fill, hostPages, PAGE, withSystem } from '../fixtures/system.ts';

describe("reading the host's memory", () => {
  it('finds what an ArrayBuffer holds, from another process, page by page', () =>
    withSystem(async ({ proc, program, out, read }) => {
      const bytes = new Uint8Array(3 * PAGE).map((_, i) => i * 7);
      assert.deepEqual(await read(addressOf(bytes), bytes.length), bytes);
      await proc.queue.launch(program.kernel('pid', ['pointer']), { items: 1, args: [out] }).done;
      assert.equal(out.view(Uint32Array)[0], proc.pid);
      assert.notEqual(proc.pid, process.pid);
      const { fetches, fetchedBytes } = proc.systemCounters();
      assert.ok(fetches >= 1 && fetchedBytes >= bytes.length && fetchedBytes % PAGE === 0);
    }));

  it('fetches a page once, and again only when the host has written there', () =>
    withSystem(async ({ proc, read }) => {
      const pages = hostPages(1, 40);
      for (let round = 0; round < 3; round++) {
        assert.equal((await read(pages.address + 5, 1))[0], 40);
        const { faults, fetches, fetchedBytes, invalidations } = proc.systemCounters();
        assert.deepEqual(
          { faults, fetches, fetchedBytes, invalidations },
          { faults: 1, fetches: 1, fetchedBytes: PAGE, invalidations: 0 },
        );
      }
      pages.bytes[5] = 41;
      assert.equal((await read(pages.address + 5, 1))[0], 41);
      const { fetches, writtenBytes, remappedBytes, untrackedBytes, acquires } = proc.systemCounters();
      assert.deepEqual(
        { fetches, writtenBytes, remappedBytes, untrackedBytes, acquires },
        { fetches: 2, writtenBytes: PAGE, remappedBytes: 0, untrackedBytes: 0, acquires: 4 },
      );
    }));

  it('never shows a stale byte, however often the host rewrites', () =>
    withSystem(async ({ proc, touch }) => {
      const count = 64;
      const pages = hostPages(count, 0);
      const expected = Uint8Array.from({ length: count }, (_, i) => i);
      assert.deepEqual(await touch(pages.address, count), expected);
      let written = 0;
      for (let round = 1; round <= 150; round++) {
        const changed = new Set(Array.from({ length: round % 5 }, (_, k) => (round * 31 + k * 17) % count));
        for (const page of changed) {
          expected[page] = round;
          pages.bytes[page * PAGE] = round;
        }
        written += changed.size;
        assert.deepEqual(await touch(pages.address, count), expected, `round ${round}`);
      }
      assert.equal(proc.systemCounters().writtenBytes, written * PAGE);
    }));

  it('reads pages that were never touched as zeros, and sees the first store to them', () =>
    withSystem(async ({ read }) => {
      const pages = hostPages(4);
      assert.deepEqual(await read(pages.address, pages.size), new Uint8Array(pages.size));
      pages.bytes[2 * PAGE] = 9;
      assert.equal((await read(pages.address + 2 * PAGE, 1))[0], 9);
      // Read by the host before, which maps the zero page.
      assert.equal(pages.bytes[3 * PAGE], 0);
      pages.bytes[3 * PAGE + 1] = 8;
      assert.equal((await read(pages.address + 3 * PAGE, 2))[1], 8);
    }));

  it('sees pages that the host has given back', () =>
    withSystem(async ({ proc, touch }) => {
      const pages = hostPages(1024, 1);
      const before = await touch(pages.address, 1024);
      assert.equal(before[700], (1 + 700) & 255);
      madvise(pages.address + 10 * PAGE, PAGE, MADV_DONTNEED);
      // Whole page tables as well.
      const huge = Math.ceil(pages.address / 2 ** 21) * 2 ** 21;
      madvise(huge, 2 ** 21, MADV_DONTNEED);
      const first = (huge - pages.address) / PAGE;
      const expected = before.slice();
      expected[10] = 0;
      expected.fill(0, first, first + 512);
      assert.deepEqual(await touch(pages.address, 1024), expected);
      assert.ok(proc.systemCounters().writtenBytes >= 512 * PAGE);
    }));

  it('fetches more at a time while faults come in sequence, and never beyond the mapping', () =>
    withSystem(async ({ proc, touch }) => {
      const count = 1000;
      const pages = hostPages(count, 3);
      const seen = await touch(pages.address, count);
      assert.ok(seen.every((byte, i) => byte === ((3 + i) & 255)));
      const { fetches, fetchedBytes } = proc.systemCounters();
      assert.equal(fetchedBytes, count * PAGE);
      assert.ok(fetches < 30, `${fetches} fetches for ${count} pages`);
      // The page behind it is inaccessible; the one before too.
      assert.equal((await faultOf(touch(pages.end, 1))).reason, 'unmapped');
      assert.equal((await faultOf(touch(pages.address - PAGE, 1))).address, pages.address - PAGE);
      assert.equal(proc.systemCounters().fetchedBytes, count * PAGE);
    }));

  it('lets buffers be buffers, also such as are allocated while the kernel runs, or where host memory was', () =>
    withSystem(async ({ mirror, proc, program, out, read }) => {
      const word = mirror.alloc(PAGE);
      const later = program.kernel('readLater', ['pointer', 'pointer']);
      const command = proc.queue.launch(later, { items: 1, args: [word, out] });
      while (Atomics.load(word.view(Int32Array), 0) !== 1) await new Promise(setImmediate);
      const fresh = mirror.alloc(3 * PAGE, { name: 'fresh' });
      fresh.bytes[PAGE + 1] = 77;
      word.view(Float64Array)[1] = fresh.address + PAGE + 1;
      Atomics.store(word.view(Int32Array), 0, 2);
      await command.done;
      assert.equal(out.bytes[0], 77);
      assert.equal(proc.systemCounters().fetches, 0);
      const put = program.kernel('put', ['pointer', 'u32']);
      await proc.queue.launch(put, { items: 1, args: [fresh.address, 5] }).done;
      assert.equal(fresh.bytes[0], 5);
      const readOnly = mirror.alloc(PAGE, { access: { proc: 'read' } });
      readOnly.bytes[0] = 6;
      assert.equal((await read(readOnly.address, 1))[0], 6);
      const fault = await faultOf(proc.queue.launch(put, { items: 1, args: [readOnly.address, 5] }));
      assert.equal(fault.reason, 'read-only');
      assert.equal(readOnly.bytes[0], 6);
    }));
});

describe('what is not there, or not to be read', () => {
  it('is a typed fault of that launch: a hole, a guard page, null, the node binary', () =>
    withSystem(async ({ proc, program, out, read, touch }) => {
      const pages = hostPages(3, 1);
      const hole = 0x3_0000_0000;
      for (const address of [hole, pages.end, 16]) {
        const fault = await faultOf(read(address, 1));
        assert.equal(fault.address, address);
        assert.equal(fault.reason, 'unmapped');
        assert.equal(fault.errno, 'EFAULT');
      }
      assert.equal((await touch(pages.address, 3))[2], 3);
      const [own] = proc.unmirrorable();
      assert.ok(own);
      // The argument is refused, and what the kernel comes to by itself is a fault.
      await assert.rejects(read(own.start, 1), { code: 'ERR_OUT_OF_RANGE' });
      out.view(Float64Array)[0] = own.start;
      const follow = program.kernel('readPointer', ['pointer', 'pointer']);
      const fault = await faultOf(proc.queue.launch(follow, { items: 1, args: [out, out] }));
      assert.match(fault.message, /the device has that for itself/);
      assert.equal(proc.counters().reopens, 0);
    }));

  it('is EFAULT for PROT_NONE, also for what was cached; and is there again afterwards', () =>
    withSystem(async ({ touch }) => {
      const pages = hostPages(4, 10);
      assert.deepEqual(await touch(pages.address, 4), Uint8Array.of(10, 11, 12, 13));
      mprotect(pages.address + PAGE, PAGE, PROT_NONE);
      const fault = await faultOf(touch(pages.address, 4));
      assert.equal(fault.address, pages.address + PAGE);
      assert.equal(fault.errno, 'EFAULT');
      mprotect(pages.address + PAGE, PAGE, PROT_READ);
      assert.deepEqual(await touch(pages.address, 4), Uint8Array.of(10, 11, 12, 13));
      mprotect(pages.address + PAGE, PAGE, PROT_READ | PROT_WRITE);
      fill(pages, 20);
      assert.deepEqual(await touch(pages.address, 4), Uint8Array.of(20, 21, 22, 23));
    }));

  it('is EPERM for a store, which nobody ever sees', () =>
    withSystem(async ({ proc, program, read }) => {
      const pages = hostPages(2, 50);
      const put = program.kernel('put', ['pointer', 'u32']);
      assert.equal((await read(pages.address, 1))[0], 50);
      // One that the device has a copy of, and one that it has not.
      for (const address of [pages.address, pages.address + PAGE]) {
        const fault = await faultOf(proc.queue.launch(put, { items: 1, args: [address, 1] }));
        assert.equal(fault.reason, 'read-only');
        assert.equal(fault.errno, 'EPERM');
        assert.equal(fault.address, address);
        assert.equal(fault.access, 'write');
      }
      assert.deepEqual(
        [...(await read(pages.address, 1)), ...(await read(pages.address + PAGE, 1))],
        [50, 51],
      );
      assert.deepEqual([pages.bytes[0], pages.bytes[PAGE]], [50, 51]);
    }));

  it('says what it does not take', async () => {
    assert.throws(() => processDevice({ system: 3 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => processDevice({ system: 'some' as never }), { code: 'ERR_OUT_OF_RANGE' });
    const mirror = await openMirror({ devices: { proc: processDevice() } });
    assert.equal(mirror.devices.proc.system, 'off');
    assert.equal(mirror.devices.proc.systemCounters().acquires, 0);
    await mirror.close();
  });
});

describe('advice', () => {
  it('fetches beforehand, drops, and sets the size of a fetch', () =>
    withSystem(async ({ proc, touch }) => {
      const pages = hostPages(64, 1);
      proc.advise(pages, 'prefetch');
      assert.equal((await touch(pages.address, 64))[63], 64);
      let counters = proc.systemCounters();
      assert.equal(counters.prefetchedBytes, pages.size);
      assert.deepEqual([counters.faults, counters.fetches, counters.advisedBytes], [0, 0, 0]);
      proc.advise({ address: pages.address + PAGE, size: 2 * PAGE }, 'drop');
      proc.advise(pages, { fetchSize: PAGE });
      assert.equal((await touch(pages.address, 64))[2], 3);
      counters = proc.systemCounters();
      assert.deepEqual(
        [counters.fetches, counters.fetchedBytes, counters.advisedBytes],
        [2, 2 * PAGE, 2 * PAGE],
      );
      // Of what is not there nothing is fetched, and nobody is harmed.
      proc.advise({ address: 0x3_0000_0000, size: 2 ** 40 }, 'drop');
      proc.advise({ address: pages.end, size: 8 * PAGE }, 'prefetch');
      assert.equal((await touch(pages.address, 64))[0], 1);
      assert.equal(proc.systemCounters().prefetchedBytes, pages.size);
    }));

  it('copies again at once what is read mostly and has changed: the launch has no fault there', () =>
    withSystem(async ({ proc, touch }) => {
      const pages = hostPages(256, 1);
      const seen = async () => {
        const { faults } = proc.systemCounters();
        const bytes = await touch(pages.address, 256);
        return { bytes, faults: proc.systemCounters().faults - faults };
      };
      const change = (value: number) => {
        for (let page = 0; page < 256; page += 16) pages.bytes[page * PAGE] = value;
      };
      const check = (bytes: Uint8Array, value: number) =>
        assert.ok(bytes.every((byte, page) => byte === (page % 16 === 0 ? value : (page + 1) & 255)));
      await seen();
      change(99);
      const before = await seen();
      check(before.bytes, 99);
      assert.ok(before.faults > 0);
      proc.advise(pages, { readMostly: true });
      for (const value of [98, 97, 96]) {
        change(value);
        const { bytes, faults } = await seen();
        check(bytes, value);
        assert.equal(faults, 0);
      }
      const { refreshedBytes, invalidations } = proc.systemCounters();
      assert.equal(refreshedBytes, 3 * 16 * PAGE);
      assert.ok(invalidations >= 4);
      // Nothing has changed, and nothing is copied; a page outside of the range is as ever.
      check((await seen()).bytes, 96);
      proc.advise({ address: pages.address, size: 128 * PAGE }, { readMostly: false });
      change(95);
      const half = await seen();
      check(half.bytes, 95);
      assert.ok(half.faults > 0);
      assert.equal(proc.systemCounters().refreshedBytes, (3 * 16 + 8) * PAGE);
    }));

  it('is checked, and refused where there is no such memory', async () => {
    await withSystem(async ({ proc }) => {
      const names = capabilityNames(proc.systemCapabilities);
      assert.ok(names.includes('SYSTEM_ALLOCATED') && names.includes('DEVICE_READ'));
      assert.ok(!names.includes('DEVICE_WRITE') && !names.includes('CONCURRENT_ATOMIC_ACCESS'));
      const range = { address: 4096, size: 1 };
      assert.throws(() => proc.advise({ address: 0, size: PAGE }, { readMostly: 1 as never }), {
        code: 'ERR_INVALID_ARG_TYPE',
      });
      assert.throws(() => proc.advise(5 as never, 'drop'), { code: 'ERR_INVALID_ARG_TYPE' });
      assert.throws(() => proc.advise({ address: 1.5, size: 1 }, 'drop'), { code: 'ERR_OUT_OF_RANGE' });
      assert.throws(() => proc.advise({ address: 2 ** 47, size: 1 }, 'drop'), { code: 'ERR_OUT_OF_RANGE' });
      assert.throws(() => proc.advise(range, 'keep' as never), { code: 'ERR_OUT_OF_RANGE' });
      assert.throws(() => proc.advise(range, 7 as never), { code: 'ERR_INVALID_ARG_TYPE' });
      assert.throws(() => proc.advise(range, { fetchSize: 5000 }), { code: 'ERR_OUT_OF_RANGE' });
    });
    await withSystem(
      async ({ proc }) => {
        assert.equal(proc.systemCapabilities, 0);
        assert.throws(() => proc.advise({ address: 4096, size: 1 }, 'drop'), UnsupportedError);
      },
      { system: 'off' },
    );
  });
});
