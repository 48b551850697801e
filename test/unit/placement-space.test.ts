import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GiB, KiB, MiB, TiB } from '../../src/mm/address.ts';
import { type Occupied, PlacementSpace } from '../../src/placement/index.ts';

const PAGE = 4096;
const LIMIT = { start: 64 * KiB, end: 128 * TiB - PAGE };

const vma = (start: number, end: number, name = 'vma'): Occupied => ({
  start,
  end,
  kind: 'vma',
  name,
  owner: 'host',
});
const buffer = (start: number, end: number, name = 'b'): Occupied => ({
  start,
  end,
  kind: 'buffer',
  name,
  owner: 'host',
});

/** A 32-bit device, a 36-bit one with a fixed base and firmware, and the mappings of a small process. */
function example(): PlacementSpace {
  return new PlacementSpace({
    pageSize: PAGE,
    limit: LIMIT,
    devices: [
      {
        name: 'wasm',
        window: { start: 64 * KiB, end: 4 * GiB },
        reserved: [{ name: 'stacks', start: 64 * KiB, end: 1 * MiB }],
      },
      {
        name: 'gpu',
        window: { start: 1 * GiB, end: 64 * GiB },
        reserved: [{ name: 'firmware', start: 1 * GiB, end: 1 * GiB + 16 * MiB }],
      },
    ],
    host: [vma(4 * MiB, 96 * MiB, '/usr/bin/node'), vma(100 * MiB, 120 * MiB, '[heap]')],
  });
}

test('a buffer for all devices goes where all reach and nobody is', () => {
  const space = example();
  // wasm  |64K..........................4G|
  // gpu                      |1G.....................64G|
  //                          |fw|b
  assert.deepEqual(space.find({ size: 100 }), {
    address: 1 * GiB + 16 * MiB,
    size: PAGE,
    guard: 0,
    align: PAGE,
    window: { start: 1 * GiB, end: 4 * GiB },
    strategy: 'search',
  });
});

test('the fewer devices must reach it, the more places there are', () => {
  const space = example();
  assert.equal(space.find({ size: 1 * MiB, devices: ['wasm'] })?.address, 1 * MiB);
  assert.equal(space.find({ size: 1 * MiB, devices: ['gpu'] })?.address, 1 * GiB + 16 * MiB);
  assert.equal(space.find({ size: 1 * MiB, devices: ['gpu'], topdown: true })?.address, 64 * GiB - 1 * MiB);
  assert.equal(space.find({ size: 1 * MiB, devices: [] })?.address, 64 * KiB);
  assert.deepEqual(
    space.find({ size: 1 * MiB, devices: ['gpu', 'wasm', 'gpu'] }),
    space.find({ size: 1 * MiB }),
  );
});

test('a guard is kept free after the buffer', () => {
  const space = example();
  // |1M ...... 4M|node
  //      |bbbbb|g|
  const place = { at: 3 * MiB };
  const wasm = { devices: ['wasm'], place };
  assert.equal(space.find({ size: 1 * MiB, ...wasm })?.address, 3 * MiB);
  assert.equal(space.find({ size: 1 * MiB, guard: PAGE, ...wasm }), undefined);
  assert.equal(space.find({ size: 1 * MiB - PAGE, guard: PAGE, ...wasm })?.guard, PAGE);
});

test('the end of the window cuts a guard short, and the placement says how much of it is left', () => {
  const space = example();
  const top = { size: 1 * MiB, guard: 64 * KiB, devices: ['wasm'] };
  assert.equal(space.find({ ...top, topdown: true })?.address, 4 * GiB - 1 * MiB);
  assert.equal(space.find({ ...top, topdown: true })?.guard, 0);
  assert.equal(space.find({ ...top, place: { at: 4 * GiB - 1 * MiB - PAGE } })?.guard, PAGE);
});

