/**
 * Every bad argument at every public door: refused with its typed error, by name and value, before anything changed.
 * What has changed is asked of the kernel (mappings, descriptors, processes), of the mirror and of the device.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  type Command,
  GiB,
  type Kernel,
  KiB,
  MiB,
  type Mirror,
  openMirror,
  type Program,
  type SvmBuffer,
  type WasmDevice,
  wasmDevice,
} from 'mirrorspace';
import { arenaMappings, descriptors, deviceProcesses, isRunning } from '../fixtures/proc.ts';
import { basicKernels } from '../fixtures/with-mirror.ts';

/** Bad values have no type that fits. */
// biome-ignore lint/suspicious/noExplicitAny: that is what is tested
type Any = any;

interface Expected {
  readonly name: string;
  readonly code: string;
  /** Each is somewhere in the message. */
  readonly says: readonly string[];
}
type Case = readonly [what: string, call: () => unknown, expected: Expected];

const kind = (...says: string[]): Expected => ({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE', says });
const value = (...says: string[]): Expected => ({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE', says });
const state = (...says: string[]): Expected => ({ name: 'StateError', code: 'ERR_MIRROR_STATE', says });
const program = (...says: string[]): Expected => ({ name: 'ProgramError', code: 'ERR_MIRROR_PROGRAM', says });
const nowhere = (...says: string[]): Expected => ({
  name: 'PlacementError',
  code: 'ERR_MIRROR_PLACEMENT',
  says,
});

/** One case for each value that is no positive whole number, whatever it is that wants one. */
function noCount(name: string, call: (bad: Any) => unknown): Case[] {
  const numbers = [0, -1, -0.5, 1.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  return [
    ...numbers.map((bad): Case => [`${name} ${bad}`, () => call(bad), value(name, String(bad))]),
    ...noNumber(name, call),
  ];
}

function noNumber(name: string, call: (bad: Any) => unknown): Case[] {
  return [
    [`${name} as a string`, () => call('4096'), kind(name, '"4096"')],
    [`${name} as a bigint`, () => call(4096n), kind(name, '4096n')],
    [`${name} as a boolean`, () => call(true), kind(name, 'boolean true')],
    [`${name} null`, () => call(null), kind(name, 'null')],
    [`${name} as an object`, () => call({}), kind(name, 'Object')],
    [`${name} as a symbol`, () => call(Symbol('x')), kind(name, 'symbol')],
  ];
}

/** Where an object may stand for the value: it has options. */
const orOptions = ([what]: Case): boolean => !what.endsWith('as an object');

const NAME = 'refusing';
const CLEAR = 1.5 * GiB;
const at = (address: number) => ({ place: { at: address } });

let mirror: Mirror<{ wasm: WasmDevice; other: WasmDevice }>;
let wasm: WasmDevice;
let tree: SvmBuffer;
let leaf: SvmBuffer;
let unreachable: SvmBuffer;
let gone: SvmBuffer;
let loaded: Program;
let increment: Kernel<['pointer']>;
let types: Kernel<['pointer', 'i32', 'u32', 'i64', 'f32', 'f64']>;
let foreign: Kernel<['pointer']>;
let marker: Command;

before(async () => {
  mirror = await openMirror({
    name: NAME,
    // Above the process's heap, which may grow while the tests run.
    devices: {
      wasm: wasmDevice({ cores: 1, window: [CLEAR, 4 * GiB] }),
      other: wasmDevice({ cores: 1, window: [CLEAR, 4 * GiB] }),
    },
  });
  wasm = mirror.devices.wasm;
  loaded = await wasm.load(basicKernels);
  increment = loaded.kernel('increment', ['pointer']);
  types = loaded.kernel('types', ['pointer', 'i32', 'u32', 'i64', 'f32', 'f64']);
  foreign = (await mirror.devices.other.load(basicKernels)).kernel('increment', ['pointer']);
  tree = mirror.alloc(64 * KiB, { name: 'tree' });
  leaf = mirror.alloc(100, { name: 'leaf' });
  unreachable = mirror.alloc(4 * KiB, { name: 'unreachable', access: { wasm: 'none' } });
  gone = mirror.alloc(4 * KiB, { name: 'gone' });
  gone.free();
  tree.bytes.fill(0x5a);
  leaf.bytes.fill(0xa5);
  marker = wasm.queue.marker();
  await marker.done;
});
after(() => mirror.close());

/** All that a refused call might have changed. */
function everything(): unknown {
  return {
    buffers: mirror.buffers().map(({ name, address, size, freed }) => ({ name, address, size, freed })),
    lowest: mirror.plan(8 * KiB),
    highest: mirror.plan(8 * KiB, { topdown: true }),
    large: mirror.plan(1 * GiB, { devices: ['other'] }),
    mapped: arenaMappings(NAME),
    bytes: [Buffer.compare(tree.bytes, Buffer.alloc(tree.size, 0x5a)), [...leaf.bytes]],
    counters: [wasm.counters(), mirror.devices.other.counters()],
    descriptors: [...descriptors()].filter(([, target]) => !target.startsWith('/proc')),
    processes: deviceProcesses(),
    kernels: loaded.kernels,
  };
}

function refused(door: string, cases: () => readonly Case[]): void {
  test(door, async (t) => {
    for (const [what, call, { name, code, says }] of cases()) {
      await t.test(what, async () => {
        const before = everything();
        await assert.rejects(
          async () => call(),
          (error: Error & { code?: string }) => {
            assert.deepEqual({ name: error.name, code: error.code }, { name, code }, error.message);
            for (const words of says)
              assert.ok(error.message.includes(words), `${error.message} does not say ${words}`);
            return true;
          },
        );
        await Promise.all([wasm.queue.finish(), mirror.devices.other.queue.finish()]);
        assert.deepEqual(everything(), before);
      });
    }
  });
}

describe('openMirror refuses', () => {
  const open = (options: Any) => openMirror(options);
  refused('options that are none', () => [
    ['nothing', () => open(undefined), kind('options', 'undefined')],
    ['null', () => open(null), kind('options', 'null')],
    ['a string', () => open('wasm'), kind('options', '"wasm"')],
    ['no devices', () => open({}), kind('devices', 'undefined')],
    ['devices null', () => open({ devices: null }), kind('devices', 'null')],
    ['the name of a device', () => open({ devices: 'wasm' }), kind('devices', '"wasm"')],
    ['a device that is none', () => open({ devices: { gpu: {} } }), kind('devices.gpu', 'Object')],
    ['a device that is null', () => open({ devices: { gpu: null } }), kind('devices.gpu', 'null')],
    [
      'the maker of a device in its place',
      () => open({ devices: { gpu: wasmDevice } }),
      kind('devices.gpu', 'function'),
    ],
    ['a device with the name of the host', () => open({ devices: { host: wasmDevice() } }), value('"host"')],
    ['a name that is a number', () => open({ devices: {}, name: 5 }), kind('name', '5')],
    ['an empty name', () => open({ devices: {}, name: '' }), value('name', '""')],
    ['a name with a slash', () => open({ devices: {}, name: 'a/b' }), value('name', '"a/b"')],
    ['a name with a zero', () => open({ devices: {}, name: 'a\0b' }), value('name')],
    ['a name of 65 letters', () => open({ devices: {}, name: 'x'.repeat(65) }), value('name', 'xxx')],
  ]);

  const failing = (how: () => Any) => ({ kind: 'failing', open: how });
  const broken: Expected = { name: 'Error', code: 'ERR_BROKEN', says: ['no such device'] };
  const fail = (): never => {
    throw Object.assign(new Error('no such device'), { code: 'ERR_BROKEN' });
  };
  refused('to open where one of its devices fails, and closes the others', () => [
    [
      'one that rejects',
      () => open({ devices: { wasm: wasmDevice({ cores: 1 }), bad: failing(async () => fail()) } }),
      broken,
    ],
    [
      'one that throws',
      () => open({ devices: { wasm: wasmDevice({ cores: 1 }), bad: failing(fail) } }),
      broken,
    ],
    ['one that throws first', () => open({ devices: { bad: failing(fail), wasm: wasmDevice() } }), broken],
  ]);
});

describe('wasmDevice refuses', () => {
  const device = (options: Any) => wasmDevice(options);
  const region = { start: 2 * GiB, end: 2 * GiB + 4096, name: 'firmware' };
  refused('options that are none', () => [
    ['null', () => device(null), kind('options', 'null')],
    ['a number', () => device(2), kind('options', '2')],
  ]);
  refused('a number of cores', () => [
    ...noCount('cores', (cores) => device({ cores })),
    ['cores 17', () => device({ cores: 17 }), value('cores', '1 to 16', '17')],
  ]);
  refused('a window', () => [
    ['that is a number', () => device({ window: GiB }), kind('window')],
    ['that is null', () => device({ window: null }), kind('window', 'null')],
    ['of one number', () => device({ window: [GiB] }), kind('window')],
    ['of three numbers', () => device({ window: [GiB, 2 * GiB, 3 * GiB] }), kind('window')],
    ['of strings', () => device({ window: ['0', '1'] }), kind('window')],
    ['of bigints', () => device({ window: [0x10000n, 0x20000n] }), kind('window')],
    ['of fractions', () => device({ window: [GiB + 0.5, 2 * GiB] }), value('window', '1073741824.5')],
    ['of NaN', () => device({ window: [Number.NaN, GiB] }), value('window', 'NaN')],
    ['that is empty', () => device({ window: [GiB, GiB] }), value('window')],
    ['upside down', () => device({ window: [2 * GiB, GiB] }), value('window')],
    ['that begins at null', () => device({ window: [0, GiB] }), value('window', '0x10000')],
    ['beyond 32 bits', () => device({ window: [GiB, 4 * GiB + 4096] }), value('window', '0x100000000')],
    ['that is negative', () => device({ window: [-GiB, GiB] }), value('window', String(-GiB))],
  ]);
  refused('reserved regions', () => [
    ['that are one region', () => device({ reserved: region }), kind('reserved', 'Object')],
    ['of null', () => device({ reserved: [null] }), kind('reserved[0]', 'null')],
    ['of a number', () => device({ reserved: [region, 5] }), kind('reserved[1]', '5')],
    ['without an end', () => device({ reserved: [{ start: 0, name: 'x' }] }), kind('reserved[0].end')],
    ['without a name', () => device({ reserved: [{ start: 0, end: 1 }] }), kind('reserved[0].name')],
    ['of strings', () => device({ reserved: [{ ...region, start: '0' }] }), kind('reserved[0].start', '"0"')],
    ['of nothing', () => device({ reserved: [{ ...region, end: region.start }] }), value('reserved[0]')],
    ['from a fraction', () => device({ reserved: [{ ...region, start: 0.5 }] }), value('0.5')],
    ['from below zero', () => device({ reserved: [{ ...region, start: -4096 }] }), value('-4096')],
  ]);
});

for (const verb of ['alloc', 'plan'] as const) {
  const ask = (size: Any, options?: Any) => mirror[verb](size, options);
  const ofPage = (options: Any) => ask(4 * KiB, options);
  describe(`mirror.${verb} refuses`, () => {
    refused('a size', () => [
      ...noCount('size', (size) => ask(size)),
      ['that is missing', () => ask(undefined), kind('size', 'undefined')],
      [
        'that is 2^53 once it is whole pages',
        () => ask(Number.MAX_SAFE_INTEGER),
        value('size', '9007199254740991'),
      ],
    ]);
    refused('options', () => [
      ['null', () => ofPage(null), kind('options', 'null')],
      ['that are a number', () => ofPage(4096), kind('options', '4096')],
      ['with a name that is a number', () => ofPage({ name: 7 }), kind('name', '7')],
      ['with a type that is a number', () => ofPage({ type: 1 }), kind('type', '1')],
      ['with an unknown type', () => ofPage({ type: 'finest' }), value('type', '"finest"')],
      ['with commit as a number', () => ofPage({ commit: 1 }), kind('commit', '1')],
      ['with hugePages as a string', () => ofPage({ hugePages: 'yes' }), kind('hugePages', '"yes"')],
      ['with topdown as a number', () => ofPage({ topdown: 1 }), kind('topdown', '1')],
    ]);
    refused(`type 'managed', which does not exist yet`, () => [
      [
        'managed',
        () => ofPage({ type: 'managed' }),
        { name: 'UnsupportedError', code: 'ERR_MIRROR_UNSUPPORTED', says: ['managed'] },
      ],
    ]);
    refused('an alignment', () => [
      ...noCount('align', (align) => ofPage({ align })),
      ['of three pages', () => ofPage({ align: 12 * KiB }), value('align', '12288')],
      ['below a page', () => ofPage({ align: 64 }), value('align', '64', 'page size')],
    ]);
    refused('a guard', () => [
      ...noNumber('guard', (guard) => ofPage({ guard })).filter(([what]) => !what.endsWith('null')),
      ['below zero', () => ofPage({ guard: -1 }), value('guard', '-1')],
      ['of half a page', () => ofPage({ guard: 0.5 }), value('guard', '0.5')],
      ['of NaN', () => ofPage({ guard: Number.NaN }), value('guard', 'NaN')],
      ['of 2^53', () => ofPage({ guard: 2 ** 53 }), value('guard', String(2 ** 53))],
    ]);
    refused('a place', () => [
      ['that is null', () => ofPage({ place: null }), kind('place', 'null')],
      ['that is a number', () => ofPage({ place: 2 * GiB }), kind('place', String(2 * GiB))],
      ['of no known shape', () => ofPage({ place: { near: GiB } }), kind('place', '{ at }')],
      ['of two shapes', () => ofPage({ place: { at: 2 * GiB, hint: GiB } }), kind('place', 'exactly one')],
      ...noNumber('place.at', (address) => ofPage(at(address))),
      ...noNumber('place.hint', (hint) => ofPage({ place: { hint } })),
      ['at a fraction', () => ofPage(at(2 * GiB + 0.5)), value('place.at', '2147483648.5')],
      ['at NaN', () => ofPage(at(Number.NaN)), value('place.at', 'NaN')],
      ['below zero', () => ofPage(at(-4096)), value('place.at', '-4096')],
      ['at 2^53', () => ofPage(at(2 ** 53)), value('place.at', String(2 ** 53))],
      ['inside a page', () => ofPage(at(2 * GiB + 16)), value('place.at', 'a multiple of', '0x80000010')],
      [
        'not at the alignment',
        () => ofPage({ ...at(2 * GiB + 4096), align: 64 * KiB }),
        value('place.at', '0x80001000'),
      ],
      ['a hint below zero', () => ofPage({ place: { hint: -1 } }), value('place.hint', '-1')],
      ['within a number', () => ofPage({ place: { within: GiB } }), kind('place.within')],
      ['within one bound', () => ofPage({ place: { within: [GiB] } }), kind('place.within')],
      ['within strings', () => ofPage({ place: { within: ['0', '1'] } }), kind('place.within[0]', '"0"')],
      ['within nothing', () => ofPage({ place: { within: [GiB, GiB] } }), value('place.within[1]')],
      ['upside down', () => ofPage({ place: { within: [2 * GiB, GiB] } }), value('place.within[1]')],
      [
        'up to infinity',
        () => ofPage({ place: { within: [0, Number.POSITIVE_INFINITY] } }),
        value('place.within[1]', 'Infinity'),
      ],
    ]);
    refused('devices', () => [
      ['that are one name', () => ofPage({ devices: 'wasm' }), kind('devices', '"wasm"')],
      ['that are null', () => ofPage({ devices: null }), kind('devices', 'null')],
      ['that are a number', () => ofPage({ devices: 5 }), kind('devices', '5')],
      ['that are an object', () => ofPage({ devices: { wasm } }), kind('devices', 'Object')],
      ['that are devices, not names', () => ofPage({ devices: [wasm] }), kind('devices[0]', 'WasmDevice')],
      [
        'with an unknown name',
        () => ofPage({ devices: ['wasm', 'cuda'] }),
        value('devices[1]', "'wasm', 'other'", '"cuda"'),
      ],
    ]);
    refused('access', () => [
      ['that is null', () => ofPage({ access: null }), kind('access', 'null')],
      ['that is a word', () => ofPage({ access: 'read' }), kind('access', '"read"')],
      ['for an unknown device', () => ofPage({ access: { cuda: 'read' } }), value('access.cuda', 'wasm')],
      ['of an unknown kind', () => ofPage({ access: { wasm: 'rw' } }), value('access.wasm', '"rw"')],
      ['that is a boolean', () => ofPage({ access: { wasm: true } }), value('access.wasm', 'true')],
    ]);
  });
}

describe('mirror.alloc finds no place', () => {
  refused('where there can be none', () => [
    ['below the window', () => mirror.alloc(4096, at(512 * MiB)), nowhere('0x20000000', 'outside')],
    ['above the window', () => mirror.alloc(4096, at(4 * GiB)), nowhere('0x100000000', 'outside')],
    ['across its end', () => mirror.alloc(8192, at(4 * GiB - 4096)), nowhere('0xfffff000', 'outside')],
    ['for more than the window', () => mirror.alloc(3 * GiB + 4096), nowhere('more than the whole range')],
    ['for 2^52 bytes', () => mirror.alloc(2 ** 52), nowhere('4 PiB')],
    ['where a buffer lies', () => mirror.alloc(4096, at(tree.address)), nowhere('tree', 'in the way')],
    [
      'within what devices cannot reach',
      () => mirror.alloc(4096, { place: { within: [8 * GiB, 9 * GiB] } }),
      nowhere('outside'),
    ],
  ]);
});

describe('mirror.query and mirror.occupants refuse', () => {
  refused('an address', () => [
    ...noNumber('address', (address) => mirror.query(address)),
    ['below zero', () => mirror.query(-1), value('address', '-1')],
    ['of a fraction', () => mirror.query(0.5), value('address', '0.5')],
    ['NaN', () => mirror.query(Number.NaN), value('address', 'NaN')],
    ['2^53', () => mirror.query(2 ** 53), value('address', String(2 ** 53))],
  ]);
  const occupants = (range: Any) => mirror.occupants(range);
  refused('a range', () => [
    ['that is missing', () => occupants(undefined), kind('range', 'undefined')],
    ['that is an address', () => occupants(GiB), kind('range', String(GiB))],
    ['without an end', () => occupants({ start: 0 }), kind('range.end', 'undefined')],
    ['of strings', () => occupants({ start: '0', end: '1' }), kind('range.start', '"0"')],
    ['of nothing', () => occupants({ start: GiB, end: GiB }), value('range.end')],
    ['below zero', () => occupants({ start: -1, end: GiB }), value('range.start', '-1')],
    ['up to infinity', () => occupants({ start: 0, end: Number.POSITIVE_INFINITY }), value('Infinity')],
  ]);
});

describe('buffer.view refuses', () => {
  const view = (type: Any, offset?: Any, length?: Any) => tree.view(type, offset, length);
  refused('a type', () => [
    ['that is missing', () => view(undefined), kind('type', 'undefined')],
    ['that is a word', () => view('Uint8Array'), kind('type', '"Uint8Array"')],
    ['that is an arrow function', () => view(() => {}), kind('type', 'function')],
    ['that is another class', () => view(Map), kind('type', 'function')],
    ['that is String', () => view(String), kind('type', 'function')],
    ['that is an array', () => view(new Uint8Array(4)), kind('type', 'Uint8Array')],
  ]);
  refused('an offset', () => [
    ...noNumber('byteOffset', (offset) => view(Uint8Array, offset)),
    ['below zero', () => view(Uint8Array, -1), value('byteOffset', '-1')],
    ['of a fraction', () => view(Uint8Array, 0.5), value('byteOffset', '0.5')],
    ['NaN', () => view(Uint8Array, Number.NaN), value('byteOffset', 'NaN')],
    ['past the end', () => view(Uint8Array, 64 * KiB + 1), value('byteOffset', '65537')],
    ['not at an element', () => view(Float64Array, 4), value('byteOffset', 'multiple of 8', '4')],
  ]);
  refused('a length', () => [
    ...noNumber('length', (length) => view(Uint8Array, 0, length)).filter(([what]) => !what.endsWith('null')),
    ['below zero', () => view(Uint8Array, 0, -1), value('length', '-1')],
    ['of a fraction', () => view(Uint8Array, 0, 1.5), value('length', '1.5')],
    ['past the end', () => view(Float64Array, 8, 8192), value('length', '8191', '8192')],
    ['past the end of a view of bytes', () => view(DataView, 64 * KiB, 1), value('length', '0', '1')],
  ]);
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

describe('a freed buffer refuses', () => {
  refused('every use', () => [
    ['its bytes', () => gone.bytes, state("'gone'", `0x${gone.address.toString(16)}`)],
    ['a view', () => gone.view(Uint8Array), state("'gone'", 'freed')],
    ['to be freed again', () => gone.free(), state("'gone'", 'freed')],
  ]);
  test('but disposing of it again does nothing', () => {
    const before = everything();
    gone[Symbol.dispose]();
    assert.deepEqual(everything(), before);
  });
});

describe('a closed mirror refuses', () => {
  let closed: Mirror<{ wasm: WasmDevice }>;
  let buffer: SvmBuffer;
  let kernel: Kernel<['pointer']>;
  before(async () => {
    closed = await openMirror({ name: 'closed', devices: { wasm: wasmDevice({ cores: 1 }) } });
    buffer = closed.alloc(4 * KiB, { name: 'left' });
    kernel = (await closed.devices.wasm.load(basicKernels)).kernel('increment', ['pointer']);
    await closed.close();
  });
  const says = state('closed');
  refused('every use', () => [
    ['alloc', () => closed.alloc(4096), says],
    ['alloc of a bad size', () => closed.alloc(0), says],
    ['plan', () => closed.plan(4096), says],
    ['query', () => closed.query(buffer.address), says],
    ['occupants', () => closed.occupants({ start: 0, end: GiB }), says],
    ['the bytes of a buffer that was left', () => buffer.bytes, state("'left'", 'freed')],
    ['free of a buffer that was left', () => buffer.free(), state("'left'", 'freed')],
    ['a launch', () => closed.devices.wasm.queue.launch(kernel, { items: 1, args: [0] }), says],
    ['a marker', () => closed.devices.wasm.queue.marker(), says],
    ['a queue', () => closed.devices.wasm.createQueue(), says],
    ['a program that it has', () => closed.devices.wasm.load(basicKernels), says],
    ['to reopen a device', () => closed.devices.wasm.reopen(), says],
  ]);
  test('and has nothing left but an answer to being closed again', async () => {
    await closed.close();
    assert.equal(closed.closed, true);
    assert.deepEqual(closed.buffers(), []);
    assert.deepEqual(arenaMappings('closed'), []);
    assert.ok(![...descriptors().values()].some((target) => target.includes('mirrorspace-closed')));
    assert.equal(isRunning(closed.devices.wasm.pid), false);
  });
});

test('a view of more than 4 GiB is refused, and a part of it is too, before any memory is touched', async () => {
  await using wide = await openMirror({ name: 'wide', devices: {} });
  const buffer = wide.alloc(5 * GiB, { name: 'vast' });
  const refusal = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE', message: /4294967296/ };
  assert.throws(() => buffer.bytes, refusal);
  assert.throws(() => buffer.view(Uint8Array, 0, 1), refusal);
  assert.equal(wide.query(buffer.address)?.resident, false);
});

test('a device has at most 16 queues, and refuses one more without losing any', async () => {
  await using full = await openMirror({ name: 'queues', devices: { wasm: wasmDevice({ cores: 1 }) } });
  const queues = [full.devices.wasm.queue];
  while (queues.length < 16) queues.push(full.devices.wasm.createQueue());
  const before = descriptors().size;
  assert.throws(() => full.devices.wasm.createQueue(), { code: 'ERR_OUT_OF_RANGE', message: /16.*17/ });
  assert.equal(descriptors().size, before);
  await Promise.all(queues.map((queue) => queue.marker().done));
});
