/**
 * Collections in real mirrored memory: kernels read vectors and look keys up in maps that the host wrote, through the
 * generated declarations; and what is refused.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LimitError, SharedHashMap, SharedString, SharedVector } from 'mirrorspace';
import { f64, i32, i64, pointer, struct, toAssemblyScript, toC, u32, u64 } from 'mirrorspace/layout';
import { compileAssemblyScript, deviceFlags } from '../fixtures/wasm-compile.ts';
import { withMirror } from '../fixtures/with-mirror.ts';

const Query = struct('Query', { key: pointer(SharedString.layout), answer: f64, found: u32 });

/** Clear of the static data of the kernels that every test loads. */
const linkedAt = (base: number) => deviceFlags.with(-1, String(base));

test('a kernel looks up text in a map, for every element of a vector', () =>
  withMirror(async ({ mirror, wasm }) => {
    const heap = mirror.heap({ chunkSize: 65_536 });
    const prices = new SharedHashMap(heap, 'string', f64, { name: 'Prices' });
    const queries = new SharedVector(heap, Query);
    const model = new Map<string, number>();
    const words = Array.from({ length: 5000 }, (_, i) => `${'ключ 鍵 key'.slice(0, i % 9)}${i}`);
    words.forEach((word, i) => {
      if (i % 3 !== 0) prices.set(word, i / 2);
      if (i % 3 !== 0) model.set(word, i / 2);
    });
    for (let i = 0; i < 5000; i += 7) assert.equal(prices.delete(words[i]!), model.delete(words[i]!));
    for (const word of words) queries.emplace().key = new SharedString(heap, word).address;
    const program = await wasm.load(
      await compileAssemblyScript(
        `${toAssemblyScript(queries.layout, prices.layout)}
        ${queries.lookupAssemblyScript()}
        ${prices.lookupAssemblyScript()}
        export function answer(begin: u32, end: u32, queries: Vector_Query, prices: Prices): void {
          for (let i = begin; i < end; i++) {
            const query = Vector_Query_at(queries, i);
            const entry = Prices_find(prices, changetype<Utf8>(query.key));
            if (!entry) continue;
            query.answer = entry.value;
            query.found = 1;
            entry.value = -entry.value;
          }
        }`,
        linkedAt(0x2_0000),
      ),
    );
    const answer = program.kernel('answer', ['pointer', 'pointer']);
    const args = [queries.address, prices.address] as [number, number];
    await wasm.queue.launch(answer, { items: queries.length, args, chunk: 64 }).done;
    for (let i = 0; i < words.length; i++) {
      const { found, answer: price } = queries.get(i);
      assert.equal(found === 1 ? price : undefined, model.get(words[i]!), words[i]);
    }
    for (const [word, price] of model) assert.equal(prices.get(word), -price);
  }));

const numbers = {
  u32: [u32, [0, 1, 2 ** 31, 2 ** 32 - 1]],
  i32: [i32, [0, -1, -(2 ** 31), 2 ** 31 - 1]],
  u64: [u64, [0n, 1n, 2n ** 32n, 2n ** 64n - 1n]],
  i64: [i64, [0n, -1n, -(2n ** 63n), 2n ** 40n]],
  f64: [f64, [0, -0, Number.NaN, 0.1, -1e300, Number.POSITIVE_INFINITY, 5e-324]],
} as const;

