/**
 * What mirrors publish is what happened: compared with what the mirror, its commands, its devices' counters and its
 * errors say of the same.
 */
import assert from 'node:assert/strict';
import { channel } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { DeviceFault, MiB, openMirror, PlacementError, wasmDevice } from 'mirrorspace';
import { EVENT_NAMES, type FaultEvent, recordSites, subscribe } from 'mirrorspace/observe';
import { Recording } from '../fixtures/record-events.ts';
import { hostPages, PAGE, withSystem } from '../fixtures/system.ts';
import { withBoth } from '../fixtures/with-both.ts';
import { withMirror } from '../fixtures/with-mirror.ts';
import { withProcess } from '../fixtures/with-process.ts';

const failure = (done: Promise<void>): Promise<unknown> =>
  done.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('a mirror publishes', () => {
  it('where each buffer came to lie, and that it was given back', () =>
    withMirror(async ({ mirror }) => {
      using seen = new Recording();
      const before = performance.now();
      const tree = mirror.alloc(3 * MiB + 5, { name: 'tree', type: 'coarse' });
      const list = mirror.alloc(100, { access: { wasm: 'read' } });
      const took = performance.now() - before;
      assert.deepEqual(
        seen.of('map').map(({ buffer, address, size, mapped, type, access }) => ({
          buffer,
          address,
          size,
          mapped,
          type,
          access,
        })),
        [
          {
            buffer: 'tree',
            address: tree.address,
            size: tree.size,
            mapped: tree.placement.size,
            type: 'coarse',
            access: { wasm: 'write' },
          },
          {
            buffer: list.name,
            address: list.address,
            size: 100,
            mapped: PAGE,
            type: 'fine',
            access: { wasm: 'read' },
          },
        ],
      );
      const places = seen.of('place');
      assert.deepEqual(
        places.map(({ placement }) => placement),
        [tree.placement, list.placement],
      );
      assert.deepEqual(
        places.map(({ purpose, size }) => [purpose, size]),
        [
          ['alloc', 3 * MiB + 5],
          ['alloc', 100],
        ],
      );
      const total = places.reduce((sum, { duration }) => sum + duration, 0);
      assert.ok(total > 0 && total <= took, `${total} ms of ${took}`);
      for (const { mirror: of } of places) assert.equal(of.name, mirror.name);

      const { address } = tree;
      tree.free();
      assert.deepEqual(
        seen.of('unmap').map((event) => [event.buffer, event.address, event.size]),
        [['tree', address, 3 * MiB + 5]],
      );
      assert.deepEqual(seen.of('refuse'), []);
    }));

  it('growth and reservations', () =>
    withMirror(async ({ mirror }) => {
      using seen = new Recording();
      const reservation = mirror.reserve(16 * PAGE, { name: 'room' });
      const buffer = reservation.commit(0, PAGE, { name: 'first' });
      buffer.grow(3 * PAGE);
      assert.deepEqual(
        seen.of('place').map(({ purpose, placement }) => [purpose, placement.address]),
        [['reserve', reservation.address]],
      );
      assert.deepEqual(
        seen.of('map').map(({ size, mapped, grownFrom }) => [size, mapped, grownFrom]),
        [
          [PAGE, PAGE, undefined],
          [3 * PAGE, 3 * PAGE, PAGE],
        ],
      );
      const other = mirror.alloc(PAGE, { guard: 16 * PAGE });
      other.grow(2 * PAGE);
      assert.equal(seen.of('place').at(-1)?.purpose, 'grow');
      assert.equal(seen.of('place').at(-1)?.placement.size, 2 * PAGE);
    }));

  it('a refusal, which is that of the error', () =>
    withMirror(async ({ mirror }) => {
      using seen = new Recording();
      let error: unknown;
      try {
        mirror.alloc(8 * 1024 * MiB, { name: 'much' });
      } catch (thrown) {
        error = thrown;
      }
      assert.ok(error instanceof PlacementError);
      const [event] = seen.of('refuse');
      assert.equal(event?.refusal, error.refusal);
      assert.equal(event?.message, error.message);
      assert.deepEqual([event?.size, event?.purpose], [8 * 1024 * MiB, 'alloc']);
      assert.deepEqual(seen.of('place'), []);
      assert.deepEqual(seen.of('map'), []);
    }));

  it('that it was opened and closed, with its devices and itself', async () => {
    using seen = new Recording();
    const mirror = await openMirror({ name: 'seen', devices: { wasm: wasmDevice({ cores: 1 }) } });
    const { wasm } = mirror.devices;
    await mirror.close();
    const [opened] = seen.of('open');
    assert.equal(opened?.object, mirror);
    assert.deepEqual(opened?.devices, [
      { name: 'wasm', kind: 'wasm', window: wasm.window, reserved: wasm.reserved },
    ]);
    assert.ok(!JSON.stringify(opened).includes('object'));
    assert.deepEqual(
      seen.of('close').map(({ mirror: of }) => of),
      [opened?.mirror],
    );
    assert.equal(opened?.mirror.name, 'seen');
  });
});

