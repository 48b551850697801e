/**
 * Linux's selftest va_high_addr_switch, written from its description: addresses above the default window (2^47 less a
 * page on x86-64) are given only for a hint above it. With 5-level page tables addresses end at 2^56, which is more than
 * numbers hold exactly, so here they end at 2^52; what is tested lies below that. On a machine with 4 levels nothing
 * lies above the window, and such hints are ignored.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AddressSpace, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_NONE } from '../../src/mm/index.ts';

const PAGE = 4096;
const SWITCH = 2 ** 47;
/** What is given without a hint above it ends a page below. */
const WINDOW = SWITCH - PAGE;
const LOW = 1 << 30;
const HIGH = 2 ** 48;
const HIGHEST = Number.MAX_SAFE_INTEGER;

interface Case {
  readonly what: string;
  readonly address: number;
  readonly pages: number;
  readonly fixed?: boolean;
  /** Must lie below the switch. */
  readonly low: boolean;
  /** Fails with 4 levels. */
  readonly needsHigh?: boolean;
  readonly keep?: boolean;
}

const cases: Case[] = [
  { what: 'a page that ends at the switch', address: SWITCH - PAGE, pages: 1, low: true },
  { what: 'two pages across the switch', address: SWITCH - PAGE, pages: 2, low: true },
  { what: 'a page at the switch', address: SWITCH, pages: 1, low: false, keep: true },
  { what: 'two pages at the switch', address: SWITCH, pages: 2, fixed: true, low: false, needsHigh: true },
  { what: 'no hint', address: 0, pages: 2, low: true },
  { what: 'a low hint', address: LOW, pages: 2, low: true },
  { what: 'a high hint', address: HIGH, pages: 2, low: false, keep: true },
  { what: 'the same high hint, now taken', address: HIGH, pages: 2, low: false, keep: true },
  { what: 'a high address', address: HIGH, pages: 2, fixed: true, low: false, needsHigh: true },
  { what: 'the highest hint', address: HIGHEST, pages: 2, low: false, keep: true },
  { what: 'the highest hint again', address: HIGHEST, pages: 2, low: false },
  {
    what: 'two pages across the switch, in the middle of a page',
    address: SWITCH - PAGE / 2,
    pages: 2,
    low: true,
    keep: true,
  },
];

for (const levels of [4, 5])
  describe(`va_high_addr_switch with ${levels} levels of page tables`, () => {
    const space = new AddressSpace({
      defaultMapWindow: WINDOW,
      taskSize: levels === 5 ? 2 ** 52 - PAGE : WINDOW,
    });
    for (const { what, address, pages, fixed = false, low, needsHigh = false, keep = false } of cases)
      test(`${what}${fixed ? ', MAP_FIXED' : ''}`, () => {
        const length = pages * PAGE;
        const flags = MAP_PRIVATE | MAP_ANONYMOUS | (fixed ? MAP_FIXED : 0);
        const map = () => space.mmap({ address, length, prot: PROT_NONE, flags });
        if (needsHigh && levels === 4) {
          assert.throws(map, { errno: 'ENOMEM' });
          return;
        }
        const found = map();
        if (low || levels === 4) assert.ok(found + length <= WINDOW, `0x${found.toString(16)}`);
        else assert.ok(found >= SWITCH, `0x${found.toString(16)}`);
        if (fixed) assert.equal(found, address);
        if (!keep) space.munmap(found, length);
      });
  });

test('va_high_addr_switch: a free high hint is taken as it is, a taken one gives another high place', () => {
  const space = new AddressSpace({ defaultMapWindow: WINDOW, taskSize: 2 ** 52 - PAGE });
  const map = (address: number) =>
    space.mmap({ address, length: 2 * PAGE, prot: PROT_NONE, flags: MAP_PRIVATE | MAP_ANONYMOUS });
  assert.equal(map(HIGH), HIGH);
  const second = map(HIGH);
  assert.ok(second > SWITCH && second !== HIGH);
  assert.ok(map(0) < SWITCH);
  assert.ok(map(SWITCH - PAGE) < SWITCH);
});
