import { describe } from 'node:test';
import { GiB, KiB } from 'mirrorspace';
import {
  type Any,
  kind,
  noCount,
  noNumber,
  orOptions,
  program,
  type Refusing,
  refusing,
  state,
  value,
} from '../fixtures/refusing.ts';

const NAME = 'refusing-work';
let wasm: Refusing['wasm'];
let tree: Refusing['tree'];
let leaf: Refusing['leaf'];
let unreachable: Refusing['unreachable'];
let gone: Refusing['gone'];
let loaded: Refusing['loaded'];
let increment: Refusing['increment'];
let types: Refusing['types'];
let foreign: Refusing['foreign'];
let marker: Refusing['marker'];
const refused = refusing(NAME, (world) => {
  ({ wasm, tree, leaf, unreachable, gone, loaded, increment, types, foreign, marker } = world);
});

describe('wasm.load refuses', () => {
  const load = (source: Any) => wasm.load(source);
  const missing = new URL('./kernels/no-such-file.wasm', import.meta.url);
  refused('a program', () => [
    ['that is missing', () => load(undefined), kind('program', 'undefined')],
    ['that is a path', () => load('./sum.wasm'), kind('program', '"./sum.wasm"')],
    ['that is a number', () => load(5), kind('program', '5')],
    ['that is an array of bytes', () => load([0, 97, 115, 109]), kind('program', 'Array')],
    ['that is in shared memory', () => load(new SharedArrayBuffer(8)), kind('SharedArrayBuffer')],
    ['on the web', () => load(new URL('https://example.org/a.wasm')), value('https://example.org/a.wasm')],
    ['that does not exist', () => load(missing), program('no-such-file.wasm', 'ENOENT')],
    ['that is a folder', () => load(new URL('.', import.meta.url)), program('EISDIR')],
    ['of no bytes', () => load(new Uint8Array(0)), program()],
    ['that is text', () => load(Buffer.from('(module)')), program()],
    ['that ends early', () => load(new Uint8Array([0, 97, 115, 109])), program()],
    ['without memory', () => load(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])), program('memory')],
  ]);
});

describe('program.kernel refuses', () => {
  const kernel = (name: Any, kinds: Any) => loaded.kernel(name, kinds);
  refused('a name', () => [
    ['that is missing', () => kernel(undefined, []), kind('name', 'undefined')],
    ['that is a number', () => kernel(1, []), kind('name', '1')],
    ['of no kernel', () => kernel('increments', []), program("'increments'", 'increment,')],
    ['that every object has', () => kernel('toString', []), program("'toString'")],
    ['of what is no kernel', () => kernel('memory', []), program("'memory'")],
    ['that is empty', () => kernel('', []), program("''")],
  ]);
  refused('kinds', () => [
    ['that are missing', () => kernel('increment', undefined), kind('increment', 'undefined')],
    ['that are one word', () => kernel('increment', 'pointer'), kind('increment', '"pointer"')],
    ['that are too few', () => kernel('increment', []), value('increment', '1:', '0')],
    ['that are too many', () => kernel('increment', ['pointer', 'u32']), value('increment', '2')],
    ['that do not exist', () => kernel('increment', ['usize']), value("'pointer'", '"usize"')],
    ['that are numbers', () => kernel('increment', [4]), kind('increment', '4')],
    ['of another type', () => kernel('increment', ['f64']), kind('i32', "'f64'")],
    ['that every object has', () => kernel('increment', ['constructor']), value('"constructor"')],
  ]);
});

