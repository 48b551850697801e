/** The live page's picture: one axis for host and devices, from all of user space down to pages. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { foldedAxis, LINEAR, USER_END } from '../../src/page/axis.ts';
import { EventClock } from '../../src/page/clock.ts';
import { holeAt } from '../../src/page/details.ts';
import { addressAt, anchorOf, itemAt, marksOf, pixelOf } from '../../src/page/marks.ts';
import { without } from '../../src/page/picture.ts';
import { parseSize } from '../../src/page/sizes.ts';
import { ticksOf } from '../../src/page/ticks.ts';
import { lanesOf } from '../../src/page/timeline.ts';
import { between, clamped, fitting, panned, zoomed } from '../../src/page/viewport.ts';

const PAGE = 4096;
const HEIGHT = 700;

/** Ranges of whole pages, by address, none over another. */
const ranges = fc
  .uniqueArray(fc.integer({ min: 0, max: USER_END / PAGE - 1 }), { minLength: 2, maxLength: 80 })
  .map((pages) => {
    const sorted = pages.sort((a, b) => a - b);
    return Array.from({ length: sorted.length >> 1 }, (_, i) => ({
      start: sorted[2 * i]! * PAGE,
      end: sorted[2 * i + 1]! * PAGE,
    }));
  });
const axes = ranges.chain((list) => fc.constantFrom(LINEAR, foldedAxis(list, PAGE)));

describe('an axis', () => {
  it('keeps the order of addresses, and leads back to where it came from', () => {
    fc.assert(
      fc.property(
        axes,
        fc.uniqueArray(fc.integer({ min: 0, max: USER_END }), { maxLength: 30 }),
        (axis, list) => {
          const sorted = list.sort((a, b) => a - b);
          const positions = sorted.map((address) => axis.position(address));
          for (const [i, position] of positions.entries()) {
            if (i > 0) assert.ok(position > positions[i - 1]!);
            assert.ok(position >= axis.whole.start && position <= axis.whole.end);
            // Folded, the distance of two doubles may be many bytes at the end of a hole of terabytes.
            assert.ok(Math.abs(axis.address(position) - sorted[i]!) <= 1 + sorted[i]! * 1e-12);
          }
        },
      ),
    );
  });

  it('gives each range its length where it is folded, however small it is', () => {
    const small = { start: 2 ** 40, end: 2 ** 40 + PAGE };
    const axis = foldedAxis([small], PAGE);
    const length = axis.position(small.end) - axis.position(small.start);
    assert.ok(length / axis.whole.end > 0.01, `${length} of ${axis.whole.end}`);
  });
});

describe('a viewport', () => {
  const view = fc.tuple(
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.double({ min: 0, max: 1, noNaN: true }),
  );
  const on = fc.tuple(axes, view).map(([axis, [from, to]]) => ({
    axis,
    viewport: clamped(
      { start: axis.whole.end * Math.min(from, to), end: axis.whole.end * Math.max(from, to) },
      axis,
      PAGE,
    ),
  }));

  it('never leaves the axis, and never shows less than some pages', () => {
    fc.assert(
      fc.property(
        on,
        fc.double({ min: 1e-9, max: 1e9, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: -3, max: 3, noNaN: true }),
        ({ axis, viewport }, factor, share, by) => {
          for (const { start, end } of [
            viewport,
            zoomed(viewport, factor, share, axis, PAGE),
            panned(viewport, by, axis, PAGE),
            between(viewport, axis.whole, share),
          ]) {
            const slack = axis.whole.end * 1e-9;
            assert.ok(start >= -slack && end <= axis.whole.end + slack, `${start}-${end}`);
            if (axis.kind === 'linear') assert.ok(end - start >= 4 * PAGE - slack);
          }
        },
      ),
    );
  });

  it('keeps what is under the pointer there while it zooms in', () => {
    fc.assert(
      fc.property(on, fc.double({ min: 0, max: 1, noNaN: true }), ({ axis, viewport }, share) => {
        const closer = zoomed(viewport, 0.5, share, axis, PAGE);
        const under = ({ start, end }: { start: number; end: number }) => start + (end - start) * share;
        // At the closest there is nothing to zoom.
        if (closer.end - closer.start < (viewport.end - viewport.start) * 0.51)
          assert.ok(Math.abs(under(closer) - under(viewport)) <= axis.whole.end * 1e-9);
      }),
    );
  });

  it('goes from everything to a single page, and shows it there', () => {
    const page = { start: 0x7f00_0000_0000, end: 0x7f00_0000_0000 + PAGE };
    const closest = fitting(page, LINEAR, PAGE);
    assert.equal(closest.end - closest.start, 4 * PAGE);
    assert.ok(closest.start < page.start && closest.end > page.end);
    assert.deepEqual(between(LINEAR.whole, closest, 1), closest);
  });
});

