/**
 * Coarse buffers: their owner is passed by map and unmap, as OpenCL's clEnqueueSVMMap and clEnqueueSVMUnmap do it. What a
 * device really has in its memory is asked of the device: it copies to a fine buffer, which the host may look at.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { gunzipSync, gzip } from 'node:zlib';
import { type Command, capabilityNames, SharedMutex, SVM_TYPE, type SvmBuffer, satisfies } from 'mirrorspace';
import { type OnDevice, onEveryDevice } from '../fixtures/any-device.ts';
import { arenaMappings } from '../fixtures/proc.ts';
import { withMirror } from '../fixtures/with-mirror.ts';

const PAGE = 4096;
const mapped = { name: 'StateError', code: 'ERR_MIRROR_STATE', state: 'mapped' };
const unmapped = { name: 'StateError', code: 'ERR_MIRROR_STATE', state: 'unmapped' };

/** The bytes as the device has them. */
async function asDeviceSees({ mirror, device }: OnDevice, buffer: SvmBuffer): Promise<Uint8Array> {
  const out = mirror.alloc(buffer.size, { name: 'seen' });
  try {
    await device.queue.copy(out, buffer).done;
    return out.bytes.slice();
  } finally {
    out.free();
  }
}

const increment = ({ program, device }: OnDevice, buffer: SvmBuffer, items = 1): Command =>
  device.queue.launch(program.kernel('increment', ['pointer']), { items, args: [buffer] });

