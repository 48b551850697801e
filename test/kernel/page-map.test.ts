/**
 * What the kernel tells of changed pages, by the calls that trackers use: one scan for all changes finds what two find, and
 * one call protects what was written, what was not, and what has no page yet.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UnsupportedError } from '../../src/errors.ts';
import { viewMemory } from '../../src/ffi/library.ts';
import { close } from '../../src/linux/memfd.ts';
import {
  MADV_DONTNEED,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  madvise,
  mmap,
  munmap,
  PROT_READ,
  PROT_WRITE,
} from '../../src/linux/mmap.ts';
import { PageMap, type ScanFor } from '../../src/linux/page-map.ts';
import {
  openUserfaultfd,
  registerRange,
  UFFD_FEATURE_WP_ASYNC,
  UFFD_FEATURE_WP_UNPOPULATED,
  UFFDIO_REGISTER_MODE_WP,
} from '../../src/linux/userfaultfd.ts';

const PAGE = 4096;
/** Several tables of pages, so that some are holes as a whole. */
const PAGES = 2048;

const opened = ((): { fd: number } | { why: string } => {
  try {
    return { fd: openUserfaultfd(UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED) };
  } catch (error) {
    if (error instanceof UnsupportedError) return { why: error.message };
    throw error;
  }
})();

const skip = 'why' in opened ? opened.why : false;

test('one scan finds all that was written and all that has gone, and one call protects it', { skip }, (t) => {
  const { fd } = opened as { fd: number };
  const pages = new PageMap('self');
  const size = PAGES * PAGE;
  const start = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const whole = { start, end: start + size };
  const bytes = new Uint8Array(viewMemory(start, size));
  t.after(() => {
    close(fd);
    pages.close();
    munmap(start, size);
  });
  assert.equal(pages.protect(whole), false, 'not registered yet');
  assert.equal(pages.scan(whole, 'changed'), undefined);
  registerRange(fd, start, size, UFFDIO_REGISTER_MODE_WP);

  const found = (what: ScanFor): Set<number> => {
    const numbers = new Set<number>();
    for (const range of pages.scan(whole, what)!)
      for (let at: number = range.start; at < range.end; at += PAGE) numbers.add((at - start) / PAGE);
    return numbers;
  };
  const sorted = (numbers: Iterable<number>): number[] => [...new Set(numbers)].sort((a, b) => a - b);
  const part = fc.tuple(fc.nat(PAGES - 1), fc.oneof(fc.integer({ min: 1, max: 8 }), fc.constant(600)));
  const step = fc.record({ kind: fc.constantFrom('write', 'read', 'give back'), part });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      assert.equal(pages.protect(whole), true);
      assert.deepEqual(sorted(found('changed')), [], 'right after it was protected');
      const changed = new Set<number>();
      for (const {
        kind,
        part: [first, count],
      } of steps) {
        const last = Math.min(PAGES, first + count);
        if (kind === 'give back') madvise(start + first * PAGE, (last - first) * PAGE, MADV_DONTNEED);
        for (let page = first; page < last; page++) {
          if (kind === 'write') bytes[page * PAGE + (page % PAGE)]! += 1;
          else if (kind === 'read') assert.ok(bytes[page * PAGE]! >= 0);
          if (kind !== 'read') changed.add(page);
        }
      }
      const both = sorted([...found('written'), ...found('absent')]);
      assert.deepEqual(sorted(found('changed')), both);
      for (const page of changed) assert.ok(both.includes(page), `page ${page} has changed`);
    }),
    { numRuns: 60 },
  );
});
