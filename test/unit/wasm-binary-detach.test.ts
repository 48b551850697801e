/**
 * A module without its static data, on modules compiled from AssemblyScript and on hand-made overlaps. Drawings
 * show segments from top (first) to bottom (last), and what must come out.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkRequirements, detachData, inspectModule } from '../../src/device/wasm/binary/index.ts';
import {
  buildModule,
  type DataSpec,
  engine,
  globalGet,
  i32Const,
  sharedMemory,
} from '../fixtures/wasm-builder.ts';
import { clangCounters } from '../fixtures/wasm-clang.ts';
import { compileAssemblyScript } from '../fixtures/wasm-compile.ts';

const importedMemory = { module: 'env', name: 'memory', kind: 'memory', memory: sharedMemory } as const;

/** `'10:aaa'` is a segment at 10; without a place it is passive. */
function moduleOf(...drawn: string[]): Uint8Array<ArrayBuffer> {
  const data = drawn.map((text): DataSpec => {
    const [place, content] = text.split(':') as [string, string];
    const bytes = new Uint8Array(Buffer.from(content));
    return place === ''
      ? { mode: 'passive', bytes }
      : { mode: 'active', offset: i32Const(Number(place)), bytes };
  });
  return buildModule({ imports: [importedMemory], data });
}

const detached = (...drawn: string[]) =>
  detachData(moduleOf(...drawn)).segments.map(({ address, bytes }) => `${address}:${Buffer.from(bytes)}`);

test('segments that do not overlap come out in the order of their addresses', () => {
  assert.deepEqual(detached('30:ccc', '10:aaa', '20:bb'), ['10:aaa', '20:bb', '30:ccc']);
  assert.deepEqual(detached('13:bbb', '10:aaa'), ['10:aaa', '13:bbb']);
});

test('where segments overlap the later one wins', () => {
  //  10: aaaaa            10: aaaaa           10:   aaaaa
  //  12:   bb     middle  13:    bbbb  tail    8: bbbb      head
  assert.deepEqual(detached('10:AAAAA', '12:bb'), ['10:AA', '12:bb', '14:A']);
  assert.deepEqual(detached('10:abcde', '13:BBBB'), ['10:abc', '13:BBBB']);
  assert.deepEqual(detached('10:abcde', '8:BBBB'), ['8:BBBB', '12:cde']);
  assert.deepEqual(detached('10:abc', '10:XYZ'), ['10:XYZ']);
  assert.deepEqual(detached('10:abc', '5:0123456789'), ['5:0123456789']);
  //  10: abc  efg
  //  12:   XXX      one that hides parts of two
  //  11:  y
  assert.deepEqual(detached('10:abc', '15:efg', '12:XXXX', '11:y'), ['10:a', '11:y', '12:XXXX', '16:fg']);
});

test('empty segments vanish, and passive ones are none of the placed', () => {
  assert.deepEqual(detached('10:', ':passive', '20:x'), ['20:x']);
});

test('active segments become empty passive ones and passive ones stay, at their indices', () => {
  const binary = moduleOf('10:abc', ':passive', '20:de');
  const { module } = detachData(binary);
  assert.deepEqual(Buffer.from(module), Buffer.from(moduleOf(':', ':passive', ':')));
  assert.ok(engine.validate(module));
});

test('a module without active segments is copied', () => {
  const binary = moduleOf(':passive');
  const { module, segments } = detachData(binary);
  assert.deepEqual(module, binary);
  assert.notEqual(module.buffer, binary.buffer);
  assert.deepEqual(segments, []);
});

test('results share no memory with the input, even when it is a Buffer', () => {
  const binary = Buffer.from(moduleOf('10:abc'));
  const { module, segments } = detachData(binary);
  binary.fill(0);
  assert.equal(module[1], 0x61);
  assert.deepEqual(Buffer.from(segments[0]!.bytes).toString(), 'abc');
});