test('a guard may lie beyond `within`, where it must be free too', () => {
  const space = example();
  const within = [96 * MiB, 99 * MiB] as const;
  const request = { size: 3 * MiB, devices: ['wasm'], place: { within } };
  assert.equal(space.find({ ...request, guard: 1 * MiB })?.address, 96 * MiB);
  assert.equal(space.find({ ...request, guard: 2 * MiB }), undefined);
});

test('a hint is rounded down to the alignment and used if it is free', () => {
  const space = example();
  const found = space.find({ size: PAGE, align: 64 * KiB, place: { hint: 2 * GiB + 12345 } });
  assert.equal(found?.address, 2 * GiB);
  assert.equal(found?.strategy, 'hint');
  assert.equal(found?.hintMissed, undefined);
});

test('a missed hint is searched for elsewhere, and the placement says who was in the way', () => {
  const space = example();
  const missed = (hint: number, guard = 0) =>
    space.find({ size: 2 * MiB, guard, devices: ['wasm'], place: { hint } })?.hintMissed?.reason;
  assert.equal(missed(110 * MiB), 'taken by [heap] (mapping of the host) 0x6400000-0x7800000');
  assert.equal(missed(64 * KiB), 'taken by stacks (reserved by wasm) 0x10000-0x100000');
  assert.equal(missed(5 * GiB), 'outside the window 0x10000-0x100000000');
  const guarded = 'its guard is taken by [heap] (mapping of the host) 0x6400000-0x7800000';
  assert.equal(missed(98 * MiB, PAGE), guarded);
  space.insert({ ...buffer(1 * GiB, 2 * GiB, 'tree'), kind: 'quarantined' });
  assert.equal(missed(1 * GiB), 'taken by tree (quarantined) 0x40000000-0x80000000');
});

test('an inserted range is taken for every set of devices, and free again once removed', () => {
  const space = example();
  const sets = [undefined, ['wasm'], ['gpu'], []] as const;
  const ask = () =>
    sets.map(
      (devices) => space.find({ size: PAGE, ...(devices && { devices }), place: { at: 2 * GiB } })?.address,
    );
  const entry = buffer(2 * GiB, 2 * GiB + 8 * PAGE);
  assert.deepEqual(
    ask(),
    sets.map(() => 2 * GiB),
  );
  space.insert(entry);
  assert.deepEqual(
    ask(),
    sets.map(() => undefined),
  );
  assert.equal(space.remove(2 * GiB), entry);
  assert.deepEqual(
    ask(),
    sets.map(() => 2 * GiB),
  );
});

test('what a device reserves under a buffer for others stays reserved when the buffer goes', () => {
  const space = example();
  const at = 1 * GiB;
  assert.equal(space.find({ size: 1 * MiB, devices: ['gpu'], place: { at } }), undefined);
  space.insert(buffer(at, at + 1 * MiB));
  space.remove(at);
  assert.equal(space.find({ size: 1 * MiB, devices: ['gpu'], place: { at } }), undefined);
  assert.equal(space.find({ size: 1 * MiB, devices: ['wasm'], place: { at } })?.address, at);
});

test('inserting refuses to overlap another inserted range, and says which', () => {
  const space = example();
  space.insert(buffer(2 * GiB, 2 * GiB + 4 * PAGE, 'tree'));
  const message = /clear of tree \(buffer\) 0x80000000-0x80004000/;
  const clash = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE', message };
  for (const start of [2 * GiB - PAGE, 2 * GiB, 2 * GiB + 3 * PAGE])
    assert.throws(() => space.insert(buffer(start, start + 2 * PAGE)), clash);
  // Adjacent ones are no overlap.
  space.insert(buffer(2 * GiB - PAGE, 2 * GiB));
  space.insert(buffer(2 * GiB + 4 * PAGE, 2 * GiB + 5 * PAGE));
});

