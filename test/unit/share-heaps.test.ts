/**
 * Data with pointers in another process: it follows a list through the chunks of a heap, and reads vectors, maps and
 * text that the owner wrote; and what it can't do there.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMirror, SharedHashMap, SharedString, SharedVector } from 'mirrorspace';
import { f64, pointer, struct, u32 } from 'mirrorspace/layout';
import { withShared } from '../fixtures/share-members.ts';

const SPAN = 65_536;
const Node = struct('Node', {
  value: f64,
  get next() {
    return pointer(Node);
  },
});

test('a process follows a list through all chunks of a heap, also those that came after it had attached', () =>
  withShared(
    () => openMirror({ devices: {} }),
    async ({ mirror, child }) => {
      const heap = mirror.heap({ chunkSize: SPAN });
      const nodes = Node.in(heap);
      const addresses = Array.from({ length: 20_000 }, () => nodes.create().address);
      const member = await child();
      for (let i = 0; i < 5000; i++) addresses.push(nodes.create().address);
      assert.ok(heap.statistics().chunks >= 6);
      // From chunk to chunk at nearly every step.
      addresses.sort((a, b) => ((a * 7919) % 10_007) - ((b * 7919) % 10_007) || a - b);
      const node = nodes.at(addresses[0]!);
      addresses.forEach((address, i) => {
        node.move(address);
        node.value = i;
        node.next = addresses[i + 1] ?? 0;
      });
      const seen = await member.run(async ({ attached }, head) => {
        const layout = await import('mirrorspace/layout');
        const Node = layout.struct('Node', { value: layout.f64, next: layout.pointer() });
        const all = Node.in(attached);
        const node = all.at(head);
        let [sum, count] = [0, 0];
        for (let at = head; at !== 0; at = node.next) {
          node.move(at);
          sum += node.value;
          node.value = -node.value;
          count++;
        }
        const refused = [0, -8, 8, 0.5, Number.NaN, 2 ** 60].map((wrong) => {
          try {
            all.at(wrong);
          } catch (error) {
            return (error as Error).name;
          }
          return 'accepted';
        });
        return { pid: process.pid, sum, count, refused, creates: 'create' in all };
      }, addresses[0]!);
      assert.notEqual(seen.pid, process.pid);
      assert.equal(seen.count, 25_000);
      assert.equal(seen.sum, (25_000 * 24_999) / 2);
      assert.deepEqual(seen.refused, Array(6).fill('RangeError'));
      assert.equal(seen.creates, false);
      addresses.forEach((address, i) => {
        node.move(address);
        assert.equal(node.value, -i);
      });
    },
  ));

test('a process reads vectors, maps and text of the owner, follows them as they grow, and changes nothing', () =>
  withShared(
    () => openMirror({ devices: {} }),
    async ({ mirror, child }) => {
      const heap = mirror.heap({ chunkSize: SPAN });
      const prices = new SharedHashMap(heap, 'string', f64);
      const squares = new SharedHashMap(heap, u32, f64);
      const words = new SharedVector(heap, pointer(SharedString.layout));
      const member = await child();
      await member.run(
        async (scope, at) => {
          const { f64, u32, pointer } = await import('mirrorspace/layout');
          const { api, attached } = scope;
          scope.kept.prices = new api.SharedHashMap(attached, 'string', f64, { at: at.prices });
          scope.kept.squares = new api.SharedHashMap(attached, u32, f64, { at: at.squares });
          scope.kept.words = new api.SharedVector(attached, pointer(api.SharedString.layout), {
            at: at.words,
          });
        },
        { prices: prices.address, squares: squares.address, words: words.address },
      );
      let count = 0;
      // Up to tables and elements that have buffers of their own, which are freed when they grow.
      for (const most of [10, 1000, 20_000]) {
        for (; count < most; count++) {
          const word = `ключ ${count}`;
          prices.set(word, count / 2);
          squares.set(count, count * count);
          words.push(new SharedString(heap, word).address);
        }
        const read = await member.run(({ kept, api, attached }) => {
          const { prices, squares, words } = kept;
          const text = [...words].map((at: number) => new api.SharedString(attached, { at }).toString());
          return {
            counts: [prices.size, squares.size, words.length, text.length, [...prices].length],
            wrong: text.filter(
              (word: string, i: number) =>
                word !== `ключ ${i}` || prices.get(word) !== i / 2 || squares.get(i) !== i * i,
            ),
            absent: [prices.has('no'), squares.has(1e9)],
          };
        });
        assert.deepEqual(read, { counts: Array(5).fill(most), wrong: [], absent: [false, false] });
      }
      const before = heap.statistics();
      const errors = await member.run(async ({ kept, api, attached }) => {
        const { f64 } = await import('mirrorspace/layout');
        // biome-ignore lint/suspicious/noExplicitAny: what the types refuse too
        const memory = attached as any;
        const { prices, squares, words } = kept;
        const text = new api.SharedString(attached, { at: words.get(0) });
        const calls = [
          () => words.push(0),
          () => words.set(0, 0),
          () => words.emplace(),
          () => words.pop(),
          () => words.clear(),
          () => words.reserve(1_000_000),
          () => words.free(),
          () => prices.set('ключ 1', 0),
          () => prices.set('new', 0),
          () => squares.emplace(5),
          () => squares.delete(5),
          () => squares.clear(),
          () => squares.free(),
          () => text.free(),
          () => new api.SharedString(memory, 'text'),
          () => new api.SharedVector(memory, f64),
          () => new api.SharedHashMap(memory, 'string', f64),
        ];
        return calls.map((call) => {
          try {
            call();
          } catch (error) {
            const { name, message, code } = error as Error & { code: string };
            return /a heap/.test(message) ? `${name} ${code}` : message;
          }
          return `accepted: ${call}`;
        });
      });
      assert.deepEqual(errors, Array(17).fill('TypeError ERR_INVALID_ARG_TYPE'));
      assert.deepEqual(heap.statistics(), before);
      assert.deepEqual([prices.get('ключ 1'), squares.get(5), words.length], [0.5, 25, 20_000]);
    },
  ));

test('the owner reads through its mirror too, over all heaps and buffers, and no longer once it is closed', async () => {
  const mirror = await openMirror({ devices: {} });
  const [heap, other] = [mirror.heap(), mirror.heap()];
  const buffer = mirror.alloc(4096);
  const first = Node.in(heap).create();
  const second = Node.in(other).create();
  const third = Node.in(buffer).at(buffer.address + 64);
  [first.next, second.next, third.value] = [second.address, third.address, 7];
  const all = Node.in(mirror);
  assert.equal('create' in all, false);
  assert.equal(all.at(all.at(all.at(first.address).next).next).value, 7);
  assert.equal(mirror.memoryAt(buffer.address + 4095), buffer);
  for (const wrong of [0, 8, -1, 0.5, Number.NaN, 2 ** 60]) assert.equal(mirror.memoryAt(wrong), undefined);
  const vector = new SharedVector(heap, f64);
  vector.push(1.5);
  assert.deepEqual([...new SharedVector(mirror, f64, { at: vector.address })], [1.5]);
  await mirror.close();
  assert.throws(() => all.at(first.address), { name: 'StateError', state: 'closed' });
});
