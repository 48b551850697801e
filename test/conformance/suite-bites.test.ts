/**
 * That the conformance suite finds a device out that does not keep its promises: an honest one with one lie in it, and the
 * cases that must fail for it. Without the lie they pass, through the same wrapper.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMirror, SVM, wasmDevice } from 'mirrorspace';
import type { Command, Device, Queue } from 'mirrorspace/device';
import { conformancePrograms } from 'mirrorspace/device/conformance';
import { CONTRACT_CASES, SVM_CASES } from '../../src/device/conformance/cases.ts';
import { Sides } from '../../src/device/conformance/sides.ts';
import type { ConformanceMirror } from '../../src/device/conformance/target.ts';

// biome-ignore lint/suspicious/noExplicitAny: a lie takes and gives whatever the call does
type Call = (honest: any, queue: Queue, ...args: any[]) => Command;

/** What a queue does in place of a call; `honest` is the call itself. And what the device says of itself. */
interface Lie {
  readonly queue?: { readonly [Method in keyof Queue]?: Call };
  readonly device?: Partial<Device>;
  /** The beginnings of the names of cases that must fail. */
  readonly caught: readonly string[];
}

/** Something else than what was asked for, which says that it is that. */
function as(type: Command['type'], command: Command): Command {
  return Object.assign(command, { type });
}

function without(options: object | undefined, key: string): object {
  const { [key]: _, ...rest } = (options ?? {}) as Record<string, unknown>;
  return rest;
}

const afterOf = (size: unknown): object =>
  typeof size === 'object' ? { after: (size as { after?: never }).after ?? [] } : {};

const LIES: Record<string, Lie> = {
  'fills nothing': {
    queue: { fill: (_, queue, _target, _pattern, size) => as('fill', queue.marker(afterOf(size))) },
    caught: ['svm_enqueue_api: fill', 'svm_enqueue_api: commands wait', 'keeps launches, copies and fills'],
  },
  'fills from the second byte of the pattern on': {
    queue: {
      fill: (honest, _, target, pattern, size) =>
        honest(
          target,
          typeof pattern === 'number' ? pattern : Uint8Array.of(...pattern.slice(1), pattern[0]),
          size,
        ),
    },
    caught: ['svm_enqueue_api: fill'],
  },
  'copies nothing': {
    queue: { copy: (_, queue, _target, _source, size) => as('copy', queue.marker(afterOf(size))) },
    caught: [
      'svm_enqueue_api: copies from',
      'svm_enqueue_api: copies host',
      'svm_negative_memcpy_overlap',
      'keeps launches, copies and fills',
    ],
  },
  'takes copies that overlap': {
    queue: {
      copy(honest, queue, target, source, size) {
        try {
          return honest(target, source, size);
        } catch (error) {
          if (!/OVERLAP/.test(String(error))) throw error;
          return as('copy', queue.marker());
        }
      },
    },
    caught: ['svm_negative_memcpy_overlap'],
  },
  'runs no kernel': {
    queue: {
      launch: (honest, _, kernel, options) => honest(kernel, { ...without(options, 'local'), items: 0 }),
    },
    caught: [
      'svm_allocate_shared_buffer:',
      'svm_pointer_passing',
      'svm_set_kernel_exec_info',
      'svm_cross_buffer_pointers_coarse',
      'svm_shared_address_space_fine_grain_buffers',
      'svm_shared_address_space_coarse_grain_old_api',
      'svm_shared_address_space_coarse_grain_new_api',
      'svm_shared_sub_buffers',
      'svm_migrate',
      'runs each item',
      'hands arguments',
      'runs whole work-groups',
      'has every capability',
    ],
  },
  'leaves out the last item': {
    queue: {
      launch: (honest, _, kernel, options) =>
        honest(
          kernel,
          typeof options.items === 'number' && options.items > 1
            ? { ...without(options, 'local'), items: options.items - 1 }
            : options,
        ),
    },
    caught: ['svm_migrate', 'runs each item', 'runs whole work-groups', 'splits a launch'],
  },
  'does not wait for what a command is to come after': {
    queue: {
      launch: (honest, _, kernel, options) => honest(kernel, without(options, 'after')),
      copy: (honest, _, target, source, size) =>
        honest(target, source, typeof size === 'object' ? without(size, 'after') : size),
      fill: (honest, _, target, pattern, size) =>
        honest(target, pattern, typeof size === 'object' ? without(size, 'after') : size),
    },
    caught: ['runs a command after those', 'keeps apart by a barrier'],
  },
  'says that commands are complete as soon as they are put in': {
    queue: {
      fill: (honest, _, ...args) => Object.defineProperty(honest(...args), 'status', { value: 'complete' }),
      launch: (honest, _, ...args) => Object.defineProperty(honest(...args), 'status', { value: 'complete' }),
    },
    caught: ['svm_enqueue_api: commands wait', 'tells status', 'keeps apart by a barrier'],
  },
  'does not look at what kernels use': {
    queue: { launch: (honest, _, kernel, options) => honest(kernel, without(options, 'uses')) },
    caught: ['svm_set_kernel_exec_info', 'takes no command that names a coarse buffer'],
  },
  'knows no work-groups': {
    queue: { launch: (honest, _, kernel, options) => honest(kernel, without(options, 'local')) },
    caught: ['runs whole work-groups'],
  },
  'chooses its own chunks': {
    queue: { launch: (honest, _, kernel, options) => honest(kernel, without(options, 'chunk')) },
    caught: ['splits a launch'],
  },
  'frees nothing in its queue': {
    queue: { free: (_, queue) => as('free', queue.marker()) },
    caught: ['svm_enqueue_api: free'],
  },
  'keeps something back of what a callback is to be given': {
    queue: {
      free: (honest, _, what, how) =>
        honest(what, typeof how === 'function' ? (given: readonly unknown[]) => how(given.slice(1)) : how),
    },
    caught: ['svm_enqueue_api: free'],
  },
  'maps nothing': {
    queue: { map: (_, queue, _buffer, options) => as('map', queue.marker(without(options, 'access'))) },
    caught: [
      'svm_cross_buffer_pointers_coarse',
      'svm_shared_address_space_coarse_grain_old_api',
      'svm_shared_address_space_coarse_grain_new_api',
      'takes no command that names a coarse buffer',
    ],
  },
  'unmaps nothing': {
    queue: { unmap: (_, queue) => as('unmap', queue.marker()) },
    caught: [
      'svm_cross_buffer_pointers_coarse',
      'svm_shared_address_space_coarse_grain_old_api',
      'takes no command that names a coarse buffer',
      'maps a coarse buffer',
    ],
  },
  'takes a barrier for a marker': {
    queue: { barrier: (_, queue, options) => as('barrier', queue.marker(options)) },
    caught: ['keeps apart by a barrier'],
  },
  'says that it reaches memory that nobody allocated for it': {
    device: { capabilities: SVM.SYSTEM_ALLOCATED },
    caught: ['svm_shared_address_space_fine_grain:'],
  },
};

