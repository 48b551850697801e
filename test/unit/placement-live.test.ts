/**
 * Placement in a real process: /proc/self/maps says what is taken, a linear scan over it says where a buffer belongs,
 * and no mapping but the mirror's own ever changes.
 */
import assert from 'node:assert/strict';
import { fstatSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import {
  type AllocOptions,
  GiB,
  KiB,
  MiB,
  type Mirror,
  openMirror,
  type Placement,
  PlacementError,
  type Range,
  type Refusal,
  type SvmBuffer,
  type WasmDevice,
  wasmDevice,
} from 'mirrorspace';
import { overlaps } from 'mirrorspace/mm';
import { viewMemory } from '../../src/ffi/library.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  mmap,
  munmap,
  PROT_READ,
  PROT_WRITE,
} from '../../src/linux/mmap.ts';
import { arenaDescriptor, arenaMappings, descriptors, eventually, mappings } from '../fixtures/proc.ts';

const NAME = 'placing';
const PAGE = 4 * KiB;
/** Above the process's heap: the kernel starts it up to 1 GiB beyond the program, and it may grow at any moment. */
const WINDOW: Range = { start: 1.5 * GiB, end: 4 * GiB };
const FIRMWARE = { start: 3 * GiB, end: 3 * GiB + 64 * KiB, name: 'firmware' };

let mirror: Mirror<{ wasm: WasmDevice }>;
before(async () => {
  mirror = await openMirror({
    name: NAME,
    devices: {
      wasm: wasmDevice({ cores: 1, window: [WINDOW.start, WINDOW.end], reserved: [FIRMWARE] }),
    },
  });
});
after(() => mirror.close());

/** A mapping that the mirror knows nothing of, filled with a byte. */
function foreignMapping(address: number, size: number, byte: number): () => void {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  assert.equal(mmap(address, size, PROT_READ | PROT_WRITE, flags, -1, 0), address);
  const bytes = new Uint8Array(viewMemory(address, size)).fill(byte);
  return () => {
    assert.ok(bytes.every((found) => found === byte));
    munmap(address, size);
  };
}

const guardOf = ({ placement }: SvmBuffer): Range => ({
  start: placement.address + placement.size,
  end: placement.address + placement.size + placement.guard,
});

/** All that is taken, as the kernel sees it, and what only the mirror and its device know: guards, reserved regions. */
function taken(
  live: readonly SvmBuffer[] = mirror.buffers(),
  reserved: readonly Range[] = [FIRMWARE],
): Range[] {
  const all = [...mappings(), ...reserved, ...live.map(guardOf)];
  return all.filter(({ start, end }) => start < end).sort((a, b) => a.start - b.start);
}

function holes(occupied: readonly Range[], { start, end }: Range = WINDOW): Range[] {
  const found: Range[] = [];
  let from = start;
  for (const range of occupied) {
    if (range.start > from) found.push({ start: from, end: Math.min(range.start, end) });
    from = Math.max(from, range.end);
    if (from >= end) return found;
  }
  found.push({ start: from, end });
  return found;
}

/** Where a buffer belongs: the simplest search there is. The end of the window may cut its guard short. */
function linearPlace(
  occupied: readonly Range[],
  size: number,
  { align = PAGE, guard = PAGE, topdown = false, window = WINDOW } = {},
): number | undefined {
  const whole = Math.ceil(size / PAGE) * PAGE;
  const fits = holes(occupied, window).flatMap((hole) => {
    const needed = hole.end === window.end ? whole : whole + guard;
    const lowest = Math.ceil(hole.start / align) * align;
    const highest = Math.floor((hole.end - needed) / align) * align;
    return lowest <= highest ? [{ lowest, highest }] : [];
  });
  return topdown ? fits.at(-1)?.highest : fits[0]?.lowest;
}

function refusalOf(call: () => unknown): Refusal & { message: string } {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof PlacementError, String(error));
    assert.equal(error.code, 'ERR_MIRROR_PLACEMENT');
    assert.equal(error.errno, 'ENOMEM');
    return { ...(error.refusal as Refusal), message: error.message };
  }
  return assert.fail('it was not refused');
}