test('a kernel finds numbers of every kind where the host put them, and no others', () =>
  withMirror(async ({ mirror, wasm }) => {
    const heap = mirror.heap();
    let base = 0x1_0000;
    for (const [name, [type, keys]] of Object.entries(numbers)) {
      // Each kind has a type of its own; one loop goes over all.
      const map = new SharedHashMap(heap, type as typeof u32, u32, { name: `By_${name}` });
      const asked = new SharedVector(heap, type as typeof u32, { name: `Keys_${name}` });
      const found = new SharedVector(heap, u32, { capacity: 1000 });
      const all = [...keys] as number[];
      for (let i = 0; i < 400; i++)
        all.push((typeof keys[0] === 'bigint' ? BigInt(i * 7919) : i * 7919) as number);
      all.forEach((key, i) => {
        if (i % 2 === 0) map.set(key, i + 1);
        asked.push(key);
        found.push(0);
      });
      base += 0x1000;
      const source = `${toAssemblyScript(map.layout, asked.layout, found.layout)}
        ${map.lookupAssemblyScript()}
        ${asked.lookupAssemblyScript()}
        ${found.lookupAssemblyScript()}
        export function look(begin: u32, end: u32, map: By_${name}, asked: Keys_${name}, found: Vector_u32): void {
          for (let i = begin; i < end; i++) {
            const entry = By_${name}_find(map, load<${name}>(Keys_${name}_at(asked, i)));
            store<u32>(Vector_u32_at(found, i), entry ? entry.value : 0);
          }
        }`;
      const program = await wasm.load(await compileAssemblyScript(source, linkedAt(base)));
      const look = program.kernel('look', ['pointer', 'pointer', 'pointer']);
      const args = [map.address, asked.address, found.address] as [number, number, number];
      await wasm.queue.launch(look, { items: asked.length, args }).done;
      const expected = all.map((key) => map.get(key) ?? 0);
      assert.ok(expected.filter((each) => each > 0).length > 200, name);
      assert.deepEqual([...found], expected, name);
    }
  }));

test('kernels append to a vector within its capacity, and the host reads what they appended', () =>
  withMirror(async ({ mirror, wasm }) => {
    const heap = mirror.heap();
    const primes = new SharedVector(heap, u32, { name: 'Primes', capacity: 2000 });
    const program = await wasm.load(
      await compileAssemblyScript(`${toAssemblyScript(primes.layout)}
        ${primes.lookupAssemblyScript()}
        export function sieve(begin: u32, end: u32, primes: Primes): void {
          for (let n = begin; n < end; n++) {
            let prime = n > 1;
            for (let d: u32 = 2; d * d <= n; d++) if (n % d == 0) { prime = false; break; }
            if (!prime) continue;
            const index = atomic.add<u32>(changetype<usize>(primes) + offsetof<Primes>('length'), 1);
            store<u32>(Primes_at(primes, index), n);
          }
        }`),
    );
    const sieve = program.kernel('sieve', ['pointer']);
    await wasm.queue.launch(sieve, { items: 10_000, args: [primes.address], chunk: 100 }).done;
    assert.equal(primes.length, 1229);
    const sorted = [...primes].sort((a, b) => a - b);
    assert.deepEqual([...sorted.slice(0, 5), sorted.at(-1)], [2, 3, 5, 7, 11, 9973]);
    assert.equal(new Set(sorted).size, 1229);
  }));

test('declarations name the structs as asked, and C has them too', () =>
  withMirror(async ({ mirror }) => {
    const heap = mirror.heap();
    const map = new SharedHashMap(heap, 'string', Query, { name: 'Answers' });
    const vector = new SharedVector(heap, pointer(Query));
    const c = toC(map.layout, vector.layout);
    for (const name of ['Answers', 'AnswersEntry', 'Utf8', 'Query', 'Vector_pointer_Query'])
      assert.match(c, new RegExp(`typedef struct ${name} ${name};`));
    assert.equal(new SharedVector(heap, pointer()).layout.name, 'Vector_pointer');
    assert.equal(new SharedHashMap(heap, u32, f64).layout, new SharedHashMap(heap, u32, f64).layout);
  }));

