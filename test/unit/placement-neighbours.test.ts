/**
 * Placement among mappings that come and go without the mirror's knowledge: each buffer goes where a scan of the kernel's
 * own list says, and changes none of them.
 */
import assert from 'node:assert/strict';
import { fstatSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import {
  GiB,
  KiB,
  MiB,
  type Mirror,
  type Placement,
  type Range,
  type SvmBuffer,
  type WasmDevice,
} from 'mirrorspace';
import { overlaps } from 'mirrorspace/mm';
import {
  FIRMWARE,
  foreignMapping,
  linearPlace,
  openPlacing,
  PAGE,
  refusalOf,
  taken as takenBeside,
  WINDOW,
  withBuffers,
} from '../fixtures/placing.ts';
import { arenaDescriptor, arenaMappings, descriptors, mappings } from '../fixtures/proc.ts';

const NAME = 'placing-beside';

let mirror: Mirror<{ wasm: WasmDevice }>;
before(async () => {
  mirror = await openPlacing(NAME);
});
after(() => mirror.close());

/** All that is taken now. */
const taken = (live = mirror.buffers(), reserved?: readonly Range[]): Range[] => takenBeside(live, reserved);

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