/** Frees what a test has allocated, whatever happens in it. */
function withBuffers(body: (keep: (buffer: SvmBuffer) => SvmBuffer) => void): void {
  const kept: SvmBuffer[] = [];
  try {
    body((buffer) => {
      kept.push(buffer);
      return buffer;
    });
  } finally {
    for (const buffer of kept) buffer[Symbol.dispose]();
  }
}

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

describe('a mapping that was made behind the back of the mirror', () => {
  const cases: [what: string, offset: number][] = [
    ['at the place that was planned', 0],
    ['in its middle', 8 * PAGE],
    ['at its last page', 15 * PAGE],
  ];
  for (const [what, offset] of cases)
    test(`is not replaced ${what}: the buffer goes elsewhere`, () => {
      withBuffers((keep) => {
        // The picture is fresh now, and has nothing there.
        const plan = mirror.plan(16 * PAGE);
        assert.ok(plan.ok);
        const at = plan.placement.address + offset;
        const checkAndUnmap = foreignMapping(at, PAGE, 0xc3);
        try {
          const expected = linearPlace(taken(), 16 * PAGE);
          const buffer = keep(mirror.alloc(16 * PAGE));
          mirror.devices.wasm.queue.fill(buffer, 0x11).wait();
          assert.equal(buffer.address, expected);
          const [blocker] = refusalOf(() => mirror.alloc(PAGE, { place: { at } })).blockers;
          assert.deepEqual(blocker, {
            start: at,
            end: at + PAGE,
            size: PAGE,
            kind: 'vma',
            owner: 'host',
            name: 'anonymous memory',
          });
        } finally {
          checkAndUnmap();
        }
        keep(mirror.alloc(PAGE, { guard: 0, place: { at } }));
      });
    });

  test('is not touched where only the guard of a buffer covers it', () => {
    withBuffers((keep) => {
      const plan = mirror.plan(16 * PAGE);
      assert.ok(plan.ok);
      const checkAndUnmap = foreignMapping(plan.placement.address + 16 * PAGE, PAGE, 0x3c);
      const buffer = keep(mirror.alloc(16 * PAGE));
      mirror.devices.wasm.queue.fill(buffer, 0x11).wait();
      buffer.free();
      checkAndUnmap();
    });
  });

  test('and gone again leaves its place free', () => {
    withBuffers((keep) => {
      const checkAndUnmap = foreignMapping(2 * GiB, PAGE, 1);
      refusalOf(() => mirror.alloc(PAGE, { place: { at: 2 * GiB } }));
      checkAndUnmap();
      assert.equal(keep(mirror.alloc(PAGE, { place: { at: 2 * GiB } })).address, 2 * GiB);
    });
  });
});

