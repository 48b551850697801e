/** The runs of a diff, and pinned ranges, against sets of bytes. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { differingRuns } from '../../src/device/process/system/diff.ts';
import { Pins } from '../../src/device/process/system/pins.ts';

describe('the runs in which two pages differ', () => {
  it('are the bytes that differ, all of them and no others, joined where they touch', () => {
    const size = 64;
    const page = fc.uint8Array({ minLength: size, maxLength: size, max: 2 });
    fc.assert(
      fc.property(page, page, fc.nat(size), fc.nat(size), (before, now, a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        const runs = differingRuns(before, now, from, to);
        const bytes: number[] = [];
        let last = -1;
        for (let i = 0; i < runs.length; i += 2) {
          assert.ok(runs[i]! > last, 'a byte lies between two runs');
          last = runs[i]! + runs[i + 1]!;
          for (let at = runs[i]!; at < last; at++) bytes.push(at);
        }
        const expected = Array.from({ length: size }, (_, at) => at);
        assert.deepEqual(
          bytes,
          expected.filter((at) => at >= from && at < to && before[at] !== now[at]),
        );
      }),
    );
  });
});

describe('pinned ranges', () => {
  it('are counted to the byte', () => {
    const range = fc
      .tuple(fc.nat(60), fc.integer({ min: 1, max: 20 }))
      .map(([start, length]) => ({ start, end: start + length }));
    fc.assert(
      fc.property(fc.array(range, { maxLength: 8 }), fc.nat(8), range, (ranges, removed, asked) => {
        const pins = new Pins();
        for (const each of ranges) pins.add(each);
        for (const each of ranges.slice(0, removed)) pins.remove(each);
        pins.remove({ start: 1000, end: 1001 });
        const left = ranges.slice(removed);
        const bytes: number[] = [];
        let last = -1;
        for (const { start, end } of pins.within(asked)) {
          assert.ok(start > last);
          last = end;
          for (let at = start; at < end; at++) bytes.push(at);
        }
        const expected: number[] = [];
        for (let at = asked.start; at < asked.end; at++)
          if (left.some(({ start, end }) => start <= at && at < end)) expected.push(at);
        assert.deepEqual(bytes, expected);
      }),
    );
  });
});
