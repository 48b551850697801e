/**
 * What is pinned, and what is not, while views and mappings come and go under a device: collected, transferred, huge.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ProcessDeviceOptions } from 'mirrorspace';
import { viewMemory } from '../../src/ffi/library.ts';
import { MAP_ANONYMOUS, MAP_PRIVATE, mmap, munmap, PROT_READ, PROT_WRITE } from '../../src/linux/mmap.ts';
import { eventually } from '../fixtures/proc.ts';
import { faultOf, PAGE, withSystem } from '../fixtures/system.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const refused = process.env.MIRRORSPACE_REFUSED === 'userfaultfd' && 'needs userfaultfd';

const MODES: readonly { paging: string; options: ProcessDeviceOptions; skip: string | false }[] = [
  { paging: 'demand', options: { faults: 'auto' }, skip: refused },
  { paging: 'declared', options: { faults: 'trap' }, skip: false },
];

for (const { paging, options, skip } of MODES)
  describe(`pinned memory, ${paging}`, { skip }, () => {
    it('is kept, though nobody has the view or the pin any more, until the pin is disposed of', () =>
      withSystem(async ({ mirror, proc, program, read }) => {
        assert.equal(proc.systemPaging, paging);
        const size = 256 * PAGE;
        let pin: ReturnType<typeof mirror.pin> | undefined;
        const kept = (): { address: number; buffer: WeakRef<ArrayBuffer> } => {
          const bytes = new Uint8Array(size).fill(7);
          pin = mirror.pin(bytes, { write: true });
          return { address: pin.address, buffer: new WeakRef(bytes.buffer) };
        };
        const { address, buffer } = kept();
        const put = program.kernel('put', ['pointer', 'u32']);
        for (let round = 1; round <= 5; round++) {
          // What is freed is taken again: memory that is nobody's would be somebody else's by now.
          for (let i = 0; i < 20; i++) new Uint8Array(size).fill(200);
          collect();
          await new Promise(setImmediate);
          await proc.queue.launch(put, { items: 1, args: [address + round, 100 + round] }).done;
          assert.deepEqual((await read(address, 8)).slice(round, round + 2), Uint8Array.of(100 + round, 7));
        }
        assert.notEqual(buffer.deref(), undefined);
        pin!.dispose();
        pin = undefined;
        await eventually('the ArrayBuffer is collected', () => {
          collect();
          return buffer.deref() === undefined;
        });
      }, options));

    it('that was transferred is not stored to by launches that come later', () =>
      withSystem(async ({ mirror, proc, program }) => {
        const bytes = new Uint8Array(64 * PAGE).fill(4);
        const pin = mirror.pin(bytes, { write: true });
        const { address } = pin;
        const put = program.kernel('put', ['pointer', 'u32']);
        await proc.queue.launch(put, { items: 1, args: [address, 5] }).done;
        assert.equal(bytes[0], 5);
        const moved = new Uint8Array(structuredClone(bytes.buffer, { transfer: [bytes.buffer] }));
        assert.equal(moved[0], 5);
        const launch = async () => proc.queue.launch(put, { items: 1, args: [address, 6] }).done;
        if (paging === 'demand') assert.equal((await faultOf(launch())).errno, 'EPERM');
        else await assert.rejects(launch(), { code: 'ERR_OUT_OF_RANGE' });
        assert.equal(moved[0], 5);
        pin.dispose();
      }, options));
  });

const NR_HUGEPAGES = '/proc/sys/vm/nr_hugepages';

/** Reserves some huge pages, as root may; gives why there are none, and takes them back at the end of the test. */
function reserveHugePages(t: TestContext, pages: number): string | undefined {
  try {
    const before = Number(readFileSync(NR_HUGEPAGES, 'utf8'));
    writeFileSync(NR_HUGEPAGES, String(before + pages));
    t.after(() => writeFileSync(NR_HUGEPAGES, String(before)));
    const reserved = Number(readFileSync(NR_HUGEPAGES, 'utf8'));
    return reserved > before ? undefined : `${NR_HUGEPAGES} stays ${reserved}: no memory in one piece`;
  } catch (error) {
    return String(error);
  }
}

describe('huge pages of hugetlbfs', { skip: refused }, () => {
  it('are read and stored to like others', (t: TestContext) =>
    withSystem(
      async ({ proc, program, read }) => {
        const size = 2 ** 21;
        const MAP_HUGETLB = 0x40000;
        const why = reserveHugePages(t, 2);
        let address: number;
        try {
          address = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
        } catch (error) {
          return t.skip(`there are none of them, and none can be reserved: ${why ?? String(error)}`);
        }
        const bytes = new Uint8Array(viewMemory(address, size));
        for (let page = 0; page < size / PAGE; page++) bytes[page * PAGE] = page;
        assert.equal((await read(address + 300 * PAGE, 1))[0], 300 & 255);
        const put = program.kernel('put', ['pointer', 'u32']);
        await proc.queue.launch(put, { items: 1, args: [address + 5, 99] }).done;
        assert.deepEqual([bytes[5], bytes[6], bytes[PAGE]], [99, 0, 1]);
        bytes[5] = 98;
        assert.equal((await read(address + 5, 1))[0], 98);

        // All of it is stored to by the device, while the host stores to other bytes of the same pages.
        const increment = program.kernel('incrementEvery', ['pointer', 'f64']);
        const stride = 512;
        const before = bytes.slice();
        const command = proc.queue.launch(increment, { items: size / stride, args: [address, stride] });
        for (let at = 7; at < size; at += PAGE) bytes[at] = 200;
        await command.done;
        for (let at = 0; at < size; at += stride)
          if (bytes[at] !== ((before[at]! + 1) & 255))
            assert.fail(`byte ${at}: ${before[at]} to ${bytes[at]}`);
        for (let at = 7; at < size; at += PAGE) assert.equal(bytes[at], 200, `byte ${at}`);
        munmap(address, size);
      },
      { system: 'all' },
    ));
});