describe('queue.launch refuses', () => {
  const run = (of: Any, options: Any) => wasm.queue.launch(of, options);
  const counting = (options: Any) => run(increment, { items: 1, args: [tree], ...options });
  refused('a kernel', () => [
    ['that is missing', () => run(undefined, { items: 1, args: [] }), kind('kernel', 'undefined')],
    ['that is null', () => run(null, { items: 1, args: [] }), kind('kernel', 'null')],
    ['that is a name', () => run('increment', { items: 1, args: [tree] }), kind('kernel', '"increment"')],
    ['that is a function', () => run(() => {}, { items: 1, args: [tree] }), kind('kernel', 'function')],
    ['that was made by hand', () => run({ name: 'increment' }, { items: 1, args: [] }), kind('kernel')],
    [
      'that a copy has made',
      () => run({ ...increment, owner: {} }, { items: 1, args: [tree] }),
      value('kernel', "device 'wasm'"),
    ],
    [
      "of another device's program",
      () => run(foreign, { items: 1, args: [tree] }),
      value('kernel', "device 'wasm'", '"increment"'),
    ],
  ]);
  refused('options', () => [
    ['that are missing', () => run(increment, undefined), kind('options', 'undefined')],
    ['that are null', () => run(increment, null), kind('options', 'null')],
    ['with a signal that is none', () => counting({ signal: {} }), kind('signal', 'Object')],
    [
      'whose signal has been aborted',
      () =>
        counting({ signal: AbortSignal.abort(Object.assign(new Error('enough'), { code: 'ERR_ENOUGH' })) }),
      { name: 'Error', code: 'ERR_ENOUGH', says: ['enough'] },
    ],
  ]);
  refused('items', () => [
    ['that are missing', () => counting({ items: undefined }), kind('items', 'undefined')],
    ...noNumber('items', (items) => counting({ items })),
    ['below zero', () => counting({ items: -1 }), value('items', '-1')],
    ['three and a half', () => counting({ items: 3.5 }), value('items', '3.5')],
    ['NaN', () => counting({ items: Number.NaN }), value('items', 'NaN')],
    ['without end', () => counting({ items: Number.POSITIVE_INFINITY }), value('items', 'Infinity')],
    ['beyond 32 bits', () => counting({ items: 2 ** 32 }), value('items', '4294967296')],
    ['beyond 32 bits in two dimensions', () => counting({ items: [65536, 65536] }), value('4294967296')],
    ['of no dimension', () => counting({ items: [] }), value('items', 'one to three')],
    ['of four dimensions', () => counting({ items: [1, 1, 1, 1] }), value('items', 'one to three', '4')],
    ['with a dimension below zero', () => counting({ items: [4, -4] }), value('items', '-4')],
    ['with a dimension in words', () => counting({ items: [4, 'four'] }), kind('items', '"four"')],
  ]);
  refused('a chunk', () => [
    ...noCount('chunk', (chunk) => counting({ chunk })),
    [
      'so small that there are too many',
      () => counting({ items: 2 ** 32 - 1, chunk: 1 }),
      value('chunk', 'at least 4', '1'),
    ],
  ]);
  refused('arguments', () => [
    ['that are missing', () => counting({ args: undefined }), kind('args', 'undefined')],
    ['that are no list', () => counting({ args: tree }), kind('args', 'SvmBuffer')],
    ['that are too few', () => counting({ args: [] }), value('args', '1 values', "'increment'", '0')],
    ['that are too many', () => counting({ args: [tree, tree] }), value('args', '(pointer)', '2')],
    ['with a gap', () => counting({ args: new Array(1) }), kind('args[0]', 'undefined')],
  ]);
  refused('a pointer', () => [
    ...noNumber('args[0]', (pointer) => counting({ args: [pointer] })),
    ['below zero', () => counting({ args: [-1] }), value('args[0]', '-1')],
    ['of a fraction', () => counting({ args: [tree.address + 0.5] }), value('args[0]', '.5')],
    ['NaN', () => counting({ args: [Number.NaN] }), value('args[0]', 'NaN')],
    ['beyond the device', () => counting({ args: [4 * GiB] }), value('args[0]', '0x100000000')],
    ['that is a view', () => counting({ args: [tree.bytes] }), kind('args[0]', 'Uint8Array')],
    ['to a freed buffer', () => counting({ args: [gone] }), state('args[0]', 'freed')],
    ['to a buffer not for this device', () => counting({ args: [unreachable] }), value('args[0]', "'wasm'")],
    [
      'to what is no buffer',
      () => counting({ args: [{ address: 3 * GiB, size: 64 }] }),
      value('args[0]', '0xc0000000'),
    ],
    [
      'to more than the buffer',
      () => counting({ args: [{ address: tree.address, size: tree.size + 1 }] }),
      value('args[0]'),
    ],
    [
      'to an object at a fraction',
      () => counting({ args: [{ address: tree.address + 0.5, size: 1 }] }),
      value('args[0]', '.5'),
    ],
    [
      'to an object at NaN',
      () => counting({ args: [{ address: Number.NaN, size: 1 }] }),
      value('args[0]', 'NaN'),
    ],
    ['to an object of no size', () => counting({ args: [{ address: tree.address }] }), value('args[0]')],
    [
      'to an object of less than nothing',
      () => counting({ args: [{ address: tree.address, size: -1 }] }),
      value('args[0]'),
    ],
    [
      'to an object at a word',
      () => counting({ args: [{ address: '0', size: 1 }] }),
      kind('args[0]', 'Object'),
    ],
  ]);
  const typed = (place: number, bad: Any) => () =>
    run(types, { items: 1, args: [tree, 1, 1, 1n, 1, 1].map((good, i) => (i === place ? bad : good)) });
  refused('a number', () => [
    ['i32 too large', typed(1, 2 ** 31), value('args[1]', '2147483648')],
    ['i32 too small', typed(1, -(2 ** 31) - 1), value('args[1]', '-2147483649')],
    ['i32 of a fraction', typed(1, 0.5), value('args[1]', '0.5')],
    ['i32 as a bigint', typed(1, 1n), kind('args[1]', '1n')],
    ['i32 as a buffer', typed(1, { address: 0, size: 1 }), kind('args[1]', 'Object')],
    ['u32 below zero', typed(2, -1), value('args[2]', '-1')],
    ['u32 too large', typed(2, 2 ** 32), value('args[2]', '4294967296')],
    ['u32 as a string', typed(2, '1'), kind('args[2]', '"1"')],
    ['i64 that is not exact', typed(3, 2 ** 53), value('args[3]', String(2 ** 53))],
    ['i64 of a fraction', typed(3, 0.5), value('args[3]', '0.5')],
    ['i64 too large', typed(3, 2n ** 63n), value('args[3]', '9223372036854775808n')],
    ['i64 as a string', typed(3, '1'), kind('args[3]', '"1"')],
    ['f32 as a bigint', typed(4, 1n), kind('args[4]', '1n')],
    ['f64 as a string', typed(5, '1'), kind('args[5]', '"1"')],
    ['f64 that is missing', typed(5, undefined), kind('args[5]', 'undefined')],
  ]);
});

