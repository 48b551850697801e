import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GiB, KiB, MiB, TiB } from '../../src/mm/address.ts';
import {
  type DeviceWindow,
  describeRefusal,
  type Occupied,
  type PlacementRequest,
  PlacementSpace,
  type Refusal,
  refusalMessage,
} from '../../src/placement/index.ts';

const PAGE = 4096;
const vma = (start: number, end: number, name: string): Occupied => ({
  start,
  end,
  kind: 'vma',
  name,
  owner: 'host',
});
const buffer = (start: number, end: number, name: string): Occupied => ({
  ...vma(start, end, name),
  kind: 'buffer',
});
const quarantined = (start: number, end: number): Occupied => ({
  ...vma(start, end, 'old'),
  kind: 'quarantined',
});
const small: DeviceWindow = { name: 'small', window: { start: 0, end: 16 * MiB }, reserved: [] };

function space(devices: readonly DeviceWindow[], host: readonly Occupied[] = []): PlacementSpace {
  return new PlacementSpace({ pageSize: PAGE, limit: { start: 0, end: 128 * TiB }, devices, host });
}

function refusalOf(from: PlacementSpace, request: PlacementRequest): Refusal {
  const plan = from.plan(request);
  assert.ok(!plan.ok, 'the request was met');
  return plan.refusal;
}

test('windows without an address in common are named, and the device to do without', () => {
  const far: DeviceWindow = { name: 'far', window: { start: 1 * TiB, end: 2 * TiB }, reserved: [] };
  const refusal = refusalOf(space([small, far]), { size: 1 * MiB });
  assert.equal(refusal.reason, 'no-common-window');
  assert.equal(refusal.candidate, null);
  assert.equal(refusal.searched, null);
  assert.deepEqual(refusal.windows, [
    { name: 'host', start: 0, end: 128 * TiB },
    { name: 'small', start: 0, end: 16 * MiB },
    { name: 'far', start: 1 * TiB, end: 2 * TiB },
  ]);
  assert.deepEqual(refusal.remedies, [
    { kind: 'without-device', device: 'small', address: 1 * TiB },
    { kind: 'without-device', device: 'far', address: 0 },
  ]);
  assert.match(
    refusalMessage(refusal),
    /the windows of small and far .* no page in common\. Without device small/,
  );
});

test('an exact address outside of a window is a refusal that says which window', () => {
  const refusal = refusalOf(space([small]), { size: 1 * MiB, place: { at: 1 * GiB } });
  assert.equal(refusal.reason, 'outside-window');
  assert.deepEqual(refusal.blockers, []);
  assert.deepEqual(refusal.remedies, [{ kind: 'anywhere', address: 0 }]);
  assert.equal(
    refusalMessage(refusal),
    'No place for 1 MiB at 0x40000000 for small: that is outside the common window 0x0-0x1000000 (16 MiB). ' +
      'Elsewhere in the window it fits at 0x0.',
  );
});

test('an exact address whose end is outside of the window is told how much fits there', () => {
  const refusal = refusalOf(space([small]), { size: 2 * MiB, place: { at: 15 * MiB } });
  assert.equal(refusal.reason, 'outside-window');
  assert.deepEqual(refusal.remedies, [
    { kind: 'anywhere', address: 0 },
    { kind: 'size', size: 1 * MiB, address: 15 * MiB },
  ]);
});

test('a request larger than the window is not blamed on anyone in it', () => {
  const refusal = refusalOf(space([small], [vma(0, 1 * MiB, 'node')]), { size: 17 * MiB });
  assert.equal(refusal.reason, 'larger-than-window');
  assert.deepEqual(refusal.blockers, []);
  assert.deepEqual(refusal.remedies, [{ kind: 'size', size: 15 * MiB, address: 1 * MiB }]);
});

test('a `within` of less than a page is too small, not outside', () => {
  const refusal = refusalOf(space([small]), { size: 1, place: { within: [100, 200] } });
  assert.equal(refusal.reason, 'larger-than-window');
  assert.deepEqual(refusal.remedies, [{ kind: 'anywhere', address: 0 }]);
  assert.match(describeRefusal(refusal), /larger|more than/);
});

