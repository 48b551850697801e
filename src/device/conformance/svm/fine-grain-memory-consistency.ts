/**
 * svm_fine_grain_memory_consistency: host and all devices fill one hash table at the same time, without a lock, by compare
 * and exchange on the heads of its lists. No insert may be lost, and each side finds all nodes.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { SVM } from '../../capabilities.ts';
import type { SvmCase } from '../case.ts';
import { BATCH, PROGRESS } from '../kernel-list.ts';
import { i32, type Sides, u32 } from '../sides.ts';
import type { ConformanceBuffer } from '../target.ts';
import { assertOverlap } from './overlap.ts';

const COUNT = 4096;

export function fineGrainMemoryConsistency(bins: 1 | 2 | 29): SvmCase {
  return {
    name: `svm_fine_grain_memory_consistency: a lock-free hash table with ${bins} ${bins === 1 ? 'bin' : 'bins'} that all sides fill at once loses no insert`,
    skip: (sides) => {
      const without = sides.devices.find(
        ({ device }) => (device.capabilities & SVM.CONCURRENT_ATOMIC_ACCESS) === 0,
      );
      return without && `device ${without.name} has no CONCURRENT_ATOMIC_ACCESS`;
    },
    async run(sides, report) {
      const lanes = sides.all.length;
      const total = lanes * COUNT;
      await sides.with([8 * bins, 16 * total, PROGRESS.BYTES, 64], async (table, nodes, progress, result) => {
        await sides.together('insertNodes', (lane) => [table, bins, nodes, COUNT, lane, lanes, progress]);
        assertOverlap(sides, progress, Math.ceil(COUNT / BATCH), report);
        report.diagnostic(`${i32(progress)[PROGRESS.RETRIES]} inserts had to be tried again`);
        let sum = 0;
        for (let index = 0; index < total; index++) sum = (sum + Math.imul(index, 2654435761)) >>> 0;
        for (const side of sides.all) {
          await side.run('countNodes', 1, [table, bins, total, result]);
          assert.deepEqual([...u32(result).subarray(0, 3)], [total, 0, sum], `as ${side.name} counts`);
        }
        const found = everyNode(sides, table, bins);
        assert.equal(found.length, total);
        assert.equal(new Set(found.map(({ node }) => node)).size, total, 'each node once');
        for (let lane = 0; lane < lanes; lane++)
          assert.equal(found.filter((each) => each.lane === lane).length, COUNT, sides.all[lane]!.name);
        // In a list are the nodes in the order of their insertion: sides that took turns would leave long runs.
        if (bins === 1) {
          const changes = found.filter(({ lane }, i) => i > 0 && lane !== found[i - 1]!.lane).length;
          report.diagnostic(`the list changes between the sides ${changes} times`);
          assert.ok(changes >= COUNT / BATCH / 3, `the list changes between the sides ${changes} times`);
        }
      });
    },
  };
}

function everyNode({ mirror }: Sides, table: ConformanceBuffer, bins: number) {
  const heads = new BigUint64Array(table.bytes.buffer, table.bytes.byteOffset, bins);
  const found: { node: number; lane: number }[] = [];
  for (const head of heads) {
    for (let node = Number(head); node !== 0; ) {
      const buffer = mirror.memoryAt(node)!;
      const data = new DataView(buffer.bytes.buffer, node - buffer.address, 16);
      found.push({ node, lane: data.getUint32(12, true) });
      node = Number(data.getBigUint64(0, true));
    }
  }
  return found;
}
