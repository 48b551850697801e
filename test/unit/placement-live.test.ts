/**
 * Placement in a real process: /proc/self/maps says what is taken, a linear scan over it says where a buffer belongs,
 * and no mapping but the mirror's own ever changes.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  type AllocOptions,
  GiB,
  KiB,
  MiB,
  type Mirror,
  openMirror,
  type Range,
  type WasmDevice,
  wasmDevice,
} from 'mirrorspace';
import { overlaps } from 'mirrorspace/mm';
import {
  FIRMWARE,
  guardOf,
  holes,
  linearPlace,
  openPlacing,
  PAGE,
  refusalOf,
  taken as takenBeside,
  WINDOW,
  withBuffers,
} from '../fixtures/placing.ts';
import { arenaMappings, mappings } from '../fixtures/proc.ts';

const NAME = 'placing';

let mirror: Mirror<{ wasm: WasmDevice }>;
before(async () => {
  mirror = await openPlacing(NAME);
});
after(() => mirror.close());

/** All that is taken now. */
const taken = (live = mirror.buffers(), reserved?: readonly Range[]): Range[] => takenBeside(live, reserved);

describe('a buffer lies', () => {
  const wanted: [what: string, size: number, options: AllocOptions][] = [
    ['at the lowest place of the window', PAGE, {}],
    ['at the lowest place that is large enough', 700 * MiB + 1, {}],
    ['at the highest place of the window', 64 * KiB, { topdown: true }],
    ['at the highest place below the firmware where it is too large for above', GiB, { topdown: true }],
    ['at a multiple of 2 MiB', 100, { align: 2 * MiB }],
    ['at the highest multiple of 2 MiB', 3 * MiB, { align: 2 * MiB, topdown: true }],
    ['at a multiple of 1 GiB', MiB, { align: GiB }],
    ['at the highest multiple of 1 GiB', MiB, { align: GiB, topdown: true }],
    ['before a guard of 100 pages', PAGE, { guard: 100 }],
    ['close to its neighbour without a guard', PAGE, { guard: 0 }],
  ];
  for (const [what, size, options] of wanted)
    test(`${what}, where a scan over the maps puts it, and plan has said so`, () => {
      withBuffers((keep) => {
        keep(mirror.alloc(3 * PAGE, { name: 'neighbour' }));
        keep(mirror.alloc(PAGE, { name: 'further', place: { at: WINDOW.start + 20 * PAGE } }));
        const { guard = 1, ...rest } = options;
        const expected = linearPlace(taken(), size, { ...rest, guard: guard * PAGE } as object);
        const before = arenaMappings(NAME);
        const plan = mirror.plan(size, options);
        assert.deepEqual(mirror.plan(size, options), plan);
        assert.deepEqual(arenaMappings(NAME), before);
        assert.equal(mirror.buffers().length, 2);

        const buffer = keep(mirror.alloc(size, options));
        assert.equal(buffer.address, expected);
        assert.deepEqual(plan, { ok: true, placement: buffer.placement });
        assert.equal(buffer.address % (options.align ?? PAGE), 0);
        const covered = arenaMappings(NAME).find((vma) => vma.end === buffer.address + buffer.placement.size);
        assert.ok(covered && covered.start <= buffer.address);
      });
    });

  test('exactly at the address asked for, and nowhere else', () => {
    withBuffers((keep) => {
      const address = 2 * GiB + 17 * PAGE;
      const buffer = keep(mirror.alloc(5000, { place: { at: address } }));
      assert.equal(buffer.address, address);
      assert.deepEqual(
        arenaMappings(NAME).map(({ start, end, offset }) => ({ start, end, offset })),
        [{ start: address, end: address + 2 * PAGE, offset: address }],
      );
    });
  });

  test('within the range asked for, though lower places are free', () => {
    withBuffers((keep) => {
      const within = [2 * GiB + 1, 2 * GiB + 10 * PAGE] as const;
      const low = keep(mirror.alloc(PAGE, { place: { within } }));
      assert.equal(low.address, 2 * GiB + PAGE);
      const high = keep(mirror.alloc(PAGE, { place: { within }, topdown: true }));
      assert.equal(high.end, 2 * GiB + 10 * PAGE);
      assert.equal(high.placement.strategy, 'within');
      const refusal = refusalOf(() => mirror.alloc(9 * PAGE, { place: { within } }));
      assert.deepEqual(refusal.searched, { start: 2 * GiB + PAGE, end: 2 * GiB + 10 * PAGE });
    });
  });

  test('at the hint where that is free, rounded down to the alignment', () => {
    withBuffers((keep) => {
      const hint = 2 * GiB + 5 * MiB + 123;
      const { placement } = keep(mirror.alloc(PAGE, { place: { hint }, align: MiB }));
      assert.equal(placement.address, 2 * GiB + 5 * MiB);
      assert.equal(placement.strategy, 'hint');
      assert.equal('hintMissed' in placement, false);
    });
  });

  test('elsewhere where the hint is taken, and says who took it', () => {
    withBuffers((keep) => {
      const first = keep(mirror.alloc(PAGE, { name: 'first', place: { at: 2 * GiB } }));
      const expected = linearPlace(taken(), PAGE);
      const { placement } = keep(mirror.alloc(PAGE, { place: { hint: first.address } }));
      assert.equal(placement.address, expected);
      assert.equal(placement.hintMissed?.hint, first.address);
      assert.match(placement.hintMissed.reason, /first.*0x80000000/);
    });
  });

  for (const [what, hint, reason] of [
    ['beyond the window', 5 * GiB, /outside the window/],
    ['below it', 0, /outside the window/],
    ['at the end of all numbers', Number.MAX_SAFE_INTEGER, /outside the window/],
    ['in the firmware', FIRMWARE.start, /firmware/],
  ] as const)
    test(`elsewhere where the hint is ${what}`, () => {
      withBuffers((keep) => {
        const { placement } = keep(mirror.alloc(PAGE, { place: { hint } }));
        assert.equal(placement.address, WINDOW.start);
        assert.match(placement.hintMissed?.reason ?? '', reason);
      });
    });
});