test('inserting refuses what is not made of whole pages, and removing what was not inserted', () => {
  const space = example();
  assert.throws(() => space.insert(buffer(2 * GiB, 2 * GiB + 100)), RangeError);
  assert.throws(() => space.insert(buffer(2 * GiB, 2 * GiB)), RangeError);
  assert.throws(() => space.insert({ ...buffer(2 * GiB, 2 * GiB + PAGE), guard: PAGE }), RangeError);
  assert.throws(() => space.remove(2 * GiB), RangeError);
  assert.throws(() => space.remove(100 * MiB), RangeError);
});

test('replacing changes what a range is, never where it is', () => {
  const space = example();
  space.insert(buffer(2 * GiB, 3 * GiB));
  assert.throws(() => space.replace(2 * GiB, buffer(2 * GiB, 2 * GiB + PAGE)), RangeError);
  assert.equal(space.quarantinedBytes, 0);
  space.replace(2 * GiB, { ...buffer(2 * GiB, 3 * GiB), kind: 'quarantined' });
  assert.equal(space.quarantinedBytes, 1 * GiB);
  assert.equal(space.find({ size: PAGE, place: { at: 2 * GiB } }), undefined);
  space.remove(2 * GiB);
  assert.equal(space.quarantinedBytes, 0);
});

test("a fresh list of mappings contains the mirror's own, which it already has", () => {
  const space = example();
  // buffer          |bbbb|
  // fresh list  |aaaaaaaaaaaa|     the kernel merged it with what is around
  // left        |aaa|    |aaa|
  space.insert(buffer(2 * GiB, 2 * GiB + 4 * PAGE));
  space.setHost([vma(2 * GiB - 2 * PAGE, 2 * GiB + 6 * PAGE, 'arena')]);
  const around = { start: 2 * GiB - 8 * PAGE, end: 2 * GiB + 8 * PAGE };
  assert.deepEqual(space.occupants(around), [
    vma(2 * GiB - 2 * PAGE, 2 * GiB, 'arena'),
    buffer(2 * GiB, 2 * GiB + 4 * PAGE),
    vma(2 * GiB + 4 * PAGE, 2 * GiB + 6 * PAGE, 'arena'),
  ]);
  space.remove(2 * GiB);
  assert.equal(space.find({ size: 4 * PAGE, place: { at: 2 * GiB } })?.address, 2 * GiB);
  assert.equal(space.find({ size: 5 * PAGE, place: { at: 2 * GiB } }), undefined);
  assert.equal(space.find({ size: PAGE, devices: ['wasm'], place: { at: 5 * MiB } })?.address, 5 * MiB);
});

test('occupants lists hosts, devices and buffers by address, each whole', () => {
  const space = example();
  space.insert({ ...buffer(2 * MiB, 3 * MiB, 'tree'), guard: PAGE });
  const names = space
    .occupants({ start: 512 * KiB, end: 5 * MiB })
    .map((each) => `${each.name} of ${each.owner}`);
  assert.deepEqual(names, ['stacks of wasm', 'tree of host', '/usr/bin/node of host']);
  assert.equal(space.occupants({ start: 512 * KiB, end: 5 * MiB })[2]!.end, 96 * MiB);
  assert.deepEqual(space.occupants({ start: 96 * MiB, end: 100 * MiB }), []);
  assert.deepEqual(space.occupants({ start: 200 * MiB, end: 300 * MiB }), []);
});

test('a device that loads a program reserves more from then on', () => {
  const space = example();
  assert.equal(space.find({ size: PAGE, devices: ['wasm'] })?.address, 1 * MiB);
  space.setReserved('wasm', [{ name: 'stacks and data', start: 64 * KiB, end: 2 * MiB }]);
  assert.equal(space.find({ size: PAGE, devices: ['wasm'] })?.address, 2 * MiB);
  assert.equal(space.devices[0]!.reserved[0]!.name, 'stacks and data');
  assert.throws(() => space.setReserved('cuda', []), RangeError);
});

