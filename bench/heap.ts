/**
 * Small objects: `heap.alloc` and `free` beside malloc and free of the C library through the same foreign function
 * interface. The heap zeroes what it gives out and checks what it takes back; calloc zeroes too.
 *
 * @module
 */
import { openMirror, wasmDevice } from '../dist/index.js';
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
    ];
  } finally {
    await mirror.close();
  }
}