test('guard pages stay unmapped, and no other buffer comes to lie in them', () => {
  withBuffers((keep) => {
    const [a, b] = [keep(mirror.alloc(PAGE, { guard: 3 })), keep(mirror.alloc(PAGE, { guard: 0 }))];
    const c = keep(mirror.alloc(PAGE));
    assert.equal(b.address, a.end + 3 * PAGE);
    assert.equal(c.address, b.end);
    assert.ok(!mappings().some((vma) => overlaps(vma, guardOf(a))));
    const refusal = refusalOf(() => mirror.alloc(PAGE, { place: { at: a.end + PAGE } }));
    assert.equal(refusal.blockers[0]?.start, a.address);
    assert.equal(refusal.blockers[0]?.guard, 3 * PAGE);
  });
});

test('five hundred buffers are disjoint, inside the window, and clear of all that was there', () => {
  withBuffers((keep) => {
    const there = mappings();
    const buffers = Array.from({ length: 500 }, (_, i) =>
      keep(mirror.alloc(1 + ((i * 7919) % 300_000), { align: PAGE << (i % 9), topdown: i % 3 === 0 })),
    );
    const ranges = buffers.map(({ placement: { address, size, guard } }) => ({
      start: address,
      end: address + size + guard,
    }));
    const all = [...ranges, FIRMWARE, ...there.filter((vma) => overlaps(vma, WINDOW))];
    all.sort((a, b) => a.start - b.start);
    for (let i = 1; i < all.length; i++) assert.ok(all[i - 1]!.end <= all[i]!.start);
    for (const range of ranges) assert.ok(WINDOW.start <= range.start && range.end <= WINDOW.end);
    for (const [i, { address }] of buffers.entries()) assert.equal(address % (PAGE << (i % 9)), 0);
    const mapped = arenaMappings(NAME).reduce((sum, { start, end }) => sum + end - start, 0);
    assert.equal(
      mapped,
      buffers.reduce((sum, { placement }) => sum + placement.size, 0),
    );
  });
  assert.deepEqual(arenaMappings(NAME), []);
});

