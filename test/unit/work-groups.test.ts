/**
 * Launches of one to three dimensions with work-groups: which items a core gets, in which order, and what kernels in
 * JavaScript and in AssemblyScript make of an item's number.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileAssemblyScript, type Items } from 'mirrorspace';
import { WorkItems } from 'mirrorspace/kernel';
import { withMirror } from '../fixtures/with-mirror.ts';
import { withProcess } from '../fixtures/with-process.ts';

/** [global, local, group] of each item, by loops: groups, the last dimension fastest, then their items. */
function byLoops(items: readonly number[], local: readonly number[]): number[][] {
  const three = (list: readonly number[]): number[] => [list[0]!, list[1] ?? 1, list[2] ?? 1];
  const [n, l] = [three(items), three(local)];
  const g = n.map((count, i) => count / l[i]!);
  const found: number[][] = [];
  for (let g0 = 0; g0 < g[0]!; g0++)
    for (let g1 = 0; g1 < g[1]!; g1++)
      for (let g2 = 0; g2 < g[2]!; g2++)
        for (let a = 0; a < l[0]!; a++)
          for (let b = 0; b < l[1]!; b++)
            for (let c = 0; c < l[2]!; c++)
              found.push([g0 * l[0]! + a, g1 * l[1]! + b, g2 * l[2]! + c, a, b, c, g0, g1, g2]);
  return found;
}

function ids(item: WorkItems): number[] {
  const dimensions = [0, 1, 2];
  return [
    ...dimensions.map((i) => item.globalId(i)),
    ...dimensions.map((i) => item.localId(i)),
    ...dimensions.map((i) => item.groupId(i)),
  ];
}

const shapes = fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 4 })), {
  minLength: 1,
  maxLength: 3,
});

test('an item lies where the loops over groups and their items put it, in whatever order it is asked for', () => {
  fc.assert(
    fc.property(shapes, fc.infiniteStream(fc.nat()), (shape, random) => {
      const local = shape.map(([size]) => size);
      const items = shape.map(([size, groups]) => size * groups);
      const expected = byLoops(items, local);
      const all = new WorkItems(items, local);
      assert.equal(all.dimensions, items.length);
      for (const [index, each] of expected.entries()) assert.deepEqual(ids(all.at(index)), each);
      for (let i = 0; i < 20; i++) {
        const index = random.next().value % expected.length;
        assert.deepEqual(ids(all.at(index)), expected[index]);
      }
      assert.deepEqual(
        [0, 1, 2, 3].map((i) => all.groups(i)),
        [0, 1, 2, 3].map((i) => (items[i] ?? 1) / (local[i] ?? 1)),
      );
      assert.throws(() => all.at(expected.length), { name: 'RangeError' });
    }),
  );
});

test('without work-groups the last dimension runs fastest', () => {
  const item = new WorkItems([2, 3]);
  assert.deepEqual(
    Array.from({ length: 6 }, (_, i) => [item.at(i).globalId(0), item.globalId(1)]),
    [
      [0, 0],
      [0, 1],
      [0, 2],
      [1, 0],
      [1, 1],
      [1, 2],
    ],
  );
  assert.equal(new WorkItems(7).at(5).globalId(0), 5);
  assert.throws(() => new WorkItems('7' as never), { name: 'TypeError' });
  for (const bad of [[], [1, 2, 3, 4], [1.5], [-1]])
    assert.throws(() => new WorkItems(bad), { name: 'RangeError' });
  for (const bad of [[2, 2], 3, 0]) assert.throws(() => new WorkItems(4, bad), { name: 'RangeError' });
});

const source = `
import { globalId, groupId, item, localId, shape } from 'mirrorspace/assembly/work-items';

/** Nine words for each item, by its number, and for each the range that the core had. */
export function ids(begin: i32, end: i32, out: usize, a: u32, b: u32, c: u32, x: u32, y: u32, z: u32): void {
  shape(a, b, c, x, y, z);
  for (let i = begin; i < end; i++) {
    item(i);
    const to = out + <usize>i * 44;
    for (let d = 0; d < 3; d++) {
      store<u32>(to + d * 4, globalId(d));
      store<u32>(to + 12 + d * 4, localId(d));
      store<u32>(to + 24 + d * 4, groupId(d));
    }
    store<u32>(to + 36, begin);
    store<u32>(to + 40, end);
  }
}`;