function lying<T extends object>(honest: T, instead: (name: string, value: unknown) => unknown): T {
  return new Proxy(honest, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      const bound = typeof value === 'function' ? value.bind(target) : value;
      return typeof name === 'string' ? instead(name, bound) : bound;
    },
  });
}

function lyingDevice(device: Device, lie: Lie): Device {
  const queueOf = (queue: Queue): Queue =>
    lying(queue, (name, value) => {
      const call = lie.queue?.[name as keyof Queue];
      return call ? (...args: unknown[]) => call(value, queue, ...args) : value;
    });
  return lying(device, (name, value) => {
    if (name === 'queue') return queueOf(value as Queue);
    if (name === 'createQueue')
      return (...args: unknown[]) => queueOf((value as (...of: unknown[]) => Queue)(...args));
    if (name === 'capabilities') return (value as number) | (lie.device?.capabilities ?? 0);
    return value;
  });
}

const target = {
  ...{ name: 'a device that lies', program: () => conformancePrograms.webAssembly, crash: () => {} },
  open: async (): Promise<ConformanceMirror> => openMirror({ devices: { wasm: wasmDevice({ cores: 2 }) } }),
};

/** What came of each case: whether it found something. */
async function run(lie: Lie, beginnings: readonly string[]): Promise<[beginning: string, caught: boolean][]> {
  let close = async (): Promise<void> => {};
  const sides = await Sides.open({
    ...target,
    async open() {
      const mirror = await target.open();
      close = async () => {
        // A case that has failed may have left a kernel that waits: that ends with the device.
        await mirror.devices.wasm!.close();
        await mirror.close();
      };
      return lying(mirror, (name, value) =>
        name === 'devices' ? { wasm: lyingDevice(mirror.devices.wasm!, lie) } : value,
      );
    },
  });
  const results: [string, boolean][] = [];
  try {
    for (const beginning of beginnings) {
      const svm = SVM_CASES.find(({ name }) => name.startsWith(beginning));
      const contract = CONTRACT_CASES.find(({ name }) => name.startsWith(beginning));
      assert.ok(svm ?? contract, beginning);
      try {
        const report = { diagnostic: () => {}, skipped: async () => {} };
        if (svm) await svm.run(sides, report);
        else await contract!.run(sides.devices[0]!, sides, target);
        results.push([beginning, false]);
      } catch {
        results.push([beginning, true]);
      }
    }
  } finally {
    await close();
  }
  return results;
}

for (const [name, lie] of Object.entries(LIES))
  test(`a device that ${name} is found out by ${lie.caught.length} cases`, async () => {
    assert.deepEqual(
      await run(lie, lie.caught),
      lie.caught.map((beginning) => [beginning, true]),
    );
  });

test('through the same wrapper, with no lie in it, the same cases pass', async () => {
  const all = new Set(Object.values(LIES).flatMap(({ caught }) => caught));
  // The one about system SVM does not apply to a device without.
  all.delete('svm_shared_address_space_fine_grain:');
  const passed = await run({ caught: [] }, [...all]);
  assert.deepEqual(
    passed,
    [...all].map((beginning) => [beginning, false]),
  );
});
