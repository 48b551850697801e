/**
 * What a native library does badly, it does to the process of its device alone: crashes, aborts, endless loops and wild
 * pointers, each of them real.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Command,
  DeviceFault,
  DeviceLost,
  MiB,
  type NativeProgram,
  type SvmBuffer,
  TimeoutError,
} from 'mirrorspace';
import { ownFunctions, ownLibrary, withoutC } from '../fixtures/native-library.ts';
import { eventually } from '../fixtures/proc.ts';
import { fill, hostPages, PAGE, withSystem } from '../fixtures/system.ts';
import { kill, type ProcessMirror, withProcess } from '../fixtures/with-process.ts';

interface WithLibrary extends ProcessMirror {
  readonly library: NativeProgram<typeof ownFunctions>;
  /** Something that was there before; {@link intact} looks at it. */
  readonly kept: SvmBuffer;
}

const withLibrary = (body: (on: WithLibrary) => Promise<void>): Promise<void> =>
  withProcess(async (on) => {
    const library = await on.proc.load({ library: ownLibrary(), functions: ownFunctions });
    const kept = on.mirror.alloc(MiB, { name: 'kept' });
    kept.view(Float64Array).fill(2.5);
    await body({ ...on, library, kept });
  });

async function lossOf(command: Command): Promise<DeviceLost> {
  try {
    await command.done;
  } catch (error) {
    assert.ok(error instanceof DeviceLost, `a DeviceLost, not ${String(error)}`);
    return error;
  }
  assert.fail('the launch was not rejected');
}

/** The device, in whichever life, runs the library over memory that nothing has happened to. */
async function intact({ mirror, proc, library, kept }: WithLibrary): Promise<void> {
  assert.ok(kept.view(Float64Array).every((value) => value === 2.5));
  const out = mirror.alloc(4);
  await proc.queue.launch(library.kernel('getpid'), { items: 1, args: [out] }).done;
  assert.equal(out.view(Int32Array)[0], proc.pid);
  out.free();
}

describe('a native library that ends its process', { skip: withoutC }, () => {
  for (const [kernel, signal, words] of [
    ['store_then_crash', 'SIGSEGV', 'a store through a bad pointer'],
    ['give_up', 'SIGABRT', 'abort()'],
    ...(process.arch === 'x64' ? [['divide', 'SIGFPE', 'a division by zero'] as const] : []),
  ] as const) {
    it(`loses its device, with ${signal} and the kernel's name: ${words}`, () =>
      withLibrary(async (on) => {
        const { mirror, proc, library } = on;
        const word = mirror.alloc(4);
        const args = kernel === 'give_up' ? [] : [word];
        const before = proc.pid;
        const lost = await lossOf(
          proc.queue.launch(library.kernel(kernel) as never, { items: 1, args: args as never }),
        );
        assert.equal(lost.exit, signal, lost.message);
        assert.deepEqual(lost.kernels, [kernel]);
        assert.match(
          lost.message,
          new RegExp(`its process ${before} ended \\(${signal}\\) inside kernel '${kernel}'`),
        );
        assert.equal(await proc.lost, lost);
        if (kernel === 'store_then_crash') assert.equal(word.view(Uint32Array)[0], 42);
        assert.throws(() => proc.queue.launch(library.kernel('give_up'), { items: 1, args: [] }), DeviceLost);
        await proc.reopen();
        assert.notEqual(proc.pid, before);
        await intact(on);
      }));
  }

  it('is named to a thread that blocks, too, though the event loop does not turn', () =>
    withLibrary(async (on) => {
      const { mirror, proc, library } = on;
      const command = proc.queue.launch(library.kernel('store_then_crash'), {
        items: 1,
        args: [mirror.alloc(4)],
      });
      assert.throws(
        () => command.wait(),
        (error) =>
          error instanceof DeviceLost && error.exit === 'SIGSEGV' && /'store_then_crash'/.test(error.message),
      );
      await proc.reopen();
      await intact(on);
    }));

  it('may leave with a code', () =>
    withLibrary(async (on) => {
      const { proc, library } = on;
      const lost = await lossOf(proc.queue.launch(library.kernel('leave'), { items: 1, args: [3] }));
      assert.equal(lost.exit, 3, lost.message);
      assert.match(lost.message, /\(3\) inside kernel 'leave'/);
      await proc.reopen();
      await intact(on);
    }));

  it('takes the other commands of the device along, and those of no other one', () =>
    withLibrary(async (on) => {
      const { mirror, proc, library } = on;
      const [flag, word] = [mirror.alloc(4), mirror.alloc(4)];
      const spinning = proc.queue.launch(library.kernel('spin'), { items: 1, args: [flag] });
      await eventually('the other kernel runs', () => Atomics.load(flag.view(Int32Array), 0) === 1);
      const second = proc.createQueue();
      const crashing = second.launch(library.kernel('store_then_crash'), { items: 1, args: [word] });
      const [lost, other] = await Promise.all([lossOf(crashing), lossOf(spinning)]);
      assert.equal(other, lost);
      assert.deepEqual([...lost.kernels].sort(), ['spin', 'store_then_crash'], lost.message);
      await proc.reopen();
      await intact(on);
    }));

  it('has no kernel to its name where none was running', () =>
    withLibrary(async (on) => {
      const lost = on.proc.lost;
      await kill(on.proc);
      assert.deepEqual((await lost).kernels, []);
      assert.doesNotMatch((await lost).message, /inside kernel/);
      await on.proc.reopen();
      await intact(on);
    }));

  it('leaves the memory of its host alone where it reached that: a crash amid reading it', () =>
    withSystem(
      async ({ mirror, proc }) => {
        const library = await proc.load({ library: ownLibrary(), functions: ownFunctions });
        const pages = fill(hostPages(4, 1));
        const pin = mirror.pin(new Uint32Array(1024));
        const first = mirror.alloc(1);
        const load = library.kernel('load_byte');
        await proc.queue.launch(load, { items: 1, args: [pages.address + PAGE, first] }).done;
        assert.equal(first.bytes[0], 2);
        const command = proc.queue.launch(library.kernel('store_then_crash'), {
          items: 1,
          args: [pin.address],
        });
        const lost = await lossOf(command);
        assert.equal(lost.exit, 'SIGSEGV', lost.message);
        assert.deepEqual(lost.kernels, ['store_then_crash']);
        // Its store had not been written back when it died: it says so.
        assert.ok(
          lost.unwritten.some(({ start, end }) => start <= pin.address && pin.address < end),
          lost.message,
        );
        await proc.reopen();
        await proc.queue.launch(load, { items: 1, args: [pages.address + 2 * PAGE, first] }).done;
        assert.equal(first.bytes[0], 3);
        pin[Symbol.dispose]();
      },
      { system: 'all' },
    ));
});

