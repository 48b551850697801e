/**
 * The device in both ways of catching wild accesses: by page faults, and by memory protection where userfaultfd is not
 * to be had. Sharing, faults, stopping and loss are the same in both, except for what is asserted here as different:
 * with protection there are no addresses, and a wild atomic or bulk access is the end of the device.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  type Command,
  compileAssemblyScript,
  DeviceFault,
  DeviceLost,
  type FaultMode,
  GiB,
  KiB,
  MiB,
  openMirror,
  type Program,
  wasmDevice,
} from 'mirrorspace';
import { eventually } from '../fixtures/proc.ts';
import { type TestMirror, withMirror } from '../fixtures/with-mirror.ts';

const hostileKernels = new URL('../fixtures/kernels/build/hostile.wasm', import.meta.url);
const PAGE = 4 * KiB;
const WILD = 0xe0000000;

type Mode = Exclude<FaultMode, 'auto'>;

async function failureOf(command: Command): Promise<Error> {
  try {
    await command.done;
  } catch (error) {
    assert.ok(error instanceof Error);
    return error;
  }
  assert.fail('the launch was not rejected');
}

async function faultOf(command: Command): Promise<DeviceFault> {
  const error = await failureOf(command);
  assert.ok(error instanceof DeviceFault, `a DeviceFault, not ${String(error)}`);
  return error;
}

async function assertWorks({ mirror, wasm, program }: TestMirror): Promise<void> {
  const out = mirror.alloc(400 * 4);
  const tableSum = program.kernel('tableSum', ['pointer']);
  await wasm.queue.launch(tableSum, { items: 400, chunk: 1, args: [out] }).done;
  assert.deepEqual(
    [...out.view(Int32Array)],
    Array.from({ length: 400 }, (_, i) => 77 + i),
  );
  out.free();
}

type On = TestMirror & { readonly hostile: Program };

const modes = (['userfaultfd', 'trap'] as const satisfies readonly Mode[]).filter(
  (mode) => mode !== process.env.MIRRORSPACE_REFUSED,
);

for (const mode of modes) {
  const traps = mode === 'trap';
  const on = (body: (on: On) => Promise<void>, cores = 2) =>
    withMirror(
      async (test) => {
        assert.equal(test.wasm.faults, mode);
        await body({ ...test, hostile: await test.wasm.load(hostileKernels) });
      },
      { faults: mode, cores },
    );

  /** A fault of a plain access: with an address and the nearest buffer, or with V8's words. */
  const assertPlain = (fault: DeviceFault, address: number, access: 'read' | 'write', near?: RegExp) => {
    if (traps) {
      assert.deepEqual([fault.address, fault.access, fault.nearest], [undefined, undefined, undefined]);
      assert.match(fault.message, /memory access out of bounds \(address unknown\)$/);
      assert.equal(fault.errno, undefined);
    } else {
      assert.deepEqual([fault.address, fault.access], [address, access]);
      if (near) assert.match(fault.message, near);
      assert.equal(fault.errno, 'EFAULT');
    }
  };

  describe(`sharing, with faults: '${mode}'`, () => {
    it('shows each side what the other wrote, at the same address, in whatever order buffers come and go', () =>
      on(async ({ mirror, wasm, program }) => {
        const store = program.kernel('storeAt', ['pointer', 'i32']);
        const load = program.kernel('loadAt', ['pointer', 'pointer']);
        const out = mirror.alloc(PAGE);
        for (let round = 1; round <= 200; round++) {
          const buffer = mirror.alloc(PAGE * (1 + (round % 9)), { name: `round-${round}` });
          const last = buffer.end - 4;
          await wasm.queue.launch(store, { items: 1, args: [last, round] }).done;
          assert.equal(buffer.view(Int32Array).at(-1), round);
          buffer.view(Int32Array)[0] = -round;
          await wasm.queue.launch(load, { items: 1, args: [buffer, out] }).done;
          assert.equal(out.view(Int32Array)[0], -round);
          if (round % 3) buffer.free();
        }
      }));

    it('follows pointers that JavaScript stored, and adds atomically with it', () =>
      on(async ({ mirror, wasm, program }) => {
        const count = 20_000;
        const list = mirror.alloc(count * 16);
        const words = list.view(Uint32Array);
        for (let i = 0; i < count; i++) {
          words[i * 4] = 1;
          words[i * 4 + 2] = i + 1 < count ? list.address + (i + 1) * 16 : 0;
        }
        const out = mirror.alloc(64);
        const follow = program.kernel('follow', ['pointer', 'pointer']);
        await wasm.queue.launch(follow, { items: 1, args: [list, out] }).done;
        assert.equal(out.view(BigInt64Array)[0], BigInt(count));
        const counter = mirror.alloc(PAGE);
        const word = counter.view(Int32Array);
        const increment = program.kernel('increment', ['pointer']);
        const command = wasm.queue.launch(increment, { items: 300_000, args: [counter] });
        for (let i = 0; i < 50_000; i++) Atomics.add(word, 0, 1);
        await command.done;
        assert.equal(word[0], 350_000);
      }));

    it('copies and fills gigabytes of window in patches', () =>
      on(async ({ mirror, wasm }) => {
        const low = mirror.alloc(2 * MiB, { name: 'low' });
        const high = mirror.alloc(2 * MiB, { name: 'high', topdown: true });
        assert.ok(high.address - low.address > 2 * GiB);
        wasm.queue.fill(low, new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]));
        await wasm.queue.copy(high, low).done;
        assert.equal(Buffer.compare(high.bytes, low.bytes), 0);
        assert.deepEqual([...high.bytes.subarray(-8)], [1, 2, 3, 4, 5, 6, 7, 8]);
      }));

    it('lets a device read a buffer that it may not write', () =>
      on(async (all) => {
        const { mirror, wasm, program } = all;
        const constant = mirror.alloc(PAGE, { name: 'constant', access: { wasm: 'read' } });
        constant.view(Int32Array).fill(17);
        const out = mirror.alloc(PAGE);
        const load = program.kernel('loadAt', ['pointer', 'pointer']);
        await wasm.queue.launch(load, { items: 1, args: [constant, out] }).done;
        assert.equal(out.view(Int32Array)[0], 17);
        const store = program.kernel('storeAt', ['pointer', 'i32']);
        const fault = await faultOf(wasm.queue.launch(store, { items: 1, args: [constant, 1] }));
        assert.equal(fault.reason, traps ? 'unmapped' : 'read-only');
        assert.ok(constant.view(Int32Array).every((word) => word === 17));
        await assertWorks(all);
      }));

    it(`${traps ? 'does not reach' : 'reaches'} a buffer that comes to be while the kernel runs`, () =>
      on(async (all) => {
        const { mirror, wasm, hostile } = all;
        const mail = mirror.alloc(PAGE, { name: 'mail' });
        const out = mirror.alloc(PAGE);
        const words = out.view(Int32Array);
        const reading = hostile.kernel('readMail', ['pointer', 'pointer']);
        const command = wasm.queue.launch(reading, { items: 1, args: [mail, out] });
        await eventually('the kernel runs', () => Atomics.load(words, 1) === 1);
        const late = mirror.alloc(PAGE, { name: 'late' });
        late.view(Int32Array)[0] = 4711;
        Atomics.store(mail.view(Uint32Array), 0, late.address);
        if (traps) {
          // The window is brought up to date between packets; the next launch has it.
          assertPlain(await faultOf(command), late.address, 'read');
          await wasm.queue.launch(reading, { items: 1, args: [mail, out] }).done;
        } else {
          await command.done;
        }
        assert.equal(words[0], 4711);
      }));
  });

  describe(`faults, with faults: '${mode}'`, () => {
    it('rejects wild loads and stores, null, overruns and use after free, each for itself alone', () =>
      on(async (all) => {
        const { mirror, wasm, program } = all;
        const load = program.kernel('loadAt', ['pointer', 'pointer']);
        const store = program.kernel('storeAt', ['pointer', 'i32']);
        const tree = mirror.alloc(2 * PAGE, { name: 'tree', guard: 4 });
        const out = mirror.alloc(PAGE, { name: 'out' });
        const loadAt = (at: number) => wasm.queue.launch(load, { items: 1, args: [at, out] });
        const storeAt = (at: number) => wasm.queue.launch(store, { items: 1, args: [at, 1] });
        await loadAt(tree.address).done;
        const before = storeAt(out.address);
        const wild = loadAt(WILD);
        const behind = storeAt(out.address + 4);
        await before.done;
        assertPlain(await faultOf(wild), WILD, 'read', /past `(out|tree)`/);
        await behind.done;
        assertPlain(await faultOf(storeAt(WILD)), WILD, 'write');
        assertPlain(await faultOf(storeAt(0)), 0, 'write', /null pointer/);
        assertPlain(await faultOf(storeAt(tree.end)), tree.end, 'write', /0 bytes past `tree`/);
        tree.free();
        assertPlain(
          await faultOf(loadAt(tree.address)),
          tree.address,
          'read',
          /into `tree`, which was freed/,
        );
        assert.equal(wasm.counters().reopens, 0);
        // A trap costs no core, and is told at once.
        if (traps) assert.equal(wasm.counters().coreRestarts, 0);
        await assertWorks(all);
      }));

    it('names kernel, device and core of a fault that all cores have at once', () =>
      on(async (all) => {
        const store = all.program.kernel('storeAt', ['pointer', 'i32']);
        const fault = await faultOf(all.wasm.queue.launch(store, { items: 64, chunk: 1, args: [WILD, 1] }));
        assert.deepEqual([fault.kernel, fault.device], ['storeAt', 'wasm']);
        assert.match(fault.message, /^kernel 'storeAt' on wasm core [01] faulted/);
        await assertWorks(all);
      }));

    for (const [what, name, kinds, args] of [
      ['atomic', 'atomicAt', ['pointer'], [WILD]],
      ['memory.fill', 'fillAt', ['pointer', 'u32'], [WILD, 64]],
    ] as const) {
      it(`${traps ? 'loses at most the device, until it is reopened, at' : 'recovers from'} a wild ${what}`, () =>
        on(async (all) => {
          const { wasm, mirror } = all;
          const kept = mirror.alloc(PAGE, { name: 'kept' });
          kept.view(Int32Array).fill(3);
          const kernel = all.program.kernel(name, kinds as readonly ('pointer' | 'u32')[]);
          const error = await failureOf(
            wasm.queue.launch(kernel, { items: 1, args: args as readonly number[] as never }),
          );
          if (traps && what === 'atomic' && error instanceof DeviceFault) {
            // V8's first compiler makes atomics that trap, its second one that do not: either code may run.
            assertPlain(error, WILD, 'write');
          } else if (traps) {
            assert.ok(error instanceof DeviceLost, String(error));
            assert.match(error.message, /its process \d+ ended/);
            assert.throws(() => wasm.queue.marker(), DeviceLost, 'no one reopens it unasked');
            await wasm.reopen();
            assert.equal(wasm.counters().reopens, 1);
          } else {
            assert.ok(error instanceof DeviceFault, String(error));
            assert.equal(error.address, WILD);
          }
          await assertWorks(all);
          assert.ok(kept.view(Int32Array).every((word) => word === 3));
        }));
    }

    it('runs kernels of two queues while one of them faults all the time', () =>
      on(async (all) => {
        const { mirror, wasm, program } = all;
        const second = wasm.createQueue();
        const counter = mirror.alloc(PAGE);
        const increment = program.kernel('increment', ['pointer']);
        const store = program.kernel('storeAt', ['pointer', 'i32']);
        const good = Array.from({ length: 10 }, () =>
          wasm.queue.launch(increment, { items: 20_000, args: [counter] }),
        );
        for (let i = 0; i < 10; i++)
          await faultOf(second.launch(store, { items: 1, args: [WILD + i * MiB, 1] }));
        for (const { done } of good) await done;
        assert.equal(counter.view(Int32Array)[0], 200_000);
      }));
  });

  it(`reports an abort whose message is a wild pointer, at the cost of no device, with faults: '${mode}'`, () =>
    on(async (all) => {
      const source = `
        @external('env', 'abort')
        declare function fail(message: usize, file: usize, line: u32, column: u32): void;
        export function failAt(begin: u32, end: u32, words: usize): void { fail(words, 0, 1, 2); }`;
      const wasm = await compileAssemblyScript(source, { memoryBase: 0x140000 });
      const failAt = (await all.wasm.load(wasm)).kernel('failAt', ['pointer']);
      for (const address of [WILD, 0xffffffff, 65536]) {
        await faultOf(all.wasm.queue.launch(failAt, { items: 1, args: [address] }));
        await assertWorks(all);
      }
      assert.equal(all.wasm.counters().reopens, 0);
    }));

  describe(`loss and stopping, with faults: '${mode}'`, () => {
    it('rejects what is pending when the device is killed, and reopens over the same memory', () =>
      on(async (all) => {
        const { mirror, wasm, program } = all;
        const flag = mirror.alloc(PAGE, { name: 'flag' });
        const words = flag.view(Int32Array);
        words[8] = 99;
        const forever = program.kernel('forever', ['pointer']);
        const running = wasm.queue.launch(forever, { items: 1, args: [flag] });
        const queued = wasm.queue.launch(forever, { items: 1, args: [flag] });
        await eventually('the kernel runs', () => Atomics.load(words, 0) === 1);
        process.kill(wasm.pid, 'SIGKILL');
        for (const command of [running, queued]) assert.ok((await failureOf(command)) instanceof DeviceLost);
        assert.equal(words[8], 99);
        const late = mirror.alloc(PAGE);
        late.view(Int32Array)[0] = 7;
        await wasm.reopen();
        assert.equal(wasm.faults, mode);
        await wasm.queue.copy(flag, late, 4).done;
        assert.equal(words[0], 7);
        await assertWorks(all);
      }));

    it('stops a runaway kernel by signal and by timeout, and lets a free wait for it', () =>
      on(async (all) => {
        const { mirror, wasm, program } = all;
        const flag = mirror.alloc(PAGE);
        const words = flag.view(Int32Array);
        const forever = program.kernel('forever', ['pointer']);
        const stop = new AbortController();
        const running = wasm.queue.launch(forever, { items: 2, chunk: 1, args: [flag], signal: stop.signal });
        await eventually('the kernel runs', () => Atomics.load(words, 0) === 1);
        const place = { at: flag.address };
        flag.free();
        assert.ok(!mirror.plan(PAGE, { place }).ok, 'a kernel that runs keeps the buffer');
        stop.abort();
        assert.equal((await failureOf(running)).name, 'AbortError');
        const other = mirror.alloc(PAGE);
        const timed = wasm.queue.launch(forever, { items: 2, chunk: 1, args: [other], timeout: 20 });
        assert.equal((await failureOf(timed)).name, 'TimeoutError');
        await assertWorks(all);
      }));
  });
}

