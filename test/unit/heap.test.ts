/**
 * Heaps in real mirrored memory: kernels follow pointers through objects, store where they should not, and the heap
 * stays right; exhaustion, limits, closing.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Heap, LimitError, MiB, openMirror, PlacementError, wasmDevice } from 'mirrorspace';
import { array, f64, pointer, sizeof, struct, toAssemblyScript, u32 } from 'mirrorspace/layout';
import { HeapModel, heapOperations } from '../fixtures/heap-model.ts';
import { compileAssemblyScript } from '../fixtures/wasm-compile.ts';
import { withMirror } from '../fixtures/with-mirror.ts';

const SPAN = 65_536;

const Node = struct('Node', {
  value: f64,
  get next() {
    return pointer(Node);
  },
  visits: u32,
});

test('a heap in mirrored memory and a Map agree, whatever is allocated and freed', () =>
  withMirror(async ({ mirror }) => {
    const heap = mirror.heap({ name: 'tortured', chunkSize: 4 * SPAN });
    const model = new HeapModel(heap);
    for (const operation of fc.sample(heapOperations, 2500)) model.run(operation);
    model.verify();
    assert.ok(mirror.buffers().some(({ name }) => name.startsWith('tortured chunk ')));
    heap.close();
    assert.deepEqual(mirror.buffers(), []);
  }));

test('a kernel follows pointers through objects of many chunks, and accessors read what it wrote', () =>
  withMirror(async ({ mirror, wasm }) => {
    const heap = mirror.heap({ chunkSize: SPAN });
    const nodes = Node.in(heap);
    const COUNT = 20_000;
    const addresses = Array.from({ length: COUNT }, () => nodes.create().address);
    // In no order, so that nearly every pointer leads to another chunk.
    addresses.sort((a, b) => ((a * 7919) % 10_007) - ((b * 7919) % 10_007) || a - b);
    const node = nodes.at(addresses[0]!);
    addresses.forEach((address, i) => {
      node.move(address);
      node.value = i;
      node.next = addresses[i + 1] ?? 0;
    });
    assert.ok(heap.statistics().chunks > 9);
    const out = heap.alloc(8);
    const program = await wasm.load(
      await compileAssemblyScript(`${toAssemblyScript(Node)}
        export function sum(begin: u32, end: u32, head: Node, out: usize): void {
          let sum: f64 = 0;
          for (let node: Node | null = head; node; node = node.next) {
            sum += node.value;
            node.visits++;
          }
          store<f64>(out, sum);
        }`),
    );
    const kernel = program.kernel('sum', ['pointer', 'pointer']);
    await wasm.queue.launch(kernel, { items: 1, args: [addresses[0]!, out] }).done;
    assert.equal(heap.view(Float64Array, out)[0], (COUNT * (COUNT - 1)) / 2);
    let visited = 0;
    for (const address of addresses) {
      node.move(address);
      visited += node.visits;
    }
    assert.equal(visited, COUNT);
  }));

test('a kernel that stores over all of a heap can not break its bookkeeping', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const heap = mirror.heap({ chunkSize: SPAN });
    const live = Array.from({ length: 3000 }, (_, i) => heap.alloc(16 + (i % 9) * 24));
    const before = heap.statistics();
    const fill = program.kernel('fillAt', ['pointer', 'u32']);
    for (const chunk of mirror.buffers().filter(({ name }) => name.includes('chunk'))) {
      await wasm.queue.launch(fill, { items: 1, args: [chunk, chunk.size] }).done;
      assert.ok(chunk.bytes.every((byte) => byte === 1));
    }
    assert.deepEqual(heap.statistics(), before);
    for (const address of live) heap.free(address);
    const model = new HeapModel(heap);
    for (const operation of fc.sample(heapOperations, 500)) model.run(operation);
    model.verify();
  }));

test('what a device may do with a heap is what the options say, and a fault names the heap', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const heap = mirror.heap({ name: 'catalogue', access: { wasm: 'read' } });
    const address = heap.alloc(8);
    heap.view(Int32Array, address)[0] = 42;
    const out = mirror.alloc(4);
    const load = program.kernel('loadAt', ['pointer', 'pointer']);
    await wasm.queue.launch(load, { items: 1, args: [address, out] }).done;
    assert.equal(out.view(Int32Array)[0], 42);
    const store = program.kernel('storeAt', ['pointer', 'i32']);
    await assert.rejects(wasm.queue.launch(store, { items: 1, args: [address, 7] }).done, {
      name: 'DeviceFault',
      reason: 'read-only',
      message: /`catalogue chunk 1`/,
    });
    assert.equal(heap.view(Int32Array, address)[0], 42);
  }));

test('an object above 32 KiB has a buffer of its own, with a guard behind it', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const heap = mirror.heap({ name: 'big' });
    const address = heap.alloc(40_000);
    const buffer = mirror.query(address)!.buffer;
    assert.deepEqual([buffer.address, buffer.size, buffer.name], [address, 40_000, 'big object']);
    assert.equal(heap.sizeOf(address), 40_000);
    assert.equal(heap.memoryAt(address + 39_999), buffer);
    assert.equal(heap.view(Float32Array, address).length, 10_000);
    const store = program.kernel('storeAt', ['pointer', 'i32']);
    await assert.rejects(wasm.queue.launch(store, { items: 1, args: [address + 40_960, 7] }).done, {
      reason: 'unmapped',
      message: /past `big object`/,
    });
    assert.throws(() => heap.free(address + 16), { name: 'RangeError', message: /16 bytes into the one at/ });
    heap.free(address);
    assert.ok(buffer.freed);
    assert.throws(() => heap.free(address), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
  }));

async function inSmallWindow(spans: number, body: (heap: Heap) => void): Promise<void> {
  const START = 0x7000_0000;
  // A guard page behind each chunk.
  const window: [number, number] = [START, START + spans * SPAN + 4096];
  await using mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: 1, window }) } });
  body(mirror.heap({ name: 'cramped' }));
}

test('where no hole is left for a whole chunk the heap takes a smaller one, and then the refusal comes through', () =>
  inSmallWindow(12, (heap) => {
    const live: number[] = [];
    const fill = () => {
      for (;;) live.push(heap.alloc(1024));
    };
    assert.throws(fill, (error: PlacementError) => {
      assert.ok(error instanceof PlacementError);
      assert.equal(error.errno, 'ENOMEM');
      return true;
    });
    const { reserved, chunks, objects } = heap.statistics();
    assert.ok(chunks > 1 && reserved < 1 * MiB && objects === reserved / 1024, `${chunks} ${reserved}`);
    assert.throws(() => heap.alloc(16), PlacementError);
    assert.throws(() => heap.alloc(1 * MiB), PlacementError);
    assert.deepEqual(heap.statistics(), { ...heap.statistics(), reserved, chunks, objects });
    heap.free(live[500]!);
    assert.equal(heap.alloc(1000), live[500]);
    for (const address of live) heap.free(address);
    assert.ok(heap.alloc(32) > 0);
  }));

test('maxBytes is a limit on all that the heap takes', () =>
  withMirror(async ({ mirror }) => {
    const heap = mirror.heap({ maxBytes: 5 * SPAN, chunkSize: 2 * SPAN });
    const large = heap.alloc(SPAN);
    const small = [heap.alloc(20_000)];
    const limited = (error: LimitError) =>
      error instanceof LimitError && error.errno === 'ENOMEM' && error.limit === 5 * SPAN;
    assert.throws(() => {
      for (;;) small.push(heap.alloc(20_000));
    }, limited);
    assert.equal(heap.statistics().reserved, 5 * SPAN);
    assert.equal(small.length, 12);
    assert.throws(() => heap.alloc(40_000), limited);
    heap.free(large);
    assert.ok(heap.alloc(20_000) > 0);
  }));

test('Node.in(heap) creates and destroys; in an arena it creates only, in a buffer neither', () =>
  withMirror(async ({ mirror }) => {
    const heap = mirror.heap();
    const arena = heap.arena();
    const nodes = Node.in(heap);
    const node = nodes.create();
    assert.deepEqual({ ...node.toJSON() }, { value: 0, next: '0x0', visits: 0 });
    node.next = Node.in(arena).create().address;
    node.move(node.next);
    node.value = 5;
    assert.equal(nodes.at(node.address).value, 5);
    assert.throws(() => nodes.destroy(node), { name: 'RangeError', message: /arena/ });
    const rows = array(f64, 1000).in(heap);
    const row = rows.create();
    row.set(999, 1.5);
    assert.equal(row.get(999), 1.5);
    rows.destroy(row);
    const other = nodes.create();
    nodes.destroy(other.address);
    assert.throws(() => nodes.destroy(other), { name: 'StateError', state: 'freed' });
    // @ts-expect-error a node is what is created there, not a row
    assert.throws(() => nodes.destroy(row), { name: 'TypeError' });
    // @ts-expect-error an arena takes nothing back
    assert.equal(Node.in(arena).destroy, undefined);
    const buffer = mirror.alloc(sizeof(Node));
    // @ts-expect-error a buffer gives nothing out
    assert.equal(Node.in(buffer).create, undefined);
    assert.throws(() => nodes.at(buffer.address), { name: 'RangeError', message: /none holds/ });
    assert.throws(() => nodes.at(0), { name: 'RangeError', message: /it is null/ });
  }));

test('an arena frees its objects together, and its spans serve again', () =>
  withMirror(async ({ mirror }) => {
    const heap = mirror.heap();
    const arena = heap.arena();
    const first = arena.alloc(24);
    assert.equal(arena.alloc(24), first + 24);
    assert.equal(arena.alloc(8, 64) % 64, 0);
    arena.alloc(100_000);
    assert.equal(heap.statistics().large.objects, 1);
    for (let i = 0; i < 10_000; i++) arena.alloc(24);
    assert.equal(heap.statistics().arenas, arena.reserved);
    assert.ok(arena.bytes >= 10_002 * 24 + 100_000);
    arena.reset();
    assert.deepEqual([arena.bytes, arena.reserved, heap.statistics().large.objects], [0, 0, 0]);
    arena.alloc(16);
    arena.close();
    arena.close();
    assert.throws(() => arena.alloc(16), { name: 'StateError', state: 'closed', message: /an arena of/ });
    assert.throws(() => arena.reset(), { name: 'StateError', state: 'closed' });
    assert.equal(heap.statistics().arenas, 0);
  }));

test('a large object of an arena is freed by nobody but the arena, which frees nothing else', () =>
  withMirror(async ({ mirror }) => {
    const heap = mirror.heap();
    const record = heap.alloc(16);
    heap.view(Uint8Array, record).fill(7);
    const arena = heap.arena();
    const large = arena.alloc(40_000);
    for (const call of [() => heap.free(large), () => heap.sizeOf(large), () => heap.free(large + 8)])
      assert.throws(call, { name: 'RangeError', code: 'ERR_OUT_OF_RANGE', message: /of an arena/ });
    assert.equal(heap.memoryAt(large)?.address, large);
    arena.reset();
    assert.equal(heap.memoryAt(large), undefined);
    assert.throws(() => heap.free(large), { name: 'RangeError', message: /gave out/ });
    assert.deepEqual([...heap.view(Uint8Array, record)], Array(16).fill(7));
    heap.free(record);
    assert.equal(heap.statistics().objects, 0);
  }));

test('an object of 4 TiB costs the bookkeeping no more than one of 64 KiB', async () => {
  await using mirror = await openMirror({ devices: {} });
  const heap = mirror.heap();
  const before = process.memoryUsage().arrayBuffers;
  const large = heap.alloc(2 ** 42);
  assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 24);
  assert.equal(heap.sizeOf(large), 2 ** 42);
  assert.equal(heap.memoryAt(large + 2 ** 41)?.address, large);
  heap.free(large);
  assert.equal(heap.memoryAt(large + 2 ** 41), undefined);
});

test('a heap that has given nothing out takes nothing back, whatever it is given', () =>
  withMirror(async ({ mirror }) => {
    const heap = mirror.heap();
    for (let i = 0; i < 2; i++) {
      for (const bad of [-1, -0, 0, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, -(2 ** 53)])
        assert.throws(() => heap.free(bad), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }, String(bad));
      for (const bad of ['-1', '', null, undefined, 1n, {}, []] as never[])
        assert.throws(() => heap.free(bad), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
      assert.throws(() => heap.free(heap.alloc(16) + 1), { name: 'RangeError' });
      heap.free(heap.alloc(16));
    }
  }));

test('a closed heap refuses everything, and so does that of a closed mirror', async () => {
  const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: 1 }) } });
  const [heap, other] = [mirror.heap({ name: 'first' }), mirror.heap()];
  const nodes = Node.in(heap);
  const node = nodes.create();
  const arena = heap.arena();
  node.value = 5;
  const [address, elsewhere] = [node.address, other.alloc(8)];
  heap.close();
  heap.close();
  assert.equal(heap.closed, true);
  const refusals = (of: Heap, at: number): [string, () => unknown][] => [
    ['alloc', () => of.alloc(8)],
    ['free', () => of.free(at)],
    ['sizeOf', () => of.sizeOf(at)],
    ['view', () => of.view(Uint8Array, at)],
    ['arena', () => of.arena()],
    ['trim', () => of.trim()],
    ['statistics', () => of.statistics()],
  ];
  for (const [what, call] of refusals(heap, address))
    assert.throws(call, { name: 'StateError', state: 'closed', message: "heap 'first' is closed" }, what);
  assert.throws(() => arena.alloc(8), { name: 'StateError', state: 'closed' });
  assert.throws(() => nodes.at(address), { name: 'StateError', state: 'closed' });
  assert.equal(node.value, 0, 'what was kept reads zeros');
  await mirror.close();
  for (const [what, call] of refusals(other, elsewhere))
    assert.throws(call, { name: 'StateError', state: 'closed', message: /with its mirror/ }, what);
  assert.throws(() => mirror.heap(), { name: 'StateError', state: 'closed' });
  other.close();
});

test('bad arguments are refused before anything changes', () =>
  withMirror(async ({ mirror }) => {
    // biome-ignore lint/suspicious/noExplicitAny: bad values have no type that fits
    type Any = any;
    const heap = mirror.heap();
    const address = heap.alloc(24);
    const arena = heap.arena();
    const before = [heap.statistics(), mirror.buffers()];
    const kind = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
    const value = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
    for (const bad of ['24', null, {}, 24n, true, Symbol('x')] as Any[]) {
      assert.throws(() => heap.alloc(bad), { ...kind, message: /"size"/ });
      assert.throws(() => arena.alloc(bad), { ...kind, message: /"size"/ });
      assert.throws(() => heap.alloc(8, bad), { ...kind, message: /"align"/ });
      assert.throws(() => heap.free(bad), { ...kind, message: /"address"/ });
      assert.throws(() => heap.sizeOf(bad), { ...kind, message: /"address"/ });
      assert.throws(() => Node.in(heap).destroy(bad), kind);
      if (bad !== null) assert.throws(() => mirror.heap({ name: bad === '24' ? 24 : bad } as Any), kind);
      assert.throws(() => mirror.heap({ chunkSize: bad }), { ...kind, message: /"chunkSize"/ });
      assert.throws(() => mirror.heap({ maxBytes: bad }), { ...kind, message: /"maxBytes"/ });
    }
    for (const bad of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      assert.throws(() => heap.alloc(bad), { ...value, message: /"size"/ });
      assert.throws(() => arena.alloc(bad), { ...value, message: /"size"/ });
      assert.throws(() => heap.alloc(8, bad), { ...value, message: /"align"/ });
      assert.throws(() => heap.free(bad), { ...value, message: /"address"/ });
      assert.throws(() => mirror.heap({ chunkSize: bad }), { ...value, message: /"chunkSize"/ });
      if (bad < 65_536) assert.throws(() => mirror.heap({ maxBytes: bad }), value);
    }
    assert.throws(() => heap.alloc(2 ** 50), PlacementError);
    for (const align of [3, 24, 131_072]) assert.throws(() => heap.alloc(8, align), value);
    assert.throws(() => heap.view(Float64Array, address, 5), { ...value, message: /0 to 4/ });
    assert.throws(() => heap.view(String as Any, address), kind);
    assert.throws(() => mirror.heap(5 as Any), kind);
    assert.throws(() => mirror.heap({ chunk: 5 } as Any), { ...value, message: /chunk/ });
    assert.throws(() => mirror.heap({ devices: ['gpu'] }), { ...value, message: /gpu/ });
    assert.throws(() => mirror.heap({ access: { wasm: 'all' } } as Any), value);
    assert.deepEqual([heap.statistics(), mirror.buffers()], before);
    heap.free(address);
    assert.throws(() => heap.free(address), { name: 'StateError', state: 'freed', message: /freed/ });
  }));
