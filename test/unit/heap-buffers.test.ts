/**
 * The buffers that a heap's objects lie in are the heap's: nobody frees them under it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withMirror } from '../fixtures/with-mirror.ts';

test('the buffers of a heap are freed by the heap alone, also where an object lies at the start of one', () =>
  withMirror(async ({ mirror, wasm: { queue } }) => {
    const heap = mirror.heap({ name: 'nodes' });
    const first = heap.alloc(24);
    const large = heap.alloc(2 ** 21);
    const busy = { name: 'StateError', state: 'busy', message: /holds objects of heap 'nodes'/ };
    // Without a callback queue.free takes an address for that of a buffer.
    assert.throws(() => queue.free(first), busy);
    assert.throws(() => queue.free(large), busy);
    for (const buffer of mirror.buffers()) {
      assert.throws(() => buffer.free(), busy);
      assert.throws(() => buffer[Symbol.dispose](), busy);
      assert.throws(() => queue.free(buffer), busy);
      assert.deepEqual([buffer.freed, buffer.freeing], [false, false]);
    }
    await queue.free([first, large], (objects) => {
      for (const object of objects) heap.free(object as number);
    }).done;
    const again = heap.alloc(24);
    assert.equal(mirror.query(again)?.name, 'nodes chunk 1');
    heap.close();
    assert.deepEqual(mirror.buffers(), []);
  }));
