/**
 * Random operations on the model alone, for machines whose kernel is not the model's: the structure stays sound, page by
 * page the outcome is what a naive map of pages says, a refused call changes nothing, and a dry run tells the truth.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as mm from '../../src/mm/index.ts';
import { operations } from '../fixtures/mm-live/operations.ts';
import { type Call, callModel } from '../fixtures/mm-live/subjects.ts';

const PAGE = 4096;
const BASE = 0x7e0000000000;
const PAGES = 40;
const files = ['first', 'second', 'third'].map((name) => ({ fd: -1, file: { name } }));

type Operation = ReturnType<typeof operations> extends fc.Arbitrary<infer T> ? T : never;

/** The same operation as a call in one window; what a call gave before is not looked for. */
function callOf(operation: Operation): Call {
  const at = (place: Operation['at']) =>
    place.of === 'nowhere' ? 0 : BASE + place.page * PAGE + place.stray;
  const address = at(operation.at);
  switch (operation.verb) {
    case 'mmap': {
      const { verb, pages, prot, flags, file, offset } = operation;
      return { verb, address, length: pages * PAGE, prot, flags, file, offset: offset * PAGE };
    }
    case 'mremap': {
      const { verb, oldPages, newPages, flags, to } = operation;
      return {
        verb,
        address,
        oldLength: oldPages * PAGE,
        newLength: newPages * PAGE,
        flags,
        newAddress: at(to),
      };
    }
    case 'mprotect':
      return { verb: 'mprotect', address, length: operation.pages * PAGE, prot: operation.prot };
    case 'madvise':
      return { verb: 'madvise', address, length: operation.pages * PAGE, advice: operation.advice };
    case 'munmap':
      return { verb: 'munmap', address, length: operation.pages * PAGE };
  }
}

/** Protection and sharing of every mapped page. */
function pagesOf(space: mm.AddressSpace): Map<number, string> {
  const pages = new Map<number, string>();
  for (const { start, end, prot, flags } of space.vmas())
    for (let page = start; page < end; page += PAGE) pages.set(page, `${prot} ${flags}`);
  return pages;
}

/** What a successful call does to pages; protections of moved pages go with them. */
function apply(pages: Map<number, string>, call: Call, result: number): void {
  const each = (start: number, length: number, change: (page: number) => void) => {
    for (let at = start; at < start + length; at += PAGE) change(at);
  };
  if (call.verb === 'mmap')
    each(result, call.length, (page) =>
      pages.set(page, `${call.prot} ${call.flags & mm.MAP_SHARED ? 1 : 2}`),
    );
  else if (call.verb === 'munmap') each(call.address, call.length, (page) => pages.delete(page));
  else if (call.verb === 'mprotect')
    each(call.address, call.length, (page) =>
      pages.set(page, `${call.prot} ${pages.get(page)!.split(' ')[1]}`),
    );
  else if (call.verb === 'mremap') {
    const { address, oldLength, newLength, flags } = call;
    const old = new Map(pages);
    const stays = result === address || oldLength === 0 || (flags & mm.MREMAP_DONTUNMAP) !== 0;
    each(address, oldLength, (page) => {
      if (!stays || (result === address && page >= address + newLength)) pages.delete(page);
    });
    each(result, newLength, (page) => {
      const from = address + page - result;
      if (from >= address + oldLength) pages.set(page, old.get(address)!);
      // A hole between several VMAs that move stays one, and what is at its new place stays as well.
      else if (old.has(from)) pages.set(page, old.get(from)!);
    });
  }
}

const lists = fc.array(operations(PAGES, false), { minLength: 1, maxLength: 60, size: 'max' });

test('after every call the tree is sound and every page is what a naive map of pages says; a refused one changes nothing', () => {
  fc.assert(
    fc.property(lists, (list) => {
      const space = new mm.AddressSpace({ mmapBase: BASE + PAGES * PAGE });
      for (const operation of list) {
        const call = callOf(operation);
        const before = pagesOf(space);
        const snapshot = space.snapshot();
        const answer = callModel(space, call, files);
        space.ranges.validate();
        assert.equal(space.mapCount, space.ranges.size);
        assert.equal(
          space.size,
          space.vmas().reduce((sum, { size }) => sum + size, 0),
        );
        const after = pagesOf(space);
        if (typeof answer === 'string') {
          // These three may fail half way, as in the kernel.
          if (!['mprotect', 'madvise', 'mremap'].includes(call.verb))
            assert.deepEqual(space.snapshot(), snapshot, JSON.stringify(call));
          continue;
        }
        if (call.verb === 'madvise') {
          assert.deepEqual(after, before);
          continue;
        }
        apply(before, call, answer);
        assert.deepEqual([...after].sort(byPage), [...before].sort(byPage), JSON.stringify(call));
      }
    }),
    { numRuns: 400 },
  );
});

const byPage = (a: [number, string], b: [number, string]) => a[0] - b[0];

test('getUnmappedArea tells what mmap then gives, and changes nothing', () => {
  fc.assert(
    fc.property(lists, (list) => {
      const space = new mm.AddressSpace({ mmapBase: BASE + PAGES * PAGE });
      for (const operation of list) {
        const call = callOf(operation);
        if (call.verb !== 'mmap') {
          callModel(space, call, files);
          continue;
        }
        const request = { ...call, file: call.file === undefined ? undefined : files[call.file]!.file };
        const before = space.snapshot();
        let told: number | string;
        try {
          told = space.getUnmappedArea(request);
        } catch (error) {
          told = (error as mm.MapsError).errno!;
        }
        assert.deepEqual(space.snapshot(), before);
        assert.equal(callModel(space, call, files), told);
      }
    }),
    { numRuns: 300 },
  );
});
