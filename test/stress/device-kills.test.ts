/**
 * Devices killed at random moments, with work in their queues, while they stop a core, and while they start again: all
 * commands are settled, memory is intact, and nothing is left behind, by what /proc says.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Command, DeviceFault, DeviceLost, type Queue, type SvmBuffer } from 'mirrorspace';
import { collect, type Holdings, holdings } from '../fixtures/leaks.ts';
import {
  assertAsBefore,
  awake,
  devices,
  full,
  generator,
  MiB,
  open,
  pause,
  SEED,
  wordOf,
  works,
} from '../fixtures/many-mirrors.ts';
import { arenaMappings, eventually } from '../fixtures/proc.ts';

const KILLS = { userfaultfd: full ? 1000 : 40, trap: full ? 200 : 12 };

const modes = (['userfaultfd', 'trap'] as const).filter((mode) => mode !== process.env.MIRRORSPACE_REFUSED);

for (const faults of modes)
  describe(`a device that is killed ${KILLS[faults]} times at random moments with work in its queues, with faults: '${faults}' (seed ${SEED})`, () => {
    /** What a queue was given: each adds so many to its counter. */
    interface Work {
      readonly queue: Queue;
      readonly counter: SvmBuffer;
      readonly commands: { readonly command: Command; readonly items: number }[];
    }

    /** Commands of one queue end in order: first the complete ones, which have run, then the lost, of which one may have. */
    async function settle({ counter, commands }: Work, before: number): Promise<void> {
      let sum = 0;
      let partly: number | undefined;
      for (const { command, items } of commands) {
        const error = await command.done.then(
          () => undefined,
          (reason: unknown) => reason,
        );
        if (error === undefined) {
          assert.equal(partly, undefined, 'a command behind a lost one is complete');
          assert.equal(command.status, 'complete');
          sum += items;
        } else {
          assert.ok(error instanceof DeviceLost, String(error));
          assert.equal(command.status, 'failed');
          partly ??= items;
        }
      }
      const ran = (wordOf(counter) - before) | 0;
      assert.ok(
        ran >= sum && ran <= sum + (partly ?? 0),
        `${ran} items ran, not ${sum} to ${sum + (partly ?? 0)}`,
      );
    }

    test('settles every command, leaves memory intact, and comes back each time', async () => {
      const random = generator(SEED);
      const on = await open({ cores: 2, faults });
      const { mirror, wasm, increment } = on;
      try {
        const trap = on.program.kernel('trap', []);
        const wild = on.program.kernel('storeAt', ['pointer', 'i32']);
        const untouched = mirror.alloc(300_000, { name: 'untouched' });
        const expected = Uint8Array.from({ length: untouched.size }, (_, i) => (i * 31 + (i >> 8)) & 255);
        untouched.bytes.set(expected);
        const probe = mirror.alloc(4, { name: 'probe' });
        const queues = [wasm.queue, wasm.createQueue(), wasm.createQueue()];
        const counters = queues.map((_, i) => mirror.alloc(4, { name: `counter ${i}` }));
        let before: Holdings | undefined;
        for (let n = 0; n < KILLS[faults]; n++) {
          const { pid } = wasm;
          const starts = counters.map(wordOf);
          const given: Work[] = queues.map((queue, i) => ({ queue, counter: counters[i]!, commands: [] }));
          for (const { queue, counter, commands } of given) {
            // More than a ring holds, now and then.
            const count = random(10) === 0 ? 300 : random(20);
            for (let i = 0; i < count; i++) {
              const items = 1 + random(60_000);
              commands.push({ command: queue.launch(increment, { items, args: [counter] }), items });
            }
          }
          // A core that is being stopped and started again is killed too.
          const failing = random(4) === 0 ? queues[0]!.launch(wild, { items: 1, args: [8, 1] }) : undefined;
          const trapping = random(4) === 0 ? queues[1]!.launch(trap, { items: 4, args: [] }) : undefined;
          const faults = [failing, trapping].map((command) => command?.done.catch((error: unknown) => error));
          const passing = mirror.alloc(1 + random(100_000), { name: 'passing' });
          queues[2]!.fill(passing, 9);
          // Its free waits for what is pending: it must take effect also where that never ends.
          passing.free();
          if (random(3) > 0) await pause(random(8));
          process.kill(pid, (['SIGKILL', 'SIGKILL', 'SIGSEGV', 'SIGABRT'] as const)[random(4)]!);
          const last = given[random(3)]!.commands.at(-1)?.command;
          if (last && random(3) === 0) {
            try {
              last.wait();
            } catch (error) {
              assert.ok(error instanceof DeviceLost, String(error));
            }
          }
          const lost = await awake(wasm.lost);
          assert.match(lost.message, new RegExp(`process ${pid} `));
          for (let i = 0; i < given.length; i++) await settle(given[i]!, starts[i]!);
          for (const fault of await Promise.all(faults)) {
            assert.ok(fault === undefined || fault instanceof DeviceFault || fault instanceof DeviceLost);
          }
          await Promise.all(queues.map((queue) => queue.finish().catch(() => {})));
          assert.equal(Buffer.compare(untouched.bytes, expected), 0, 'a buffer that no command was given');
          assert.throws(() => queues[random(3)]!.launch(increment, { items: 1, args: [probe] }), DeviceLost);
          if (n % 8 === 5) {
            // Killed while it starts again: that is told, and it can be tried once more.
            const again = wasm.reopen().then(
              () => undefined,
              (error: unknown) => error,
            );
            await eventually('a new process', () => devices().length > 0);
            await pause(random(60));
            for (const other of devices()) process.kill(other, 'SIGKILL');
            const error = await awake(again);
            assert.ok(error === undefined || error instanceof DeviceLost, String(error));
            await eventually('the end of it', () => devices().length === 0);
            await awake(wasm.lost);
          }
          await wasm.reopen();
          await works(on, probe);
          assert.deepEqual(devices(), [wasm.pid], 'one device, and no other child');
          if (n === 10) {
            await collect();
            before = holdings();
          }
        }
        const names = new Set(arenaMappings(mirror.name).map(({ start }) => start));
        for (const { address } of mirror.buffers()) assert.ok(names.has(address));
        assert.equal(mirror.buffers().length, 5, 'what was freed behind pending commands is free');
        await assertAsBefore({ ...before!, children: [wasm.pid] }, { vmas: 200, rss: 64 * MiB });
      } finally {
        await mirror.close();
      }
    });
  });
