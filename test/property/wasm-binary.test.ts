/**
 * Reading and rewriting of WebAssembly binaries against the engine as the judge: modules assembled at random,
 * and modules damaged at random.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  detachData,
  inspectModule,
  type ModuleInfo,
  type PlacedData,
  type Signature,
} from '../../src/device/wasm/binary/index.ts';
import { ProgramError } from '../../src/errors.ts';
import {
  buildModule,
  type DataSpec,
  dataDrop,
  engine,
  globalGet,
  i32Add,
  i32Const,
  i32Mul,
  i32Sub,
  localGet,
  type ModuleSpec,
  memoryInit,
} from '../fixtures/wasm-builder.ts';
import { compileAssemblyScript } from '../fixtures/wasm-compile.ts';

const pageSize = 65536;
const numeric = fc.constantFrom('i32', 'i64', 'f32', 'f64') satisfies fc.Arbitrary<string>;
const anyType = fc.oneof({ weight: 6, arbitrary: numeric }, fc.constantFrom('funcref', 'externref'));
const signature: fc.Arbitrary<Signature> = fc.record(
  { params: fc.array(anyType, { maxLength: 6 }), results: fc.array(anyType, { maxLength: 3 }) },
  { noNullPrototype: true },
);
const name = fc.string({ unit: 'binary', maxLength: 12 });

/** Node 20's engine has no extended constant expressions. */
const extended = engine.validate(
  buildModule({ globals: [{ type: 'i32', mutable: false, init: [...i32Const(1), ...i32Const(2), i32Add] }] }),
);

/** An address as compilers write it, and as extended constant expressions allow. */
function expressionFor(address: number, form: number): number[] {
  switch (extended ? form : 0) {
    case 1:
      return [...i32Const(address - 77), ...i32Const(77), i32Add];
    case 2:
      return [...i32Const(address + 100_000), ...i32Const(100_000), i32Sub];
    case 3:
      return [...i32Const(address), ...i32Const(1), i32Mul];
    default:
      return i32Const(address);
  }
}

interface Case {
  spec: ModuleSpec;
  pages: number;
  shared: boolean;
}

const segment = fc.record({
  active: fc.boolean(),
  // Few places, so that segments overlap, touch and contain each other.
  place: fc.nat({ max: 300 }),
  form: fc.nat({ max: 4 }),
  bytes: fc.uint8Array({ maxLength: 90 }),
});

