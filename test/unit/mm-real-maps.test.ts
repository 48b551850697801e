/**
 * Real /proc/PID/maps of a dozen programs (scripts/take-maps.mjs takes them): parsed, rebuilt as an address space,
 * searched, and every answer compared with a look at each gap in turn.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import * as mm from '../../src/mm/index.ts';
import { LinearOracle } from '../property/linear-oracle.ts';

const PAGE = 4096;
const TASK_SIZE = 2 ** 47 - PAGE;
const folder = new URL('../fixtures/mm-maps/', import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith('.maps'));

/** The same line again, from what was parsed. */
function printed(vma: mm.Vma): string {
  const hex = (value: number, width: number) => value.toString(16).padStart(width, '0');
  const start = `${hex(vma.start, 8)}-${hex(vma.end, 8)} ${mm.formatProtection(vma)} ${hex(vma.offset, 8)}`;
  const line = `${start} ${vma.device} ${vma.inode} `;
  const name = vma.name + (vma.deleted ? ' (deleted)' : '');
  return name === '' ? line : `${line.padEnd(73)}${name}`;
}

test('there are a dozen of them', () => assert.ok(names.length >= 12, names.join(' ')));

for (const file of names) {
  const text = readFileSync(new URL(file, folder), 'latin1');
  const { vmas, unaddressable } = mm.parseMaps(text);
  const space = mm.addressSpaceOf(vmas);

  test(`${file}: every line is parsed, and can be printed again`, () => {
    const lines = text.trimEnd().split('\n');
    assert.equal(vmas.length + unaddressable.length, lines.length);
    assert.deepEqual(vmas.map(printed), lines.slice(0, vmas.length));
    assert.deepEqual(
      unaddressable.map(({ name }) => name),
      ['[vsyscall]'],
    );
  });

  test(`${file}: the address space has these VMAs, its heap and its stack`, () => {
    space.ranges.validate();
    assert.deepEqual(
      space.vmas().map(({ start, end, prot, flags, name }) => [start, end, prot, flags, name]),
      vmas.map(({ start, end, prot, flags, name }) => [start, end, prot, flags, name]),
    );
    for (const area of space.vmas())
      if (area.file && !area.name.startsWith('['))
        assert.equal(area.offset, vmas.find(({ start }) => start === area.start)!.offset);
    const heap = vmas.find(({ kind }) => kind === 'heap');
    assert.equal(space.brk(0), heap?.end ?? 0);
    const stack = vmas.find(({ kind }) => kind === 'stack')!;
    assert.equal(space.guardBefore(stack.start), 256 * PAGE);
    assert.equal(
      space.getUnmappedArea({ length: 1, prot: 0, flags: mm.MAP_PRIVATE | mm.MAP_ANONYMOUS }) % PAGE,
      0,
    );
  });

  test(`${file}: both fits and both directions find what a linear scan finds`, () => {
    const oracle = new LinearOracle(0, TASK_SIZE);
    oracle.ranges = vmas.map(({ start, end }) => ({ start, end }));
    // Without the stack's guard gap, which the scan does not know.
    const { ranges } = space;
    const edges = vmas.flatMap(({ start, end }) => [start, end]);
    const edge = fc.oneof(
      fc.constantFrom(...edges),
      fc.nat(2 ** 31 - 1).map((n) => n * 2 ** 16),
    );
    const request = fc.record({
      bounds: fc.tuple(
        edge,
        edge,
        fc.integer({ min: -2, max: 2 }).map((n) => n * PAGE),
      ),
      pages: fc.oneof(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 2 ** 34 })),
      alignMask: fc.constantFrom(0, 0, PAGE - 1, 64 * PAGE - 1, 2 ** 21 - 1, 2 ** 30 - 1),
      alignOffset: fc.nat(600).map((n) => n * PAGE),
      fit: fc.constantFrom('linux' as const, 'exact' as const),
      topdown: fc.boolean(),
    });
    fc.assert(
      fc.property(request, ({ bounds: [a, b, shift], pages, fit, topdown, ...align }) => {
        const low = Math.max(0, Math.min(a, b) + shift);
        const high = Math.min(TASK_SIZE, Math.max(a, b));
        fc.pre(low < high);
        const length = pages * PAGE;
        const info = { length, lowLimit: low, highLimit: high, ...align, topdown, fit };
        const asked = { length, low, high, ...align, fit };
        assert.equal(
          mm.vmUnmappedArea({ ranges }, info),
          topdown ? oracle.findGapTopdown(asked) : oracle.findGap(asked),
          JSON.stringify(info),
        );
      }),
      { numRuns: 400 },
    );
  });
}

test('the base of the top-down search can be observed: by a probe below a hole, or at the top', () => {
  const vma = (start: number, end: number, kind: mm.VmaKind = 'anonymous') =>
    ({ ...mm.parseMaps('1000-2000 rw-p 0 0:0 0').vmas[0]!, start, end, kind }) as mm.Vma;
  // The probe at 8 lies at the top: nothing was there before.
  assert.equal(mm.observeMmapBase([vma(2, 4), vma(8, 9), vma(50, 60, 'stack')], 8), 9);
  // The highest free page was below others, which reach up to the base.
  assert.equal(mm.observeMmapBase([vma(3, 4), vma(4, 7), vma(7, 9), vma(50, 60, 'stack')], 3), 9);
  assert.equal(mm.observeMmapBase([vma(2, 4)], 7), undefined);
  assert.equal(mm.observeMmapBase([vma(7, 9), vma(9, 12, 'stack')], 7), 9);
});

test('VMAs that overlap, are out of order or are no pages make no address space', () => {
  const text = (lines: string[]) => mm.parseMaps(lines.map((line) => `${line} rw-p 0 0:0 0`).join('\n')).vmas;
  assert.throws(() => mm.addressSpaceOf(text(['1000-3000', '2000-4000'])), RangeError);
  assert.throws(() => mm.addressSpaceOf(text(['3000-4000', '1000-2000'])), RangeError);
  assert.throws(() => mm.addressSpaceOf(text(['1000-2001'])), RangeError);
});
