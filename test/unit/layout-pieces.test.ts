/**
 * Accessors over memory in several pieces: they cross from one to another, with their parts, and stay where they are
 * when they are refused.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, f64, type LayoutMemory, pointer, struct, u8, u32 } from '../../src/layout/index.ts';

const Place = struct('Place', { x: f64, y: f64 });
const Node = struct('Node', {
  id: u32,
  place: Place,
  list: array(Place, 3),
  get next() {
    return pointer(Node);
  },
});

const [LOW, HIGH] = [0x10_0000, 0x7e00_0000_0000];

class Pieces {
  asked = 0;
  readonly pieces: LayoutMemory[] = [LOW, HIGH].map((address) => ({
    address,
    size: 1000,
    bytes: new Uint8Array(1000),
  }));

  memoryAt(address: number): LayoutMemory | undefined {
    this.asked++;
    return this.pieces.find((piece) => piece.address <= address && address < piece.address + piece.size);
  }
}

test('an accessor moves between pieces, and its parts with it', () => {
  const memory = new Pieces();
  const node = Node.in(memory).at(LOW + 8);
  node.id = 1;
  node.place.x = 1.5;
  node.list.get(2).y = 2.5;
  node.next = HIGH + 16;
  node.move(node.next);
  assert.equal(node.address, HIGH + 16);
  assert.deepEqual([node.id, node.place.x, node.list.get(2).y, node.next], [0, 0, 0, 0]);
  node.id = 2;
  node.place = Node.in(memory).at(LOW + 8).place;
  node.list.get(2).y = 4.5;
  node.next = LOW + 8;
  assert.equal(node.place.address, HIGH + 16 + 8);
  node.move(node.next);
  assert.deepEqual([node.id, node.place.x, node.list.get(2).y], [1, 1.5, 2.5]);
  node.move(HIGH + 16);
  assert.deepEqual([node.id, node.place.x, node.list.get(2).y], [2, 1.5, 4.5]);
});

test('a part that somebody holds stays where it is when its parent leaves the piece', () => {
  const node = Node.in(new Pieces()).at(LOW);
  const { place, list } = node;
  const element = list.get(1);
  place.x = 7;
  element.x = 8;
  node.move(HIGH);
  assert.deepEqual([place.address, place.x, element.address, element.x], [LOW + 8, 7, LOW + 40, 8]);
  assert.equal(node.place.address, HIGH + 8);
});

test('within a piece the memory is not asked again', () => {
  const memory = new Pieces();
  const bytes = array(u8, 10).in(memory);
  const at = bytes.at(LOW);
  const { asked } = memory;
  for (let i = 0; i < 900; i++) at.move(LOW + i);
  assert.equal(memory.asked, asked);
  at.move(HIGH);
  assert.equal(memory.asked, asked + 1);
});

test('what lies in no piece, on the edge of one, or not aligned, is refused, and the accessor stays', () => {
  const memory = new Pieces();
  const nodes = Node.in(memory);
  const node = nodes.at(LOW);
  node.id = 5;
  const wrong: [number, RegExp][] = [
    [0, /null/],
    [HIGH + 4, /multiple of 8/],
    [HIGH + 1000 - 8, /its 80 bytes lie in the memory piece \[0x7e0000000000, 0x7e00000003e8\)/],
    [LOW + 1000, /lie in the memory/],
    [2 ** 60, /lie in the memory/],
    [Number.NaN, /lie in the memory/],
    [HIGH + 0.5, /lie in the memory/],
  ];
  for (const [address, message] of wrong) {
    assert.throws(() => node.move(address), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE', message });
    assert.equal(node.address, LOW);
    assert.equal(node.id, 5);
    assert.throws(() => nodes.at(address), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
  }
  assert.throws(() => node.move('5' as never), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(() => nodes.at(null as never), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
});

test('memory that gives out nothing has no create', () => {
  assert.deepEqual(Object.keys(Node.in(new Pieces())), ['memory', 'at']);
});