/** A module over one imported memory, with a `drop` and an `init` function for each of its segments. */
const modules: fc.Arbitrary<Case> = fc
  .record({
    pages: fc.integer({ min: 1, max: 3 }),
    shared: fc.boolean(),
    segments: fc.array(segment, { maxLength: 9 }),
    base: fc.constantFrom(0, 1024, pageSize - 400),
    functions: fc.array(signature, { maxLength: 4 }),
    importedFunctions: fc.array(fc.tuple(name, name, signature), { maxLength: 4 }),
    importedGlobal: fc.boolean(),
    names: fc.uniqueArray(
      name.filter((text) => !/^(init|drop)\d/.test(text)),
      { maxLength: 6 },
    ),
    padded: fc.boolean(),
    custom: fc.option(fc.record({ name, bytes: fc.uint8Array({ maxLength: 20 }) }), { nil: undefined }),
    start: fc.boolean(),
    bulk: fc.boolean(),
  })
  .map((choice) => {
    const memory = { min: 1, max: 4, shared: choice.shared, is64: false };
    const imports: NonNullable<ModuleSpec['imports']> = [
      ...choice.importedFunctions.map(([module, field, type]) => ({
        ...{ module, name: field, kind: 'function' as const, signature: type },
      })),
      { module: 'env', name: 'memory', kind: 'memory', memory },
      ...(choice.importedGlobal
        ? [
            {
              module: 'env',
              name: 'g',
              kind: 'global' as const,
              global: { type: 'i32', mutable: false } as const,
            },
          ]
        : []),
    ];
    const data: DataSpec[] = choice.segments.map(({ active, place, form, bytes }) =>
      active
        ? { mode: 'active', offset: expressionFor(choice.base + place, form), bytes }
        : { mode: 'passive', bytes },
    );
    const three: Signature = { params: ['i32', 'i32', 'i32'], results: [] };
    const none: Signature = { params: [], results: [] };
    const firstDefined = choice.importedFunctions.length;
    const plain = choice.functions.map((type) => ({ signature: type }));
    const bulk = choice.bulk
      ? data.flatMap((_, i) => [
          { signature: three, body: [...localGet(0), ...localGet(1), ...localGet(2), ...memoryInit(i)] },
          { signature: none, body: dataDrop(i) },
        ])
      : [];
    const passive = data.findIndex(({ mode }) => mode === 'passive');
    const start =
      choice.start && choice.bulk && passive >= 0
        ? [
            {
              signature: none,
              body: [
                ...i32Const(choice.base + 20),
                ...i32Const(0),
                ...i32Const(data[passive]!.bytes.length),
                ...memoryInit(passive),
              ],
            },
          ]
        : [];
    const functions = [...plain, ...bulk, ...start];
    const total = firstDefined + functions.length;
    const spec: ModuleSpec = {
      imports,
      functions,
      globals: [
        { type: 'i32', mutable: true, init: i32Const(-5) },
        { type: 'i32', mutable: false, init: i32Const(choice.base) },
        { type: 'f64', mutable: false, init: [0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f] },
      ],
      exports: [
        ...choice.names.map((exported, i) =>
          i % 3 === 0 || total === 0
            ? { name: exported, kind: 'global' as const, index: i % 3 }
            : i % 3 === 1
              ? { name: exported, kind: 'memory' as const, index: 0 }
              : { name: exported, kind: 'function' as const, index: (i * 7) % total },
        ),
        ...bulk.map((_, i) => ({
          ...{ name: `${i % 2 === 0 ? 'init' : 'drop'}${i >> 1}`, kind: 'function' as const },
          index: firstDefined + plain.length + i,
        })),
      ],
      ...(start.length > 0 ? { start: total - 1 } : {}),
      data,
      dataCount: choice.bulk,
      ...(choice.custom ? { custom: choice.custom } : {}),
      padded: choice.padded,
    };
    return { spec, pages: choice.pages, shared: choice.shared };
  });

function newMemory({ pages, shared }: Case): { memory: object; bytes: Uint8Array } {
  const memory = new engine.Memory({ initial: pages, maximum: 4, shared });
  return { memory, bytes: new Uint8Array(memory.buffer) };
}

function instantiate(binary: Uint8Array, memory: object, spec: ModuleSpec): Record<string, unknown> {
  const imports: Record<string, Record<string, unknown>> = Object.create(null);
  for (const entry of spec.imports ?? []) {
    imports[entry.module] ??= Object.create(null);
    imports[entry.module]![entry.name] ??= () => 0;
  }
  imports.env!.memory = memory;
  imports.env!.g = new engine.Global({ value: 'i32' }, 16);
  return new engine.Instance(new engine.Module(binary), imports).exports;
}

function place(bytes: Uint8Array, segments: readonly PlacedData[]): void {
  for (const { address, bytes: content } of segments) bytes.set(content, address);
}

/** What a call does, as a comparable value: its trap or that there was none. */
function outcome(call: unknown, ...args: number[]): string {
  try {
    (call as (...values: number[]) => unknown)(...args);
    return 'returned';
  } catch (error) {
    return String(error);
  }
}

const namesAndKinds = ({ imports, exports }: Pick<ModuleInfo, 'imports' | 'exports'>) => ({
  imports: imports.map(({ module, name, kind }) => ({ module, name, kind })),
  exports: exports.map(({ name, kind }) => ({ name, kind })),
});

function engineSays(binary: Uint8Array) {
  const module = new engine.Module(binary);
  return {
    imports: engine.Module.imports(module).map(({ module, name, kind }) => ({ module, name, kind })),
    exports: engine.Module.exports(module).map(({ name, kind }) => ({ name, kind })),
  };
}

