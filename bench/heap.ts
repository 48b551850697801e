/**
 * Small objects and collections: `heap.alloc` and `free` beside malloc and free of the C library through the same foreign function
 * interface. The heap zeroes what it gives out and checks what it takes back; calloc zeroes too. Collections are beside JavaScript's own, which no kernel can read.
 *
 * @module
 */
import { type Heap, openMirror, SharedHashMap, SharedVector, wasmDevice } from '../dist/index.js';
import { f64, pointer, struct, u32 } from '../dist/layout/index.js';
import { libcFunction } from '../src/ffi/library.ts';
import { beside, nanoseconds, type Row, rounded } from './rows.ts';

const malloc = libcFunction('uintptr_t malloc(size_t)');
const calloc = libcFunction('uintptr_t calloc(size_t, size_t)');
const release = libcFunction('void free(uintptr_t)');

const SIZE = 32;

export async function heapObjects(quick: boolean): Promise<Row[]> {
  const operations = quick ? 20_000 : 200_000;
  const rounds = { warmups: quick ? 3 : 10, rounds: quick ? 5 : 25 };
  const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: 1 }) } });
  try {
    const heap = mirror.heap();
    const arena = heap.arena();
    const objects = new Float64Array(operations);
    const repeat = (body: (i: number) => void) => (): void => {
      for (let i = 0; i < operations; i++) body(i);
    };
    const time = (round: () => void) => nanoseconds(operations, round, rounds);
    const many = (alloc: (size: number) => number, free: (address: number) => void) => (): void => {
      for (let i = 0; i < operations; i++) objects[i] = alloc(SIZE);
      for (let i = 0; i < operations; i++) free(objects[i]!);
    };
    const row = (what: string, round: () => void): Row => ({
      group: 'heap',
      what,
      unit: 'ns',
      ours: rounded(time(round)),
    });
    const bytes = `${SIZE} bytes`;
    const pair = row(
      `alloc + free, ${bytes}`,
      repeat(() => heap.free(heap.alloc(SIZE))),
    );
    const live = row(
      `${operations} allocs, then frees, ${bytes}`,
      many(
        (size) => heap.alloc(size),
        (address) => heap.free(address),
      ),
    );
    const bumped = row(`arena: ${operations} allocs, one reset, ${bytes}`, () => {
      for (let i = 0; i < operations; i++) arena.alloc(SIZE);
      arena.reset();
    });
    const ffi = 'through the same FFI';
    const plain = time(repeat(() => release(malloc(SIZE))));
    return [
      beside({ ...pair, target: 'at least 5x faster' }, `malloc + free ${ffi}`, plain),
      beside(pair, `calloc + free ${ffi}`, time(repeat(() => release(calloc(1, SIZE))))),
      beside(live, `malloc + free ${ffi}`, time(many((size) => malloc(size), release))),
      beside(bumped, `malloc + free ${ffi}`, plain),
      ...collections(heap, operations, time),
      ...fragmentation(mirror.heap(), operations),
    ];
  } finally {
    await mirror.close();
  }
}

/**
 * What is left unused when objects of random sizes (16 to 1,024 bytes, small ones more often) have come and gone for long:
 * gaps between objects of a class, and with the padding of classes and the free spans all that was not asked for.
 */
function fragmentation(heap: Heap, operations: number): Row[] {
  let state = 1;
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const live: { address: number; size: number }[] = [];
  for (let i = 0; i < 5 * operations; i++) {
    if (live.length === 50_000) {
      const at = Math.floor(random() * live.length);
      heap.free(live[at]!.address);
      live[at] = live.at(-1)!;
      live.pop();
    }
    const size = Math.floor(16 * 64 ** random());
    live.push({ address: heap.alloc(size), size });
  }
  const { fragmentation: gaps, reserved } = heap.statistics();
  const asked = live.reduce((sum, { size }) => sum + size, 0);
  // Half of them gone, at random.
  for (const { address } of live) if (random() < 0.5) heap.free(address);
  const half = heap.statistics().fragmentation;
  const row = (what: string, share: number): Row => ({
    group: 'heap',
    what,
    unit: '%',
    ours: rounded(100 * share),
  });
  return [
    row(`50,000 objects left of ${5 * operations} of random sizes: gaps between them`, gaps),
    row('all that was not asked for, of the address space', 1 - asked / reserved),
    row('gaps after half of the objects were freed at random', half),
  ];
}

const Node = struct('Node', {
  value: f64,
  get next() {
    return pointer(Node);
  },
});

function collections(heap: Heap, operations: number, time: (round: () => void) => number): Row[] {
  const COUNT = 10_000;
  const vector = new SharedVector(heap, f64);
  const [numbers, texts] = [new SharedHashMap(heap, u32, f64), new SharedHashMap(heap, 'string', f64)];
  const plainVector: number[] = [];
  const [plainNumbers, plainTexts] = [new Map<number, number>(), new Map<string, number>()];
  const words = Array.from({ length: COUNT }, (_, i) => `word ${i}`);
  for (let i = 0; i < COUNT; i++) {
    vector.push(i);
    plainVector.push(i);
    numbers.set(i * 7, i);
    plainNumbers.set(i * 7, i);
    texts.set(words[i]!, i);
    plainTexts.set(words[i]!, i);
  }
  // The second node lies in a buffer of its own, so every move crosses.
  const here = Node.in(heap).create();
  here.next = heap.alloc(40_000);
  Node.in(heap).at(here.next).next = here.address;
  let sum = 0;
  const each = (read: (i: number) => number) =>
    time(() => {
      for (let i = 0; i < operations; i++) sum += read(i % COUNT);
    });
  const row = (what: string, ours: number, peer: string, theirs: number) =>
    beside({ group: 'heap', what, unit: 'ns', ours: rounded(ours) }, peer, theirs);
  const rows = [
    row(
      'SharedVector(f64), get',
      each((i) => vector.get(i)),
      'Array',
      each((i) => plainVector[i]!),
    ),
    row(
      'SharedHashMap(u32), get',
      each((i) => numbers.get(i * 7)!),
      'Map',
      each((i) => plainNumbers.get(i * 7)!),
    ),
    row(
      "SharedHashMap('string'), get",
      each((i) => texts.get(words[i]!)!),
      'Map',
      each((i) => plainTexts.get(words[i]!)!),
    ),
    row(
      'follow a pointer to another chunk',
      each(() => {
        here.move(here.next);
        return here.value;
      }),
      'to the same chunk',
      each((i) => {
        if (i === 0) here.next = here.address;
        here.move(here.next);
        return here.value;
      }),
    ),
  ];
  if (Number.isNaN(sum)) throw new Error('the sum is no number');
  return rows;
}