test('an address that depends on an import is refused', () => {
  const global = { module: 'env', name: '__memory_base', kind: 'global' } as const;
  const data: DataSpec[] = [{ mode: 'active', offset: globalGet(0), bytes: new Uint8Array(4) }];
  const binary = buildModule({
    imports: [importedMemory, { ...global, global: { type: 'i32', mutable: false } }],
    data,
  });
  assert.throws(() => detachData(binary), {
    name: 'ProgramError',
    reason: 'static-data',
    message: /data segment 0 \(4 bytes.*no constant address.*-fPIC/,
  });
});

test('a segment of a second memory is refused', () => {
  const binary = buildModule({
    imports: [importedMemory],
    memories: [{ min: 1, max: 1, shared: false, is64: false }],
    data: [{ mode: 'active', offset: i32Const(0), bytes: new Uint8Array(1), memory: 1 }],
  });
  assert.throws(() => detachData(binary), { reason: 'static-data', message: /memory 1; a device has one/ });
});

test('a hundred thousand segments that all overlap are detached promptly', { timeout: 20_000 }, () => {
  const count = 100_000;
  const data = Array.from({ length: count }, (_, i): DataSpec => {
    return { mode: 'active', offset: i32Const(((i * 7919) % count) * 2), bytes: new Uint8Array(8).fill(i) };
  });
  const { segments } = detachData(buildModule({ imports: [importedMemory], data }));
  let end = 0;
  for (const { address, bytes } of segments) {
    assert.ok(address >= end);
    end = address + bytes.length;
  }
  assert.equal(end, (count - 1) * 2 + 8);
});

test('an AssemblyScript program keeps what one core wrote when another core starts', async () => {
  const binary = await compileAssemblyScript(`
    const counters: StaticArray<i32> = [100, 200, 300];
    export function bump(begin: i32, end: i32): void {
      for (let i = begin; i < end; i++) counters[i] += 1;
    }
    export function read(i: i32): i32 { return counters[i]; }`);
  const { start, end } = inspectModule(binary).staticData!;
  const core = (bytes: Uint8Array, memory: object) => {
    const env = { memory, abort: () => assert.fail('abort') };
    return new engine.Instance(new engine.Module(bytes), { env }).exports as {
      bump(begin: number, end: number): void;
      read(i: number): number;
    };
  };
  const newMemory = () => new engine.Memory({ initial: 65536, maximum: 65536, shared: true });

  // The problem: the second instance resets the first one's counters.
  const plain = newMemory();
  core(binary, plain).bump(0, 3);
  assert.equal(core(binary, plain).read(1), 200);

  const { module, segments } = detachData(binary);
  const memory = newMemory();
  const bytes = new Uint8Array(memory.buffer, 0, 1 << 20);
  core(module, memory);
  assert.ok(bytes.every((byte) => byte === 0));
  for (const { address, bytes: content } of segments) bytes.set(content, address);
  const original = new Uint8Array(plain.buffer, 0, 1 << 20);
  core(binary, plain);
  assert.ok(Buffer.compare(bytes, original) === 0);
  assert.ok(segments.every((s) => s.address >= start && s.address + s.bytes.length <= end));

  core(module, memory).bump(0, 3);
  const second = core(module, memory);
  assert.deepEqual([second.read(0), second.read(1), second.read(2)], [101, 201, 301]);
});

test('a clang program passes as it is: its start function places the data, and only once', () => {
  const limits = { statics: { start: 65536, end: 1 << 20 } };
  const { statics, kernels } = checkRequirements(inspectModule(clangCounters), limits);
  assert.deepEqual(kernels, [{ name: 'bump', params: ['i32'] }]);
  const { module, segments } = detachData(clangCounters);
  assert.deepEqual(module, clangCounters);
  assert.deepEqual(segments, []);

  const memory = new engine.Memory({ initial: 65536, maximum: 65536, shared: true });
  const core = () =>
    new engine.Instance(new engine.Module(module), { env: { memory } }).exports as {
      bump(begin: number, end: number, out: number): void;
    };
  const out = 1 << 20;
  core().bump(0, 3, out);
  core().bump(0, 3, out);
  assert.deepEqual([...new Uint32Array(memory.buffer, out, 3)], [104, 204, 304]);
  // What the start function and the kernel wrote lies where the linker's symbols say.
  const low = new Uint8Array(memory.buffer, 0, out);
  const written = {
    start: low.findIndex((byte) => byte !== 0),
    end: low.findLastIndex((byte) => byte !== 0),
  };
  assert.ok(written.start >= statics!.start && written.end < statics!.end);
});