describe('a window that is nearly full', () => {
  for (const guard of [0, 1, 5])
    test(`is refused with its largest hole, which then is filled to the page (guard of ${guard} pages)`, () => {
      withBuffers((keep) => {
        const fill = { guard: 0 } as const;
        keep(mirror.alloc(600 * MiB, { ...fill, place: { at: WINDOW.start + 3 * PAGE } }));
        keep(mirror.alloc(400 * MiB, { ...fill, place: { at: 2 * GiB + 200 * MiB } }));
        keep(mirror.alloc(400 * MiB, { ...fill, place: { at: 3 * GiB + 300 * MiB } }));
        const free = holes(taken());
        const largest = free.reduce((best, hole) =>
          hole.end - hole.start > best.end - best.start ? hole : best,
        );

        const refusal = refusalOf(() => mirror.alloc(700 * MiB, { guard }));
        assert.equal(refusal.reason, 'fragmented');
        assert.deepEqual(refusal.largestHole, { ...largest, size: largest.end - largest.start });
        assert.equal(
          refusal.totalFree,
          free.reduce((sum, { start, end }) => sum + end - start, 0),
        );
        assert.match(refusal.message, new RegExp(`0x${largest.start.toString(16)}`));
        assert.ok(refusal.blockers.some(({ end }) => end === largest.start));
        assert.deepEqual(refusal.remedies.at(-1), {
          kind: 'size',
          size: refusal.largestAlignedHole?.size,
          address: refusal.largestAlignedHole?.start,
        });

        const { start, size } = refusal.largestAlignedHole!;
        assert.equal(size, largest.end - largest.start - guard * PAGE);
        const before = arenaMappings(NAME);
        refusalOf(() => mirror.alloc(size + 1, { guard }));
        refusalOf(() => mirror.alloc(size + PAGE, { guard }));
        assert.deepEqual(arenaMappings(NAME), before);
        const last = keep(mirror.alloc(size, { guard }));
        assert.equal(last.address, start);
      });
      assert.deepEqual(arenaMappings(NAME), []);
    });

  test('is refused for the alignment where only that is wrong, and fits at the alignment named', () => {
    withBuffers((keep) => {
      keep(mirror.alloc(1.5 * GiB - 64 * KiB, { guard: 0, place: { at: WINDOW.start + 64 * KiB } }));
      keep(mirror.alloc(GiB - 192 * KiB, { guard: 0, place: { at: 3 * GiB + 128 * KiB } }));
      const refusal = refusalOf(() => mirror.alloc(64 * KiB, { align: 2 * GiB, guard: 0 }));
      assert.equal(refusal.reason, 'alignment');
      const remedy = refusal.remedies.find(({ kind }) => kind === 'align');
      assert.ok(remedy?.kind === 'align');
      assert.equal(remedy.align, 512 * MiB);
      const buffer = keep(mirror.alloc(64 * KiB, { align: remedy.align, guard: 0 }));
      assert.equal(buffer.address, remedy.address);
    });
  });

  test('can be filled to the last page, and then nothing is free', () => {
    withBuffers((keep) => {
      for (const { start, end } of holes(taken()))
        keep(mirror.alloc(end - start, { guard: 0, place: { at: start } }));
      const refusal = refusalOf(() => mirror.alloc(1));
      assert.equal(refusal.reason, 'exhausted');
      assert.equal(refusal.totalFree, 0);
      assert.equal(refusal.largestHole, null);
      assert.deepEqual(holes(taken()), []);
    });
    assert.equal(mirror.alloc(1).address, WINDOW.start);
    for (const buffer of mirror.buffers()) buffer.free();
  });
});

describe('what lies in the low 4 GiB already', () => {
  let whole: Mirror<{ wasm: WasmDevice }>;
  before(async () => {
    whole = await openMirror({ name: 'whole', devices: { wasm: wasmDevice({ cores: 1 }) } });
  });
  after(() => whole.close());

  const inReach = () => mappings().filter(({ start, end }) => start >= 4 * MiB && end <= 4 * GiB);

  test('is named when a buffer is wanted right there: the node binary itself', (t) => {
    const binary = inReach().find(({ name }) => name === process.execPath);
    if (!binary) return t.skip('this node is a position-independent executable, which lies elsewhere');
    const before = mappings().filter(({ name }) => name === process.execPath);
    const refusal = refusalOf(() => whole.alloc(PAGE, { place: { at: binary.start } }));
    assert.equal(refusal.reason, 'occupied');
    assert.deepEqual(
      refusal.blockers.map(({ kind, owner, name, start, end }) => ({ kind, owner, name, start, end })),
      [{ kind: 'vma', owner: 'host', name: process.execPath, start: binary.start, end: binary.end }],
    );
    assert.ok(refusal.message.includes(process.execPath), refusal.message);
    const [remedy] = refusal.remedies;
    assert.equal(remedy?.kind, 'anywhere');
    assert.equal(whole.alloc(PAGE, { guard: 0 }).address, remedy.address);
    assert.deepEqual(
      mappings().filter(({ name }) => name === process.execPath),
      before,
    );
  });

  test('is never covered by a buffer that asks for nothing but its size', () => {
    const there = inReach();
    for (const size of [PAGE, MiB, 100 * MiB, GiB]) {
      const { address, end } = whole.alloc(size);
      assert.ok(address >= 4 * MiB && end <= 4 * GiB);
      for (const vma of there) assert.ok(!overlaps(vma, { start: address, end }), vma.name);
    }
  });

  test('is a reserved region of the device where it is no mapping of the host', () => {
    for (const { start, name } of whole.devices.wasm.reserved) {
      const refusal = refusalOf(() => whole.alloc(PAGE, { place: { at: start } }));
      assert.ok(
        refusal.blockers.some((each) => each.name === name && each.owner === 'wasm'),
        name,
      );
    }
  });
});
