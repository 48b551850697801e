/**
 * What every command takes, on commands of every type, in queues of both orders: `after`, `signal`, `timeout`. One that
 * does not run changes nothing; one that runs tells its type, and times in their order.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command, CommandOptions, Device, Mirror, Queue, SvmBuffer } from 'mirrorspace';
import { type OnDevice, onEveryDevice } from '../fixtures/any-device.ts';

const SIZE = 8192;

/** What a command is put in on, and what it shall have changed. */
interface Stage {
  readonly mirror: Mirror;
  readonly device: Device;
  readonly queue: Queue;
  readonly on: OnDevice;
}

interface Case {
  readonly type: Command['type'];
  /** Puts a command in; gives it, and what tells whether it has had its effect. */
  put(stage: Stage, options: CommandOptions): { command: Command; done(): boolean; undo(): void };
}

/** A buffer of its own for each, gone afterwards. */
function fresh({ mirror }: Stage, type: 'fine' | 'coarse' = 'fine'): { buffer: SvmBuffer; undo(): void } {
  const buffer = mirror.alloc(SIZE, { type });
  return { buffer, undo: () => buffer[Symbol.dispose]() };
}

/** Whether the host may touch a coarse buffer now. */
function touchable(buffer: SvmBuffer): boolean {
  try {
    return buffer.bytes.length === SIZE;
  } catch {
    return false;
  }
}

const CASES: Record<string, Case> = {
  launch: {
    type: 'launch',
    put(stage, options) {
      const { buffer, undo } = fresh(stage);
      const kernel = stage.on.program.kernel('increment', ['pointer']);
      const command = stage.queue.launch(kernel, { items: 3, args: [buffer], ...options });
      return { command, undo, done: () => buffer.view(Int32Array)[0] === 3 };
    },
  },
  'launch with uses, local and chunk': {
    type: 'launch',
    put(stage, options) {
      const { buffer, undo } = fresh(stage);
      const kernel = stage.on.program.kernel('increment', ['pointer']);
      const shape = { items: [4, 6], local: [2, 3], chunk: 12, uses: [buffer, buffer.address + 8] } as const;
      const command = stage.queue.launch(kernel, { ...shape, args: [buffer.address], ...options });
      return { command, undo, done: () => buffer.view(Int32Array)[0] === 24 };
    },
  },
  copy: {
    type: 'copy',
    put(stage, options) {
      const { buffer, undo } = fresh(stage);
      buffer.bytes[4096] = 7;
      const command = stage.queue.copy(buffer, buffer.address + 4096, { size: 8, ...options });
      return { command, undo, done: () => buffer.bytes[0] === 7 };
    },
  },
  'copy of ordinary memory': {
    type: 'copy',
    put(stage, options) {
      const { buffer, undo } = fresh(stage);
      const command = stage.queue.copy(buffer, new Uint8Array([9, 9]), options);
      return { command, undo, done: () => buffer.bytes[1] === 9 };
    },
  },
  'copy to ordinary memory': {
    type: 'copy',
    put(stage, options) {
      const { buffer, undo } = fresh(stage);
      buffer.bytes[2] = 5;
      const into = new Uint8Array(3);
      const command = stage.queue.copy(into, buffer.address, { size: 3, ...options });
      return { command, undo, done: () => into[2] === 5 };
    },
  },
  fill: {
    type: 'fill',
    put(stage, options) {
      const { buffer, undo } = fresh(stage);
      const command = stage.queue.fill(buffer, new Uint8Array([1, 2]), { size: 6, ...options });
      return { command, undo, done: () => buffer.bytes[5] === 2 && buffer.bytes[6] === 0 };
    },
  },
  map: {
    type: 'map',
    put(stage, options) {
      const { buffer, undo } = fresh(stage, 'coarse');
      return { command: stage.queue.map(buffer, options), undo, done: () => touchable(buffer) };
    },
  },
  unmap: {
    type: 'unmap',
    put(stage, options) {
      const { buffer, undo } = fresh(stage, 'coarse');
      stage.device.queue.map(buffer).wait();
      const command = stage.queue.unmap(buffer, options);
      // The host has given it back with the call, whatever becomes of the command; but for one that failed at once.
      assert.equal(touchable(buffer), command.status === 'failed');
      return { command, undo, done: () => command.status === 'complete' };
    },
  },
  'migrate to the device': {
    type: 'migrate',
    put(stage, options) {
      const { buffer, undo } = fresh(stage);
      const command = stage.queue.migrate([buffer, { address: buffer.address + 5, size: 1 }], {
        contentUndefined: true,
        ...options,
      });
      return { command, undo, done: () => command.status === 'complete' && buffer.residentBytes() === SIZE };
    },
  },
  'migrate to the host': {
    type: 'migrate',
    put(stage, options) {
      const { buffer, undo } = fresh(stage);
      const command = stage.queue.migrate(buffer, { to: 'host', ...options });
      return { command, undo, done: () => command.status === 'complete' && buffer.residentBytes() === SIZE };
    },
  },
  invalidate: {
    type: 'invalidate',
    put(stage, options) {
      const { buffer, undo } = fresh(stage);
      const command = stage.queue.invalidate(buffer, options);
      return { command, undo, done: () => command.status === 'complete' };
    },
  },
  free: {
    type: 'free',
    put(stage, options) {
      const { buffer, undo } = fresh(stage);
      return { command: stage.queue.free(buffer, options), undo, done: () => buffer.freed };
    },
  },
  'free by a callback': {
    type: 'free',
    put(stage, options) {
      const { buffer, undo } = fresh(stage);
      const command = stage.queue.free(buffer, { ...options, callback: () => buffer.free() });
      return { command, undo, done: () => buffer.freed };
    },
  },
  barrier: {
    type: 'barrier',
    put({ queue }, options) {
      const command = queue.barrier(options);
      return { command, undo: () => {}, done: () => command.status === 'complete' };
    },
  },
  marker: {
    type: 'marker',
    put({ queue }, options) {
      const command = queue.marker(options);
      return { command, undo: () => {}, done: () => command.status === 'complete' };
    },
  },
};