test('random allocations and frees go where a model says, and change no mapping but their own', () => {
  const sentinels = [WINDOW.start + 10 * PAGE, 2 * GiB, 3 * GiB + 512 * MiB].map((address, i) => ({
    address,
    check: foreignMapping(address, (i + 1) * PAGE, 0x40 + i),
  }));
  // V8's own mappings come and go; files, and all that lies in the window, must stay as they are.
  const others = () =>
    mappings().filter(
      (vma) => !vma.name.startsWith('/memfd:mirrorspace-') && (vma.kind === 'file' || overlaps(vma, WINDOW)),
    );
  const openBefore = descriptors().size;
  const before = others();
  const arena = arenaDescriptor(NAME);
  const still = [...before.filter((vma) => overlaps(vma, WINDOW)), FIRMWARE];

  const operation = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        verb: fc.constant('alloc' as const),
        size: fc.oneof(
          fc.integer({ min: 1, max: 100 * KiB }),
          fc.integer({ min: 1, max: 40 }).map((pages) => pages * PAGE),
          fc.integer({ min: 1, max: 700 * MiB }),
        ),
        align: fc.integer({ min: 0, max: 18 }).map((shift) => PAGE * 2 ** shift),
        guard: fc.integer({ min: 0, max: 4 }),
        topdown: fc.boolean(),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ verb: fc.constant('free' as const), which: fc.nat() }),
    },
  );

  let operations = 0;
  fc.assert(
    fc.property(fc.array(operation, { minLength: 250, maxLength: 250 }), (list) => {
      const live: { buffer: SvmBuffer; range: Range }[] = [];
      try {
        for (const step of list) {
          operations++;
          if (step.verb === 'free') {
            if (live.length > 0) live.splice(step.which % live.length, 1)[0]!.buffer.free();
          } else {
            const { size, align, guard, topdown } = step;
            const occupied = [...still, ...live.map(({ range }) => range)];
            occupied.sort((a, b) => a.start - b.start);
            const expected = linearPlace(occupied, size, { align, guard: guard * PAGE, topdown });
            if (expected === undefined) {
              refusalOf(() => mirror.alloc(size, { align, guard, topdown }));
              continue;
            }
            const commit = size < 100 * KiB;
            const buffer = mirror.alloc(size, { align, guard, topdown, commit });
            const { placement } = buffer;
            assert.equal(buffer.address, expected);
            const end = placement.address + placement.size + placement.guard;
            live.push({ buffer, range: { start: placement.address, end } });
          }
          if (operations % 25 > 0) continue;
          assert.deepEqual(others(), before);
          assertMapped(live.map(({ buffer }) => buffer.placement));
        }
      } finally {
        for (const { buffer } of live) buffer[Symbol.dispose]();
      }
      assert.deepEqual(arenaMappings(NAME), []);
      assert.equal(fstatSync(arena).blocks, 0);
    }),
    { numRuns: 20, seed: 20261122, endOnFailure: true, includeErrorInReport: true },
  );
  assert.ok(operations >= 5000);
  assert.deepEqual(others(), before);
  assert.equal(descriptors().size, openBefore);
  for (const { check } of sentinels) check();
});

/** The arena is mapped exactly over these places, each at its own offset. Neighbours may share a line. */
function assertMapped(placements: readonly Placement[]): void {
  const expected: { start: number; end: number }[] = [];
  for (const { address, size } of [...placements].sort((a, b) => a.address - b.address)) {
    const last = expected.at(-1);
    if (last?.end === address) last.end += size;
    else expected.push({ start: address, end: address + size });
  }
  const found = arenaMappings(NAME);
  for (const { start, offset } of found) assert.equal(start, offset);
  const merged: { start: number; end: number }[] = [];
  for (const { start, end } of found) {
    const last = merged.at(-1);
    if (last?.end === start) last.end = end;
    else merged.push({ start, end });
  }
  assert.deepEqual(merged, expected);
}

describe('mirror.query', () => {
  test('knows every byte of a buffer, and no byte around it', () => {
    withBuffers((keep) => {
      const buffer = keep(mirror.alloc(5000, { name: 'asked', access: { wasm: 'read' } }));
      for (const offset of [0, 1, 4095, 4096, 4999]) {
        const info = mirror.query(buffer.address + offset);
        assert.ok(info);
        assert.equal(info.buffer, buffer);
        assert.deepEqual(
          { name: info.name, base: info.base, offset: info.offset, type: info.type, access: info.access },
          { name: 'asked', base: buffer.address, offset, type: 'fine', access: { wasm: 'read' } },
        );
      }
      for (const address of [buffer.address - 1, buffer.end, buffer.address + 2 * PAGE, FIRMWARE.start])
        assert.equal(mirror.query(address), undefined);
      for (const address of [0, 2 ** 47, Number.MAX_SAFE_INTEGER])
        assert.equal(mirror.query(address), undefined);
      assert.equal(mirror.query(mappings()[0]!.start), undefined);
    });
  });

  test('says whether the page is in memory', () => {
    withBuffers((keep) => {
      const buffer = keep(mirror.alloc(4 * PAGE));
      const resident = () => [0, 1, 2, 3].map((page) => mirror.query(buffer.address + page * PAGE)?.resident);
      assert.deepEqual(resident(), [false, false, false, false]);
      mirror.devices.wasm.queue.fill(buffer.address + 2 * PAGE, 1, 1).wait();
      assert.equal(resident()[2], true);
      const alone = keep(mirror.alloc(4 * PAGE, { devices: [] }));
      assert.equal(mirror.query(alone.address + PAGE)?.resident, false);
      new Uint8Array(viewMemory(alone.address + PAGE, 1))[0] = 1;
      assert.equal(mirror.query(alone.address + PAGE)?.resident, true);
      assert.equal(mirror.query(alone.address)?.resident, false);
    });
  });

  test('forgets a buffer when it is freed', () => {
    const buffer = mirror.alloc(PAGE);
    buffer.free();
    assert.equal(mirror.query(buffer.address), undefined);
  });
});