test('every random module is read with the names and kinds that the engine finds', () => {
  fc.assert(
    fc.property(modules, ({ spec }) => {
      const binary = buildModule(spec);
      assert.ok(engine.validate(binary));
      const info = inspectModule(binary);
      assert.deepEqual(namesAndKinds(info), engineSays(binary));
      assert.equal(info.hasStart, spec.start !== undefined);
      assert.deepEqual(
        info.dataSegments.map(({ mode, size }) => ({ mode, size })),
        spec.data!.map(({ mode, bytes }) => ({ mode, size: bytes.length })),
      );
      const signatures = [
        ...spec.imports!.flatMap((entry) => (entry.kind === 'function' ? [entry.signature] : [])),
        ...spec.functions!.map((f) => f.signature),
      ];
      info.exports.forEach((entry, i) => {
        if (entry.kind !== 'function') return;
        assert.deepEqual(entry.signature, signatures[spec.exports![i]!.index]);
      });
    }),
    { numRuns: 300 },
  );
});

test('a detached module validates, imports and exports the same, and only its data section differs', () => {
  fc.assert(
    fc.property(modules, ({ spec }) => {
      const binary = buildModule(spec);
      const before = binary.slice();
      const { module } = detachData(binary);
      assert.deepEqual(binary, before, 'the input is left alone');
      assert.ok(engine.validate(module));
      assert.deepEqual(engineSays(module), engineSays(binary));
      const emptied = spec.data!.map((segment) => ({
        ...{ mode: 'passive' as const, bytes: segment.mode === 'active' ? new Uint8Array() : segment.bytes },
      }));
      const active = spec.data!.some((segment) => segment.mode === 'active');
      if (spec.padded && active) return; // The rewritten section's own numbers are short.
      assert.deepEqual(module, buildModule({ ...spec, data: emptied }));
    }),
    { numRuns: 300 },
  );
});

test('detached segments are disjoint, ascending and inside the hull of the module', () => {
  fc.assert(
    fc.property(modules, ({ spec }) => {
      const binary = buildModule(spec);
      const { segments } = detachData(binary);
      let end = 0;
      for (const { address, bytes } of segments) {
        assert.ok(bytes.length > 0);
        assert.ok(address >= end);
        end = address + bytes.length;
      }
      const { staticData } = inspectModule(binary);
      assert.deepEqual(staticData, segments.length === 0 ? undefined : { start: segments[0]!.address, end });
    }),
    { numRuns: 300 },
  );
});

test('placing the detached segments gives the very bytes that instantiating the original gives', () => {
  fc.assert(
    fc.property(modules, fc.nat(), (example, seed) => {
      const binary = buildModule(example.spec);
      const { module, segments } = detachData(binary);

      const whole = newMemory(example);
      const original = instantiate(binary, whole.memory, example.spec);
      if (example.spec.start === undefined) {
        const untouched = newMemory(example);
        instantiate(module, untouched.memory, example.spec);
        assert.ok(untouched.bytes.every((byte) => byte === 0));
      }

      const placed = newMemory(example);
      // In any order: they are disjoint.
      place(placed.bytes, seed % 2 === 0 ? segments : segments.toReversed());
      const detached = instantiate(module, placed.memory, example.spec);
      assert.ok(Buffer.compare(whole.bytes, placed.bytes) === 0);

      // memory.init and data.drop find the same segments, dropped ones included.
      if (!example.spec.dataCount) return;
      example.spec.data!.forEach(({ bytes }, i) => {
        const calls: [string, ...number[]][] = [
          [`init${i}`, 40_000, 0, bytes.length],
          [`init${i}`, 41_000, 0, 0],
          [`drop${i}`],
          [`init${i}`, 42_000, 0, bytes.length],
        ];
        for (const [called, ...args] of calls) {
          assert.equal(outcome(detached[called], ...args), outcome(original[called], ...args));
        }
      });
      assert.ok(Buffer.compare(whole.bytes, placed.bytes) === 0);
    }),
    { numRuns: 300 },
  );
});

test('a second instance of a detached module leaves what the first has written', () => {
  fc.assert(
    fc.property(
      modules.filter(({ spec }) => spec.start === undefined),
      (example) => {
        const { module, segments } = detachData(buildModule(example.spec));
        const { memory, bytes } = newMemory(example);
        place(bytes, segments);
        instantiate(module, memory, example.spec);
        bytes.fill(0xa5, 0, 3000);
        const before = bytes.slice();
        instantiate(module, memory, example.spec);
        assert.ok(Buffer.compare(bytes, before) === 0);
      },
    ),
    { numRuns: 100 },
  );
});

