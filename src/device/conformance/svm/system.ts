/**
 * svm_shared_address_space_fine_grain: lists in memory that nobody allocated for the device.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { SVM } from '../../capabilities.ts';
import type { SvmCase } from '../case.ts';
import { i32 } from '../sides.ts';

const [COUNT, LENGTH] = [8, 257];

export const fineGrainSystem: SvmCase = {
  name: 'svm_shared_address_space_fine_grain: lists in plain memory of the process (system SVM)',
  skip: ({ devices }) => {
    const without = devices.filter(({ device }) => (device.capabilities & SVM.SYSTEM_ALLOCATED) === 0);
    if (without.length === 0) return undefined;
    const names = without.map(({ name }) => name).join(' and ');
    return `system SVM: ${names} can't reach memory that was not allocated for it (SYSTEM_ALLOCATED)`;
  },
  async run(sides) {
    for (const { producer, consumer } of sides.pairs())
      await sides.plain([8 * COUNT, 16 * COUNT * LENGTH, 64, 64], async (...memory) => {
        const [heads, nodes, allocated, errors] = memory.map(({ address }) => address) as [
          number,
          number,
          number,
          number,
        ];
        const who = `built by ${producer.name}, followed by ${consumer.name}`;
        await producer.run('createLinkedLists', COUNT, [heads, nodes, nodes, allocated, LENGTH]);
        assert.equal(i32(memory[2]!)[0], COUNT * LENGTH, who);
        await consumer.run('verifyLinkedLists', COUNT, [heads, LENGTH, errors]);
        assert.equal(i32(memory[3]!)[0], 0, who);
        i32(memory[1]!)[3]! += 1;
        await consumer.run('verifyLinkedLists', COUNT, [heads, LENGTH, errors]);
        assert.equal(i32(memory[3]!)[0], 1, `${consumer.name} really looks`);
      });
  },
};