describe('commands', () => {
  it('are published when they are put in and when they have ended, with their own times', () =>
    withBoth(async ({ mirror, wasm, proc, onWasm, onProc }) => {
      const word = mirror.alloc(PAGE, { name: 'word' });
      using seen = new Recording();
      const first = wasm.queue.launch(onWasm.storeAt, { items: 1, args: [word, 1] });
      const second = proc.queue.launch(onProc.storeAt, { items: 1, args: [word, 2], after: first });
      const fill = wasm.queue.fill(word, 7, { size: 64, after: [first, second] });
      const host = wasm.queue.copy(new Uint8Array(8), word, { size: 8, after: fill });
      await host.done;
      const launches = seen.of('launch');
      assert.deepEqual(
        launches.map(({ device, type, kernel, items }) => [device, type, kernel, items]),
        [
          ['wasm', 'launch', 'storeAt', 1],
          ['proc', 'launch', 'storeAt', 1],
          ['wasm', 'fill', 'fill', 64],
          ['wasm', 'copy', 'copy', undefined],
        ],
      );
      // Addresses as numbers; a copy to the host's own memory has none on the device.
      assert.deepEqual(
        launches.slice(0, 2).map(({ args }) => args),
        [
          [word.address, 1],
          [word.address, 2],
        ],
      );
      assert.deepEqual(launches[2]!.args?.slice(0, 2), [word.address, 1]);
      assert.equal(launches[3]!.args, undefined);
      assert.deepEqual(JSON.parse(JSON.stringify(launches[0])), launches[0]);
      const [a, b, c, d] = launches.map(({ command }) => command);
      assert.equal(new Set([a, b, c, d]).size, 4);
      assert.deepEqual(
        launches.map(({ after }) => after),
        [[], [a], [a, b], [c]],
      );
      const completes = seen.of('complete');
      assert.deepEqual(
        completes.map(({ command, status }) => [command, status]),
        [a, b, c, d].map((number) => [number, 'complete']),
      );
      for (const [i, command] of [first, second, fill, host].entries()) {
        assert.deepEqual(completes[i]!.times, command.times);
        assert.equal(completes[i]!.duration, command.times.finished! - command.times.started!);
        assert.equal(launches[i]!.time, command.times.queued);
      }
    }));

  it('that fail say why, once, and so do those that fail with them', () =>
    withBoth(async ({ wasm, proc, onWasm, onProc }) => {
      using seen = new Recording(['launch', 'complete']);
      const failing = wasm.queue.launch(onWasm.trap, { items: 1, args: [] });
      const behind = proc.queue.launch(onProc.nothing, { items: 1, args: [], after: failing });
      const error = await failure(failing.done);
      await failure(behind.done);
      assert.ok(error instanceof DeviceFault);
      const late = wasm.queue.launch(onWasm.nothing, { items: 1, args: [], after: failing });
      await failure(late.done);
      const ends = seen.of('complete');
      assert.deepEqual(
        ends.map(({ status, error: { code } = {} as never }) => [status, code]),
        [
          ['failed', 'ERR_MIRROR_DEVICE_FAULT'],
          ['failed', 'ERR_MIRROR_DEPENDENCY'],
          ['failed', 'ERR_MIRROR_DEPENDENCY'],
        ],
      );
      assert.equal(ends[0]!.error!.message, error.message);
      assert.deepEqual(
        ends.map(({ command }) => command),
        seen.of('launch').map(({ command }) => command),
      );
      assert.equal(ends[2]!.duration, undefined);
    }));

  it('that are stopped end once', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const flag = mirror.alloc(PAGE);
      using seen = new Recording(['complete']);
      const forever = program.kernel('forever', ['pointer']);
      const stop = new AbortController();
      const command = wasm.queue.launch(forever, { items: 1, args: [flag], signal: stop.signal });
      const waiting = wasm.queue.launch(forever, { items: 1, args: [flag], signal: stop.signal });
      stop.abort(new Error('enough'));
      await Promise.all([failure(command.done), failure(waiting.done)]);
      await wasm.queue.marker().done;
      const stopped = seen.of('complete').filter(({ kernel }) => kernel === 'forever');
      assert.equal(stopped.length, 2);
      for (const { error } of stopped) assert.equal(error?.message, 'enough');
    }));

  it('are published before a blocking wait returns', () =>
    withMirror(async ({ wasm, program }) => {
      using seen = new Recording(['complete']);
      wasm.queue.launch(program.kernel('nothing', []), { items: 1, args: [] }).wait();
      assert.equal(seen.of('complete').length, 1);
    }));
});