describe('mirror.occupants', () => {
  test('lists mappings, reserved regions and buffers, each with owner and extent, by start', () => {
    withBuffers((keep) => {
      const buffer = keep(
        mirror.alloc(5000, { name: 'listed', guard: 2, place: { at: 3 * GiB - 4 * PAGE } }),
      );
      const checkAndUnmap = foreignMapping(2 * GiB, PAGE, 9);
      try {
        const { start, end, name } = FIRMWARE;
        // V8 may put pages of its heap there at any moment.
        const listed = mirror
          .occupants({ start: 2 * GiB, end: 3 * GiB + PAGE })
          .filter(({ start, kind }) => kind !== 'vma' || start === 2 * GiB);
        assert.deepEqual(listed, [
          { start: 2 * GiB, end: 2 * GiB + PAGE, kind: 'vma', owner: 'host', name: 'anonymous memory' },
          {
            start: buffer.address,
            end: buffer.address + 4 * PAGE,
            guard: 2 * PAGE,
            kind: 'buffer',
            owner: 'host',
            name: 'listed',
          },
          { start, end, kind: 'reserved', owner: 'wasm', name },
        ]);
      } finally {
        checkAndUnmap();
      }
      assert.deepEqual(mirror.occupants({ start: 2 * GiB, end: 2 * GiB + PAGE }), []);
    });
  });

  test('agrees with the kernel about everything else in the process', () => {
    const files = (list: readonly { name: string; start: number; end: number }[]) =>
      list.filter(({ name }) => name.startsWith('/')).map(({ name, start, end }) => ({ name, start, end }));
    const listed = mirror.occupants({ start: 0, end: 2 ** 47 });
    assert.deepEqual(files(listed), files(mappings()));
    assert.ok(files(listed).length > 5);
  });
});

test('a place whose views are still held is quarantined, and free again once they have been collected', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const address = 2 * GiB;
  // In a function of its own, so that no view of it is left on the stack.
  (() => {
    const buffer = mirror.alloc(64 * KiB, { name: 'viewed', guard: 0, place: { at: address } });
    buffer.bytes.fill(7);
    buffer.free();
  })();
  const range = { start: address, end: address + 64 * KiB };
  assert.deepEqual(mirror.occupants(range), [
    { ...range, guard: 0, kind: 'quarantined', owner: 'host', name: 'viewed' },
  ]);
  const [vma] = mappings().filter((each) => overlaps(each, range));
  assert.equal(vma?.kind, 'anonymous');
  assert.deepEqual(arenaMappings(NAME), []);
  assert.equal(fstatSync(arenaDescriptor(NAME)).blocks, 0);
  const refusal = refusalOf(() => mirror.alloc(PAGE, { place: { at: address } }));
  assert.equal(refusal.quarantinedBytes, 64 * KiB);
  assert.ok(refusal.remedies.some(({ kind, address: at }) => kind === 'wait' && at === address));

  await eventually('the collection of the view', () => {
    collect();
    return !mappings().some((each) => overlaps(each, range));
  });
  const again = mirror.alloc(64 * KiB, { guard: 0, place: { at: address } });
  assert.ok(again.bytes.every((byte) => byte === 0));
  again.free();
});
