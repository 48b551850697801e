/**
 * The linked lists of svm_shared_address_space_* and svm_cross_buffer_pointers_*: one side builds them from nodes that it
 * takes by an atomic operation, another follows the pointers. Every pair of sides, each with itself too.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { KernelArgument } from '../../device.ts';
import type { SvmCase } from '../case.ts';
import { i32, type Side, type Sides } from '../sides.ts';
import type { ConformanceBuffer } from '../target.ts';

interface Lists {
  readonly count: number;
  readonly length: number;
  /** Nodes at odd positions lie in a second buffer. */
  readonly crossing: boolean;
  /** What is passed for a buffer: itself, or its address. */
  as(buffer: ConformanceBuffer): KernelArgument;
}

async function check(sides: Sides, lists: Lists, producer: Side, consumer: Side): Promise<void> {
  const { count, length, crossing, as } = lists;
  const bytes = 16 * count * length;
  await sides.with([8 * count, bytes, bytes, 64, 64], async (heads, even, odd, allocated, errors) => {
    const [one, two] = [as(even), as(crossing ? odd : even)];
    await producer.run('createLinkedLists', count, [as(heads), one, two, as(allocated), length]);
    assert.equal(i32(allocated)[0], count * length, `nodes that ${producer.name} took`);
    await consumer.run('verifyLinkedLists', count, [as(heads), length, as(errors)]);
    assert.equal(i32(errors)[0], 0, `built by ${producer.name}, followed by ${consumer.name}`);
    // One node that is not as it should be is noticed, so the answer above was no accident.
    const [first] = new BigUint64Array(heads.bytes.buffer, 0, 1);
    i32(even)[(Number(first) - even.address) / 4 + 3]! += 1;
    await consumer.run('verifyLinkedLists', count, [as(heads), length, as(errors)]);
    assert.equal(i32(errors)[0], 1, `${consumer.name} really looks`);
  });
}

function listsCase(name: string, lists: Lists): SvmCase {
  return {
    name,
    async run(sides) {
      for (const { producer, consumer } of sides.pairs()) await check(sides, lists, producer, consumer);
    },
  };
}

const buffers = (buffer: ConformanceBuffer): KernelArgument => buffer;
const pointers = (buffer: ConformanceBuffer): KernelArgument => buffer.address;

export const fineGrainBuffers: SvmCase = listsCase(
  'svm_shared_address_space_fine_grain_buffers: lists built by one side are followed by each other, with nothing mapped',
  { count: 8, length: 257, crossing: false, as: pointers },
);

export const crossBufferPointers: SvmCase = listsCase(
  'svm_cross_buffer_pointers, fine-grained: a list of 32 nodes that spans two buffers',
  { count: 1, length: 32, crossing: true, as: buffers },
);