test('an exact address that is taken lists all that overlap, guards apart', () => {
  //  0     1M     2M     3M     4M
  //  |......|node--|..|tree--g|..|      the request is [1M + 512K, 4M)
  const from = space([small], [vma(1 * MiB, 2 * MiB, 'node')]);
  from.insert({ ...buffer(3 * MiB - 64 * KiB, 3 * MiB + PAGE, 'tree'), guard: PAGE });
  const refusal = refusalOf(from, { size: 2.5 * MiB, place: { at: 1.5 * MiB } });
  assert.equal(refusal.reason, 'occupied');
  assert.deepEqual(refusal.blockers, [
    { ...vma(1 * MiB, 2 * MiB, 'node'), size: 1 * MiB },
    { ...buffer(3 * MiB - 64 * KiB, 3 * MiB + PAGE, 'tree'), guard: PAGE, size: 64 * KiB },
  ]);
  assert.match(describeRefusal(refusal), /tree \(buffer\), 64 KiB and 4 KiB guard/);
  assert.match(
    refusalMessage(refusal),
    /node \(mapping of the host\) 0x100000-0x200000 and 1 more are in the way/,
  );
});

test('when only the guard clashes, that is what is said', () => {
  const from = space([small], [vma(2 * MiB, 3 * MiB, 'node')]);
  const refusal = refusalOf(from, { size: 1 * MiB, guard: 64 * KiB, place: { at: 1 * MiB } });
  assert.match(
    refusalMessage(refusal),
    /is in the way of the guard\. Without the guard it fits at 0x100000\.$/,
  );
});

test('a hole that is large enough but not aligned is answered with the largest alignment that fits', () => {
  // free: [1M + 64K, 4M)
  const from = space(
    [{ ...small, window: { start: 0, end: 4 * MiB } }],
    [vma(0, 1 * MiB + 64 * KiB, 'node')],
  );
  const refusal = refusalOf(from, { size: 2.5 * MiB, align: 2 * MiB });
  assert.equal(refusal.reason, 'alignment');
  const hole = { start: 1 * MiB + 64 * KiB, end: 4 * MiB, size: 3 * MiB - 64 * KiB };
  assert.deepEqual(refusal.largestHole, hole);
  assert.deepEqual(refusal.largestAlignedHole, { start: 2 * MiB, end: 4 * MiB, size: 2 * MiB });
  assert.deepEqual(refusal.remedies, [
    { kind: 'align', align: 512 * KiB, address: 1.5 * MiB },
    { kind: 'size', size: 2 * MiB, address: 2 * MiB },
  ]);
  assert.match(refusalMessage(refusal), /512 KiB alignment fits at 0x180000\.$/);
});

test('enough in all and no hole large enough is fragmentation, with those that border the holes', () => {
  //  |....|a|.......|b|...|            16 MiB, a and b 64 KiB each
  const from = space([small]);
  from.insert(buffer(4 * MiB, 4 * MiB + 64 * KiB, 'a'));
  from.insert(buffer(12 * MiB, 12 * MiB + 64 * KiB, 'b'));
  const refusal = refusalOf(from, { size: 10 * MiB });
  assert.equal(refusal.reason, 'fragmented');
  assert.equal(refusal.totalFree, 16 * MiB - 128 * KiB);
  assert.deepEqual(
    refusal.blockers.map((each) => each.name),
    ['a', 'b'],
  );
  assert.deepEqual(refusal.remedies, [
    { kind: 'size', size: 8 * MiB - 64 * KiB, address: 4 * MiB + 64 * KiB },
  ]);
});

test('quarantined ranges that only need time are offered as that', () => {
  const from = space([small]);
  from.insert(quarantined(2 * MiB, 6 * MiB));
  from.insert(quarantined(8 * MiB, 9 * MiB));
  from.insert(buffer(12 * MiB, 16 * MiB, 'tree'));
  const refusal = refusalOf(from, { size: 7 * MiB });
  assert.equal(refusal.quarantinedBytes, 5 * MiB);
  assert.deepEqual(refusal.remedies[0], { kind: 'wait', bytes: 4 * MiB, address: 0 });
  assert.match(refusalMessage(refusal), /Waiting for 4 MiB of quarantined ranges makes it fit at 0x0\.$/);
});

test('nothing left is exhaustion, and where no single change helps that is said', () => {
  const refusal = refusalOf(space([small], [vma(0, 16 * MiB, '')]), { size: PAGE });
  assert.equal(refusal.reason, 'exhausted');
  assert.equal(refusal.largestHole, null);
  assert.deepEqual(refusal.remedies, []);
  assert.equal(refusalMessage(refusal), 'No place for 4 KiB for small: nothing is free in 0x0-0x1000000.');
  assert.match(
    describeRefusal(refusal),
    /unnamed \(mapping of the host\).*\n\nNo single change makes it fit\.$/s,
  );
});