const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0);

describe('page faults of a device', () => {
  it('are published before their command ends, as many and as large as its counters say', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      if (wasm.faults === 'trap') return;
      const increment = program.kernel('increment', ['pointer']);
      const buffer = mirror.alloc(8 * MiB, { name: 'counted' });
      buffer.bytes[5 * MiB] = 1;
      const before = wasm.counters();
      using seen = new Recording();
      await wasm.queue.launch(increment, { items: 1, args: [buffer.address + MiB] }).done;
      await wasm.queue.launch(increment, { items: 1, args: [buffer.address + 5 * MiB] }).done;
      const faults = seen.of('fault');
      const live = faults.filter(({ outcome }) => outcome !== 'own');
      assert.equal(faults.length, wasm.counters().faults - before.faults);
      assert.equal(sum(faults.map(({ bytes }) => bytes)), wasm.counters().filledBytes - before.filledBytes);
      const told = JSON.stringify(faults);
      assert.deepEqual(
        live.map(({ outcome, address }) => [outcome, address]),
        [
          ['allocated', buffer.address + MiB],
          ['mapped', buffer.address + 5 * MiB],
        ],
        told,
      );
      const ends = seen.of('complete');
      for (const [i, { range, core, duration, time, device }] of live.entries()) {
        assert.ok(buffer.address <= range.start && range.end <= buffer.end, told);
        assert.ok(core === 0 || core === 1, told);
        const { started, finished } = ends[i]!.times;
        assert.ok(
          time >= started! - 20 && time + duration <= finished! + 20,
          `${told} ${started} ${finished}`,
        );
        assert.equal(device, 'wasm');
      }
      const order = seen.all.map(({ name }) => name).filter((name) => name !== 'launch');
      assert.ok(order.indexOf('fault') < order.indexOf('complete'), order.join());
      assert.equal(order.at(-1), 'complete');
    }));

  it('at what is no buffer say where, and are the failure of their launch', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      if (wasm.faults === 'trap') return;
      const buffer = mirror.alloc(PAGE, { name: 'small', access: { wasm: 'read' } });
      const storeAt = program.kernel('storeAt', ['pointer', 'i32']);
      using seen = new Recording(['fault', 'complete']);
      for (const address of [buffer.end + 64, buffer.address + 8]) {
        const error = await failure(wasm.queue.launch(storeAt, { items: 1, args: [address, 1] }).done);
        assert.ok(error instanceof DeviceFault);
        const wild = seen.of('fault').filter(({ outcome }) => outcome === error.reason) as FaultEvent[];
        assert.deepEqual(
          wild.map((fault) => [fault.address, fault.access, fault.core, fault.bytes]),
          [[address, 'write', error.core, 0]],
        );
        assert.equal(seen.of('complete').at(-1)?.error?.address, address);
      }
      assert.equal(
        seen.of('fault').filter(({ outcome }) => outcome === 'unmapped').length,
        wasm.counters().wildFaults - 1,
      );
    }));

  it('come while the kernel still runs, and stop coming when nobody listens', () =>
    withProcess(async ({ mirror, proc, program }) => {
      if (proc.faults === 'trap') return;
      const flag = mirror.alloc(PAGE, { name: 'flag' });
      const forever = program.kernel('forever', ['pointer']);
      const fault = new Promise<FaultEvent>((resolve) => {
        const end = subscribe('fault', (event) => {
          if (event.address < flag.address || event.address >= flag.end) return;
          end();
          resolve(event);
        });
      });
      const stop = new AbortController();
      const command = proc.queue.launch(forever, { items: 1, args: [flag], signal: stop.signal });
      const alive = setInterval(() => {}, 1000);
      const { range } = await fault;
      clearInterval(alive);
      assert.equal(command.status, 'submitted');
      assert.ok(range.start <= flag.address && flag.address < range.end);
      stop.abort(new Error('enough'));
      assert.equal(((await failure(command.done)) as Error).message, 'enough');
      assert.ok(!channel('mirrorspace:fault').hasSubscribers);
    }));
});

