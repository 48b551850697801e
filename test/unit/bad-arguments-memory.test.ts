/**
 * Every bad argument at the doors to memory (mirrors, devices, buffers, views): refused with its typed error, by name and
 * value, before anything changed.
 */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import {
  GiB,
  type Kernel,
  KiB,
  MiB,
  type Mirror,
  openMirror,
  type SvmBuffer,
  type WasmDevice,
  wasmDevice,
} from 'mirrorspace';
import { arenaMappings, descriptors, isRunning } from '../fixtures/proc.ts';
import {
  type Any,
  at,
  type Expected,
  everything,
  kind,
  noCount,
  noNumber,
  nowhere,
  type Refusing,
  refusing,
  state,
  value,
} from '../fixtures/refusing.ts';
import { basicKernels } from '../fixtures/with-mirror.ts';

const NAME = 'refusing-memory';
let world: Refusing;
let mirror: Refusing['mirror'];
let wasm: Refusing['wasm'];
let tree: Refusing['tree'];
let gone: Refusing['gone'];
const refused = refusing(NAME, (opened) => {
  world = opened;
  ({ mirror, wasm, tree, gone } = world);
});

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

describe('a freed buffer refuses', () => {
  refused('every use', () => [
    ['its bytes', () => gone.bytes, state("'gone'", `0x${gone.address.toString(16)}`)],
    ['a view', () => gone.view(Uint8Array), state("'gone'", 'freed')],
    ['to be freed again', () => gone.free(), state("'gone'", 'freed')],
  ]);
  test('but disposing of it again does nothing', () => {
    const before = everything(world);
    gone[Symbol.dispose]();
    assert.deepEqual(everything(world), before);
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