/** Inspects and detaches; true where both are fine, false where the module was refused as it should be. */
function accepts(binary: Uint8Array): boolean {
  try {
    inspectModule(binary);
    const { module } = detachData(binary);
    if (engine.validate(binary)) assert.ok(engine.validate(module));
    return true;
  } catch (error) {
    assert.ok(error instanceof ProgramError, `${error}`);
    const reasons = ['not-wasm', 'malformed', 'unsupported', 'static-data'];
    assert.ok(reasons.includes(error.reason), error.reason);
    if (error.reason === 'malformed') assert.match(error.message, /offset 0x[0-9a-f]+/);
    return false;
  }
}

/** What the engine accepts must be read, and read as the engine reads it. */
function checkDamaged(binary: Uint8Array): void {
  const accepted = accepts(binary);
  if (!engine.validate(binary)) return;
  try {
    assert.deepEqual(namesAndKinds(inspectModule(binary)), engineSays(binary));
  } catch (error) {
    assert.ok(error instanceof ProgramError && error.reason === 'unsupported', `${error}`);
    assert.ok(!accepted);
  }
}

const mutation = fc.record({
  at: fc.nat(),
  kind: fc.constantFrom('set', 'insert', 'remove', 'copy'),
  byte: fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x0b)),
  length: fc.integer({ min: 1, max: 12 }),
});

function damage(
  binary: Uint8Array,
  mutations: readonly (typeof mutation extends fc.Arbitrary<infer M> ? M : never)[],
) {
  const bytes = [...binary];
  for (const { at, kind, byte, length } of mutations) {
    const place = at % (bytes.length + 1);
    if (kind === 'set' && place < bytes.length) bytes[place] = byte;
    else if (kind === 'insert') bytes.splice(place, 0, byte);
    else if (kind === 'remove') bytes.splice(place, length);
    else bytes.splice(place, 0, ...bytes.slice(place, place + length));
  }
  return Uint8Array.from(bytes);
}

test('damaged modules are read as the engine reads them, or refused with a ProgramError', () => {
  fc.assert(
    fc.property(modules, fc.array(mutation, { minLength: 1, maxLength: 4 }), ({ spec }, mutations) => {
      checkDamaged(damage(buildModule(spec), mutations));
    }),
    { numRuns: 3000 },
  );
});

test('damaged AssemblyScript modules are read as the engine reads them, or refused', async () => {
  const binary = await compileAssemblyScript(`
    const table: StaticArray<i32> = [1, 2, 3];
    export function sum(begin: i32, end: i32, scale: f64): void {
      for (let i = begin; i < end; i++) store<f64>(<usize>i << 3, scale * table[i]);
    }`);
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
      checkDamaged(damage(binary, mutations));
    }),
    { numRuns: 3000 },
  );
});

test('every truncation of a module is refused or read', () => {
  fc.assert(
    fc.property(modules, ({ spec }) => {
      const binary = buildModule(spec);
      for (let length = 0; length < binary.length; length++) checkDamaged(binary.subarray(0, length));
    }),
    { numRuns: 10 },
  );
});

test('random bytes after the preamble are refused or read', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      checkDamaged(Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...bytes]));
      accepts(bytes);
    }),
    { numRuns: 3000 },
  );
});

test('a global.get of an import leaves an address unknown, whatever else the module has', () => {
  fc.assert(
    fc.property(modules, fc.uint8Array({ minLength: 1, maxLength: 9 }), ({ spec }, bytes) => {
      const imported = spec.imports!.some(({ kind }) => kind === 'global');
      // Without an import, global 0 is the module's own mutable one, which the engine refuses to read here.
      const data: DataSpec[] = [...spec.data!, { mode: 'active', offset: globalGet(0), bytes }];
      const binary = buildModule({ ...spec, data });
      if (imported) assert.ok(engine.validate(binary));
      assert.equal(inspectModule(binary).dataSegments.at(-1)!.address, undefined);
      assert.throws(() => detachData(binary), { name: 'ProgramError', reason: 'static-data' });
    }),
    { numRuns: 100 },
  );
});