/** A queue of each order, of which a case takes one. */
async function onBothOrders(
  on: OnDevice,
  body: (stage: Stage, name: string, one: Case) => Promise<void>,
): Promise<void> {
  for (const order of ['in', 'out'] as const) {
    const queue = on.device.createQueue({ order });
    const { mirror, device } = on;
    for (const [name, one] of Object.entries(CASES))
      await body({ mirror, device, queue, on }, `${name}, ${order} order`, one);
  }
}

test('every type of command is among the cases', () => {
  const types = new Set(Object.values(CASES).map(({ type }) => type));
  const all = [
    'launch',
    'copy',
    'fill',
    'map',
    'unmap',
    'migrate',
    'invalidate',
    'free',
    'barrier',
    'marker',
  ];
  assert.deepEqual([...types].sort(), all.sort());
});

onEveryDevice('commands of every type wait for what they are to come after, and tell type and times', (on) =>
  onBothOrders(on, async (stage, name, one) => {
    const gate = on.mirror.createEvent();
    const other = on.mirror.createEvent();
    const { command, done, undo } = one.put(stage, { after: [gate, other] });
    assert.deepEqual([command.type, command.status], [one.type, 'queued'], name);
    gate.complete();
    // Something of another queue passes, and this has not begun.
    await on.device.queue.marker().done;
    assert.equal(command.status, 'queued', name);
    if (one.type !== 'barrier' && one.type !== 'marker') assert.equal(done(), false, name);
    other.complete();
    await command.done;
    assert.equal(done(), true, name);
    const { queued, submitted, started, finished } = command.times;
    assert.ok(
      queued <= submitted! && submitted! <= started! && started! <= finished!,
      `${name}: ${JSON.stringify(command.times)}`,
    );
    command.wait();
    undo();
  }),
);

onEveryDevice('commands of every type that fail with what they come after change nothing', (on) =>
  onBothOrders(on, async (stage, name, one) => {
    const gate = on.mirror.createEvent();
    const { command, done, undo } = one.put(stage, { after: gate });
    const cause = new Error('no');
    gate.fail(cause);
    await assert.rejects(command.done, { code: 'ERR_MIRROR_DEPENDENCY', cause }, name);
    assert.equal(done(), false, name);
    assert.equal(command.times.started, undefined, name);
    undo();
    // Put in behind one that has failed already, it fails at once.
    const late = one.put(stage, { after: gate });
    assert.equal(late.command.status, 'failed', name);
    await assert.rejects(late.command.done, { code: 'ERR_MIRROR_DEPENDENCY' }, name);
    assert.equal(late.done(), false, name);
    late.undo();
    await stage.queue.finish();
  }),
);

onEveryDevice(
  'commands of every type are taken back by their signal and by their timeout while they wait',
  (on) =>
    onBothOrders(on, async (stage, name, one) => {
      const gate = on.mirror.createEvent();
      const controller = new AbortController();
      const reason = new Error('enough');
      const aborted = one.put(stage, { after: gate, signal: controller.signal });
      controller.abort(reason);
      await assert.rejects(aborted.command.done, reason, name);
      const late = one.put(stage, { after: gate, timeout: 1 });
      await assert.rejects(late.command.done, { code: 'ERR_MIRROR_TIMEOUT' }, name);
      gate.complete();
      await stage.queue.marker().done;
      for (const { command, done, undo } of [aborted, late]) {
        assert.deepEqual([command.status, command.times.started], ['failed', undefined], name);
        assert.equal(done(), false, name);
        undo();
      }
      // A signal that has been aborted, and what is none, refuse the command: nothing is put in.
      assert.throws(() => one.put(stage, { signal: controller.signal }), reason, name);
      const kind = { code: 'ERR_INVALID_ARG_TYPE' };
      assert.throws(() => one.put(stage, { signal: {} as AbortSignal }), kind, name);
      assert.throws(() => one.put(stage, { timeout: '1' as never }), kind, name);
      assert.throws(() => one.put(stage, { timeout: -1 }), { code: 'ERR_OUT_OF_RANGE' }, name);
      assert.throws(() => one.put(stage, { timeout: Number.NaN }), { code: 'ERR_OUT_OF_RANGE' }, name);
      assert.throws(() => one.put(stage, { after: [gate, null] as never }), kind, name);
      for (const buffer of on.mirror.buffers()) if (buffer.size === SIZE) buffer.free();
      // None of that is left in the queue.
      const fine = one.put(stage, { timeout: 600_000, signal: new AbortController().signal });
      await fine.command.done;
      assert.equal(fine.done(), true, name);
      fine.undo();
      await stage.queue.finish();
    }),
);
