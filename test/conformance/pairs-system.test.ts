/**
 * Every producer with every consumer of host, wasm device and two process devices, over buffers and over memory that
 * nobody allocated for a device. What one has stored the next one sees, once its launch has ended, and old copies never.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  type Kernel,
  type Mirror,
  openMirror,
  type ProcessDevice,
  processDevice,
  type SvmBuffer,
  type WasmDevice,
  wasmDevice,
} from 'mirrorspace';
import { i32, pointer, struct, u32 } from 'mirrorspace/layout';
import { fill, hostPages, PAGE } from '../fixtures/system.ts';
import { basicKernels } from '../fixtures/with-mirror.ts';

type Devices = { wasm: WasmDevice; proc: ProcessDevice; other: ProcessDevice };

/** Who stores and loads words at addresses. */
interface Side {
  store(address: number, value: number): Promise<void>;
  load(address: number): Promise<number>;
}

const PAGES = 8;
/** Words of one page, on both sides of a border, of a page alone, the first and the last. */
const OFFSETS = [0, 4, PAGE - 4, PAGE, 3 * PAGE + 512, 7 * PAGE, PAGES * PAGE - 4];
const sides = ['host', 'wasm', 'proc', 'other'] as const;
const systemSides = ['host', 'proc', 'other'] as const;

