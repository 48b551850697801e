/**
 * What the device refuses, in which words, and that the remedy in the message is one: modules compiled with
 * AssemblyScript without a flag are refused with that flag, and with it they pass.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  checkRequirements,
  inspectModule,
  type MemoryType,
  type ModuleInfo,
  type Signature,
} from '../../src/device/wasm/binary/index.ts';
import {
  buildModule,
  type DataSpec,
  globalGet,
  type ImportSpec,
  i32Const,
  type ModuleSpec,
  memoryInit,
  sharedMemory,
} from '../fixtures/wasm-builder.ts';
import { compileAssemblyScript, deviceFlags } from '../fixtures/wasm-compile.ts';

const limits = { statics: { start: 65536, end: 16 * 1024 * 1024 } };
const kernel: Signature = { params: ['i32', 'i32'], results: [] };
const memoryOf = (memory: MemoryType): ImportSpec => ({
  module: 'env',
  name: 'memory',
  kind: 'memory',
  memory,
});
const functionOf = (name: string, signature: Signature, module = 'env'): ImportSpec => ({
  ...{ module, name, kind: 'function', signature },
});

/** A module that passes, but for what `spec` changes. */
function moduleWith(spec: ModuleSpec = {}): ModuleInfo {
  const imports = spec.imports ?? [memoryOf(sharedMemory)];
  const index = imports.filter(({ kind }) => kind === 'function').length;
  return inspectModule(
    buildModule({
      functions: [{ signature: kernel }],
      exports: [{ name: 'run', kind: 'function', index }],
      ...spec,
      imports,
    }),
  );
}

function refused(info: ModuleInfo, reason: string, ...messages: RegExp[]): void {
  assert.throws(
    () => checkRequirements(info, limits),
    (error: Error & { reason?: string; code?: string }) => {
      assert.equal(error.name, 'ProgramError');
      assert.equal(error.code, 'ERR_MIRROR_PROGRAM');
      assert.equal(error.reason, reason);
      for (const message of messages) assert.match(error.message, message);
      return true;
    },
  );
}

const source = `
  const table: StaticArray<i32> = [1, 2, 3, 4, 5];
  export function scale(begin: i32, end: i32, to: usize, by: f64): void {
    for (let i = begin; i < end; i++) store<f64>(to + (<usize>i << 3), by * table[i % 5]);
  }`;
const without = (...flags: string[]) => {
  const kept = [...deviceFlags];
  for (const flag of flags) {
    const at = kept.indexOf(flag);
    kept.splice(at, kept[at + 1]?.startsWith('--') === false ? 2 : 1);
  }
  return kept;
};
const compiled = async (text: string, flags: readonly string[] = deviceFlags) =>
  inspectModule(await compileAssemblyScript(text, flags));

test('a module compiled as the device asks passes, and the check says what it found', async () => {
  const info = await compiled(source);
  assert.deepEqual(checkRequirements(info, limits), {
    memory: { module: 'env', name: 'memory' },
    kernels: [{ name: 'scale', params: ['i32', 'f64'] }],
    statics: info.staticData,
  });
});

test('abort, seed and trace of AssemblyScript pass as imports', async () => {
  const info = await compiled(`
    export function k(begin: i32, end: i32): void {
      trace('random', 1, Math.random());
      if (begin > end) throw new Error('backwards');
    }`);
  assert.deepEqual(info.imports.map(({ name }) => name).sort(), ['abort', 'memory', 'seed', 'trace']);
  checkRequirements(info, limits);
});

test('a module that defines its own memory is told to import one', async () => {
  const info = await compiled(source, without('--importMemory'));
  refused(info, 'memory', /memory of its own \(65536 to 65536 pages, shared\)/, /asc --importMemory/);
  refused(info, 'memory', /clang .*-Wl,--import-memory,--shared-memory,--max-memory=4294967296/);
});

test('an imported memory that is not shared is told to be', async () => {
  const info = await compiled(source, without('--sharedMemory'));
  refused(info, 'memory', /env\.memory \(65536 to 65536 pages\) is not shared/, /--sharedMemory/);
});

