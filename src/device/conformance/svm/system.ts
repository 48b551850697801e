/**
 * svm_shared_address_space_fine_grain: lists in memory that nobody allocated for the device.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { SVM } from '../../capabilities.ts';
import type { SvmCase } from '../case.ts';
import { DeviceSide, i32, type Side, type Sides } from '../sides.ts';

const [COUNT, LENGTH] = [8, 257];

/** Why a side is left out. */
function unable(side: Side): string | undefined {
  const reaches = !(side instanceof DeviceSide) || (side.device.capabilities & SVM.SYSTEM_ALLOCATED) !== 0;
  return reaches ? undefined : "it can't reach memory that was not allocated for it (SYSTEM_ALLOCATED)";
}

export const fineGrainSystem: SvmCase = {
  name: 'svm_shared_address_space_fine_grain: lists in plain memory of the process (system SVM)',
  skip: ({ devices }) => {
    if (devices.some((side) => unable(side) === undefined)) return undefined;
    const names = devices.map(({ name }) => name).join(' and ');
    return `system SVM: ${names} can't reach memory that was not allocated for it (SYSTEM_ALLOCATED)`;
  },
  async run(sides, report) {
    for (const side of sides.devices) {
      const reason = unable(side);
      if (reason !== undefined) await report.skipped(side.name, reason);
    }
    for (const { producer, consumer } of sides.pairs())
      if ((unable(producer) ?? unable(consumer)) === undefined) await plainLists(sides, producer, consumer);
  },
};

/** Lists in plain memory, built by one side and followed by another. */
export async function plainLists(sides: Sides, producer: Side, consumer: Side): Promise<void> {
  const sizes = [8 * COUNT, 16 * COUNT * LENGTH, 64, 64];
  await sides.plain(sizes, async (...memory) => {
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
}