describe('producers and consumers of host, wasm and process', () => {
  let mirror: Mirror<Devices>;
  let buffer: SvmBuffer;
  let side: Record<(typeof sides)[number], Side>;
  /** Memory of this process alone, beside the buffer; and how the host reaches both. */
  const system = fill(hostPages(PAGES), 0);
  const places = { buffer: 0, system: system.address };
  let bytes: DataView[];

  before(async () => {
    mirror = await openMirror({
      devices: {
        wasm: wasmDevice({ cores: 1 }),
        proc: processDevice({ cores: 1, system: 'all' }),
        other: processDevice({ cores: 1, system: 'all' }),
      },
    });
    const { wasm, proc, other } = mirror.devices;
    buffer = mirror.alloc(PAGES * PAGE, { name: 'shared' });
    places.buffer = buffer.address;
    const out = mirror.alloc(4, { name: 'out' });
    bytes = [buffer.bytes, system.bytes].map(
      (each) => new DataView(each.buffer, each.byteOffset, each.byteLength),
    );
    const at = (address: number): [DataView, number] =>
      address >= system.address && address < system.end
        ? [bytes[1]!, address - system.address]
        : [bytes[0]!, address - buffer.address];
    const ordered = new URL('../fixtures/process/ordered.js', import.meta.url);
    const on = async (device: WasmDevice | ProcessDevice, module: URL): Promise<Side> => {
      const program = await device.load(module);
      const storeAt: Kernel<readonly ['pointer', 'i32']> = program.kernel('storeAt', ['pointer', 'i32']);
      const loadAt: Kernel<readonly ['pointer', 'pointer']> = program.kernel('loadAt', [
        'pointer',
        'pointer',
      ]);
      return {
        store: (address, value) => device.queue.launch(storeAt, { items: 1, args: [address, value] }).done,
        async load(address) {
          await device.queue.launch(loadAt, { items: 1, args: [address, out] }).done;
          return out.view(Int32Array)[0]!;
        },
      };
    };
    side = {
      host: {
        async store(address, value) {
          const [view, offset] = at(address);
          view.setInt32(offset, value, true);
        },
        async load(address) {
          const [view, offset] = at(address);
          return view.getInt32(offset, true);
        },
      },
      wasm: await on(wasm, basicKernels),
      proc: await on(proc, ordered),
      other: await on(other, ordered),
    };
  });
  after(() => mirror.close());

  let value = 1;

  /** Stores to all words by one, reads them by another; twice, so that the second finds what the first left in copies. */
  async function pass(producer: Side, consumer: Side, place: number): Promise<void> {
    for (let round = 0; round < 2; round++) {
      const expected = OFFSETS.map(() => value++);
      for (const [i, offset] of OFFSETS.entries()) await producer.store(place + offset, expected[i]!);
      const seen: number[] = [];
      for (const offset of OFFSETS) seen.push(await consumer.load(place + offset));
      assert.deepEqual(seen, expected);
    }
  }

  for (const producer of sides) {
    for (const consumer of sides)
      it(`a buffer: ${producer} stores, ${consumer} loads`, () =>
        pass(side[producer], side[consumer], places.buffer));
  }

  for (const producer of systemSides) {
    for (const consumer of systemSides)
      it(`memory of the host alone: ${producer} stores, ${consumer} loads`, async () => {
        const { proc, other } = mirror.devices;
        const before = [proc, other].map((device) => device.systemCounters());
        await pass(side[producer], side[consumer], places.system);
        // By copies and write-back of each process, and not by a mapping that they have in common.
        for (const [i, device] of [proc, other].entries()) {
          const now = device.systemCounters();
          const name = device === proc ? 'proc' : 'other';
          if (producer === name)
            assert.ok(now.writtenBackBytes > before[i]!.writtenBackBytes, `${name} wrote nothing back`);
          if (consumer === name && producer !== name)
            assert.ok(now.fetches > before[i]!.fetches, `${name} fetched nothing`);
        }
      });
  }

  it('a 32-bit device is given no pointer to memory beyond it', () => {
    assert.throws(() => side.wasm.store(places.system, 1), { code: 'ERR_OUT_OF_RANGE' });
  });

  it('one list through buffers and memory of the host alone, followed by all that reach its nodes', async () => {
    const Node = struct('Node', { next: pointer(), value: i32, rank: u32 });
    const inBuffer = Node.in(buffer);
    const inSystem = Node.in({ address: system.address, size: system.size, bytes: system.bytes });
    // Nodes lie in turn here and there, each on a page of its own.
    const addresses = Array.from({ length: 2 * PAGES }, (_, i) => {
      const place = i % 2 === 0 ? buffer.address : system.address;
      return place + Math.floor(i / 2) * PAGE + 64;
    });
    for (const [i, address] of addresses.entries()) {
      const node = (i % 2 === 0 ? inBuffer : inSystem).at(address);
      node.next = addresses[i + 1] ?? 0;
      node.rank = i;
    }
    const source = `
      import { memory } from ${JSON.stringify(import.meta.resolve('mirrorspace/kernel'))};
      import { i32, pointer, struct, u32 } from ${JSON.stringify(import.meta.resolve('mirrorspace/layout'))};
      const Node = struct('Node', { next: pointer(), value: i32, rank: u32 });
      export function addRanks(begin, end, head, factor) {
        const node = Node.in(memory).at(head);
        for (;;) {
          node.value += factor * node.rank;
          if (node.next === 0) return;
          node.move(node.next);
        }
      }`;
    const expected = new Array<number>(addresses.length).fill(0);
    for (const address of addresses) await side.host.store(address + 8, 0);
    const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
    const follow: [ProcessDevice, Kernel<readonly ['pointer', 'i32']>][] = [];
    for (const device of [mirror.devices.proc, mirror.devices.other])
      follow.push([device, (await device.load(url)).kernel('addRanks', ['pointer', 'i32'])]);
    for (let round = 1; round <= 3; round++) {
      for (const [device, kernel] of follow) {
        await device.queue.launch(kernel, { items: 1, args: [addresses[0]!, round] }).done;
        for (const i of expected.keys()) expected[i]! += round * i;
      }
      // In between the wasm device changes the nodes that it reaches, and the host one that it does not.
      await side.wasm.store(addresses[2]! + 8, round);
      expected[2] = round;
      await side.host.store(addresses[3]! + 8, -round);
      expected[3] = -round;
      const seen: number[] = [];
      for (const address of addresses) seen.push(await side.host.load(address + 8));
      assert.deepEqual(seen, expected, `round ${round}`);
      assert.equal(await side.wasm.load(addresses[4]! + 8), expected[4]);
    }
  });
});
