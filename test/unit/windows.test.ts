/**
 * Devices that reach less than they could, and not the same: buffers lie where all of their devices reach, and clear of
 * what each of them reserves; where there is no such place the refusal has each window, and what would help.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  GiB,
  KiB,
  MiB,
  type Mirror,
  openMirror,
  PlacementError,
  type Range,
  type SvmBuffer,
  type WasmDevice,
  wasmDevice,
} from 'mirrorspace';
import { type DeviceWindow, PlacementSpace } from '../../src/placement/index.ts';
import { withDevices } from '../fixtures/with-devices.ts';
import { basicKernels } from '../fixtures/with-mirror.ts';

const PAGE = 4 * KiB;
const inside = ({ address, end }: SvmBuffer, range: Range): boolean =>
  address >= range.start && end <= range.end;

describe('a narrowed window', () => {
  it('with a fixed base and an end holds every buffer, and kernels work at both of its edges', () =>
    withDevices({ wasm: wasmDevice({ cores: 1, window: [0x64000000, 0x64400000] }) }, async (mirror) => {
      const { wasm } = mirror.devices;
      assert.deepEqual(wasm.window, { start: 0x64000000, end: 0x64400000 });
      const low = mirror.alloc(64 * KiB, { name: 'low' });
      const high = mirror.alloc(64 * KiB, { name: 'high', topdown: true });
      assert.equal(low.address, 0x64000000);
      assert.equal(high.end, 0x64400000);
      const store = (await wasm.load(basicKernels)).kernel('storeAt', ['pointer', 'i32']);
      wasm.queue.launch(store, { items: 1, args: [low.address, 1] });
      await wasm.queue.launch(store, { items: 1, args: [high.end - 4, 2] }).done;
      assert.equal(low.view(Int32Array)[0], 1);
      assert.equal(high.view(Int32Array).at(-1), 2);
    }));

  it('is used up to its last page, and then refuses with what fills it', () =>
    withDevices({ wasm: wasmDevice({ cores: 1, window: [0x66000000, 0x66010000] }) }, (mirror) => {
      const buffers = Array.from({ length: 16 }, (_, i) =>
        mirror.alloc(PAGE, { name: `page-${i}`, guard: 0 }),
      );
      assert.deepEqual(
        buffers.map(({ address }) => address),
        Array.from({ length: 16 }, (_, i) => 0x66000000 + i * PAGE),
      );
      assert.throws(
        () => mirror.alloc(PAGE, { guard: 0 }),
        (error: unknown) => {
          assert.ok(error instanceof PlacementError);
          const { reason, blockers, totalFree, candidate } = error.refusal;
          assert.equal(reason, 'exhausted');
          assert.equal(totalFree, 0);
          assert.deepEqual(candidate, { start: 0x66000000, end: 0x66010000 });
          assert.equal(blockers.length, 16);
          assert.ok(blockers.every(({ kind, name }) => kind === 'buffer' && name.startsWith('page-')));
          return true;
        },
      );
      buffers[7]!.free();
      assert.equal(mirror.alloc(PAGE, { guard: 0 }).address, 0x66007000);
    }));

  it('is refused where it is no window, or not within what the device reaches', () => {
    const bad = [
      [0, 1 * GiB],
      [64 * KiB - 1, 1 * GiB],
      [1 * GiB, 4 * GiB + 1],
      [2 * GiB, 1 * GiB],
      [1 * GiB, 1 * GiB],
      [Number.NaN, 1 * GiB],
      [0.5, 1 * GiB],
    ] as const;
    for (const window of bad)
      assert.throws(() => wasmDevice({ window }), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
    assert.doesNotThrow(() => wasmDevice({ window: [64 * KiB, 4 * GiB] }));
  });
});

describe('reserved regions', () => {
  const firmwareAt = (base: number) => ({ start: base + 0x10000, end: base + 0x20000, name: 'firmware' });

  it('of the firmware are kept clear of, to the page, and refusals call them by name', () => {
    const BASE = 0x90000000;
    const FIRMWARE = firmwareAt(BASE);
    const MAILBOX = { start: BASE + 0x30010, end: BASE + 0x30020, name: 'mailbox' };
    return withDevices(
      {
        wasm: wasmDevice({
          cores: 1,
          window: [BASE + 0x0, BASE + 0x40000],
          reserved: [FIRMWARE, MAILBOX],
        }),
      },
      (mirror) => {
        assert.ok(mirror.devices.wasm.reserved.some(({ name }) => name === 'firmware'));
        const found: SvmBuffer[] = [];
        for (let plan = mirror.plan(PAGE, { guard: 0 }); plan.ok; plan = mirror.plan(PAGE, { guard: 0 }))
          found.push(mirror.alloc(PAGE, { guard: 0 }));
        assert.equal(found.length, 64 - 16 - 1, 'every page but those of the two regions');
        const mailboxPage = { start: BASE + 0x30000, end: BASE + 0x31000 };
        for (const buffer of found)
          for (const region of [FIRMWARE, mailboxPage])
            assert.ok(buffer.end <= region.start || buffer.address >= region.end, buffer.name);
        for (const { start, name } of [FIRMWARE, MAILBOX]) {
          const at = Math.floor(start / PAGE) * PAGE;
          const plan = mirror.plan(PAGE, { place: { at } });
          assert.ok(!plan.ok);
          assert.equal(plan.refusal.reason, 'occupied');
          assert.ok(plan.refusal.blockers.some((each) => each.name === name && each.owner === 'wasm'));
        }
        assert.throws(() => mirror.alloc(PAGE, { place: { at: FIRMWARE.start } }), /firmware/);
      },
    );
  });

  it('of a device count only for buffers which that device must reach', () => {
    const BASE = 0x92000000;
    const FIRMWARE = firmwareAt(BASE);
    return withDevices(
      {
        a: wasmDevice({ cores: 1, window: [BASE + 0x0, BASE + 0x20000], reserved: [FIRMWARE] }),
        b: wasmDevice({ cores: 1, window: [BASE + 0x0, BASE + 0x20000] }),
      },
      (mirror) => {
        const place = { at: FIRMWARE.start };
        assert.throws(() => mirror.alloc(PAGE, { place }), PlacementError);
        assert.throws(() => mirror.alloc(PAGE, { place, devices: ['a'] }), PlacementError);
        assert.equal(mirror.alloc(PAGE, { place, devices: ['b'] }).address, FIRMWARE.start);
        assert.equal(
          mirror.alloc(PAGE, { place: { at: FIRMWARE.start + PAGE }, access: { a: 'none' } }).size,
          PAGE,
        );
      },
    );
  });
});

describe('two devices with different windows', () => {
  const A: Range = { start: 0x94000000, end: 0x94800000 };
  const B: Range = { start: 0x94600000, end: 0x95000000 };
  const BOTH: Range = { start: 0x94600000, end: 0x94800000 };
  let mirror: Mirror<{ a: WasmDevice; b: WasmDevice }>;

  before(async () => {
    mirror = await openMirror({
      devices: {
        a: wasmDevice({ cores: 1, window: [A.start, A.end] }),
        b: wasmDevice({ cores: 1, window: [B.start, B.end] }),
      },
    });
  });
  after(() => mirror.close());

  it('share buffers in what both reach, and see one another through them', async () => {
    const shared = mirror.alloc(64 * KiB, { name: 'shared' });
    assert.ok(inside(shared, BOTH));
    assert.deepEqual(shared.placement.window, BOTH);
    const { a, b } = mirror.devices;
    const [inA, inB] = await Promise.all([a.load(basicKernels), b.load(basicKernels)]);
    await a.queue.launch(inA.kernel('storeAt', ['pointer', 'i32']), { items: 1, args: [shared.address, 41] })
      .done;
    await b.queue.launch(inB.kernel('increment', ['pointer']), { items: 1, args: [shared] }).done;
    assert.equal(shared.view(Int32Array)[0], 42);
  });

  it('have buffers of their own in the whole of their windows', () => {
    const onlyA = mirror.alloc(64 * KiB, { devices: ['a'] });
    assert.equal(onlyA.address, A.start);
    const onlyB = mirror.alloc(64 * KiB, { devices: ['b'], topdown: true });
    assert.equal(onlyB.end, B.end);
    const hidden = mirror.alloc(64 * KiB, { access: { b: 'none' } });
    assert.ok(inside(hidden, A));
    const hosts = mirror.alloc(64 * KiB, { devices: [], topdown: true });
    assert.ok(hosts.address >= 4 * GiB, 'a buffer for the host alone lies anywhere');
  });

  it('refuse what fits in one window but not in both, and say which device is in the way', () => {
    const plan = mirror.plan(4 * MiB);
    assert.ok(!plan.ok);
    const { refusal } = plan;
    assert.equal(refusal.reason, 'larger-than-window');
    assert.deepEqual(refusal.candidate, BOTH);
    assert.deepEqual(
      refusal.windows.filter(({ name }) => name !== 'host'),
      [
        { name: 'a', ...A },
        { name: 'b', ...B },
      ],
    );
    for (const device of ['a', 'b'] as const) {
      const remedy = refusal.remedies.find(
        (each) => each.kind === 'without-device' && each.device === device,
      );
      assert.ok(remedy, `without ${device} it fits`);
      const others = device === 'a' ? ['b'] : ['a'];
      const taken = mirror.alloc(4 * MiB, { devices: others, place: { at: remedy.address } });
      assert.equal(taken.address, remedy.address, 'a remedy is true');
      taken.free();
    }
    assert.throws(() => mirror.alloc(PAGE, { place: { at: A.start } }), /outside|not in/i);
    const outside = mirror.plan(PAGE, { place: { at: A.start } });
    assert.ok(!outside.ok && outside.refusal.reason === 'outside-window');
  });
});

describe('windows that have nothing in common', () => {
  it('refuse a buffer for both with each window and the device to leave out', () =>
    withDevices(
      {
        a: wasmDevice({ cores: 1, window: [0x6e000000, 0x6e800000] }),
        b: wasmDevice({ cores: 1, window: [0x6e800000, 0x6f000000] }),
      },
      (mirror) => {
        const plan = mirror.plan(PAGE);
        assert.ok(!plan.ok);
        const { reason, windows, candidate, remedies } = plan.refusal;
        assert.equal(reason, 'no-common-window');
        assert.equal(candidate, null);
        assert.deepEqual(
          windows.filter(({ name }) => name !== 'host'),
          [
            { name: 'a', start: 0x6e000000, end: 0x6e800000 },
            { name: 'b', start: 0x6e800000, end: 0x6f000000 },
          ],
        );
        assert.deepEqual(
          remedies.map((each) => (each.kind === 'without-device' ? each.device : each.kind)).sort(),
          ['a', 'b'],
        );
        assert.throws(
          () => mirror.alloc(PAGE),
          (error: unknown) =>
            error instanceof PlacementError &&
            /have no page in common. Without device [ab] it fits at 0x/.test(error.message),
        );
        assert.equal(mirror.alloc(PAGE, { devices: ['a'] }).address, 0x6e000000);
        assert.equal(mirror.alloc(PAGE, { devices: ['b'] }).address, 0x6e800000);
      },
    ));

  it('that share less than a page share nothing', () =>
    withDevices(
      {
        a: wasmDevice({ cores: 1, window: [0x70000000, 0x70000fff] }),
        b: wasmDevice({ cores: 1, window: [0x70000000, 0x71000000] }),
      },
      (mirror) => {
        const plan = mirror.plan(PAGE);
        assert.ok(!plan.ok && plan.refusal.reason === 'no-common-window');
        assert.equal(mirror.alloc(PAGE, { devices: ['b'] }).address, 0x70000000);
      },
    ));
});

describe('windows wider than 32 bits, in placement', () => {
  const TiB = 2 ** 40;
  const HOST = { start: 64 * KiB, end: 2 ** 47 };
  /** 36 bits from a fixed base, with firmware at the bottom. */
  const GPU: DeviceWindow = {
    name: 'gpu',
    window: { start: 0x7000_0000_0000, end: 0x7000_0000_0000 + 2 ** 36 },
    reserved: [{ start: 0x7000_0000_0000, end: 0x7000_0040_0000, name: 'firmware' }],
  };
  /** 40 bits from another one, which the first lies within; and an aperture in the middle. */
  const NPU: DeviceWindow = {
    name: 'npu',
    window: { start: 0x7000_0000_0000 - 4 * GiB, end: 0x7000_0000_0000 - 4 * GiB + 2 ** 40 },
    reserved: [{ start: 0x7000_4000_0000, end: 0x7000_8000_0000, name: 'aperture' }],
  };
  const LOW: DeviceWindow = { name: 'low', window: { start: 64 * KiB, end: 4 * GiB }, reserved: [] };
  const space = () => new PlacementSpace({ pageSize: PAGE, limit: HOST, devices: [GPU, NPU, LOW] });

  it('are searched exactly from their fixed base on, clear of firmware', () => {
    const placed = space().find({ size: 2 * MiB, devices: ['gpu'] });
    assert.equal(placed?.address, 0x7000_0040_0000);
    const top = space().find({ size: 1 * GiB, align: 1 * GiB, topdown: true, devices: ['gpu'] });
    assert.equal(top?.address, 0x7000_0000_0000 + 2 ** 36 - GiB);
  });

  it('meet in the narrower one, less what either reserves', () => {
    const placed = space().find({ size: 4 * GiB, devices: ['gpu', 'npu'] });
    assert.equal(placed?.address, 0x7000_8000_0000, 'behind the aperture of the other');
    assert.deepEqual(placed?.window, GPU.window);
    const whole = space().plan({ size: 2 ** 36, devices: ['gpu', 'npu'] });
    assert.ok(!whole.ok);
    assert.equal(whole.refusal.reason, 'exhausted');
    assert.equal(whole.refusal.totalFree, 2 ** 36 - 0x40_0000 - 0x4000_0000);
    assert.deepEqual(whole.refusal.largestHole, {
      start: 0x7000_8000_0000,
      end: GPU.window.end,
      size: 2 ** 36 - 0x8000_0000,
    });
  });

  it('have no page in common with a 32-bit device, which the refusal offers to leave out', () => {
    const plan = space().plan({ size: PAGE });
    assert.ok(!plan.ok);
    assert.equal(plan.refusal.reason, 'no-common-window');
    const remedy = plan.refusal.remedies.find((each) => each.kind === 'without-device');
    assert.ok(remedy?.kind === 'without-device');
    assert.equal(remedy.device, 'low');
    assert.equal(remedy.address, 0x7000_0040_0000);
  });

  it('hold a buffer of a tebibyte less a page, to the byte', () => {
    const only: DeviceWindow = { ...NPU, reserved: [] };
    const wide = new PlacementSpace({ pageSize: PAGE, limit: HOST, devices: [only] });
    assert.equal(wide.find({ size: TiB })?.address, NPU.window.start);
    const behind = {
      start: NPU.window.start,
      end: NPU.window.start + PAGE,
      kind: 'vma',
      name: 'one page',
      owner: 'host',
    } as const;
    wide.setHost([behind]);
    assert.equal(wide.find({ size: TiB }), undefined);
    assert.equal(wide.find({ size: TiB - PAGE })?.address, NPU.window.start + PAGE);
    assert.equal(
      wide.find({ size: TiB - PAGE, guard: PAGE })?.guard,
      0,
      'the end of the window cuts the guard short',
    );
  });

  it('take pages out of a 36-bit window one by one until the last, in both directions', () => {
    const from = { name: 'far', window: { start: 2 ** 46, end: 2 ** 46 + 64 * PAGE }, reserved: [] };
    for (const topdown of [false, true]) {
      const wide = new PlacementSpace({ pageSize: PAGE, limit: HOST, devices: [from] });
      for (let i = 0; i < 64; i++) {
        const placed = wide.find({ size: PAGE, topdown });
        assert.equal(placed?.address, 2 ** 46 + (topdown ? 63 - i : i) * PAGE);
        wide.insert({
          start: placed!.address,
          end: placed!.address + PAGE,
          kind: 'buffer',
          name: `b${i}`,
          owner: 'host',
        });
      }
      assert.equal(wide.find({ size: PAGE, topdown }), undefined);
    }
  });
});