test('a page that a window or a reserved region only partly covers is not used', () => {
  const space = new PlacementSpace({
    pageSize: PAGE,
    limit: { start: 0, end: 1 * MiB },
    devices: [
      {
        name: 'odd',
        window: { start: 100, end: 4 * PAGE - 1 },
        reserved: [{ name: 'r', start: PAGE + 8, end: PAGE + 9 }],
      },
    ],
  });
  assert.equal(space.find({ size: 1 })?.address, 2 * PAGE);
  assert.equal(space.find({ size: PAGE + 1 }), undefined);
});

test('the largest window that is allowed works with the largest guard', () => {
  const space = new PlacementSpace({ pageSize: PAGE, limit: { start: 0, end: 2 ** 52 }, devices: [] });
  const guard = 2 ** 53 - PAGE;
  assert.equal(space.find({ size: PAGE, guard })?.address, 0);
  assert.equal(space.find({ size: PAGE, guard })?.guard, 2 ** 52 - PAGE);
  assert.equal(space.find({ size: PAGE, guard, topdown: true })?.address, 2 ** 52 - PAGE);
  assert.equal(space.find({ size: 2 ** 52, guard })?.guard, 0);
  assert.equal(space.find({ size: PAGE, align: 2 ** 51, topdown: true })?.address, 2 ** 51);
  assert.equal(space.find({ size: PAGE, align: 2 ** 52, topdown: true })?.address, 0);
});

test('the constructor refuses windows and names that mean nothing', () => {
  const make = (over: object) => () =>
    new PlacementSpace({ pageSize: PAGE, limit: LIMIT, devices: [], ...over });
  const device = (name: string, start = 0, end = GiB) => ({ name, window: { start, end }, reserved: [] });
  assert.throws(make({ pageSize: 5000 }), RangeError);
  assert.throws(make({ limit: { start: 0, end: 2 ** 53 - PAGE } }), RangeError);
  assert.throws(make({ devices: [device('host')] }), RangeError);
  assert.throws(make({ devices: [device('a'), device('a')] }), RangeError);
  assert.throws(make({ devices: [device('a', GiB, GiB)] }), RangeError);
  assert.throws(make({ devices: Array.from({ length: 53 }, (_, i) => device(`d${i}`)) }), RangeError);
  assert.throws(make({ host: [vma(2 ** 53, 2 ** 54)] }), RangeError);
});

test('sets of many devices are told apart', () => {
  const devices = Array.from({ length: 52 }, (_, i) => ({
    name: `d${i}`,
    window: { start: 0, end: 64 * PAGE },
    reserved: [{ name: 'own', start: 0, end: (i + 1) * PAGE }],
  }));
  const space = new PlacementSpace({ pageSize: PAGE, limit: { start: 0, end: 64 * PAGE }, devices });
  for (let round = 0; round < 2; round++)
    for (let i = 0; i < 52; i++)
      assert.equal(space.find({ size: PAGE, devices: [`d${i}`, 'd0'] })?.address, (i + 1) * PAGE);
});

test('thousands of buffers at wide strides are found, replaced and removed again', () => {
  const space = new PlacementSpace({ pageSize: PAGE, limit: { start: 0, end: 2 ** 47 }, devices: [] });
  for (const stride of [PAGE, 2 * MiB, 1 * GiB, 16 * GiB]) {
    const starts = Array.from({ length: 3000 }, (_, i) => i * stride);
    for (const start of starts) space.insert(buffer(start, start + PAGE, `b${start}`));
    for (const start of starts.filter((_, i) => i % 3 !== 0))
      assert.equal(space.remove(start).name, `b${start}`);
    for (const start of starts.filter((_, i) => i % 3 === 0)) {
      space.replace(start, { ...buffer(start, start + PAGE, `q${start}`), kind: 'quarantined' });
      assert.equal(space.remove(start).name, `q${start}`);
    }
    assert.equal(space.quarantinedBytes, 0);
    assert.deepEqual(space.occupants({ start: 0, end: 2 ** 47 }), []);
  }
});