describe('queue.copy refuses', () => {
  const copy = (target: Any, source: Any, size?: Any) => wasm.queue.copy(target, source, size);
  const [low, high] = [() => tree.address, () => tree.address + 32 * KiB];
  refused('ranges that overlap', () => [
    ['target in front', () => copy(low(), low() + 8, 16), value('target', 'CL_MEM_COPY_OVERLAP')],
    ['target behind', () => copy(low() + 8, low(), 16), value('target', 'CL_MEM_COPY_OVERLAP')],
    ['target on the source', () => copy(tree, tree), value('target', 'CL_MEM_COPY_OVERLAP')],
    ['by one byte', () => copy(low() + 15, low(), 16), value('target', 'CL_MEM_COPY_OVERLAP')],
  ]);
  refused('a size', () => [
    ...noCount('size', (size) => copy(low(), high(), size)).filter(orOptions),
    ['that the options say, and is none', () => copy(low(), high(), { size: '4' }), kind('size', '"4"')],
    ['that nobody says', () => copy(low(), high()), kind('size', 'undefined')],
    ['beyond the source', () => copy(low(), high(), 32 * KiB + 1), value('source')],
    ['beyond the target', () => copy(leaf, low(), 101), value('target')],
    ['of the source that the target has not', () => copy(leaf, tree), value('100', '65536')],
  ]);
  refused('a place', () => [
    ['that is missing', () => copy(undefined, low(), 4), kind('target', 'undefined')],
    ['that is null', () => copy(low(), null, 4), kind('source', 'null')],
    ['that is a bigint', () => copy(1n, low(), 4), kind('target', '1n')],
    [
      'that is a view of the source',
      () => copy(tree.bytes, low(), 4),
      value('target', 'CL_MEM_COPY_OVERLAP'),
    ],
    ['that is an ArrayBuffer', () => copy(new ArrayBuffer(4), low(), 4), kind('target', 'ArrayBuffer')],
    ['of a fraction', () => copy(low() + 0.5, high(), 4), value('target', '.5')],
    ['NaN', () => copy(low(), Number.NaN, 4), value('source', 'NaN')],
    ['below zero', () => copy(low(), -4096, 4), value('source', '-4096')],
    ['2^53', () => copy(2 ** 53, low(), 4), value('target', String(2 ** 53))],
    ['in no buffer', () => copy(3 * GiB, low(), 4), value('target', '0xc0000000')],
    ['null', () => copy(0, low(), 4), value('target', '0')],
    ['in a freed buffer', () => copy(gone, low(), 4), state('target', 'freed')],
    ['at a freed buffer', () => copy(low(), gone.address, 4), value('source')],
    ['in a buffer not for this device', () => copy(unreachable, low(), 4), value('target', "'wasm'")],
    ['outside the buffer given', () => copy(leaf, tree, 4 * KiB), value('target')],
  ]);
});

