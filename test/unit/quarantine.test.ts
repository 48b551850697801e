/**
 * The quarantine: what comes out of it, when, and how little it looks at on the way.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Quarantine, type QuarantinedRange } from '../../src/mirror/quarantine.ts';
import type { Range } from '../../src/mm/address.ts';

const PAGE = 4096;

/** Page `page`, with what is still mapped there. */
function range(page: number, mapped?: Range): QuarantinedRange {
  return { start: page * PAGE, end: (page + 1) * PAGE, mapped, shared: false };
}
const mappedRange = (page: number, pages = 1): QuarantinedRange =>
  range(page, { start: page * PAGE, end: (page + pages) * PAGE });
const pages = (safe: readonly Range[]): number[] => safe.map(({ start }) => start / PAGE);

/** One that unmaps unless it may not, and says what it unmapped in pages. */
function quarantine(devices: number): {
  quarantine: Quarantine;
  unmapped: [number, number][];
  room: { left: boolean };
} {
  const unmapped: [number, number][] = [];
  const room = { left: true };
  return {
    unmapped,
    room,
    quarantine: new Quarantine(devices, ({ start, end }) => {
      if (room.left) unmapped.push([start / PAGE, end / PAGE]);
      return room.left;
    }),
  };
}

describe('quarantine', () => {
  test('gives back what all its devices have answered for, and asks none that has not twice in a call', () => {
    const { quarantine: q } = quarantine(2);
    const answers = [false, false];
    const asked = [0, 0];
    const question = (device: number) => () => {
      asked[device]!++;
      return answers[device]!;
    };
    q.add(range(1), false, [question(0)]);
    q.add(range(2), false, [question(0), question(1)]);
    q.add(range(3), false, [undefined, question(1)]);
    assert.equal(q.waitsForDevices, true);
    assert.deepEqual(pages(q.release()), []);
    assert.deepEqual(asked, [1, 1]);
    answers[1] = true;
    assert.deepEqual(pages(q.release()), [3]);
    answers[0] = true;
    assert.deepEqual(pages(q.release()), [1, 2]);
    assert.equal(q.waitsForDevices, false);
    assert.equal(q.size, 0);
    assert.deepEqual(pages(q.release()), []);
  });

  test('keeps a viewed range until it is collected, whatever the devices say, and counts it once', () => {
    const { quarantine: q, unmapped } = quarantine(1);
    let answer = false;
    const first = q.add(mappedRange(1), true, [() => answer]);
    const second = q.add(mappedRange(5), true, []);
    assert.equal(q.waitsForDevices, false);
    first();
    first();
    assert.equal(q.waitsForDevices, true);
    assert.deepEqual(pages(q.release()), []);
    answer = true;
    assert.deepEqual(pages(q.release()), [1]);
    assert.deepEqual(unmapped, [[1, 2]]);
    second();
    assert.deepEqual(pages(q.release()), [5]);
    assert.equal(q.size, 0);
  });

  test('unmaps neighbours in one call, whichever was collected first', () => {
    const { quarantine: q, unmapped } = quarantine(0);
    const collected = [4, 0, 10, 2, 14].map((page) => q.add(mappedRange(page, 2), true, []));
    for (const call of collected) call();
    assert.deepEqual(pages(q.release()), [0, 2, 4, 10, 14]);
    assert.deepEqual(unmapped, [
      [0, 6],
      [10, 12],
      [14, 16],
    ]);
  });

  test('keeps what could not be unmapped, and tries again only when asked or when there is more', () => {
    const { quarantine: q, unmapped, room } = quarantine(0);
    room.left = false;
    q.add(mappedRange(1), false, []);
    assert.deepEqual(pages(q.release()), []);
    room.left = true;
    assert.deepEqual(pages(q.release()), []);
    assert.deepEqual(unmapped, []);
    assert.deepEqual(pages(q.release(true)), [1]);
    room.left = false;
    q.add(mappedRange(3), false, []);
    assert.deepEqual(pages(q.release(true)), []);
    room.left = true;
    q.add(mappedRange(4), false, []);
    assert.deepEqual(pages(q.release()), [3, 4]);
    assert.deepEqual(unmapped, [
      [1, 2],
      [3, 5],
    ]);
  });

  test('asks one question a call, however many ranges wait, and keeps their order over tens of thousands', () => {
    const { quarantine: q } = quarantine(1);
    let asked = 0;
    let answered = 0;
    for (let i = 0; i < 50_000; i++) {
      q.add(range(i), i % 2 === 0, [
        () => {
          asked++;
          return i < answered;
        },
      ]);
      q.release();
    }
    assert.equal(asked, 50_000);
    const seen: number[] = [];
    while (answered < 50_000) {
      answered += 777;
      seen.push(...pages(q.release()));
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 25_000 }, (_, i) => 2 * i + 1),
    );
    assert.ok(asked < 101_000, String(asked));
    assert.equal(q.size, 25_000);
  });
});