test('an imported memory whose maximum is short of the window is told the maximum', () => {
  const short = moduleWith({ imports: [memoryOf({ ...sharedMemory, min: 1, max: 1024 })] });
  refused(short, 'memory', /1 to 1024 pages.*maximum must be 65536 pages/, /--maximumMemory 65536/);
  checkRequirements(moduleWith({ imports: [memoryOf({ ...sharedMemory, min: 1 })] }), limits);
});

test('a memory larger than the window, or with 64-bit addresses, is refused', () => {
  const large = { ...sharedMemory, min: 65537, max: 70000 };
  refused(moduleWith({ imports: [memoryOf(large)] }), 'memory', /larger than the device's window/);
  const wide = { ...sharedMemory, is64: true };
  refused(moduleWith({ imports: [memoryOf(wide)] }), 'memory', /64-bit addresses.*compile for wasm32/);
});

test('no memory and several memories are refused', () => {
  refused(moduleWith({ imports: [] }), 'memory', /neither imports nor defines a memory/);
  refused(
    moduleWith({ imports: [memoryOf(sharedMemory), { ...memoryOf(sharedMemory), name: 'second' }] }),
    'memory',
    /several memories \(env\.memory, env\.second\)/,
  );
});

test('a memory may be imported under any name', () => {
  const imports: ImportSpec[] = [{ module: 'js', name: 'mem', kind: 'memory', memory: sharedMemory }];
  assert.deepEqual(checkRequirements(moduleWith({ imports }), limits).memory, { module: 'js', name: 'mem' });
});

test('every import that the device lacks is listed, with what may be imported', () => {
  const info = moduleWith({
    imports: [
      functionOf('log', { params: ['i32'], results: [] }, 'console'),
      memoryOf(sharedMemory),
      functionOf('toString', { params: [], results: ['i64'] }),
      functionOf('fd_write', { params: ['i32'], results: ['i32'] }, 'wasi snapshot'),
      { module: 'env', name: '__memory_base', kind: 'global', global: { type: 'i32', mutable: false } },
      { module: 'env', name: '__indirect_function_table', kind: 'table' },
    ],
  });
  refused(
    info,
    'imports',
    /console\.log \(i32\) -> nothing; env\.toString \(\) -> i64; "wasi snapshot"\."fd_write" \(i32\) -> i32/,
    /env\.__memory_base \(a global\); env\.__indirect_function_table \(a table\)/,
    /functions env\.abort, env\.seed and env\.trace/,
  );
});

test('console.log and Date.now of AssemblyScript are refused by name', async () => {
  const info = await compiled(
    'export function k(begin: i32, end: i32): void { console.log(Date.now().toString()); }',
  );
  refused(info, 'imports', /env\.console\.log/, /env\.Date\.now/);
});

test('a provided function of another signature is refused with both signatures', () => {
  const info = moduleWith({
    imports: [memoryOf(sharedMemory), functionOf('seed', { params: [], results: ['i64'] })],
  });
  refused(info, 'imports', /env\.seed as \(\) -> i64, where the device has \(\) -> f64/);
});

test('a long list of missing imports is cut short', () => {
  const many = Array.from({ length: 50 }, (_, i) => functionOf(`f${i}`, kernel));
  refused(moduleWith({ imports: [memoryOf(sharedMemory), ...many] }), 'imports', /f19 .*; and 30 more\./);
});

test('a module without kernels is refused with what it does export', async () => {
  const info = await compiled('export function half(x: f64): f64 { return x / 2; }');
  refused(info, 'no-kernels', /it exports "half" \(f64\) -> f64/, /begin: i32, end: i32/, /export_name/);
  refused(moduleWith({ exports: [] }), 'no-kernels', /exports no function at all/);
});

test('static data in the first 64 KiB is refused, and --memoryBase 65536 is the remedy', async () => {
  const info = await compiled(source, without('--memoryBase'));
  refused(
    info,
    'static-data',
    /lies at \[0x[0-9a-f]+, 0x[0-9a-f]+\), in the first 64 KiB.*null pointer/,
    /asc --memoryBase 65536.*clang -Wl,--global-base=65536/,
  );
});

test('static data outside the room for it is told where the room is', () => {
  const at = (address: number, size: number) =>
    moduleWith({ data: [{ mode: 'active', offset: i32Const(address), bytes: new Uint8Array(size) }] });
  const room = (start: number, end: number) => ({ statics: { start, end } });
  checkRequirements(at(0x20000, 256), room(0x20000, 0x20100));
  assert.throws(() => checkRequirements(at(0x1ff00, 256), room(0x20000, 0x30000)), {
    reason: 'static-data',
    message: /below the device's room for it, which begins at 0x20000\. Compile with asc --memoryBase 131072/,
  });
  assert.throws(() => checkRequirements(at(0x20001, 256), room(0x20000, 0x20100)), {
    reason: 'static-data',
    message:
      /\[0x20001, 0x20101\), beyond the device's room.*ends at 0x20100\. Compile with asc --memoryBase 131072/,
  });
  assert.throws(() => checkRequirements(at(0x20000, 257), room(0x20000, 0x20100)), {
    reason: 'static-data',
    message: /Its 257 bytes do not fit in 256 bytes/,
  });
});

test('a segment whose address depends on an import is refused', () => {
  const base = { module: 'env', name: 'g', kind: 'global' } as const;
  const info = moduleWith({
    imports: [memoryOf(sharedMemory), { ...base, global: { type: 'i32', mutable: false } }],
    data: [{ mode: 'active', offset: globalGet(0), bytes: new Uint8Array(2048) }],
  });
  // The global is refused as an import first; a device that allowed it would still refuse the segment.
  const allowed = { ...info, imports: info.imports.filter(({ kind }) => kind !== 'global') };
  refused(info, 'imports', /env\.g \(a global\)/);
  refused(allowed, 'static-data', /data segment 0 \(2 KiB\) has no constant address.*-fPIC/);
});

test('the symbols of a linker say where static data lies that a start function places', () => {
  const bytes = new Uint8Array(16);
  const data: DataSpec[] = [{ mode: 'passive', bytes }];
  const body = [...i32Const(65536), ...i32Const(0), ...i32Const(16), ...memoryInit(0)];
  const linked = (symbols: Record<string, number>) =>
    moduleWith({
      functions: [{ signature: kernel }, { signature: { params: [], results: [] }, body }],
      globals: Object.values(symbols).map((value) => ({
        type: 'i32',
        mutable: false,
        init: i32Const(value),
      })),
      exports: [
        { name: 'run', kind: 'function', index: 0 },
        ...Object.keys(symbols).map((name, index) => ({ name, kind: 'global' as const, index })),
      ],
      start: 1,
      data,
      dataCount: true,
    });
  refused(
    linked({}),
    'static-data',
    /start function places/,
    /-Wl,--export=__global_base,--export=__data_end/,
  );
  refused(
    linked({ __global_base: 1024, __data_end: 2048 }),
    'static-data',
    /\[0x400, 0x800\).*--global-base=65536/,
  );
  assert.deepEqual(
    checkRequirements(linked({ __global_base: 65536, __data_end: 70000, __heap_base: 140000 }), limits)
      .statics,
    { start: 65536, end: 70000 },
  );
});

test('an exported __heap_base shows zeros that the compiler left out of the file', async () => {
  const info = await compiled(
    `const first = memory.data<i32>([1, 2, 3]);
    const zeros = memory.data(100000);
    export function k(begin: i32, end: i32): void {
      for (let i = begin; i < end; i++) store<i32>(zeros + i, load<i32>(first + i));
    }
    export { __heap_base };`,
    [...deviceFlags, '--zeroFilledMemory'],
  );
  assert.ok(info.staticData!.end < 66000);
  const { statics } = checkRequirements(info, limits);
  assert.ok(statics!.end > 165_000);
  assert.throws(() => checkRequirements(info, { statics: { start: 65536, end: 131072 } }), {
    reason: 'static-data',
  });
});
