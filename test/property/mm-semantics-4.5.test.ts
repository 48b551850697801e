/**
 * `semantics: 'v4.5'` against what Linux 4.5 did, told as a walk over a binary tree of VMAs that know the largest gap
 * of their subtree: down to the left (or right) as long as that can matter and its gap suffices, then the node itself,
 * then the other side, then up again. The shape of the tree is random: the answer must not depend on it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GapTree, type Range, type UnmappedAreaInfo, vmUnmappedArea } from '../../src/mm/index.ts';

interface Node extends Range {
  /** End of the VMA below, 0 where there is none. */
  readonly below: number;
  readonly left: Node | undefined;
  readonly right: Node | undefined;
  /** The largest gap that ends at a VMA of this subtree. */
  readonly gap: number;
}

/** A tree over vmas[from, to), its roots chosen by `pick`. */
function treeOf(vmas: readonly Range[], from: number, to: number, pick: () => number): Node | undefined {
  if (from === to) return undefined;
  const root = from + (pick() % (to - from));
  const { start, end } = vmas[root]!;
  const below = vmas[root - 1]?.end ?? 0;
  const [left, right] = [treeOf(vmas, from, root, pick), treeOf(vmas, root + 1, to, pick)];
  return { start, end, below, left, right, gap: Math.max(start - below, left?.gap ?? 0, right?.gap ?? 0) };
}

interface Search {
  readonly length: number;
  readonly low: number;
  readonly high: number;
}

const STOP = Symbol('no VMA further on can matter');

/** The gap found, where the highest one above all VMAs is still to come, or that there is none. */
function walkUp(node: Node | undefined, search: Search): [number, number] | typeof STOP | undefined {
  if (!node || node.gap < search.length) return undefined;
  const least = search.low + search.length;
  if (node.start >= least) {
    const found = walkUp(node.left, search);
    if (found) return found;
  }
  if (node.below > search.high - search.length) return STOP;
  if (node.start >= least && node.start - node.below >= search.length) return [node.below, node.start];
  return walkUp(node.right, search);
}

function walkDown(node: Node | undefined, search: Search): [number, number] | typeof STOP | undefined {
  if (!node || node.gap < search.length) return undefined;
  const most = search.high - search.length;
  if (node.below <= most) {
    const found = walkDown(node.right, search);
    if (found) return found;
  }
  if (node.start < search.low + search.length) return STOP;
  if (node.below <= most && node.start - node.below >= search.length) return [node.below, node.start];
  return walkDown(node.left, search);
}

const modulo = (a: number, m: number) => ((a % m) + m) % m;

function linux45(vmas: readonly Range[], root: Node | undefined, info: UnmappedAreaInfo): number | undefined {
  const { lowLimit: low, highLimit: high, alignMask = 0, alignOffset = 0, topdown = false } = info;
  const search = { length: info.length + alignMask, low, high };
  if (high < search.length || low > high - search.length) return undefined;
  const top = vmas.at(-1)?.end ?? 0;
  if (!topdown) {
    let found = walkUp(root, search);
    if (found === STOP) return undefined;
    if (!found && top > high - search.length) return undefined;
    found ??= [top, high];
    const start = Math.max(found[0], low);
    return start + modulo(alignOffset - start, alignMask + 1);
  }
  const found = top <= high - search.length ? ([top, high] as const) : walkDown(root, search);
  if (found === STOP || !found) return undefined;
  const end = Math.min(found[1], high) - info.length;
  return end - modulo(end - alignOffset, alignMask + 1);
}

const SPACE_END = 400;

const vmaLists = fc
  .array(fc.tuple(fc.nat(12), fc.integer({ min: 1, max: 9 })), { maxLength: 40, size: 'max' })
  .map((items) => {
    const vmas: Range[] = [];
    let end = 0;
    for (const [gap, length] of items) {
      const start = end + gap;
      end = start + length;
      if (end > SPACE_END) break;
      vmas.push({ start, end });
    }
    return vmas;
  });

const infos = fc.record({
  length: fc.oneof(fc.nat(12), fc.nat(60)),
  lowLimit: fc.oneof(fc.constant(0), fc.nat(SPACE_END)),
  highLimit: fc.oneof(fc.constant(SPACE_END), fc.nat(SPACE_END)),
  alignMask: fc.constantFrom(0, 0, 1, 3, 7, 31),
  alignOffset: fc.integer({ min: -40, max: 40 }),
  topdown: fc.boolean(),
});

test('the answers are those of the 4.5 tree walk, whatever the shape of the tree', () => {
  fc.assert(
    fc.property(vmaLists, fc.array(infos, { minLength: 8, maxLength: 8 }), fc.nat(), (vmas, list, shape) => {
      let state = shape;
      const root = treeOf(vmas, 0, vmas.length, () => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        return state >>> 8;
      });
      const ranges = GapTree.from(vmas, 0, SPACE_END);
      // Guard gaps and mmap_min_addr came later: they must not be looked at.
      const space = { ranges, mmapMinAddr: 100, guardBefore: () => 7, guardAfter: () => 7 };
      for (const info of list)
        assert.equal(
          vmUnmappedArea(space, { ...info, semantics: 'v4.5' }),
          linux45(vmas, root, info),
          JSON.stringify({ vmas, info }),
        );
    }),
    { numRuns: 5000 },
  );
});

test('without guard gaps and above mmap_min_addr, 4.5 and 7.0 agree on every length but 0', () => {
  fc.assert(
    fc.property(vmaLists, infos, (vmas, info) => {
      const space = { ranges: GapTree.from(vmas, 0, SPACE_END) };
      const some = { ...info, length: info.length + 1 };
      assert.equal(vmUnmappedArea(space, { ...some, semantics: 'v4.5' }), vmUnmappedArea(space, some));
    }),
    { numRuns: 3000 },
  );
});

test('what 4.5 did not have is refused with its semantics', () => {
  const space = { ranges: new GapTree(0, SPACE_END) };
  const info = { length: 1, lowLimit: 0, highLimit: SPACE_END, semantics: 'v4.5' } as const;
  assert.throws(() => vmUnmappedArea(space, { ...info, startGap: 1 }), { code: 'ERR_OUT_OF_RANGE' });
  assert.throws(() => vmUnmappedArea(space, { ...info, fit: 'exact' }), { code: 'ERR_OUT_OF_RANGE' });
  assert.throws(() => vmUnmappedArea(space, { ...info, semantics: 'v5' as 'v4.5' }), {
    code: 'ERR_OUT_OF_RANGE',
  });
});
