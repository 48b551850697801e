/**
 * Linux's hmm-tests (tools/testing/selftests/mm/hmm-tests.c), the cases about mirroring, told as behaviour and tried on a
 * process device with system SVM. What the kernel's test device does on request (read or write a range, say how many
 * faults it took) kernels do here, in another process.
 */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { DeviceFault, openMirror, processDevice } from 'mirrorspace';
import { viewMemory } from '../../src/ffi/library.ts';
import {
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  madvise,
  mapZeroPages,
  mmap,
  mprotect,
  munmap,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../../src/linux/mmap.ts';
import { deviceProcesses, eventually, isRunning } from '../fixtures/proc.ts';
import {
  faultOf,
  fill,
  hostPages,
  PAGE,
  type SystemMirror,
  systemKernels,
  withSystem,
} from '../fixtures/system.ts';

const PAGES = 256;
const all = { system: 'all' } as const;

function store(
  { proc, program }: SystemMirror,
  address: number,
  items: number,
  stride: number,
): Promise<void> {
  const increment = program.kernel('incrementEvery', ['pointer', 'f64']);
  return proc.queue.launch(increment, { items, chunk: items, args: [address, stride] }).done;
}

describe('hmm-tests: mirroring', () => {
  it('open_close: opens and closes, twice, and leaves nothing', async () => {
    const before = deviceProcesses().length;
    for (let round = 0; round < 2; round++) {
      let pid = 0;
      await withSystem(async ({ proc }) => {
        pid = proc.pid;
      });
      await eventually('the process ends', () => !isRunning(pid));
    }
    assert.equal(deviceProcesses().length, before);
  });

  it('anon_read: pages never touched, zero pages and data pages read right; one fault for the lot', () =>
    withSystem(async ({ proc, touch }) => {
      const pages = hostPages(PAGES);
      for (let i = 0; i < PAGES; i++) {
        if (i % 3 === 1) assert.equal(pages.bytes[i * PAGE], 0);
        if (i % 3 === 2) pages.bytes[i * PAGE] = i;
      }
      // Sizes that the device is told of: one fault for each chunk that the range lies in.
      proc.advise(pages, { fetchSize: 2 ** 21 });
      const chunks = Math.floor((pages.end - 1) / 2 ** 21) - Math.floor(pages.address / 2 ** 21) + 1;
      const seen = await touch(pages.address, PAGES);
      for (let i = 0; i < PAGES; i++) assert.equal(seen[i], i % 3 === 2 ? i : 0, `page ${i}`);
      const { faults, fetchedBytes } = proc.systemCounters();
      assert.equal(faults, chunks);
      assert.equal(fetchedBytes, pages.size);
    }));

  it('anon_read_prot: PROT_NONE gives EFAULT, nothing changed', () =>
    withSystem(async ({ touch }) => {
      const pages = hostPages(PAGES, 1);
      mprotect(pages.address, pages.size, PROT_NONE);
      assert.equal((await faultOf(touch(pages.address, PAGES))).errno, 'EFAULT');
      mprotect(pages.address, pages.size, PROT_READ | PROT_WRITE);
      for (let i = 0; i < PAGES; i++) assert.equal(pages.bytes[i * PAGE], (1 + i) & 255);
    }));

  it('anon_write: what the device stores arrives', () =>
    withSystem(async (on) => {
      const pages = hostPages(PAGES, 0);
      on.proc.advise(pages, 'prefetch');
      await store(on, pages.address, PAGES, PAGE);
      for (let i = 0; i < PAGES; i++) assert.equal(pages.bytes[i * PAGE], (i + 1) & 255);
      const { fetches, prefetchedBytes, writtenBackBytes } = on.proc.systemCounters();
      assert.deepEqual(
        { fetches, prefetchedBytes, writtenBackBytes },
        { fetches: 0, prefetchedBytes: pages.size, writtenBackBytes: PAGES },
      );
    }, all));

  it('anon_write_prot: read-only gives EPERM and stays as it was; works after mprotect', () =>
    withSystem(async (on) => {
      const pages = hostPages(PAGES, 7);
      mprotect(pages.address, pages.size, PROT_READ);
      assert.equal((await faultOf(store(on, pages.address, PAGES, PAGE))).errno, 'EPERM');
      for (let i = 0; i < PAGES; i++) assert.equal(pages.bytes[i * PAGE], (7 + i) & 255);
      mprotect(pages.address, pages.size, PROT_READ | PROT_WRITE);
      await store(on, pages.address, PAGES, PAGE);
      for (let i = 0; i < PAGES; i++) assert.equal(pages.bytes[i * PAGE], (8 + i) & 255);
    }, all));

  it('anon_write_huge: a 2 MiB page', () =>
    withSystem(async (on) => {
      const size = 2 ** 21;
      const around = mmap(0, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      const address = Math.ceil(around / size) * size;
      madvise(address, size, MADV_HUGEPAGE);
      const bytes = new Uint8Array(viewMemory(address, size)).fill(3);
      on.proc.advise({ address, size }, { fetchSize: size });
      assert.ok((await on.touch(address, 512)).every((byte) => byte === 3));
      assert.equal(on.proc.systemCounters().faults, 1);
      await store(on, address, size / 64, 64);
      for (let i = 0; i < size; i++)
        if (bytes[i] !== (i % 64 === 0 ? 4 : 3)) assert.fail(`byte ${i}: ${bytes[i]}`);
      bytes[size - 1] = 9;
      assert.equal((await on.read(address + size - 1, 1))[0], 9);
      munmap(around, 2 * size);
    }, all));

  it("file_read, file_write: a mapped file; a shared file's write reaches the file", () =>
    withSystem(async (on) => {
      const folder = mkdtempSync(join(tmpdir(), 'hmm-'));
      const fd = openSync(join(folder, 'file'), 'w+');
      try {
        writeSync(
          fd,
          Uint8Array.from({ length: 16 * PAGE }, (_, i) => i / PAGE),
        );
        const shared = mmap(0, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        assert.deepEqual(
          await on.touch(shared, 16),
          Uint8Array.from({ length: 16 }, (_, i) => i),
        );
        await store(on, shared, 16, PAGE);
        const got = new Uint8Array(16 * PAGE);
        readSync(fd, got, 0, got.length, 0);
        for (let i = 0; i < 16; i++) assert.deepEqual([got[i * PAGE], got[i * PAGE + 1]], [i + 1, i]);
        munmap(shared, 16 * PAGE);
      } finally {
        closeSync(fd);
        rmSync(folder, { recursive: true });
      }
    }, all));

  it('anon_read_multiple: after the host rewrites, no stale byte, many rounds', () =>
    withSystem(async ({ read }) => {
      const pages = hostPages(16);
      for (let round = 1; round <= 100; round++) {
        fill(pages, round);
        const seen = await read(pages.address, pages.size);
        assert.deepEqual(Buffer.compare(seen, pages.bytes), 0, `round ${round}`);
      }
    }));

  it('anon_teardown: munmap while the device reads is right data or a typed fault, nothing else', () =>
    withSystem(async ({ proc, program, out }) => {
      const touchPages = program.kernel('touchPages', ['pointer', 'f64', 'f64', 'pointer']);
      let faults = 0;
      for (let round = 0; round < 30; round++) {
        const pages = hostPages(PAGES, 1);
        const { done } = proc.queue.launch(touchPages, { items: 1, args: [pages.address, PAGES, PAGE, out] });
        const settled = done.then(
          () => undefined,
          (error: unknown) => error,
        );
        for (let turn = round % 6; turn > 0; turn--) await new Promise(setImmediate);
        munmap(pages.address, pages.size);
        const error = await settled;
        if (error === undefined) {
          for (let i = 0; i < PAGES; i++) assert.equal(out.bytes[i], (1 + i) & 255);
        } else {
          assert.ok(error instanceof DeviceFault && error.address !== undefined, String(error));
          assert.ok(error.address >= pages.address && error.address < pages.end);
          faults++;
        }
      }
      assert.equal(proc.counters().reopens, 0);
      assert.equal(proc.counters().wildFaults, faults);
    }));

  it('snapshot: PROT_NONE, hole, zero page, read-only and read-write are told apart', () =>
    withSystem(async (on) => {
      const pages = hostPages(6, 10);
      mprotect(pages.address, PAGE, PROT_NONE);
      munmap(pages.address + PAGE, PAGE);
      mapZeroPages(pages.address + 2 * PAGE, PAGE);
      mprotect(pages.address + 3 * PAGE, PAGE, PROT_READ);
      const told: string[] = [];
      for (let i = 0; i < 5; i++) {
        const at = pages.address + i * PAGE;
        const seen = await on.touch(at, 1).catch((error: DeviceFault) => error.errno);
        const stored = await store(on, at, 1, 1).catch((error: DeviceFault) => error.errno);
        told.push(`${typeof seen === 'object' ? seen[0] : seen} ${stored ?? 'stored'}`);
      }
      assert.deepEqual(told, ['EFAULT EFAULT', 'EFAULT EFAULT', '0 stored', '13 EPERM', '14 stored']);
    }, all));

  it('double_map: two devices mirror the same range and agree', async () => {
    const devices = {
      one: processDevice({ cores: 1, system: 'all' }),
      two: processDevice({ cores: 1, system: 'all' }),
    };
    const mirror = await openMirror({ devices });
    try {
      const pages = hostPages(32, 0);
      const on = await Promise.all(
        [mirror.devices.one, mirror.devices.two].map(async (device) => ({
          device,
          program: await device.load(systemKernels),
          out: mirror.alloc(64 * PAGE),
        })),
      );
      const expected = Uint8Array.from({ length: 32 }, (_, i) => i);
      for (let round = 0; round < 12; round++) {
        for (const { device, program, out } of on) {
          const touch = program.kernel('touchPages', ['pointer', 'f64', 'f64', 'pointer']);
          await device.queue.launch(touch, { items: 1, args: [pages.address, 32, PAGE, out] }).done;
          assert.deepEqual(out.bytes.slice(0, 32), expected, `${device.name} in round ${round}`);
        }
        // One of the three stores: the host, the one device, the other.
        const page = (round * 5) % 32;
        const who = on[(round % 3) - 1];
        expected[page] = expected[page]! + 1;
        if (!who) pages.bytes[page * PAGE] = expected[page]!;
        else {
          const increment = who.program.kernel('incrementEvery', ['pointer', 'f64']);
          const args = [pages.address + page * PAGE, 1] as const;
          await who.device.queue.launch(increment, { items: 1, args: [...args] }).done;
        }
      }
      // At the same time, to different bytes of the same pages.
      await Promise.all(
        on.map(({ device, program }, i) => {
          const increment = program.kernel('incrementEvery', ['pointer', 'f64']);
          return device.queue.launch(increment, {
            items: 16 * PAGE,
            chunk: 16 * PAGE,
            args: [pages.address + i, 2],
          }).done;
        }),
      );
      for (let i = 0; i < pages.size; i++) {
        const page = Math.floor(i / PAGE);
        assert.equal(pages.bytes[i], (i % PAGE === 0 ? expected[page]! : page) + 1, `byte ${i}`);
      }
    } finally {
      await mirror.close();
    }
  });
});

describe('remapping under a device', () => {
  it('MAP_FIXED over a range between launches is seen each time', () =>
    withSystem(async ({ touch }) => {
      const pages = hostPages(8, 1);
      for (let round = 0; round < 20; round++) {
        assert.equal((await touch(pages.address + 3 * PAGE, 1))[0], round === 0 ? 4 : round);
        mmap(
          pages.address,
          pages.size,
          PROT_READ | PROT_WRITE,
          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
          -1,
          0,
        );
        pages.bytes[3 * PAGE] = round + 1;
      }
    }));
});