describe('queue.fill refuses', () => {
  const fill = (target: Any, pattern: Any, size?: Any) => wasm.queue.fill(target, pattern, size);
  refused('a pattern', () => [
    ['that is missing', () => fill(tree, undefined), kind('pattern', 'undefined')],
    ['that is a string', () => fill(tree, '0'), kind('pattern', '"0"')],
    ['that is a bigint', () => fill(tree, 0n), kind('pattern', '0n')],
    ['that is a list', () => fill(tree, [0]), kind('pattern', 'Array')],
    ['that is a view of words', () => fill(tree, new Uint32Array(1)), kind('pattern', 'Uint32Array')],
    ['below a byte', () => fill(tree, -1), value('pattern', '-1')],
    ['above a byte', () => fill(tree, 256), value('pattern', '256')],
    ['of a fraction', () => fill(tree, 0.5), value('pattern', '0.5')],
    ['of no bytes', () => fill(tree, new Uint8Array(0)), value('pattern', '0')],
    ['of 129 bytes', () => fill(tree, new Uint8Array(129)), value('pattern', '129')],
  ]);
  refused('a size', () => [
    ...noCount('size', (size) => fill(tree, 0, size)).filter(orOptions),
    ['that the options say, and is none', () => fill(tree, 0, { size: -1 }), value('size', '-1')],
    ['that nobody says', () => fill(tree.address, 0), kind('size', 'undefined')],
    ['beyond the buffer', () => fill(leaf, 0, 101), value('target')],
    [
      'that is no multiple of the pattern',
      () => fill(tree, new Uint8Array(3), 64),
      value('size', 'a multiple', '3', '64'),
    ],
    [
      'that the buffer says and is no multiple',
      () => fill(leaf, new Uint8Array(8)),
      value('size', '8', '100'),
    ],
  ]);
  refused('a target', () => [
    ['that is missing', () => fill(undefined, 0, 4), kind('target', 'undefined')],
    ['in no buffer', () => fill(3 * GiB, 0, 4), value('target', '0xc0000000')],
    ['that is freed', () => fill(gone, 0), state('target', 'freed')],
    ['at a fraction', () => fill(tree.address + 0.25, 0, 4), value('target', '.25')],
  ]);
});

describe('command.wait refuses', () => {
  const wait = (timeout: Any) => marker.wait(timeout);
  refused('a time', () => [
    ...noNumber('timeout', wait),
    ['below zero', () => wait(-1), value('timeout', '-1')],
    ['NaN', () => wait(Number.NaN), value('timeout', 'NaN')],
  ]);
});
