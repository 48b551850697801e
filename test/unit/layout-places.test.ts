/**
 * Where accessors of `mirrorspace/layout` may stand: places in a memory, their parts, and memory that is gone.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { StateError } from '../../src/errors.ts';
import { array, f32, type LayoutMemory, offsetof, sizeof, struct, u8, u32 } from '../../src/layout/index.ts';
import { BASE, memory, Node, out, wrong } from '../fixtures/layout-nodes.ts';

describe('a place', () => {
  test('outside of the memory is refused, naming type, address and memory', () => {
    const m = memory(2 * sizeof(Node));
    const nodes = Node.in(m);
    const node = nodes.at(BASE);
    const message = /address of Node.*memory \[0x7e0000000000, 0x7e00000000d0\)/;
    assert.equal(sizeof(Node), 104);
    for (const address of [BASE - 8, BASE + m.size - sizeof(Node) + 8, BASE + m.size, 0, -8, 2 ** 53]) {
      assert.throws(() => nodes.at(address), { ...out, message });
      assert.throws(() => node.move(address), { ...out, message });
    }
    assert.throws(() => nodes.at(0), /it is null/);
    assert.equal(node.address, BASE, 'it stays where it was');
    assert.equal(nodes.at(BASE + sizeof(Node)).address, BASE + sizeof(Node));
  });

  test('that is not aligned is refused, and so is what is no integer', () => {
    const nodes = Node.in(memory());
    for (const offset of [1, 4]) {
      assert.throws(() => nodes.at(BASE + offset), { ...out, message: /multiple of 8/ });
    }
    for (const address of [BASE + 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => nodes.at(address), out);
    }
    for (const address of [BigInt(BASE), String(BASE), undefined, null, {}]) {
      assert.throws(() => nodes.at(address as never), wrong);
    }
  });

  test('is judged by its address, wherever the bytes lie in their ArrayBuffer', () => {
    const bytes = new Uint8Array(new ArrayBuffer(1024), 3, 512);
    const node = Node.in({ address: 4096, size: 512, bytes }).at(4096 + 128);
    node.value = 2.5;
    assert.equal(new DataView(bytes.buffer, 3).getFloat64(128, true), 2.5);
  });

  test('in a memory that begins at no multiple of the alignment is judged by its address too', () => {
    const m = memory(512, BASE + 12);
    const nodes = Node.in(m);
    const node = nodes.at(BASE + 16);
    node.value = 2.5;
    assert.equal(new DataView(m.bytes.buffer).getFloat64(4, true), 2.5);
    node.move(BASE + 24);
    assert.equal(node.address, BASE + 24);
    for (const address of [BASE + 12, BASE + 20, BASE + 8, BASE + 12 + 512 - 96]) {
      assert.throws(() => node.move(address), out);
      assert.throws(() => nodes.at(address), out);
    }
    assert.equal(node.address, BASE + 24);
  });

  test('beyond 2 GiB of a memory is reached as one before is', () => {
    const size = 3 * 2 ** 30;
    // Zeroed memory of which no page is touched until it is used.
    const m = memory(size);
    const node = Node.in(m).at(BASE + size - 2 * 104);
    node.value = 1.5;
    node.place.x = 2.5;
    node.grid.get(1).set(2, -7);
    node.left = node.address;
    node.move(BASE);
    assert.deepEqual([node.address, node.value, node.place.x], [BASE, 0, 0]);
    node.move(BASE + 2 ** 31 - 8);
    node.tag = 3;
    node.move(BASE + size - 2 * 104);
    assert.deepEqual([node.value, node.place.x, node.grid.get(1).get(2)], [1.5, 2.5, -7]);
    assert.equal(new DataView(m.bytes.buffer).getUint32(2 ** 31 - 8 + offsetof(Node, 'tag'), true), 3);
    for (const address of [BASE + size - 104 + 8, BASE + size, BASE + 2 ** 31 + 4, BASE + 2 ** 32]) {
      assert.throws(() => node.move(address), out);
      assert.equal(node.address, BASE + size - 2 * 104);
    }
  });

  test('in a memory smaller than the type is refused', () => {
    assert.throws(() => Node.in(memory(16)).at(BASE), out);
    assert.throws(() => array(u8, 32).in(memory(16)).at(BASE), out);
    assert.throws(() => Node.in(memory(0)).at(BASE), out);
  });
});

test('moving, reading and writing allocate nothing, once the loop is compiled', () => {
  const count = 20_000;
  const m = memory(count * sizeof(Node));
  const node = Node.in(m).at(BASE);
  const loops: (() => void)[] = [
    () => {
      for (let i = 0; i < count; i++) {
        node.move(BASE + i * 104);
        node.value = node.tag;
        node.left = BASE + ((i + 1) % count) * 104;
      }
    },
    () => {
      for (let i = 0; i < count; i++) node.move(node.left);
    },
    () => {
      for (let i = 0; i < count; i++) {
        node.move(BASE + i * 104);
        node.place.x = node.weights.get(i & 3);
        node.path.get(i % 3).y = i;
      }
    },
  ];
  for (const [i, loop] of loops.entries()) {
    // How soon V8 compiles it is the machine's business. Less than a byte for each node is nothing for any of them.
    let bytes = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 5000 && !(bytes >= 0 && bytes < count); round++) {
      const before = process.memoryUsage().heapUsed;
      loop();
      bytes = process.memoryUsage().heapUsed - before;
    }
    assert.ok(bytes < count, `loop ${i}: ${bytes} bytes for ${count} nodes`);
  }
});

describe('parts', () => {
  test('of a struct are accessors made once, that follow where it moves', () => {
    const node = Node.in(memory()).at(BASE);
    const { place } = node;
    place.x = 1;
    node.move(BASE + 256);
    assert.equal(node.place, place);
    assert.equal(node.place.x, 0);
    assert.equal(place.address, BASE + 256 + offsetof(Node, 'place'));
  });

  test('are assigned by copying their bytes, also within one struct', () => {
    const nodes = Node.in(memory());
    const [a, b] = [nodes.at(BASE), nodes.at(BASE + 256)];
    a.place.x = 1;
    a.place.y = 2;
    b.place = a.place;
    assert.deepEqual(b.place.toJSON(), { x: 1, y: 2 });
    b.path.set(2, b.place);
    assert.deepEqual(b.path.get(2).toJSON(), { x: 1, y: 2 });
    b.path.get(2).x = 7;
    b.path.set(0, b.path.get(2));
    assert.deepEqual(b.path.toJSON(), [
      { x: 7, y: 2 },
      { x: 0, y: 0 },
      { x: 7, y: 2 },
    ]);
    a.path = b.path;
    assert.equal(a.path.get(0).x, 7);
  });

  test('refuse an accessor of another type, and what is none', () => {
    const Same = struct('Vec', { x: f32, y: f32 });
    const node = Node.in(memory()).at(BASE);
    for (const value of [Same.in(memory()).at(BASE), { x: 1, y: 2 }, 5, null]) {
      assert.throws(
        () => {
          node.place = value as never;
        },
        { ...wrong, message: /Node\.place/ },
      );
      assert.throws(() => node.path.set(0, value as never), wrong);
    }
  });

  test('of arrays are read and written by index, in any number of dimensions', () => {
    const node = Node.in(memory()).at(BASE);
    node.weights.set(3, 0.5);
    node.children.set(1, BASE);
    node.grid.get(1).set(2, -3);
    assert.deepEqual([...node.weights], [0, 0, 0, 0.5]);
    assert.deepEqual([...node.children], [0, BASE]);
    assert.deepEqual(node.grid.toJSON(), [
      [0, 0, 0],
      [0, 0, -3],
    ]);
    assert.deepEqual([node.weights.length, node.grid.length, node.grid.get(0).length], [4, 2, 3]);
  });

  test('of arrays refuse an index outside, and an element that does not fit', () => {
    const node = Node.in(memory()).at(BASE);
    for (const index of [-1, 4, Number.POSITIVE_INFINITY, 2 ** 32]) {
      assert.throws(() => node.weights.get(index), { ...out, message: /index of array\(f32, 4\)/ });
      assert.throws(() => node.weights.set(index, 1), out);
      assert.throws(() => node.path.get(index), { ...out, message: /index of array\(Vec, 3\).*0 to 2/ });
    }
    assert.throws(() => node.weights.get(1n as never), wrong);
    assert.throws(() => node.children.set(0, -1), {
      ...out,
      message: /element of array\(pointer\(Node\), 2\)/,
    });
    assert.throws(() => node.grid.get(0).set(0, '1' as never), wrong);
  });

  test('of arrays refuse an index that is no number, and change nothing', () => {
    const node = Node.in(memory()).at(BASE);
    node.weights.set(0, 5);
    node.path.get(0).x = 6;
    const before = JSON.stringify(node);
    const other = node.path.get(2);
    for (const index of [undefined, null, {}, [], [1], '1', '', true, 1n, Symbol('1')] as never[]) {
      const refused = { ...wrong, message: /index of array/ };
      assert.throws(() => node.weights.get(index), refused);
      assert.throws(() => node.weights.set(index, 1), refused);
      assert.throws(() => node.path.get(index), refused);
      assert.throws(() => node.path.set(index, other), refused);
    }
    assert.throws(() => node.weights.get(Number.NaN), { ...out, message: /index of array/ });
    assert.throws(() => node.weights.set(Number.NaN, 1), out);
    assert.throws(() => node.path.get(Number.NaN), out);
    assert.throws(() => node.path.set(Number.NaN, other), out);
    assert.equal(JSON.stringify(node), before);
  });

  test('of arrays cut off the fraction of an index, as Array.prototype.at does', () => {
    const node = Node.in(memory()).at(BASE);
    node.weights.set(1.9, 5);
    assert.deepEqual([node.weights.get(1), node.weights.get(1.5)], [5, 5]);
    assert.equal(node.path.get(2.7).address, node.path.get(2).address);
  });

  test('of an array in a memory of its own are found by index', () => {
    const m = memory(1000 * sizeof(Node));
    const all = array(Node, 1000).in(m).at(BASE);
    for (let i = 0; i < 1000; i++) all.get(i).tag = i;
    assert.equal(all.get(999).address, BASE + 999 * sizeof(Node));
    assert.equal(Node.in(m).at(BASE + 500 * sizeof(Node)).tag, 500);
    let sum = 0;
    for (const each of all) sum += each.tag;
    assert.equal(sum, (999 * 1000) / 2);
  });
});

describe('memory that is gone', () => {
  const state = { name: 'StateError', code: 'ERR_MIRROR_STATE', state: 'freed' };

  test('is a StateError at once where bytes throws, with its own error as the cause', () => {
    let freed: Error | undefined;
    const bytes = new Uint8Array(4096);
    const m: LayoutMemory = {
      address: BASE,
      size: 4096,
      get bytes() {
        if (freed) throw freed;
        return bytes;
      },
    };
    const nodes = Node.in(m);
    freed = new StateError('freed', "buffer 'tree' was freed");
    assert.throws(() => nodes.at(BASE), freed);
    assert.throws(() => Node.in(m), freed);
    freed = new TypeError('no longer');
    assert.throws(() => nodes.at(BASE), { ...state, cause: freed });
  });

  test('is a StateError at each access once its ArrayBuffer is detached', () => {
    const m = memory();
    const nodes = Node.in(m);
    const [node, other] = [nodes.at(BASE), nodes.at(BASE)];
    const { weights, path, place } = node;
    structuredClone(m.bytes.buffer, { transfer: [m.bytes.buffer as ArrayBuffer] });
    for (const access of [
      () => nodes.at(BASE),
      () => node.value,
      () => node.left,
      () => {
        node.tag = 1;
      },
      () => weights.get(0),
      () => weights.set(0, 1),
      () => path.get(0),
      () => place.x,
      () => {
        other.place = place;
      },
      () => node.toJSON(),
      () => weights.toJSON(),
    ]) {
      assert.throws(access, { ...state, message: /0x7e0000000000-0x7e0000001000/ }, String(access));
    }
    assert.match(inspect(node), /freed/);
  });

  test('may come back: at looks for new bytes each time, as of a WebAssembly memory that grew', () => {
    let buffer = new ArrayBuffer(4096);
    const m: LayoutMemory = {
      address: 0,
      size: 4096,
      get bytes() {
        return new Uint8Array(buffer);
      },
    };
    const nodes = Node.in(m);
    const before = nodes.at(256);
    before.value = 3;
    buffer = structuredClone(buffer, { transfer: [buffer] });
    assert.throws(() => before.value, state);
    assert.equal(nodes.at(256).value, 3);
  });
});

test('what is no memory is refused', () => {
  const good = memory();
  for (const bad of [
    null,
    5,
    {},
    { ...good, address: '1' },
    { ...good, size: 4096n },
    { ...good, bytes: new Uint16Array(2048) },
    { ...good, bytes: [] },
    { ...good, bytes: undefined },
  ]) {
    assert.throws(() => Node.in(bad as never), wrong);
  }
  for (const bad of [
    { ...good, address: -1 },
    { ...good, address: 2 ** 53 },
    { ...good, size: 2 ** 32 + 1 },
    { ...good, size: 0.5 },
  ]) {
    assert.throws(() => Node.in(bad), out);
  }
});

test('fewer bytes than the memory claims to have are what counts', () => {
  const nodes = struct('Pair', { a: u32, b: u32 }).in({ address: 0, size: 64, bytes: new Uint8Array(8) });
  assert.equal(nodes.at(0).b, 0);
  assert.throws(() => nodes.at(8), out);
});