describe('marks', () => {
  it('are no more than rows, and cover every range in view, against a look at each row', () => {
    fc.assert(
      fc.property(ranges, axes, fc.double({ min: 0, max: 0.99, noNaN: true }), (items, axis, from) => {
        const viewport = clamped(
          { start: axis.whole.end * from, end: axis.whole.end * (from + 0.01) },
          axis,
          PAGE,
        );
        const screen = { axis, viewport, height: HEIGHT };
        const marks = marksOf(items, screen);
        assert.ok(marks.length <= HEIGHT + 1, `${marks.length}`);
        for (const [i, mark] of marks.entries()) if (i > 0) assert.ok(mark.top >= marks[i - 1]!.top);
        const [low, high] = [axis.address(viewport.start), axis.address(viewport.end)];
        for (const { start, end } of items) {
          if (end <= low || start >= high) continue;
          const row = Math.min(HEIGHT, Math.max(0, pixelOf(screen, start)));
          assert.ok(
            marks.some(({ top, bottom }) => top <= row + 0.01 && row <= bottom + 0.01),
            `${start}-${end} at ${row}: ${JSON.stringify(marks)}`,
          );
        }
      }),
    );
  });

  it('are drawn in the time of a frame with 5,000 mappings', () => {
    const items = Array.from({ length: 5000 }, (_, i) => ({
      start: i * 2 ** 33,
      end: i * 2 ** 33 + PAGE * (1 + (i % 100)),
    }));
    const axis = foldedAxis(items, PAGE);
    for (const each of [axis, LINEAR]) {
      const marks = marksOf(items, { axis: each, viewport: each.whole, height: HEIGHT });
      assert.ok(marks.length <= HEIGHT);
      assert.equal(
        marks.reduce((sum, { count }) => sum + count, 0),
        5000,
      );
    }
  });

  it('are hit where they are', () => {
    fc.assert(
      fc.property(ranges, fc.integer({ min: 0, max: USER_END - 1 }), (items, address) => {
        const found = items.find(({ start, end }) => start <= address && address < end);
        assert.deepEqual(itemAt(items, address), found);
        const { start, end } = holeAt(items, address, undefined);
        if (!found)
          assert.ok(
            start <= address &&
              address < end &&
              items.every((item) => item.end <= start || item.start >= end),
          );
      }),
    );
  });
});

describe('ticks', () => {
  it('are round, in view, and as far apart as labels need', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 40, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (zoom, at) => {
          const span = Math.max(4 * PAGE, USER_END / 2 ** zoom);
          const viewport = clamped(
            { start: USER_END * at - span / 2, end: USER_END * at + span / 2 },
            LINEAR,
            PAGE,
          );
          const screen = { axis: LINEAR, viewport, height: HEIGHT };
          const ticks = ticksOf(screen, 26, [], PAGE);
          assert.ok(ticks.length >= Math.min(10, Math.floor(span / PAGE)), `${ticks.length}`);
          for (const [i, { address, pixel }] of ticks.entries()) {
            assert.ok(pixel >= -0.001 && pixel <= HEIGHT + 0.001);
            assert.ok(
              Number.isInteger(address) && Math.abs(addressAt(screen, pixel) - address) <= span * 1e-6,
            );
            assert.equal(address % PAGE, 0);
            if (i > 0) assert.ok(pixel - ticks[i - 1]!.pixel >= 25.99);
          }
        },
      ),
    );
  });

  it('are round between the borders of a folded axis too, where one range fills the screen', () => {
    const range = { start: 2 ** 32 + 3 * PAGE, end: 2 ** 32 + 2 ** 26 + 3 * PAGE };
    const axis = foldedAxis([range], PAGE);
    const [from, to] = [axis.position(range.start), axis.position(range.end)];
    const screen = {
      axis,
      viewport: { start: from + (to - from) * 0.4, end: from + (to - from) * 0.5 },
      height: HEIGHT,
    };
    const ticks = ticksOf(screen, 26, [range.start, range.end], PAGE);
    assert.ok(ticks.length >= 5, `${ticks.length}`);
    for (const [i, { address, pixel }] of ticks.entries()) {
      assert.equal(address % 2 ** 16, 0);
      assert.ok(Math.abs(pixelOf(screen, address) - pixel) < 0.5);
      if (i > 0) assert.ok(pixel - ticks[i - 1]!.pixel >= 26);
    }
  });
});