const launches: readonly [items: Items, local: Items | undefined, chunk?: number][] = [
  [60, 4],
  [[60], [60]],
  [
    [12, 10],
    [4, 5],
  ],
  [[12, 10], [12, 1], 24],
  [
    [4, 6, 8],
    [2, 3, 4],
  ],
  [
    [4, 6, 8],
    [1, 1, 8],
  ],
  [[3, 5, 7], undefined],
  [
    [8, 8],
    [8, 8],
  ],
];

test('cores get whole work-groups, and a kernel in AssemblyScript knows where each item lies', () =>
  withMirror(async ({ mirror, wasm }) => {
    const program = await wasm.load(await compileAssemblyScript(source));
    const kernel = program.kernel('ids', ['pointer', 'u32', 'u32', 'u32', 'u32', 'u32', 'u32']);
    for (const [items, local, chunk] of launches) {
      const whole = [items].flat() as number[];
      const sizes = local === undefined ? whole.map(() => 1) : ([local].flat() as number[]);
      const expected = byLoops(whole, sizes);
      const group = sizes.reduce((a, b) => a * b, 1);
      const out = mirror.alloc(expected.length * 44);
      const three = (list: readonly number[]) => [list[0]!, list[1] ?? 1, list[2] ?? 1] as const;
      const args = [out, ...three(whole), ...three(sizes)] as const;
      const options = {
        ...(local === undefined ? {} : { local }),
        ...(chunk === undefined ? {} : { chunk }),
      };
      await wasm.queue.launch(kernel, { items, args, ...options }).done;
      const words = out.view(Uint32Array);
      for (const [i, each] of expected.entries()) {
        assert.deepEqual([...words.subarray(i * 11, i * 11 + 9)], each);
        const [begin, end] = [words[i * 11 + 9]!, words[i * 11 + 10]!];
        assert.ok(begin % group === 0 && end % group === 0 && begin <= i && i < end);
        if (chunk !== undefined) assert.equal(end - begin, chunk);
      }
      out.free();
    }
  }));

test('a kernel in JavaScript knows the same', () =>
  withProcess(async ({ mirror, proc }) => {
    const program = await proc.load(new URL('../fixtures/process/work-items.js', import.meta.url));
    const out = mirror.alloc(6 * 8 * 8);
    const kernel = program.kernel('ids', ['pointer']);
    await proc.queue.launch(kernel, { items: [6, 8], local: [3, 4], args: [out] }).done;
    const words = out.view(Uint32Array);
    for (const [i, [a, b]] of byLoops([6, 8], [3, 4]).entries())
      assert.deepEqual([words[2 * i], words[2 * i + 1]], [a, b]);
  }));

test('work-groups that do not divide the items, and chunks that divide a work-group, are refused', () =>
  withMirror(async ({ wasm, program }) => {
    const nothing = program.kernel('nothing', []);
    const launch = (items: unknown, local: unknown, chunk?: number): unknown =>
      wasm.queue.launch(nothing, {
        items: items as Items,
        local: local as Items,
        args: [],
        ...(chunk === undefined ? {} : { chunk }),
      });
    for (const local of ['4', null, {}, [4, '4'], [true]] as unknown[])
      assert.throws(() => launch([8, 8], local), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
    for (const local of [0, -1, 1.5, 3, [3, 8], [8], [2, 2, 2], [], [16, 8], 16])
      assert.throws(() => launch([8, 8], local), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => launch(64, 16, 8), { name: 'RangeError', message: /multiple of a work-group's 16/ });
    assert.equal(wasm.counters().launches, 0);
    launch(0, 16);
    launch([8, 8], [8, 8]);
    await wasm.queue.finish();
  }));