describe('a native library that does not come back', { skip: withoutC }, () => {
  for (const kernel of ['spin', 'block'] as const) {
    it(`is ended with its process by a timeout, and the device comes back by itself: ${kernel}`, () =>
      withLibrary(async (on) => {
        const { mirror, proc, library } = on;
        const flag = mirror.alloc(4);
        const before = proc.pid;
        const command = proc.queue.launch(library.kernel(kernel), { items: 1, args: [flag], timeout: 300 });
        const behind = proc.queue.launch(library.kernel('store_byte'), { items: 1, args: [flag, 9] });
        await assert.rejects(command.done, TimeoutError);
        // It may have been stopped before it began; then its device goes on.
        if (flag.view(Uint32Array)[0] === 1) {
          await assert.rejects(behind.done, DeviceLost);
          await proc.reopen();
          assert.notEqual(proc.pid, before);
        } else {
          await behind.done;
        }
        await intact(on);
      }));

    it(`is ended with its process by a signal to abort: ${kernel}`, () =>
      withLibrary(async (on) => {
        const { mirror, proc, library } = on;
        const flag = mirror.alloc(4);
        const before = proc.pid;
        const stop = new AbortController();
        const loss = proc.lost;
        const command = proc.queue.launch(library.kernel(kernel), {
          items: 1,
          args: [flag],
          signal: stop.signal,
        });
        await eventually('it has begun', () => Atomics.load(flag.view(Int32Array), 0) === 1);
        stop.abort(new Error('enough'));
        await assert.rejects(command.done, /enough/);
        assert.match((await loss).message, /could not be stopped inside a native library/);
        await proc.reopen();
        assert.notEqual(proc.pid, before);
        await intact(on);
      }));
  }

  it('is stopped between two calls for two items, if there are many', () =>
    withLibrary(async (on) => {
      const { mirror, proc, library } = on;
      const byte = mirror.alloc(1);
      const command = proc.queue.launch(library.kernel('store_byte'), {
        items: 2 ** 40,
        args: [byte, 5],
        timeout: 300,
      });
      await assert.rejects(command.done, TimeoutError);
      await intact(on);
    }));
});

describe('a wild pointer in a native library', { skip: withoutC }, () => {
  it('is a fault of its launch, with the address, where mirrored memory could lie', () =>
    withLibrary(async (on) => {
      const { mirror, proc, library } = on;
      const small = mirror.alloc(PAGE, { name: 'small' });
      const wild = small.end + 16;
      for (const [name, args] of [
        ['load_byte', [wild, 0]],
        ['store_byte', [wild, 1]],
      ] as const) {
        const command = proc.queue.launch(library.kernel(name) as never, { items: 1, args: args as never });
        await assert.rejects(command.done, (error) => {
          assert.ok(error instanceof DeviceFault, String(error));
          assert.equal(error.reason, 'unmapped');
          assert.equal(error.address, wild);
          assert.equal(error.kernel, name);
          assert.equal(error.access, name === 'load_byte' ? 'read' : 'write');
          assert.equal(error.nearest?.name, 'small');
          return true;
        });
      }
      await intact(on);
    }));

  it('is a fault where a result is to go: nothing is called then', () =>
    withLibrary(async (on) => {
      const { proc, library } = on;
      // Below the window: refused by the view, before the call.
      const command = proc.queue.launch(library.kernel('count_call'), { items: 1, args: [4096] });
      await assert.rejects(
        command.done,
        (error) => error instanceof DeviceFault && error.reason === 'unmapped' && error.address === 4096,
      );
      await intact(on);
    }));
});