describe('system memory', () => {
  it('is published as it is fetched, written back and dropped, in the sums of the counters', () =>
    withSystem(
      async ({ proc, program, read }) => {
        const pages = hostPages(4, 10);
        using seen = new Recording();
        const before = proc.systemCounters();
        assert.equal((await read(pages.address, 8))[0], 10);
        const put = program.kernel('put', ['pointer', 'u32']);
        await proc.queue.launch(put, { items: 1, args: [pages.address + PAGE + 7, 99] }).done;
        pages.bytes[0] = 77;
        assert.equal((await read(pages.address, 8))[0], 77);
        const after = proc.systemCounters();
        const told = JSON.stringify(seen.all);
        const fetches = seen.of('fetch');
        assert.equal(
          fetches.filter(({ cause }) => cause === 'fault').length,
          after.fetches - before.fetches,
          told,
        );
        assert.equal(sum(fetches.map(({ bytes }) => bytes)), after.fetchedBytes - before.fetchedBytes, told);
        assert.equal(fetches[0]!.address, pages.address);
        const backs = seen.of('write-back');
        assert.equal(
          sum(backs.map(({ bytes }) => bytes)),
          after.writtenBackBytes - before.writtenBackBytes,
          told,
        );
        const own = backs.find(
          ({ range }) => range.start <= pages.address + PAGE && pages.address + PAGE < range.end,
        );
        assert.deepEqual([own?.bytes, own?.cause, own?.unwrittenBytes], [1, 'completion', 0], told);
        const drops = seen.of('invalidate');
        assert.equal(drops.length, after.invalidations - before.invalidations, told);
        const written = drops.filter(({ cause }) => cause === 'written');
        assert.equal(sum(written.map(({ bytes }) => bytes)), after.writtenBytes - before.writtenBytes, told);
        assert.ok(
          written.some(({ range }) => range.start <= pages.address && pages.address < range.end),
          told,
        );
      },
      { system: 'all' },
    ));
});

describe('the loss of a device', () => {
  it('is published with its reason, behind what it ended, and its return too', () =>
    withProcess(async ({ mirror, proc, program }) => {
      const flag = mirror.alloc(PAGE);
      using seen = new Recording();
      const command = proc.queue.launch(program.kernel('forever', ['pointer']), { items: 1, args: [flag] });
      process.kill(proc.pid, 'SIGKILL');
      await failure(command.done);
      const lost = await proc.lost;
      const [event] = seen.of('device-lost');
      assert.deepEqual(
        [event?.device, event?.reason, event?.exit, event?.runaway],
        ['proc', lost.reason, lost.exit, false],
      );
      assert.deepEqual(
        seen.of('complete').map(({ error }) => error?.code),
        ['ERR_MIRROR_DEVICE_LOST'],
      );
      await proc.reopen();
      assert.deepEqual(
        seen.of('device-reopen').map(({ pid }) => pid),
        [proc.pid],
      );
    }));
});

describe('sites', () => {
  it('are the lines of the program that asked, where they are wanted', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      using seen = new Recording(['map', 'launch', 'refuse']);
      mirror.alloc(PAGE);
      recordSites(true);
      try {
        mirror.alloc(PAGE);
        await wasm.queue.launch(program.kernel('nothing', []), { items: 1, args: [] }).done;
        assert.throws(() => mirror.alloc(8 * 1024 * MiB), PlacementError);
      } finally {
        recordSites(false);
      }
      mirror.alloc(PAGE);
      const sites = seen.all.map(({ event }) => event.site);
      assert.deepEqual(
        sites.map((site) => site?.replace(/.*\//, '').replace(/:.*/, '')),
        [undefined, 'observe-events.test.ts', 'observe-events.test.ts', 'observe-events.test.ts', undefined],
      );
      const lines = sites.slice(1, 4).map((site) => Number(/:(\d+):\d+$/.exec(site!)?.[1]));
      assert.ok(lines[0]! < lines[1]! && lines[1]! < lines[2]!, lines.join());
      assert.throws(() => recordSites(1 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    }));
});

describe('subscribe', () => {
  it('refuses what is no event or no listener', () => {
    assert.throws(() => subscribe(1 as never, () => {}), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => subscribe('maps' as never, () => {}), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => subscribe('map', 1 as never), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  it('is what diagnostics_channel has: an error of a listener harms no one but the process that has it', async () => {
    assert.equal(EVENT_NAMES.length, 15);
    await withMirror(async ({ mirror }) => {
      const end = subscribe('map', () => {
        throw new Error('listener');
      });
      // The test runner listens for these too.
      const listeners = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      const caught = once(process, 'uncaughtException');
      const buffer = mirror.alloc(PAGE);
      const [error] = await caught;
      for (const listener of listeners) process.on('uncaughtException', listener);
      end();
      assert.equal((error as Error).message, 'listener');
      assert.deepEqual(mirror.buffers(), [buffer]);
    });
  });
});
