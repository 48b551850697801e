/**
 * What inspectModule finds in modules assembled by hand and compiled from AssemblyScript.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspectModule, type Signature } from '../../src/device/wasm/binary/index.ts';
import {
  buildModule,
  engine,
  globalGet,
  i32Add,
  i32Const,
  i32Mul,
  i32Sub,
  type ModuleSpec,
  sharedMemory,
} from '../fixtures/wasm-builder.ts';
import { compileAssemblyScript } from '../fixtures/wasm-compile.ts';

const none: Signature = { params: [], results: [] };
const inspect = (spec: ModuleSpec) => inspectModule(buildModule(spec));
const refused = (spec: ModuleSpec, reason: string, message: RegExp) =>
  assert.throws(() => inspect(spec), { name: 'ProgramError', reason, message });
const importedMemory = { module: 'env', name: 'memory', kind: 'memory', memory: sharedMemory } as const;

test('an empty module has nothing', () => {
  assert.deepEqual(inspect({}), {
    imports: [],
    exports: [],
    definedMemories: [],
    globals: [],
    hasStart: false,
    dataSegments: [],
    staticData: undefined,
  });
});

test('an AssemblyScript module shows its kernels, its memory, its constants and its static data', async () => {
  const binary = await compileAssemblyScript(`
    const table: StaticArray<i32> = [1, 2, 3, 4, 5];
    export const answer: i32 = 42;
    export function scale(begin: i32, end: i32, to: usize, by: f64, bias: i64): void {
      for (let i = begin; i < end; i++) store<f64>(to + (<usize>i << 3), by * table[i % 5] + <f64>bias);
      if (end < begin) throw new Error('backwards');
    }`);
  const info = inspectModule(binary);
  const module = new engine.Module(binary);
  assert.deepEqual(
    info.imports.map(({ module, name, kind }) => ({ module, name, kind })),
    engine.Module.imports(module),
  );
  assert.deepEqual(
    info.exports.map(({ name, kind }) => ({ name, kind })),
    engine.Module.exports(module),
  );
  const abort = info.imports.find(({ name }) => name === 'abort');
  assert.ok(abort?.kind === 'function');
  assert.deepEqual(abort.signature, { params: ['i32', 'i32', 'i32', 'i32'], results: [] });
  assert.deepEqual(
    info.imports.find(({ kind }) => kind === 'memory'),
    importedMemory,
  );
  assert.deepEqual(
    info.exports.find(({ name }) => name === 'scale'),
    {
      name: 'scale',
      kind: 'function',
      signature: { params: ['i32', 'i32', 'i32', 'f64', 'i64'], results: [] },
    },
  );
  assert.deepEqual(
    info.exports.find(({ name }) => name === 'answer'),
    {
      name: 'answer',
      kind: 'global',
      global: { type: 'i32', mutable: false, value: 42 },
    },
  );
  assert.deepEqual(info.definedMemories, []);
  assert.ok(info.dataSegments.every(({ mode }) => mode === 'active'));
  assert.ok(info.staticData!.start >= 65536 && info.staticData!.end < 65536 + 4096);
});

test('imports take the first indices of functions, memories and globals', () => {
  const first: Signature = { params: ['f32'], results: ['i64'] };
  const second: Signature = { params: ['i32', 'i32'], results: ['f64', 'v128', 'externref'] };
  const info = inspect({
    imports: [
      { module: 'a', name: 'f', kind: 'function', signature: first },
      { module: 'a', name: 'g', kind: 'global', global: { type: 'f64', mutable: true } },
      { module: 'a', name: 't', kind: 'table' },
      {
        module: 'a',
        name: 'm',
        kind: 'memory',
        memory: { min: 1, max: undefined, shared: false, is64: false },
      },
    ],
    functions: [{ signature: second }],
    globals: [{ type: 'i32', mutable: true, init: i32Const(-7) }],
    exports: [
      { name: 'imported function', kind: 'function', index: 0 },
      { name: 'defined function', kind: 'function', index: 1 },
      { name: 'imported global', kind: 'global', index: 0 },
      { name: 'defined global', kind: 'global', index: 1 },
      { name: 'table', kind: 'table', index: 0 },
      { name: 'memory', kind: 'memory', index: 0 },
    ],
  });
  assert.deepEqual(info.exports, [
    { name: 'imported function', kind: 'function', signature: first },
    { name: 'defined function', kind: 'function', signature: second },
    { name: 'imported global', kind: 'global', global: { type: 'f64', mutable: true, value: undefined } },
    { name: 'defined global', kind: 'global', global: { type: 'i32', mutable: true, value: -7 } },
    { name: 'table', kind: 'table' },
    { name: 'memory', kind: 'memory', memory: { min: 1, max: undefined, shared: false, is64: false } },
  ]);
});

test('memories that a module defines are reported with their limits, 64-bit ones included', () => {
  const big = { min: 2, max: 2 ** 40, shared: true, is64: true };
  // The builder writes 32-bit numbers unless they are larger; the reader takes the width from the flags.
  assert.deepEqual(
    inspect({ memories: [{ min: 1, max: 3, shared: false, is64: false }, big] }).definedMemories,
    [{ min: 1, max: 3, shared: false, is64: false }, big],
  );
});

test('addresses of active segments are computed from constants, arithmetic and known globals', () => {
  const bytes = new Uint8Array(10);
  const { dataSegments, staticData } = inspect({
    imports: [importedMemory],
    globals: [
      { type: 'i32', mutable: false, init: i32Const(0x20000) },
      { type: 'i32', mutable: false, init: [...globalGet(0), ...i32Const(16), i32Add] },
    ],
    data: [
      { mode: 'active', offset: i32Const(0x10000), bytes },
      { mode: 'active', offset: i32Const(-16), bytes },
      { mode: 'active', offset: [...i32Const(10), ...i32Const(3), i32Sub, ...i32Const(2), i32Mul], bytes },
      { mode: 'active', offset: globalGet(1), bytes },
      { mode: 'passive', bytes },
    ],
  });
  assert.deepEqual(
    dataSegments.map(({ address }) => address),
    [0x10000, 0xfffffff0, 14, 0x20010, undefined],
  );
  assert.deepEqual(staticData, { start: 14, end: 0xfffffffa });
});

test('an address that depends on an import is unknown, and does not count as static data', () => {
  const { dataSegments, staticData } = inspect({
    imports: [
      importedMemory,
      { module: 'env', name: '__memory_base', kind: 'global', global: { type: 'i32', mutable: false } },
    ],
    data: [
      { mode: 'active', offset: globalGet(0), bytes: new Uint8Array(4) },
      { mode: 'active', offset: [...globalGet(0), ...i32Const(8), i32Add], bytes: new Uint8Array(4) },
    ],
  });
  assert.deepEqual(
    dataSegments.map(({ mode, address }) => [mode, address]),
    [
      ['active', undefined],
      ['active', undefined],
    ],
  );
  assert.equal(staticData, undefined);
});

test('empty segments do not stretch the static data', () => {
  const { staticData } = inspect({
    imports: [importedMemory],
    data: [
      { mode: 'active', offset: i32Const(0), bytes: new Uint8Array() },
      { mode: 'active', offset: i32Const(100), bytes: new Uint8Array(5) },
    ],
  });
  assert.deepEqual(staticData, { start: 100, end: 105 });
});

test('initial values that are not i32 constants are stepped over', () => {
  const f64 = [0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f];
  const v128 = [0xfd, 0x0c, ...new Array<number>(16).fill(0xff)];
  const { exports } = inspect({
    functions: [{ signature: none }],
    globals: [
      { type: 'i64', mutable: false, init: [0x42, ...new Array<number>(9).fill(0xff), 0x7f] },
      { type: 'f32', mutable: false, init: [0x43, 1, 2, 3, 4] },
      { type: 'f64', mutable: false, init: f64 },
      { type: 'v128', mutable: false, init: v128 },
      { type: 'externref', mutable: false, init: [0xd0, 0x6f] },
      { type: 'funcref', mutable: false, init: [0xd2, 0x00] },
      { type: 'i32', mutable: false, init: i32Const(9) },
    ],
    exports: Array.from({ length: 7 }, (_, index) => ({ name: `${index}`, kind: 'global' as const, index })),
  });
  assert.deepEqual(
    exports.map((entry) => entry.kind === 'global' && [entry.global.type, entry.global.value]),
    [
      ['i64', undefined],
      ['f32', undefined],
      ['f64', undefined],
      ['v128', undefined],
      ['externref', undefined],
      ['funcref', undefined],
      ['i32', 9],
    ],
  );
});

test('a start function is reported', () => {
  assert.equal(inspect({ functions: [{ signature: none, body: [] }], start: 0 }).hasStart, true);
});

test('indices of what is not there are malformed', () => {
  refused({ exports: [{ name: 'f', kind: 'function', index: 3 }] }, 'malformed', /function 3 is used.*are 0/);
  refused({ exports: [{ name: 'm', kind: 'memory', index: 0 }] }, 'malformed', /memory 0 is used/);
  refused({ start: 1 }, 'malformed', /in the start section: function 1 is used/);
  refused(
    { data: [{ mode: 'active', offset: i32Const(0), bytes: new Uint8Array(1) }] },
    'malformed',
    /data segment 0 goes to memory 0, which is not there/,
  );
  refused(
    { globals: [{ type: 'i32', mutable: false, init: globalGet(0) }] },
    'malformed',
    /no global 0 to read yet/,
  );
});

test('constant expressions that are none are malformed', () => {
  const init = (...code: number[]): ModuleSpec => ({
    globals: [{ type: 'i32', mutable: false, init: code }],
  });
  refused(init(), 'malformed', /leaves 0 values/);
  refused(init(...i32Const(1), ...i32Const(2)), 'malformed', /leaves 2 values/);
  refused(init(i32Add), 'malformed', /too few operands/);
  refused(init(0x10, 0x00), 'malformed', /instruction 0x10 is not constant/);
  refused(init(0xfb, 0x00, 0x00), 'unsupported', /garbage-collected/);
});

test('a global that is neither mutable nor immutable is malformed', () => {
  const bytes = Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 6, 6, 1, 0x7f, 2, 0x41, 0, 0x0b]);
  assert.throws(() => inspectModule(bytes), { reason: 'malformed', message: /offset 0xc.*mutability of 2/ });
});

test('a name exported twice is malformed', () => {
  const twice = { name: 'f', kind: 'function', index: 0 } as const;
  refused(
    { functions: [{ signature: none }], exports: [twice, twice] },
    'malformed',
    /"f" is exported twice/,
  );
});

test('a data count that differs from the data section is malformed', () => {
  const binary = buildModule({
    imports: [importedMemory],
    data: [{ mode: 'passive', bytes: new Uint8Array(3) }],
    dataCount: true,
  });
  // Section 12, size 1, count; then section 11, size 6, count, kind, size and three bytes.
  const count = binary.length - 9;
  assert.deepEqual([...binary.subarray(count - 2, count + 2)], [12, 1, 1, 11]);
  const wrong = binary.slice();
  wrong[count] = 2;
  assert.throws(() => inspectModule(wrong), {
    reason: 'malformed',
    message: /1 data segments, and 2 are announced/,
  });
  assert.throws(() => inspectModule(wrong.subarray(0, count + 1)), {
    reason: 'malformed',
    message: /2 data segments are announced and there are none/,
  });
});

test('types of garbage collection are refused by name', () => {
  const typeSection = (...content: number[]) =>
    Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, content.length, ...content]);
  for (const form of [0x4e, 0x50, 0x5e, 0x5f]) {
    assert.throws(() => inspectModule(typeSection(1, form, 0)), {
      name: 'ProgramError',
      reason: 'unsupported',
      message: /type 0 belongs to garbage collection/,
    });
  }
  assert.throws(() => inspectModule(typeSection(1, 0x60, 1, 0x64, 0x00, 0)), {
    reason: 'unsupported',
    message: /reference to a defined type/,
  });
  assert.throws(() => inspectModule(typeSection(1, 0x12, 0, 0)), { reason: 'malformed' });
});

test('bytes left over in a section are malformed', () => {
  const bytes = Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 4, 1, 0, 1, 7]);
  assert.throws(() => inspectModule(bytes), {
    reason: 'malformed',
    message: 'malformed WebAssembly module at offset 0xd, in the memory section: 1 bytes too many',
  });
});