describe('a coarse buffer', () => {
  onEveryDevice('is the host’s from map to unmap, and the device’s before and after', async (on) => {
    const { mirror, device } = on;
    assert.ok(satisfies(device.capabilities, SVM_TYPE.COARSE), String(capabilityNames(device.capabilities)));
    const buffer = mirror.alloc(3 * PAGE + 100, { name: 'own', type: 'coarse' });
    assert.equal(buffer.type, 'coarse');
    assert.equal(mirror.query(buffer.address + 1)?.type, 'coarse');
    assert.throws(() => buffer.bytes, unmapped);
    assert.throws(() => buffer.view(Int32Array, 0, 1), unmapped);

    await increment(on, buffer, 5).done;
    const map = device.queue.map(buffer);
    assert.equal(map.type, 'map');
    assert.throws(() => buffer.bytes, { ...unmapped, message: /await its 'done'/ });
    await map.done;
    const words = buffer.view(Int32Array);
    assert.equal(words[0], 5);
    words[0] = 40;
    words[words.length - 1] = 7;
    const unmap = device.queue.unmap(buffer);
    assert.equal(unmap.type, 'unmap');
    // From the call on: the view that was kept reads zeros, and stores to nobody.
    assert.deepEqual([words[0], words[words.length - 1]], [0, 0]);
    words[0] = 1234;
    assert.throws(() => buffer.bytes, unmapped);

    await increment(on, buffer, 2).done;
    const seen = new Int32Array((await asDeviceSees(on, buffer)).buffer);
    assert.deepEqual([seen[0], seen[words.length - 1]], [42, 7]);
    // The same view shows the buffer again once it is mapped again, and not what was stored meanwhile.
    device.queue.map(buffer).wait();
    assert.equal(words[0], 42);
    assert.equal(buffer.view(Int32Array)[0], 42);
    await device.queue.unmap(buffer).done;
    buffer.free();
  });

  onEveryDevice('may not be named by a command while it is mapped', async (on) => {
    const { mirror, device, program } = on;
    const buffer = mirror.alloc(PAGE, { name: 'busy', type: 'coarse' });
    const fine = mirror.alloc(PAGE);
    const kernel = program.kernel('increment', ['pointer']);
    const named: [string, () => Command][] = [
      ['args[0]', () => device.queue.launch(kernel, { items: 1, args: [buffer] })],
      ['args[0]', () => device.queue.launch(kernel, { items: 1, args: [buffer.address + 8] })],
      ['uses[1]', () => device.queue.launch(kernel, { items: 1, args: [fine], uses: [fine, buffer] })],
      [
        'uses[0]',
        () => device.queue.launch(kernel, { items: 1, args: [fine], uses: [buffer.address + 4095] }),
      ],
      ['target', () => device.queue.copy(buffer, fine)],
      ['source', () => device.queue.copy(fine, buffer.address, 16)],
      ['target', () => device.queue.fill(buffer, 1)],
    ];
    const other = device.createQueue();
    const refused = (): void => {
      for (const [argument, call] of named)
        assert.throws(call, (error: Error & { state?: string }) => {
          assert.equal(error.state, 'mapped');
          assert.match(error.message, /`?'busy'.*queue\.unmap\(\)/);
          assert.ok(error.message.startsWith(argument), error.message);
          return true;
        });
      assert.throws(() => other.fill(buffer, 1), mapped);
    };
    const map = device.queue.map(buffer, { access: 'read', offset: 100, size: 8 });
    // Already before it has ended.
    refused();
    await map.done;
    refused();
    device.queue.unmap(buffer);
    for (const [, call] of named) await call().done;
    await other.fill(buffer, 9).done;
    assert.equal((await asDeviceSees(on, buffer))[4095], 9);
  });

  onEveryDevice('waits for the commands before its map, and only for those of its queue', async (on) => {
    const { mirror, device, program } = on;
    const buffer = mirror.alloc(PAGE, { type: 'coarse' });
    const flag = mirror.alloc(64);
    const stop = new AbortController();
    const running = device.queue.launch(program.kernel('forever', ['pointer']), {
      items: 1,
      args: [flag],
      signal: stop.signal,
    });
    running.done.catch(() => {});
    const words = flag.view(Int32Array);
    while (Atomics.load(words, 0) !== 1) await new Promise((resolve) => setTimeout(resolve, 1));
    const map = device.queue.map(buffer);
    await device.createQueue().map(flag).done; // a fine buffer: nothing happens
    assert.equal(map.status, 'submitted');
    assert.throws(() => buffer.bytes, unmapped);
    stop.abort(new Error('enough'));
    await map.done;
    assert.equal(buffer.bytes.length, PAGE);
  });

  onEveryDevice('that is mapped for reading keeps the host’s stores from the device', async (on) => {
    const { mirror, device } = on;
    const buffer = mirror.alloc(2 * PAGE, { type: 'coarse' });
    await device.queue.fill(buffer, 5).done;
    await device.queue.map(buffer, { access: 'read' }).done;
    assert.ok(buffer.bytes.every((byte) => byte === 5));
    buffer.bytes.fill(6);
    await device.queue.unmap(buffer).done;
    assert.ok((await asDeviceSees(on, buffer)).every((byte) => byte === 5));
    await device.queue.map(buffer, { access: 'write' }).done;
    assert.ok(buffer.bytes.every((byte) => byte === 5));
    device.queue.unmap(buffer);
  });

  onEveryDevice('is mapped in parts', async (on) => {
    const { mirror, device } = on;
    const { queue } = device;
    const buffer = mirror.alloc(16 * PAGE, { name: 'parts', type: 'coarse' });
    await queue.fill(buffer, 3).done;
    await queue.map(buffer, { offset: 4 * PAGE + 10, size: PAGE }).done;
    assert.throws(() => buffer.bytes, { ...unmapped, message: /a part is mapped/ });
    assert.throws(() => buffer.view(Uint8Array, 4 * PAGE, PAGE), unmapped);
    const part = buffer.view(Uint8Array, 4 * PAGE + 10, PAGE);
    assert.ok(part.every((byte) => byte === 3));
    // Only the pages of that part: of the rest, the same ArrayBuffer shows zeros.
    const all = new Uint8Array(part.buffer);
    assert.equal(all[4 * PAGE - 1], 0);
    assert.equal(all[6 * PAGE], 0);
    const second = queue.map(buffer, { offset: 8 * PAGE, size: 4 });
    await second.done;
    assert.throws(() => queue.map(buffer, { offset: 8 * PAGE + 3, size: 8 }), {
      ...mapped,
      message: /'parts'.*bytes 32768 to 32772.*only mappings for 'read' may overlap/,
    });
    assert.throws(() => queue.map(buffer), mapped);
    assert.throws(() => queue.unmap(buffer, { offset: 8 * PAGE, size: 8 }), unmapped);
    part.fill(4);
    queue.unmap(buffer, { offset: 4 * PAGE + 10, size: PAGE });
    assert.ok(part.every((byte) => byte === 0));
    assert.equal(buffer.view(Int32Array, 8 * PAGE, 1)[0], 0x03030303);
    assert.throws(() => queue.fill(buffer, 1), mapped);
    queue.unmap(buffer);
    assert.throws(() => queue.unmap(buffer), unmapped);
    const seen = await asDeviceSees(on, buffer);
    assert.deepEqual(
      [seen[4 * PAGE + 9], seen[4 * PAGE + 10], seen[5 * PAGE + 9], seen[5 * PAGE + 10]],
      [3, 4, 4, 3],
    );

    // Mappings for reading overlap, each with an unmap of its own.
    const range = { offset: PAGE, size: PAGE };
    await Promise.all([
      queue.map(buffer, { access: 'read', ...range }).done,
      queue.map(buffer, { access: 'read', ...range }).done,
    ]);
    queue.unmap(buffer, range);
    assert.equal(buffer.view(Uint8Array, PAGE, 1)[0], 3);
    queue.unmap(buffer, range);
    assert.throws(() => queue.unmap(buffer, range), unmapped);
    await queue.fill(buffer, 0).done;
  });

  onEveryDevice('is given back before its map has ended, or freed', async (on) => {
    const { mirror, device } = on;
    const { queue } = device;
    const buffer = mirror.alloc(PAGE, { type: 'coarse' });
    const map = queue.map(buffer);
    queue.unmap(buffer);
    await map.done;
    assert.throws(() => buffer.bytes, unmapped);
    await queue.map(buffer).done;
    const { bytes } = buffer;
    bytes.fill(8);
    queue.map(mirror.alloc(PAGE, { type: 'coarse' }));
    buffer.free();
    assert.throws(() => buffer.bytes, { state: 'freed' });
    assert.throws(() => queue.unmap(buffer), { state: 'freed' });
    await queue.finish();
    assert.ok(bytes.every((byte) => byte === 0));

    const second = mirror.alloc(PAGE, { type: 'coarse' });
    const pending = queue.map(second);
    second.free();
    await pending.done;
    assert.throws(() => second.bytes, { state: 'freed' });
  });

  onEveryDevice('outlives its device', async (on) => {
    const { mirror, device } = on;
    const buffer = mirror.alloc(PAGE, { type: 'coarse' });
    await device.queue.fill(buffer, 7).done;
    process.kill(device.pid, 'SIGKILL');
    // Put in before the loss is noticed, or refused after it.
    await assert.rejects(async () => device.queue.map(buffer).done, { name: 'DeviceLost' });
    await device.reopen();
    // The map that failed holds nothing.
    await device.queue.map(buffer).done;
    assert.ok(buffer.bytes.every((byte) => byte === 7));
    buffer.bytes.fill(9);
    process.kill(device.pid, 'SIGKILL');
    // An idle mirror keeps no process alive.
    const alive = setInterval(() => {}, 1000);
    await device.lost;
    clearInterval(alive);
    // Mapped still, and to be had back.
    assert.throws(() => device.queue.unmap(buffer), { name: 'DeviceLost' });
    assert.equal(buffer.bytes[0], 9);
    await device.reopen();
    await device.queue.unmap(buffer).done;
    assert.equal((await asDeviceSees(on, buffer))[PAGE - 1], 9);
  });
});

test('native work over a view goes on while the buffer is passed back and forth', () =>
  withMirror(async ({ mirror, wasm }) => {
    const buffer = mirror.alloc(1 << 20, { type: 'coarse' });
    await wasm.queue.map(buffer).done;
    crypto.getRandomValues(buffer.view(Uint8Array, 0, 65536));
    const work = promisify(gzip)(buffer.bytes);
    for (let i = 0; i < 50; i++) {
      wasm.queue.unmap(buffer);
      await wasm.queue.map(buffer).done;
    }
    assert.equal(gunzipSync(await work).length, 1 << 20);
    buffer.free();
  }));

test('a buffer that was never viewed costs no mapping when it is passed on, and one that was takes them back', () =>
  withMirror(async ({ mirror, wasm }) => {
    const mappings = (): number =>
      arenaMappings(mirror.name).filter(({ start, end }) => start < buffer.end && end > buffer.address)
        .length;
    const buffer = mirror.alloc(64 * PAGE, { type: 'coarse' });
    const even = Array.from({ length: 32 }, (_, i) => ({ offset: 2 * i * PAGE, size: PAGE }));
    for (const part of even) wasm.queue.map(buffer, part);
    await wasm.queue.finish();
    assert.equal(mappings(), 1);
    for (let i = 0; i < 32; i++) assert.equal(buffer.view(Uint8Array, 2 * i * PAGE, PAGE)[0], 0);
    assert.equal(mappings(), 32);
    wasm.queue.unmap(buffer);
    assert.equal(mappings(), 0);
    await wasm.queue.map(buffer).done;
    assert.equal(mappings(), 1);
    wasm.queue.unmap(buffer);
    buffer.free();
  }));

test('coarse buffers are for devices: others are refused, with the reason', async () => {
  await withMirror(async ({ mirror, wasm }) => {
    const reason = (of: RegExp) => ({ name: 'UnsupportedError', message: of });
    assert.throws(() => mirror.alloc(PAGE, { type: 'coarse', devices: [] }), reason(/no device reaches/));
    assert.throws(() => mirror.heap({ type: 'coarse' } as never), reason(/touched by the host at any time/));
    const buffer = mirror.alloc(PAGE, { name: 'c', type: 'coarse' });
    await wasm.queue.map(buffer).done;
    assert.throws(() => mirror.wait(buffer.address, 0), reason(/'c' is coarse/));
    assert.throws(() => mirror.notify(buffer.address), reason(/'c' is coarse/));
    assert.throws(() => new SharedMutex(mirror, buffer.address), reason(/'c' is coarse/));
    wasm.queue.unmap(buffer);
  });
});

test('map, unmap and uses refuse what makes no sense', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const { queue } = wasm;
    const buffer = mirror.alloc(PAGE, { type: 'coarse' });
    const hidden = mirror.alloc(PAGE, { devices: [] });
    const kind = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
    const value = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
    for (const verb of ['map', 'unmap'] as const) {
      const call =
        (options: unknown, of: unknown = buffer) =>
        () =>
          queue[verb](of as never, options as never);
      for (const of of [null, 'buffer', 5, buffer.address, {}]) assert.throws(call({}, of), kind);
      assert.throws(call({}, hidden), value);
      assert.throws(call({}, { address: 4096, size: 1 }), value);
      for (const options of [null, 5]) assert.throws(call(options), kind);
      for (const offset of ['0', null]) assert.throws(call({ offset }), kind);
      for (const offset of [-1, PAGE, 0.5, Number.NaN]) assert.throws(call({ offset }), value);
      for (const size of ['1', null]) assert.throws(call({ size }), kind);
      for (const size of [0, -1, PAGE + 1, 1.5]) assert.throws(call({ size }), value);
      assert.throws(call({ offset: 1, size: PAGE }), value);
      assert.throws(call({}, new Proxy(buffer, {})), kind);
    }
    assert.throws(() => queue.map(buffer, { access: 3 as never }), kind);
    assert.throws(() => queue.map(buffer, { access: 'none' as never }), value);
    assert.throws(() => queue.unmap(buffer), unmapped);
    const nothing = program.kernel('nothing', []);
    const uses = (list: unknown) => () => queue.launch(nothing, { items: 1, args: [], uses: list as never });
    for (const list of [null, 5, buffer, ['a'], [null], [{}]]) assert.throws(uses(list), kind);
    for (const list of [[hidden], [4096], [-1], [buffer.end], [Number.NaN]]) assert.throws(uses(list), value);
    const gone = mirror.alloc(PAGE);
    gone.free();
    assert.throws(uses([gone]), { state: 'freed' });
    await uses([buffer, buffer.address + 5])().done;
    await queue.finish();
  }));

test('other processes and threads that attach do not have coarse buffers', () =>
  withMirror(async ({ mirror, wasm }) => {
    const before = mirror.alloc(PAGE, { name: 'before', type: 'coarse' });
    const handle = mirror.share();
    const after = mirror.alloc(PAGE, { name: 'after', type: 'coarse' });
    mirror.alloc(PAGE, { name: 'fine' });
    const { Worker } = await import('node:worker_threads');
    const worker = new Worker(
      `const { attachMirror } = require('mirrorspace');
       const { parentPort, workerData } = require('node:worker_threads');
       attachMirror(workerData).then((mirror) => {
         parentPort.postMessage(mirror.buffers().map(({ name }) => name));
         mirror.close();
       });`,
      { eval: true, workerData: handle },
    );
    // Both may come in one turn of the event loop.
    const exited = once(worker, 'exit');
    const [names] = await once(worker, 'message');
    await exited;
    assert.deepEqual(names, ['fine']);
    await wasm.queue.map(before).done;
    before.bytes.fill(1);
    before.free();
    after.free();
  }));