test('what cannot be stored or asked for is refused, and nothing changes', () =>
  withMirror(async ({ mirror }) => {
    // biome-ignore lint/suspicious/noExplicitAny: bad values have no type that fits
    type Any = any;
    const heap = mirror.heap();
    const buffer = mirror.alloc(4096);
    const vector = new SharedVector(heap, u32);
    const map = new SharedHashMap(heap, 'string', u32);
    const numbers = new SharedHashMap(heap, i32, u32);
    vector.push(1);
    map.set('one', 1);
    numbers.set(1, 1);
    const before = heap.statistics();
    const kind = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
    const value = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
    for (const bad of [null, {}, 'one', 5n] as Any[]) {
      assert.throws(() => vector.push(bad), kind);
      assert.throws(() => vector.get(bad), kind);
      assert.throws(() => vector.reserve(bad), kind);
      assert.throws(() => numbers.get(bad), kind);
      assert.throws(() => map.set('two', bad), kind);
      assert.throws(() => new SharedVector(bad, u32), kind);
      assert.throws(() => new SharedString(bad, 'text'), kind);
      assert.throws(() => new SharedVector(heap, bad), kind);
      assert.throws(() => new SharedHashMap(heap, bad, u32), kind);
      assert.throws(() => new SharedVector(heap, u32, { at: bad ?? 'x' }), kind);
      if (typeof bad !== 'string') assert.throws(() => map.get(bad), kind);
      if (typeof bad !== 'string') assert.throws(() => new SharedString(heap, bad), { name: 'TypeError' });
    }
    for (const bad of [-1, 1.5, Number.NaN, 2 ** 33]) {
      assert.throws(() => vector.push(bad), value);
      assert.throws(() => vector.reserve(bad), value);
      assert.throws(() => numbers.set(bad === -1 ? 0.5 : bad, 1), value);
      assert.throws(() => map.set('two', bad), value);
      assert.throws(() => new SharedVector(heap, u32, { capacity: bad }), value);
      assert.throws(() => new SharedVector(heap, u32, { at: bad }), value);
    }
    assert.throws(() => new SharedHashMap(heap, pointer() as Any, u32), { ...kind, message: /"key"/ });
    assert.throws(() => new SharedVector(buffer as Any, u32), { ...kind, message: /a heap/ });
    assert.throws(() => new SharedVector(heap.arena() as Any, u32), { ...kind, message: /a heap/ });
    assert.throws(() => map.get('\ud800'), { ...value, message: /surrogate/ });
    assert.throws(() => vector.truncate(2), value);
    assert.deepEqual([vector.length, map.size, numbers.size], [1, 1, 1]);
    assert.equal(heap.statistics().objects, before.objects);
    for (const each of [vector, map]) {
      each.free();
      assert.throws(() => each.free(), { name: 'StateError', state: 'freed' });
      assert.throws(() => [...each], { name: 'StateError', state: 'freed' });
    }
    heap.close();
    assert.throws(() => numbers.set(2, 2), { name: 'StateError' });
  }));

test('what a kernel has written over is refused, and never harms the host', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const heap = mirror.heap({ maxBytes: 2 ** 20 });
    const vector = new SharedVector(heap, f64);
    const map = new SharedHashMap(heap, 'string', f64);
    const text = new SharedString(heap, 'whole');
    for (let i = 0; i < 50; i++) {
      vector.push(i);
      map.set(String(i), i);
    }
    const fill = program.kernel('fillAt', ['pointer', 'u32']);
    const spoil = (address: number) => wasm.queue.launch(fill, { items: 1, args: [address, 16] }).done;
    for (const { address } of [vector, map, text]) await spoil(address);
    assert.throws(() => vector.get(0), { name: 'RangeError' });
    assert.throws(() => vector.push(1), { name: 'RangeError' });
    assert.throws(() => map.get('1'), { name: 'RangeError' });
    assert.throws(() => map.set('x', 1), { name: 'RangeError' });
    assert.throws(() => [...map], { name: 'RangeError' });
    assert.throws(() => String(text), { name: 'RangeError' });
    const fresh = new SharedVector(heap, f64);
    assert.throws(() => fresh.reserve(2 ** 20), LimitError);
    assert.equal(fresh.push(1), 1);
  }));