describe('where userfaultfd is refused', () => {
  it("by seccomp, 'auto' falls back with one warning that says why and what to do, and 'userfaultfd' is refused", async () => {
    const path = fileURLToPath(new URL('../fixtures/programs/refused-userfaultfd.mjs', import.meta.url));
    const child = spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let complaints = '';
    child.stdout.on('data', (text) => {
      output += text;
    });
    child.stderr.on('data', (text) => {
      complaints += text;
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.equal(code, 0, complaints);
    const { warnings, auto, again, trap, userfaultfd, leaked } = JSON.parse(output);
    assert.deepEqual([auto.mode, again, trap], ['trap', 'trap', 'trap']);
    assert.equal(auto.right, true, 'kernels run');
    assert.equal(auto.wildStore.kind, 'fault');
    assert.match(auto.wildStore.message, /address unknown/);
    assert.equal(auto.afterStore, 'none');
    assert.match(auto.wildAtomic.kind, /^(lost|fault)$/);
    assert.equal(auto.afterAtomic, 'none');
    assert.equal(warnings.length, 1, JSON.stringify(warnings));
    assert.equal(warnings[0].name, 'MirrorspaceWarning');
    for (const words of [/catches wild accesses by traps/, /EPERM/, /seccomp profile/, /faults: 'trap'/])
      assert.match(warnings[0].message, words);
    const { message, ...refusal } = userfaultfd;
    assert.deepEqual(refusal, {
      name: 'UnsupportedError',
      code: 'ERR_MIRROR_UNSUPPORTED',
      missing: 'userfaultfd',
      errno: 'EPERM',
    });
    assert.match(message, /seccomp profile that permits 'userfaultfd'/);
    assert.equal(leaked, 0, 'descriptors of the device that could not be opened');
  });

  if (process.env.MIRRORSPACE_REFUSED) return;
  it('by nobody, no warning is given and page faults are used', async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on('warning', listen);
    try {
      const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: 1 }) } });
      assert.equal(mirror.devices.wasm.faults, 'userfaultfd');
      await mirror.close();
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(warnings, []);
    } finally {
      process.off('warning', listen);
    }
  });
});
