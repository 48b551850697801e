/**
 * Structs in mirrored memory: what accessors write, a kernel reads through the generated declarations, and the other way.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, f64, pointer, sizeof, struct, toAssemblyScript, u32 } from 'mirrorspace/layout';
import { compileAssemblyScript } from '../fixtures/wasm-compile.ts';
import { withMirror } from '../fixtures/with-mirror.ts';

const Node = struct('Node', {
  value: f64,
  get next() {
    return pointer(Node);
  },
  visits: u32,
});
const Result = struct('Result', { sum: f64, last: pointer(Node) });

const COUNT = 1000;

test('a kernel follows the pointers that accessors wrote, and they read what it wrote', () =>
  withMirror(async ({ mirror, wasm }) => {
    const list = mirror.alloc(COUNT * sizeof(Node), { name: 'list' });
    const out = mirror.alloc(sizeof(Result), { name: 'out' });
    const nodes = array(Node, COUNT).in(list).at(list.address);
    for (let i = 0; i < COUNT; i++) {
      const node = nodes.get(i);
      node.value = i;
      node.next = i + 1 < COUNT ? node.address + sizeof(Node) : 0;
    }
    const program = await wasm.load(
      await compileAssemblyScript(`${toAssemblyScript(Node, Result)}
        export function sum(begin: u32, end: u32, head: Node, result: Result): void {
          for (let node: Node | null = head; node; node = node.next) {
            result.sum += node.value;
            result.last = node;
            node.visits++;
          }
        }`),
    );
    const kernel = program.kernel('sum', ['pointer', 'pointer']);
    await wasm.queue.launch(kernel, { items: 1, args: [list, out] }).done;
    const result = Result.in(out).at(out.address);
    assert.equal(result.sum, (COUNT * (COUNT - 1)) / 2);
    assert.equal(result.last, list.address + (COUNT - 1) * sizeof(Node));
    assert.equal(Node.in(list).at(result.last).visits, 1);
  }));

test('an accessor for a freed buffer is a StateError', () =>
  withMirror(async ({ mirror }) => {
    const buffer = mirror.alloc(4096, { name: 'gone' });
    const nodes = Node.in(buffer);
    nodes.at(buffer.address).value = 1;
    buffer.free();
    assert.throws(() => nodes.at(buffer.address), { name: 'StateError', state: 'freed', message: /gone/ });
    assert.throws(() => Node.in(buffer), { name: 'StateError', state: 'freed' });
  }));
