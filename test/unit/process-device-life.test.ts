/**
 * The life of a process device: it ends with its host, whichever way that goes; it can be killed and come back, over the
 * same memory; and an idle one keeps nobody.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DeviceLost, MiB, type Range } from 'mirrorspace';
import { eventually, isRunning, mappings } from '../fixtures/proc.ts';
import { runProgram } from '../fixtures/run-child.ts';
import { kill, withProcess } from '../fixtures/with-process.ts';

const deviceIn = (said: readonly unknown[]): number =>
  said.find((what): what is { device: number } => Object(what).device > 0)?.device ?? 0;

describe('the host of a process device', () => {
  for (const [scenario, end, said] of [
    ['idle', 0, undefined],
    ['closed', 0, undefined],
    ['awaited', 0, { counted: true }],
    ['exit3', 3, 'running'],
    ['rejected', 1, 'running'],
  ] as const) {
    it(`ends, and its device with it: ${scenario}`, async () => {
      const outcome = await runProgram('process-lives.mjs', [scenario]);
      assert.equal(outcome.end, end, outcome.stderr);
      if (said !== undefined) assert.deepEqual(outcome.said.at(-1), said);
      const device = deviceIn(outcome.said);
      assert.ok(device > 0);
      await eventually('the end of the device', () => !isRunning(device));
    });
  }

  it('takes its device with it when it is killed while a kernel runs', async () => {
    const path = fileURLToPath(new URL('../fixtures/programs/process-lives.mjs', import.meta.url));
    const host = spawn(process.execPath, [path, 'running'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const said: unknown[] = [];
    createInterface({ input: host.stdout }).on('line', (line) => said.push(JSON.parse(line)));
    await eventually('the kernel runs', () => said.includes('running') || host.exitCode !== null);
    const device = deviceIn(said);
    assert.ok(isRunning(device));
    host.kill('SIGKILL');
    await once(host, 'exit');
    await eventually('the end of the device', () => !isRunning(device));
  });
});

describe('a process device that was killed', () => {
  it('is lost with what was pending, and comes back over the same memory, with its programs', () =>
    withProcess(async ({ mirror, proc, program }) => {
      const flag = mirror.alloc(4);
      const kept = mirror.alloc(8 * MiB, { name: 'kept' });
      kept.view(Float64Array).fill(2.5);
      const running = proc.queue.launch(program.kernel('forever', ['pointer']), { items: 1, args: [flag] });
      await eventually('the kernel runs', () => Atomics.load(flag.view(Int32Array), 0) === 1);
      const before = proc.pid;
      process.kill(before, 'SIGKILL');
      await assert.rejects(running.done, DeviceLost);
      assert.ok((await proc.lost) instanceof DeviceLost);
      const sum = mirror.alloc(8 * MiB);
      await proc.reopen();
      assert.notEqual(proc.pid, before);
      const add = program.kernel('add', ['pointer', 'pointer', 'pointer']);
      await proc.queue.launch(add, { items: MiB, args: [kept, kept, sum] }).done;
      assert.ok(sum.view(Float64Array).every((value) => value === 5));
    }));

  it('never comes back over a live buffer: each life has claimed it, and reserves what it has itself', () =>
    withProcess(async ({ mirror, proc, program }) => {
      const arena = `/memfd:mirrorspace-${mirror.name}`;
      // Where a process has its heap at one address or another, and where it may have one of its V8's.
      const buffers = [
        mirror.alloc(64 * MiB, { place: { hint: 0x2000_0000 } }),
        mirror.alloc(1024 * MiB, { place: { hint: 0x20_0000_0000 } }),
        mirror.alloc(4096, { topdown: true }),
      ];
      for (const buffer of buffers) buffer.view(Int32Array)[0] = buffer.address / 4096;
      const out = mirror.alloc(4);
      const load = program.kernel('loadAt', ['pointer', 'pointer']);
      let reserved = proc.reserved;
      for (let life = 0; life < 4; life++) {
        await kill(proc);
        await proc.reopen();
        assert.notDeepEqual(proc.reserved, reserved);
        reserved = proc.reserved;
        const own = mappings(proc.pid).filter(({ name }) => name !== arena);
        for (const buffer of [...buffers, out]) {
          const range: Range = { start: buffer.address, end: buffer.end };
          const over = (each: Range): boolean => each.start < range.end && range.start < each.end;
          assert.equal(own.find(over), undefined);
          assert.equal(reserved.find(over), undefined);
          await proc.queue.launch(load, { items: 1, args: [buffer, out] }).done;
          if (buffer !== out) assert.equal(out.view(Int32Array)[0], (buffer.address / 4096) | 0);
        }
        // The mirror knows: what it finds from now on is clear of the new regions.
        const next = mirror.alloc(4096, { topdown: life % 2 === 0 });
        for (const { start, end } of reserved) assert.ok(next.end <= start || end <= next.address);
        assert.ok(
          reserved.every(({ start }) =>
            mirror.occupants({ start, end: start + 1 }).some(({ owner }) => owner === 'proc'),
          ),
        );
        buffers.push(next);
        next.view(Int32Array)[0] = next.address / 4096;
      }
    }));

  it('keeps what is put in while it is being reopened, and runs it then', () =>
    withProcess(async ({ mirror, proc, program }) => {
      const counter = mirror.alloc(4);
      await kill(proc);
      const reopening = proc.reopen();
      const increment = program.kernel('increment', ['pointer']);
      const command = proc.queue.launch(increment, { items: 10, args: [counter] });
      const late = mirror.alloc(4);
      const other = proc.queue.launch(increment, { items: 7, args: [late] });
      await Promise.all([reopening, command.done, other.done]);
      assert.equal(counter.view(Int32Array)[0], 10);
      assert.equal(late.view(Int32Array)[0], 7);
    }));
});