test('of very many blockers sixteen are listed, those around the best holes and the largest, and the rest counted', () => {
  //  |b0.b1.b2. … .b29.tiny......tiny.large.b30. … .b49.|     "large" borders no good hole
  const from = space([small]);
  for (let i = 0; i < 50; i++) {
    const start = i < 30 ? i * 32 * KiB : 15 * MiB + i * 16 * KiB;
    from.insert(buffer(start, start + 12 * KiB, `b${i}`));
  }
  from.insert(buffer(4 * MiB, 4 * MiB + PAGE, 'below'));
  from.insert(buffer(14 * MiB, 14 * MiB + PAGE, 'above'));
  from.insert(buffer(14 * MiB + 8 * KiB, 15 * MiB + 476 * KiB, 'large'));
  const refusal = refusalOf(from, { size: 12 * MiB });
  const names = refusal.blockers.map((each) => each.name);
  assert.equal(names.length, 16);
  assert.equal(refusal.blockersOmitted, 53 - 16);
  for (const name of ['below', 'above', 'large']) assert.ok(names.includes(name), `${name} of ${names}`);
  assert.match(describeRefusal(refusal), /\n {2}and 37 more\n/);
});

test('what bars the guard beyond `within` is listed too', () => {
  const from = space([small], [vma(2 * MiB, 3 * MiB, 'node')]);
  const refusal = refusalOf(from, { size: 1 * MiB, guard: 64 * KiB, place: { within: [1 * MiB, 2 * MiB] } });
  assert.equal(refusal.reason, 'fragmented');
  assert.deepEqual(
    refusal.blockers.map((each) => each.name),
    ['node'],
  );
  assert.match(refusalMessage(refusal), /too small for the guard\. Without the guard it fits at 0x100000\.$/);
});

test('the devices of the request alone are explained, and the buffers of all', () => {
  const other: DeviceWindow = {
    name: 'other',
    window: { start: 0, end: 1 * GiB },
    reserved: [{ name: 'code', start: 0, end: 1 * MiB }],
  };
  const from = space([small, other], [vma(1 * MiB, 16 * MiB, 'node')]);
  const refusal = refusalOf(from, { size: 2 * MiB, devices: ['small'] });
  assert.deepEqual(
    refusal.blockers.map((each) => each.name),
    ['node'],
  );
  assert.deepEqual(refusal.request.devices, ['small']);
  // Without its only device the buffer would mirror nothing.
  assert.deepEqual(
    refusal.remedies.map((remedy) => remedy.kind),
    ['size'],
  );
});

test('the whole text reads well', () => {
  const gpu: DeviceWindow = {
    name: 'gpu',
    window: { start: 8 * MiB, end: 64 * GiB },
    reserved: [{ name: 'firmware', start: 8 * MiB, end: 9 * MiB }],
  };
  const from = space([small, gpu], [vma(12 * MiB, 13 * MiB, '/usr/bin/node')]);
  from.insert(quarantined(9 * MiB, 10 * MiB));
  const refusal = refusalOf(from, { size: 3 * MiB, align: 2 * MiB, guard: 64 * KiB });
  assert.equal(
    describeRefusal(refusal),
    `No place for 3 MiB aligned to 2 MiB with a guard of 64 KiB for small and gpu:
5 MiB are free in 0x800000-0x1000000, and the largest hole is 3 MiB at 0xd00000-0x1000000, but none holds it at this alignment.

Within reach:
  host       0x0-0x800000000000 (128 TiB)
  small      0x0-0x1000000 (16 MiB)
  gpu        0x800000-0x1000000000 (64.0 GiB)
  in common  0x800000-0x1000000 (8 MiB)

Free:
  free in all                           5 MiB
  largest hole                          3 MiB at 0xd00000-0x1000000
  largest buffer (aligned, with guard)  2 MiB at 0xe00000-0x1000000
  quarantined                           1 MiB

In the way:
  0x800000-0x900000  firmware (reserved by gpu), 1 MiB
  0x900000-0xa00000  old (quarantined), 1 MiB
  0xc00000-0xd00000  /usr/bin/node (mapping of the host), 1 MiB

Any one of these changes makes it fit:
  - 1 MiB alignment fits at 0xd00000
  - without device small it fits at 0xe00000
  - without device gpu it fits at 0x0
  - at most 2 MiB fit, at 0xe00000`,
  );
});
