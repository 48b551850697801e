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
import type { ConformanceBuffer as Buffer } from '../target.ts';

interface Lists {
  readonly count: number;
  readonly length: number;
  /** Nodes at odd positions lie in a second buffer. */
  readonly crossing: boolean;
  readonly type: 'fine' | 'coarse';
  /** What is passed for a buffer: itself, or its address. */
  as(buffer: Buffer): KernelArgument;
}

async function check(sides: Sides, lists: Lists, producer: Side, consumer: Side): Promise<void> {
  const { count, length, crossing, type, as } = lists;
  const bytes = 16 * count * length;
  const nodes = [[bytes, { type }] as const, [bytes, { type }] as const];
  await sides.with([[8 * count, { type }], ...nodes, 64, 64], async (...buffers) => {
    const [heads, even, odd, allocated, errors] = buffers as [Buffer, Buffer, Buffer, Buffer, Buffer];
    const [one, two] = [as(even), as(crossing ? odd : even)];
    const shared = type === 'coarse' ? [heads, even, odd] : [];
    // Words beside the lists are fine where there is that.
    const all = [...shared, ...[allocated, errors].filter((buffer) => buffer.type === 'coarse')];
    const wordOf = (buffer: Buffer) => sides.onHost([buffer], () => i32(buffer)[0]);
    const verify = (): Promise<void> =>
      sides.as(consumer, all, () =>
        consumer.run('verifyLinkedLists', count, [as(heads), length, as(errors)]),
      );
    await sides.as(producer, all, () =>
      producer.run('createLinkedLists', count, [as(heads), one, two, as(allocated), length]),
    );
    assert.equal(await wordOf(allocated), count * length, `nodes that ${producer.name} took`);
    await verify();
    assert.equal(await wordOf(errors), 0, `built by ${producer.name}, followed by ${consumer.name}`);
    // One node that is not as it should be is noticed, so the answer above was no accident.
    await sides.as(sides.host, shared, async () => {
      const [first] = new BigUint64Array(heads.bytes.buffer, 0, 1);
      i32(even)[(Number(first) - even.address) / 4 + 3]! += 1;
    });
    await verify();
    assert.equal(await wordOf(errors), 1, `${consumer.name} really looks`);
    for (const buffer of shared)
      assert.throws(
        () => buffer.bytes,
        { code: 'ERR_MIRROR_STATE' },
        'the host has it only while it is mapped',
      );
  });
}

function listsCase(name: string, lists: Lists): SvmCase {
  return {
    name,
    coarse: lists.type === 'coarse',
    async run(sides) {
      for (const { producer, consumer } of sides.pairs()) await check(sides, lists, producer, consumer);
    },
  };
}

const buffers = (buffer: Buffer): KernelArgument => buffer;
const pointers = (buffer: Buffer): KernelArgument => buffer.address;

export const fineGrainBuffers: SvmCase = listsCase(
  'svm_shared_address_space_fine_grain_buffers: lists built by one side are followed by each other, with nothing mapped',
  { count: 8, length: 257, crossing: false, type: 'fine', as: pointers },
);

export const crossBufferPointers: SvmCase = listsCase(
  'svm_cross_buffer_pointers, fine-grained: a list of 32 nodes that spans two buffers',
  { count: 1, length: 32, crossing: true, type: 'fine', as: buffers },
);

export const crossBufferPointersCoarse: SvmCase = listsCase(
  'svm_cross_buffer_pointers_coarse_grain: a list of 32 nodes that spans two buffers, built on one side, verified on another',
  { count: 1, length: 32, crossing: true, type: 'coarse', as: pointers },
);

export const coarseGrainOldApi: SvmCase = listsCase(
  'svm_shared_address_space_coarse_grain_old_api: lists by way of buffers as arguments, mapped for the host',
  { count: 8, length: 65, crossing: false, type: 'coarse', as: buffers },
);

export const coarseGrainNewApi: SvmCase = listsCase(
  'svm_shared_address_space_coarse_grain_new_api: lists by way of raw pointers as arguments, mapped for the host',
  { count: 8, length: 65, crossing: false, type: 'coarse', as: pointers },
);
