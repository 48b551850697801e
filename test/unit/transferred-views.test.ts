/**
 * A buffer whose ArrayBuffer the program has transferred: it says so, whoever asks it for a view, and is good for
 * everything else.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, i32 } from 'mirrorspace/layout';
import { withMirror } from '../fixtures/with-mirror.ts';

const transferred = {
  name: 'StateError',
  code: 'ERR_MIRROR_STATE',
  state: 'transferred',
  message: /'taken'/,
};

test('a buffer whose ArrayBuffer was transferred refuses views, serves kernels, and can be freed', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const buffer = mirror.alloc(4096, { name: 'taken' });
    const numbers = array(i32, 4).in(buffer);
    // A byte stream transfers what is put in, on every version of Node.
    const stream = new ReadableStream({ type: 'bytes', start: (to) => to.enqueue(buffer.bytes) });
    const taken = (await stream.getReader().read()).value as Uint8Array;
    assert.equal(taken.length, 4096);
    for (const view of [
      () => buffer.bytes,
      () => buffer.view(Uint8Array),
      () => buffer.view(Float64Array, 8, 2),
      () => buffer.view(DataView),
      () => numbers.at(buffer.address),
    ]) {
      assert.throws(view, transferred);
    }
    const increment = program.kernel('increment', ['pointer']);
    await wasm.queue.launch(increment, { items: 5, args: [buffer] }).done;
    assert.equal(new Int32Array(taken.buffer)[0], 5);
    buffer.free();
    assert.throws(() => buffer.bytes, { name: 'StateError', state: 'freed' });
    assert.equal(taken[0], 0);
  }));

// Node 20 has no way to.
if ('transfer' in ArrayBuffer.prototype)
  test("a freed buffer's ArrayBuffer can't be transferred any more", () =>
    withMirror(async ({ mirror }) => {
      const buffer = mirror.alloc(4096, { name: 'gone' });
      const stale = buffer.bytes.buffer as ArrayBuffer & Record<string, (length?: number) => ArrayBuffer>;
      buffer.free();
      for (const method of ['transfer', 'transferToFixedLength'])
        assert.throws(() => stale[method]!(), { name: 'StateError', state: 'freed', message: /'gone'/ });
      assert.equal(stale.byteLength, 4096);
    }));