describe('zooming by a key', () => {
  const screen = { axis: LINEAR, viewport: { start: 1000 * PAGE, end: 1100 * PAGE }, height: HEIGHT };
  it('is about what is seen of the chosen range, else about the middle', () => {
    assert.equal(anchorOf(screen, undefined), 0.5);
    assert.equal(anchorOf(screen, { start: 1020 * PAGE, end: 1040 * PAGE }), 0.3);
    assert.equal(anchorOf(screen, { start: 1050 * PAGE, end: 1120 * PAGE }), 0.85);
    assert.equal(anchorOf(screen, { start: 1050 * PAGE, end: 9000 * PAGE }), 0.75);
    assert.equal(anchorOf(screen, { start: 0, end: 9000 * PAGE }), 0.5);
    assert.equal(anchorOf(screen, { start: 9000 * PAGE, end: 9001 * PAGE }), 0.5);
  });
});

describe('what lies over something', () => {
  it('leaves what is beside it', () => {
    const item = { start: 10, end: 100, kind: 'file' as const, name: 'f' };
    const left = without(item, [
      { start: 0, end: 20 },
      { start: 30, end: 40 },
      { start: 90, end: 120 },
    ]);
    assert.deepEqual(
      left.map(({ start, end }) => [start, end]),
      [
        [20, 30],
        [40, 90],
      ],
    );
  });
});

describe('the timeline', () => {
  const command = (number: number, queue: string, start: number, end?: number) => {
    const common = {
      mirror: { id: 1, name: 'm' },
      device: 'wasm',
      command: number,
      queue,
      type: 'launch',
      kernel: 'k',
    };
    return {
      launch: { ...common, time: start, after: [] },
      ...(end === undefined
        ? {}
        : {
            end: {
              ...common,
              time: end,
              status: 'complete' as const,
              times: { queued: start, started: start, finished: end },
            },
          }),
    };
  };

  it('has a lane for each queue, and more where commands of a queue overlap', () => {
    const lanes = lanesOf(
      [command(1, 'a', 0, 10), command(2, 'b', 2, 4), command(3, 'a', 5, 8), command(4, 'a', 12)],
      0,
      20,
    );
    assert.deepEqual(
      lanes.map(({ title, bars }) => [title, bars.map(({ start, end, state }) => [start, end, state])]),
      [
        [
          'wasm a',
          [
            [0, 10, 'complete'],
            [12, 20, 'waiting'],
          ],
        ],
        ['', [[5, 8, 'complete']]],
        ['wasm b', [[2, 4, 'complete']]],
      ],
    );
  });

  it('has one bar for all of a queue that have not ended', () => {
    const lanes = lanesOf([command(1, 'a', 0, 10), ...[12, 13, 14].map((at) => command(at, 'a', at))], 0, 20);
    assert.deepEqual(
      lanes.map(({ bars }) => bars.map(({ start, end, count }) => [start, end, count])),
      [
        [
          [0, 10, 1],
          [12, 20, 3],
        ],
      ],
    );
  });

  it('shows what is in time only', () => {
    const lanes = lanesOf([command(1, 'a', 0, 10), command(2, 'a', 50, 60)], 40, 100);
    assert.deepEqual(
      lanes[0]!.bars.map(({ start }) => start),
      [50],
    );
  });

  it('follows the clock of events, which are late but never early', () => {
    const clock = new EventClock();
    assert.equal(clock.at(5), undefined);
    clock.seen(1000, 10);
    clock.seen(1005, 30);
    assert.equal(clock.at(40), 1030);
  });
});

it('sizes and addresses are read as people write them', () => {
  for (const [text, bytes] of [
    ['4096', 4096],
    ['64K', 65536],
    [' 1.5 GiB ', 1.5 * 2 ** 30],
    ['0x10000', 65536],
    ['', undefined],
    ['64X', undefined],
    ['1.5', undefined],
    ['-1', undefined],
  ] as const)
    assert.equal(parseSize(text), bytes, text);
});
