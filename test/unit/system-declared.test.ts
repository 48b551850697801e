/**
 * System SVM without page faults: what is pinned is copied to the device at the same address before each launch, and what
 * kernels store there goes back after it, byte by byte. Anything else is refused, or costs what it costs without faults.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Command,
  capabilityNames,
  DeviceFault,
  DeviceLost,
  openMirror,
  type Prerequisite,
  type ProcessDevice,
  type ProcessDeviceOptions,
  processDevice,
} from 'mirrorspace';
import { addressOf } from '../../src/ffi/library.ts';
import { munmap } from '../../src/linux/mmap.ts';
import { arenaMappings } from '../fixtures/proc.ts';
import { hostPages, PAGE, systemKernels, withSystem } from '../fixtures/system.ts';

const declared: ProcessDeviceOptions = { faults: 'trap' };
const all: ProcessDeviceOptions = { faults: 'trap', system: 'all' };

describe('a device without page faults', () => {
  it('says what it is: it reaches what is declared, in another process', () =>
    withSystem(async ({ proc, program, out }) => {
      assert.equal(proc.systemPaging, 'declared');
      assert.equal(proc.system, 'read');
      const names = capabilityNames(proc.systemCapabilities);
      assert.ok(names.includes('SINGLE_ADDRESS_SPACE') && names.includes('DEVICE_READ'), names.join());
      assert.ok(!names.includes('SYSTEM_ALLOCATED') && !names.includes('DEVICE_WRITE'), names.join());
      await proc.queue.launch(program.kernel('pid', ['pointer']), { items: 1, args: [out] }).done;
      assert.equal(out.view(Uint32Array)[0], proc.pid);
      assert.notEqual(proc.pid, process.pid);
    }, declared));

  it('sees what the host had stored when each launch was put in, and copies only what has changed', () =>
    withSystem(async ({ mirror, proc, read }) => {
      const bytes = new Uint8Array(5 * PAGE).map((_, i) => i * 7);
      using pin = mirror.pin(bytes);
      assert.equal(pin.address, addressOf(bytes));
      assert.deepEqual(await read(pin.address, pin.size), bytes);
      const before = proc.systemCounters();
      assert.ok(before.declaredBytes >= bytes.length && before.declaredBytes % PAGE === 0);
      assert.deepEqual(await read(pin.address, pin.size), bytes);
      bytes[2 * PAGE] = 77;
      assert.deepEqual(await read(pin.address, pin.size), bytes);
      const { acquires, declaredBytes, faults, fetches } = proc.systemCounters();
      assert.equal(acquires, before.acquires + 2);
      assert.ok(declaredBytes > before.declaredBytes && declaredBytes <= before.declaredBytes + 4 * PAGE);
      assert.deepEqual([faults, fetches], [0, 0]);
    }, declared));

  it('writes back to the byte what is pinned for that, and nothing else of the page', () =>
    withSystem(async ({ mirror, proc, program }) => {
      const increment = program.kernel('incrementEvery', ['pointer', 'f64']);
      const pages = hostPages(3, 5);
      using pin = mirror.pin(pages.bytes.subarray(PAGE + 8, PAGE + 16), { write: true });
      for (let round = 1; round <= 3; round++) {
        await proc.queue.launch(increment, { items: 24, chunk: 24, args: [pin.address - 8, 1] }).done;
        const expected = hostPages(3, 5)
          .bytes.slice()
          .fill(6 + round, PAGE + 8, PAGE + 16);
        // Stores beside it are dropped: the next round begins with what the host has.
        assert.deepEqual(pages.bytes, expected, `round ${round}`);
      }
      const { writeBacks, writtenBackBytes } = proc.systemCounters();
      assert.deepEqual([writeBacks, writtenBackBytes], [3, 24]);
    }, declared));

  it('loses no byte that the host stores to the same pages at the same time', () =>
    withSystem(async ({ mirror, proc, program }) => {
      const increment = program.kernel('incrementEvery', ['pointer', 'f64']);
      const pages = hostPages(4);
      const items = pages.size / 2;
      using pin = mirror.pin(pages.bytes, { write: true });
      let counter = 0;
      for (let round = 1; round <= 20; round++) {
        // Even bytes are the device's, odd ones the host's.
        const command = proc.queue.launch(increment, { items, chunk: 700, args: [pin.address, 2] });
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
        for (let i = 0; i < pages.size; i += 2)
          if (pages.bytes[i] !== round || pages.bytes[i + 1] !== (counter & 255))
            assert.fail(`bytes ${i} of round ${round}, ${counter}: ${pages.bytes[i]}, ${pages.bytes[i + 1]}`);
      }
      assert.equal(proc.systemCounters().writtenBackBytes, 20 * items);
    }, declared));

  it('runs launches one behind the other, on two queues and out of order, with all their stores', () =>
    withSystem(async ({ mirror, proc, program }) => {
      const increment = program.kernel('incrementEvery', ['pointer', 'f64']);
      const pages = hostPages(2);
      using pin = mirror.pin(pages.bytes);
      const queues = [proc.queue, proc.createQueue({ order: 'out' })];
      const event = mirror.createEvent();
      const commands = Array.from({ length: 60 }, () =>
        queues[0]!.launch(increment, { items: PAGE, chunk: PAGE, args: [pin.address, 2] }),
      );
      let after: Prerequisite = event;
      for (let i = 0; i < 30; i++) {
        const next: Command = queues[1]!.launch(increment, {
          items: PAGE,
          chunk: PAGE,
          args: [pin.address + 1, 2],
          after,
        });
        commands.push(next);
        after = next;
      }
      event.complete();
      commands.at(-1)!.wait();
      await Promise.all(commands.map(({ done }) => done));
      for (let i = 0; i < pages.size; i += 2)
        assert.deepEqual([pages.bytes[i], pages.bytes[i + 1]], [60, 30]);
    }, all));

  it("lets kernels of 'all' store to whatever is pinned", () =>
    withSystem(async ({ mirror, proc, program }) => {
      const floats = Float64Array.of(1, 2, 3);
      using pin = mirror.pin(floats);
      await proc.queue.launch(program.kernel('put', ['pointer', 'u32']), { items: 1, args: [pin, 0] }).done;
      const put = program.kernel('put', ['pointer', 'u32']);
      await proc.queue.launch(put, { items: 1, args: [pin.address + 7, 0x40] }).done;
      assert.equal(floats[0], 65536);
    }, all));

  it('has one copy for all such devices of a mirror', async () => {
    const options = { system: 'read', faults: 'trap', cores: 1 } as const;
    const mirror = await openMirror({ devices: { a: processDevice(options), b: processDevice(options) } });
    try {
      const { a, b } = mirror.devices;
      const pages = hostPages(2);
      const pin = mirror.pin(pages.bytes, { write: true });
      const kernelOf = async (device: ProcessDevice) =>
        (await device.load(systemKernels)).kernel('incrementEvery', ['pointer', 'f64']);
      const [kernelA, kernelB] = [await kernelOf(a), await kernelOf(b)];
      const half = (from: number) => ({
        items: PAGE,
        chunk: 512,
        args: [pin.address + from, 2] as [number, number],
      });
      for (let round = 1; round <= 10; round++) {
        // At the same time to different bytes, and one after the other to the same ones.
        const first = a.queue.launch(kernelA, half(0));
        const odd = b.queue.launch(kernelB, half(1));
        await Promise.all([b.queue.launch(kernelB, { ...half(0), after: first }).done, odd.done]);
        for (let i = 0; i < pages.size; i += 2)
          if (pages.bytes[i] !== 2 * round || pages.bytes[i + 1] !== round)
            assert.fail(`byte ${i} in round ${round}: ${pages.bytes[i]}, ${pages.bytes[i + 1]}`);
      }
      // One of them goes, the other does not notice.
      await a.close();
      await b.queue.launch(kernelB, { items: 1, args: [pin.address, 2] }).done;
      assert.equal(pages.bytes[0], 21);
    } finally {
      await mirror.close();
    }
  });
});

describe('what is not declared', () => {
  it('is refused as an argument, by name, before anything runs', () =>
    withSystem(async ({ mirror, proc, program, out, read }) => {
      const bytes = new Uint8Array(4 * PAGE);
      const launches = proc.counters().launches;
      await assert.rejects(read(addressOf(bytes), 1), (error: Error) => {
        assert.ok(error instanceof RangeError && (error as { code?: string }).code === 'ERR_OUT_OF_RANGE');
        assert.match(error.message, /args\[0\].*mirror\.pin/s);
        return true;
      });
      const put = program.kernel('put', ['pointer', 'u32']);
      assert.throws(() => proc.queue.launch(put, { items: 1, args: [{ address: 2 ** 33, size: 8 }, 1] }), {
        code: 'ERR_OUT_OF_RANGE',
      });
      assert.equal(proc.counters().launches, launches);
      // Null and ends are no addresses to be reached.
      using pin = mirror.pin(bytes);
      const take = program.kernel('take', ['pointer', 'f64', 'pointer']);
      for (const from of [0, pin.end, out.end])
        await proc.queue.launch(take, { items: 1, args: [from, 0, out] }).done.catch((error: unknown) => {
          assert.ok(error instanceof DeviceFault, String(error));
        });
      pin.dispose();
      await assert.rejects(read(pin.address, 1), { code: 'ERR_OUT_OF_RANGE' });
    }, declared));

  it('costs the device where a kernel comes to it by itself, and what is declared is there after a reopen', () =>
    withSystem(async ({ mirror, proc, program, out, read }) => {
      const bytes = new Uint8Array(PAGE).fill(3);
      using pin = mirror.pin(bytes, { write: true });
      assert.equal((await read(pin.address, 1))[0], 3);
      const put = program.kernel('put', ['pointer', 'u32']);
      out.view(Float64Array)[1] = 0x3_0000_0000;
      const astray = program.kernel('readPointer', ['pointer', 'pointer']);
      await assert.rejects(
        proc.queue.launch(astray, { items: 1, args: [out.address + 8, out] }).done,
        DeviceLost,
      );
      await proc.reopen();
      await proc.queue.launch(put, { items: 1, args: [pin, 7] }).done;
      assert.deepEqual([bytes[0], bytes[1]], [7, 3]);
      assert.equal(proc.systemCounters().writtenBackBytes, 1);
    }, declared));

  it('may be named by one launch, which declares it for its own time', () =>
    withSystem(async ({ proc, program, out, read }) => {
      const pages = hostPages(2, 70);
      const take = program.kernel('take', ['pointer', 'f64', 'pointer']);
      const launch = () =>
        proc.queue.launch(take, {
          items: 1,
          args: [pages.address + PAGE, 1, out],
          uses: [{ address: pages.address, size: pages.size }],
        });
      await launch().done;
      assert.equal(out.bytes[0], 71);
      await assert.rejects(read(pages.address + PAGE, 1), { code: 'ERR_OUT_OF_RANGE' });
      pages.bytes[PAGE] = 9;
      launch().wait();
      assert.equal(out.bytes[0], 9);
      assert.throws(() => proc.queue.launch(take, { items: 1, args: [1] as never, uses: [pages] }), {
        code: 'ERR_OUT_OF_RANGE',
      });
      await assert.rejects(read(pages.address, 1), { code: 'ERR_OUT_OF_RANGE' });
    }, declared));
});

describe('declarations that come and go', () => {
  it('may share a page: one is read, then another stored to while launches are under way', () =>
    withSystem(async ({ mirror, proc, program, read }) => {
      const pages = hostPages(1, 1);
      using first = mirror.pin(pages.bytes.subarray(0, 64));
      assert.equal((await read(first.address, 1))[0], 1);
      const word = mirror.alloc(PAGE);
      const wait = program.kernel('waitFor', ['pointer', 'pointer', 'pointer']);
      const out = mirror.alloc(PAGE);
      const under = proc.queue.launch(wait, { items: 1, args: [first.address, word, out] });
      while (Atomics.load(word.view(Int32Array), 0) !== 1) await new Promise(setImmediate);
      // The page is to be open for stores now, which has to wait for the launch that reads it.
      using second = mirror.pin(pages.bytes.subarray(64, 128), { write: true });
      const put = program.kernel('put', ['pointer', 'u32']);
      const stored = proc.createQueue().launch(put, { items: 1, args: [second.address, 200] });
      pages.bytes[0] = 8;
      assert.equal(stored.status, 'queued');
      Atomics.store(word.view(Int32Array), 0, 2);
      await Promise.all([under.done, stored.done]);
      assert.equal(out.bytes[0], 1);
      assert.deepEqual([pages.bytes[0], pages.bytes[64]], [8, 200]);
      assert.equal((await read(first.address, 1))[0], 8);
    }, declared));

  it('leave nothing mapped here and no memory behind', () =>
    withSystem(async ({ mirror, proc, read }) => {
      const before = arenaMappings(mirror.name).length;
      for (let round = 0; round < 5; round++) {
        const pins = Array.from({ length: 20 }, (_, i) => mirror.pin(new Uint8Array(3 * PAGE).fill(i)));
        for (const [i, pin] of pins.entries()) assert.equal((await read(pin.address, 1))[0], i);
        for (const pin of pins) pin.dispose();
      }
      assert.equal(arenaMappings(mirror.name).length, before);
      assert.equal(proc.counters().reopens, 0);
    }, declared));

  it('make way for buffers, also of other devices: these begin with zeros, and lose nothing when a pin ends', async () => {
    const a = processDevice({ cores: 1, system: 'all', faults: 'trap' });
    const mirror = await openMirror({ devices: { a, b: processDevice({ cores: 1 }) } });
    try {
      const { queue } = mirror.devices.a;
      const program = await mirror.devices.a.load(systemKernels);
      const put = program.kernel('put', ['pointer', 'u32']);
      for (const devices of [['b'], ['a', 'b']]) {
        const pages = hostPages(3, 1);
        const pin = mirror.pin(pages.bytes);
        await queue.launch(put, { items: 1, args: [pin.address + 1, 200] }).done;
        assert.equal(pages.bytes[1], 200);
        // As when a view was transferred and its memory freed.
        munmap(pages.address, pages.size);
        const buffer = mirror.alloc(pages.size, { place: { at: pages.address }, devices });
        assert.ok(buffer.bytes.every((byte) => byte === 0));
        buffer.bytes.fill(9);
        pin.dispose();
        const elsewhere = hostPages(1, 1);
        using other = mirror.pin(elsewhere.bytes);
        await queue.launch(put, { items: 1, args: [other, 50] }).done;
        assert.equal(elsewhere.bytes[0], 50);
        assert.ok(buffer.bytes.every((byte) => byte === 9));
        const seen = await mirror.devices.b.load(systemKernels);
        const out = mirror.alloc(PAGE);
        const take = seen.kernel('take', ['pointer', 'f64', 'pointer']);
        await mirror.devices.b.queue.launch(take, { items: 1, args: [buffer, PAGE, out] }).done;
        assert.ok(out.bytes.every((byte) => byte === 9));
      }
    } finally {
      await mirror.close();
    }
  });

  it('end by themselves where the view is transferred: the launch under way names what is lost', () =>
    withSystem(async ({ mirror, proc, program }) => {
      const bytes = new Uint8Array(64 * PAGE).fill(4);
      using pin = mirror.pin(bytes, { write: true });
      const word = mirror.alloc(PAGE);
      const slow = program.kernel('putThenWait', ['pointer', 'u32', 'pointer']);
      const { address } = pin;
      const command = proc.queue.launch(slow, { items: 1, args: [address + 9, 200, word] });
      while (Atomics.load(word.view(Int32Array), 0) !== 1) await new Promise(setImmediate);
      const moved = structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
      Atomics.store(word.view(Int32Array), 0, 2);
      const error = await command.done.catch((reason: unknown) => reason);
      assert.ok(error instanceof DeviceFault, String(error));
      assert.match(error.message, /could not be written back/);
      assert.ok(new Uint8Array(moved).every((byte) => byte === 4));
      assert.throws(() => proc.queue.launch(slow, { items: 1, args: [address, 1, word] }), {
        code: 'ERR_OUT_OF_RANGE',
      });
      assert.ok(proc.systemCounters().unwrittenBytes > 0);
    }, declared));

  it('of a device that is killed: what it had stored is written back', () =>
    withSystem(async ({ mirror, proc, program }) => {
      const pages = hostPages(2, 1);
      using pin = mirror.pin(pages.bytes, { write: true });
      const word = mirror.alloc(PAGE);
      const slow = program.kernel('putThenWait', ['pointer', 'u32', 'pointer']);
      const command = proc.queue.launch(slow, { items: 1, args: [pin.address + 9, 200, word] });
      while (Atomics.load(word.view(Int32Array), 0) !== 1) await new Promise(setImmediate);
      process.kill(proc.pid, 'SIGKILL');
      const error = await command.done.catch((reason: unknown) => reason);
      assert.ok(error instanceof DeviceLost, String(error));
      assert.deepEqual(error.unwritten, []);
      assert.deepEqual([pages.bytes[9], pages.bytes[10]], [200, 1]);
      await proc.reopen();
      const put = program.kernel('put', ['pointer', 'u32']);
      await proc.queue.launch(put, { items: 1, args: [pin.address + 10, 5] }).done;
      assert.equal(pages.bytes[10], 5);
    }, declared));
});
