/**
 * Arguments that are nearly right: bytes of another realm, which are taken, transferred ones and a Proxy of a buffer,
 * which are refused as what they are.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { sourceUrl } from '../../src/device/process/process-program.ts';
import { basicKernels, withMirror } from '../fixtures/with-mirror.ts';

/** The same bytes as a Uint8Array, or an ArrayBuffer, of another realm. */
function foreign(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = runInNewContext('Uint8Array.from(bytes)', { bytes }) as Uint8Array<ArrayBuffer>;
  assert.equal(copy instanceof Uint8Array, false, 'it is of another realm');
  return copy;
}

function transferred(): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from(readFileSync(basicKernels));
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

const refused = (name: string, message: RegExp) => (error: Error & { code?: string }) => {
  assert.equal(error.code, 'ERR_INVALID_ARG_TYPE');
  assert.ok(error instanceof TypeError);
  assert.match(error.message, new RegExp(`"${name.replace(/[[\]]/g, '\\$&')}" argument`));
  assert.match(error.message, message);
  return true;
};

test('programs and patterns of another realm are taken', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const bytes = foreign(readFileSync(basicKernels));
    assert.equal(await wasm.load(bytes), program);
    assert.equal(await wasm.load(bytes.buffer), program);
    const buffer = mirror.alloc(4096);
    await wasm.queue.fill(buffer, foreign(Uint8Array.of(1, 2))).done;
    assert.deepEqual([...buffer.bytes.subarray(4094)], [1, 2]);
    const text = foreign(Buffer.from('export {}'));
    assert.equal(await sourceUrl(text), 'data:text/javascript;base64,ZXhwb3J0IHt9');
    assert.equal(await sourceUrl(text.subarray(0, 6)), 'data:text/javascript;base64,ZXhwb3J0');
  }));

test('a program whose ArrayBuffer was transferred is refused as that', () =>
  withMirror(async ({ wasm }) => {
    const bytes = transferred();
    for (const source of [bytes, bytes.buffer]) {
      await assert.rejects(wasm.load(source), refused('program', /transferred/));
      await assert.rejects(sourceUrl(source), refused('program', /transferred/));
    }
  }));

test('a Proxy of a buffer is refused as an argument, a target and a source', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const buffer = mirror.alloc(4096);
    const proxy = new Proxy(buffer, {});
    const increment = program.kernel('increment', ['pointer']);
    const { queue } = wasm;
    const { launches } = wasm.counters();
    assert.throws(
      () => queue.launch(increment, { items: 1, args: [proxy] }),
      refused('args[0]', /not a Proxy of it/),
    );
    assert.throws(() => queue.fill(proxy, 0), refused('target', /not a Proxy of it/));
    assert.throws(() => queue.copy(mirror.alloc(4096), proxy), refused('source', /not a Proxy of it/));
    assert.equal(wasm.counters().launches, launches);
  }));
