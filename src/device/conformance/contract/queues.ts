/**
 * Queues: commands run in their order, each tells what became of it, several queues are in each other's way no more than
 * they say.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { Command, Prerequisite } from '../../device.ts';
import type { ContractCase } from '../case.ts';
import { u32, until } from '../sides.ts';

export const order: ContractCase = {
  name: 'runs the commands of a queue one after another, in their order, more of them than fit into a ring',
  async run(side, sides) {
    const count = 1000;
    await sides.with([4 * count + 4], async (log) => {
      for (let i = 0; i < count; i++) side.launch('append', 1, [log, i]);
      await side.device.queue.finish();
      const words = u32(log);
      assert.equal(words[0], count);
      for (let i = 0; i < count; i++) assert.equal(words[1 + i], i);
    });
  },
};

export const kinds: ContractCase = {
  name: 'keeps launches, copies and fills of a queue in order',
  async run(side, sides) {
    await sides.with([64, 64], async (a, b) => {
      const { queue } = side.device;
      for (let i = 0; i < 50; i++) {
        side.launch('storeWord', 1, [a, 1000 + i]);
        queue.copy(b.address, a.address, 4);
        side.launch('storeWord', 1, [a.address + 4, 2000 + i]);
        queue.copy(b.address + 4, a.address + 4, 4);
        queue.fill(a, 0);
      }
      queue.barrier();
      await queue.marker().done;
      assert.deepEqual([...u32(b).subarray(0, 2)], [1049, 2049]);
      assert.ok(a.bytes.every((byte) => byte === 0));
    });
  },
};

export const status: ContractCase = {
  name: 'tells status, progress and times of a command',
  async run(side, sides) {
    await sides.with([64, 64], async (flag, answer) => {
      const first = side.launch('awaitWord', 1, [flag, 5, answer]);
      const second = side.launch('increment', 1, [answer.address + 8]);
      assert.equal(first.type, 'launch');
      assert.notEqual(second.status, 'complete');
      assert.notEqual(second.progress, 1);
      u32(flag)[0] = 5;
      await second.done;
      assert.equal(first.status, 'complete', 'what comes before has ended');
      for (const command of [first, second]) {
        assert.equal(command.status, 'complete');
        assert.equal(command.progress, 1);
        const { queued, started, finished } = command.times;
        assert.ok(started !== undefined && finished !== undefined);
        assert.ok(queued <= started && started <= finished, JSON.stringify(command.times));
        command.wait();
      }
      assert.ok(first.times.finished! <= second.times.started!, 'one after the other');
      assert.equal(u32(answer)[0], 6);
    });
  },
};

export const blocking: ContractCase = {
  name: 'waits without the event loop, and gives up after a timeout while the command goes on',
  async run(side, sides) {
    await sides.with([64, 64], async (flag, answer) => {
      const command = side.launch('awaitWord', 1, [flag, 1, answer]);
      assert.throws(() => command.wait(5), { code: 'ERR_MIRROR_TIMEOUT' });
      u32(flag)[0] = 1;
      command.wait();
      assert.equal(u32(answer)[0], 2);
    });
  },
};

export const several: ContractCase = {
  name: 'has further queues, each with an order of its own',
  async run(side, sides) {
    const { device } = side;
    const queues = [device.queue, device.createQueue(), device.createQueue()];
    await sides.with([1024, 1024, 1024], async (...logs) => {
      const append = side.kernel('append');
      for (let i = 0; i < 200; i++)
        queues[i % 3]!.launch(append, { items: 1, args: [logs[i % 3]!, i] as never });
      for (const queue of queues) await queue.finish();
      for (let q = 0; q < 3; q++) {
        const words = [...u32(logs[q]!)].slice(1, 1 + u32(logs[q]!)[0]!);
        assert.deepEqual(
          words,
          Array.from({ length: 200 }, (_, i) => i).filter((i) => i % 3 === q),
        );
      }
    });
  },
};

export const dependencies: ContractCase = {
  name: 'runs a command after those that it names, and not where one of them failed',
  async run(side, sides) {
    const queue = side.device.createQueue({ order: 'out' });
    await sides.with([64], async (log) => {
      const append = side.kernel('append');
      const put = (value: number, after: readonly Prerequisite[] = []): Command =>
        queue.launch(append, { items: 1, args: [log, value] as never, after });
      for (let round = 0; round < 20; round++) {
        u32(log).fill(0);
        const first = put(1);
        const second = put(2, [first]);
        await put(3, [second, first]).done;
        assert.deepEqual([...u32(log).subarray(0, 4)], [3, 1, 2, 3]);
      }
      const failed = sides.mirror.createEvent();
      const dependent = put(4, [failed]);
      failed.done.catch(() => {});
      failed.fail(new Error('no'));
      await assert.rejects(dependent.done, { code: 'ERR_MIRROR_DEPENDENCY' });
      await queue.finish();
      assert.equal(u32(log)[0], 3, 'it did not run');
    });
  },
};

export const drains: ContractCase = {
  name: 'frees a buffer only once the commands before have ended',
  async run(side, sides) {
    const { mirror } = sides;
    await sides.with([64, 64], async (flag, answer) => {
      const buffer = mirror.alloc(mirror.pageSize);
      const { address } = buffer;
      u32(buffer)[0] = 4711;
      side.launch('awaitWord', 1, [flag, 1, answer]);
      const load = side.launch('loadWord', 1, [address, answer.address + 4]);
      buffer.free();
      u32(flag)[0] = 1;
      await load.done;
      assert.equal(u32(answer)[1], 4711);
      await until(() => mirror.memoryAt(address) === undefined, 'the end of a freed buffer');
    });
  },
};

export const barriers: ContractCase = {
  name: 'keeps apart by a barrier what is before it and behind it in a queue out of order; a marker holds up nobody',
  async run(side, sides) {
    const queue = side.device.createQueue({ order: 'out' });
    const bystander = side.device.createQueue();
    await sides.with([64], async (log) => {
      const append = side.kernel('append');
      const put = (value: number, after?: Prerequisite): Command =>
        queue.launch(append, { items: 1, args: [log, value] as never, ...(after ? { after } : {}) });
      const gate = sides.mirror.createEvent();
      const before = put(1, gate);
      const barrier = queue.barrier();
      const behind = put(2);
      const alone = queue.barrier({ after: before });
      await bystander.marker().done;
      assert.equal(u32(log)[0], 0);
      for (const command of [before, barrier, behind, alone]) assert.equal(command.status, 'queued');
      gate.complete();
      await behind.done;
      assert.deepEqual([before.status, barrier.status], ['complete', 'complete']);
      assert.ok(before.times.finished! <= behind.times.started!);
      assert.deepEqual([...u32(log).subarray(0, 3)], [2, 1, 2]);
      await alone.done;

      const later = sides.mirror.createEvent();
      const held = put(3, later);
      const marker = queue.marker();
      await put(4).done;
      assert.deepEqual([held.status, marker.status], ['queued', 'queued'], 'others pass');
      later.complete();
      await marker.done;
      assert.equal(held.status, 'complete');
      assert.deepEqual([...u32(log).subarray(0, 5)], [4, 1, 2, 4, 3]);
      await queue.finish();
    });
  },
};

export const takenBack: ContractCase = {
  name: 'takes back commands that wait, by signal and by timeout, and runs what is behind them',
  needs: 'isolation',
  async run(side, sides) {
    for (const order of ['in', 'out'] as const) {
      const queue = side.device.createQueue({ order });
      await sides.with([64], async (log) => {
        const append = side.kernel('append');
        const gate = sides.mirror.createEvent();
        const controller = new AbortController();
        const put = (value: number, more: object): Command =>
          queue.launch(append, { items: 1, args: [log, value] as never, ...more });
        const aborted = put(1, { after: gate, signal: controller.signal });
        const late = put(2, { after: gate, timeout: 5 });
        const kept = put(3, { after: gate, timeout: 600_000, signal: new AbortController().signal });
        controller.abort(new Error('enough'));
        await assert.rejects(aborted.done, { message: 'enough' });
        await assert.rejects(late.done, { code: 'ERR_MIRROR_TIMEOUT' });
        gate.complete();
        await kept.done;
        await queue.finish();
        assert.deepEqual([...u32(log).subarray(0, 3)], [1, 3, 0], 'those that were taken back never ran');
        for (const command of [aborted, late])
          assert.deepEqual([command.status, command.times.started], ['failed', undefined]);
      });
    }
  },
};
