/**
 * What a device can get hold of: the buffers that are for it, its own memory, and nothing else in its whole window. A
 * probe is a load by a kernel; it must fault wherever the answer is not known to be allowed.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Command,
  DeviceFault,
  GiB,
  KiB,
  MiB,
  type Mirror,
  openMirror,
  type Program,
  type Range,
  type SvmBuffer,
  type WasmDevice,
  wasmDevice,
} from 'mirrorspace';
import { ownRanges } from '../../src/device/wasm/regions.ts';
import { eventually } from '../fixtures/proc.ts';

const hostileKernels = new URL('../fixtures/kernels/build/hostile.wasm', import.meta.url);
const basicKernels = new URL('../fixtures/kernels/build/basic.wasm', import.meta.url);
const PAGE = 4 * KiB;
const CORES = 2;
/** Nothing holds these words by chance. */
const SECRET = 0x5ec2e7a1;
const FREED = 0x0ddba115;

/** Probes that fault with userfaultfd cost a core each: so many, or all of them. With traps all are made. */
const DEAR_PROBES = process.env.MIRRORSPACE_STRESS === 'full' ? Number.POSITIVE_INFINITY : 100;

const MODES = (['userfaultfd', 'trap'] as const).filter((mode) => mode !== process.env.MIRRORSPACE_REFUSED);

async function isFault(command: Command): Promise<DeviceFault | undefined> {
  try {
    await command.done;
    return undefined;
  } catch (error) {
    assert.ok(error instanceof DeviceFault, `a DeviceFault, not ${String(error)}`);
    return error;
  }
}

/** The same shuffle in every run. */
function sample<T>(all: readonly T[], count: number): T[] {
  const pool = [...all];
  let state = 12345;
  for (let i = pool.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const j = state % (i + 1);
    [pool[i], pool[j]] = [pool[j]!, pool[i]!];
  }
  return pool.slice(0, count);
}

/** All that the device keeps for itself, as it is now, copied by the device. */
async function ownMemory(wasm: WasmDevice, program: Program, target: SvmBuffer): Promise<Buffer> {
  const copy = program.kernel('copyAt', ['pointer', 'pointer', 'u32']);
  let at = 0;
  for (const { start, end } of ownRanges(CORES)) {
    await wasm.queue.launch(copy, { items: 1, args: [target.address + at, start, end - start] }).done;
    at += end - start;
  }
  return Buffer.from(target.bytes.buffer, target.bytes.byteOffset, at);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

for (const mode of MODES) {
  describe(`the window of a device, with faults: '${mode}'`, () => {
    it('holds what is for the device and its own memory, and else faults wherever it is probed', async () => {
      const mirror = await openMirror({
        devices: {
          wasm: wasmDevice({ cores: CORES, faults: mode }),
          other: wasmDevice({ cores: 1, faults: mode }),
        },
      });
      try {
        const { wasm, other } = mirror.devices;
        const program = await wasm.load(hostileKernels);
        // The other device's own memory, and host memory, have the secret too.
        const foreign = await other.load(hostileKernels);
        const fill = foreign.kernel('walkStores', ['pointer', 'u32', 'u32']);
        await other.queue.launch(fill, { items: 1, args: [1 * MiB, 1000, 4] }).done;
        const hostMemory = new Uint32Array(1 << 20).fill(SECRET);

        const readable: SvmBuffer[] = [];
        for (let i = 0; i < 12; i++) {
          const mine = mirror.alloc(PAGE * (1 + (i % 3)) + i, { name: `mine-${i}`, devices: ['wasm'] });
          mine.view(Uint32Array, 0, mine.size >>> 2).fill(i + 1);
          readable.push(mine);
          const theirs = mirror.alloc(64 * KiB, {
            name: `theirs-${i}`,
            devices: i % 2 ? ['other'] : [],
            ...(i % 2 ? {} : { place: { at: 0xa0000000 + i * MiB } }),
          });
          theirs.view(Uint32Array).fill(SECRET);
          const gone = mirror.alloc(64 * KiB, { name: `gone-${i}` });
          gone.view(Uint32Array).fill(FREED);
          gone.free();
        }
        const constant = mirror.alloc(64 * KiB, {
          name: 'constant',
          access: { wasm: 'read', other: 'none' },
        });
        readable.push(constant);

        const allowed: Range[] = [
          ...ownRanges(CORES),
          ...readable.map(({ address, end }) => ({ start: address, end: Math.ceil(end / PAGE) * PAGE })),
        ];
        const isAllowed = (at: number) => allowed.some(({ start, end }) => at >= start && at < end);
        const addresses = new Set<number>();
        const probe = (at: number) => {
          if (at >= 0 && at <= 4 * GiB - 4) addresses.add(at - (at % 4));
        };
        for (const { start, end } of [...mirror.occupants({ start: 0, end: 4 * GiB }), ...allowed]) {
          for (const edge of [start, end]) {
            probe(edge - 4);
            probe(edge);
            probe(edge - PAGE);
            probe(edge + PAGE);
          }
        }
        for (let at = 0; at < 4 * GiB; at += 2 * MiB) probe(at);
        const all = [...addresses];
        assert.ok(all.length > 2000, `${all.length} probes`);
        const expectReadable = all.filter(isAllowed);
        const wild = all.filter((at) => !isAllowed(at));
        assert.ok(expectReadable.length > 30);

        // What is allowed can be read, in one launch.
        const list = mirror.alloc(4 * all.length, { name: 'addresses', devices: ['wasm'] });
        const found = mirror.alloc(4 * all.length, { name: 'found', devices: ['wasm'] });
        allowed.push({ start: list.address, end: list.end }, { start: found.address, end: found.end });
        const reading = program.kernel('probe', ['pointer', 'pointer']);
        list.view(Uint32Array).set(expectReadable);
        await wasm.queue.launch(reading, { items: expectReadable.length, args: [list, found] }).done;
        const words = found.view(Uint32Array);
        for (const [i, at] of expectReadable.entries()) {
          assert.notEqual(words[i], SECRET, `the secret at 0x${at.toString(16)}`);
          assert.notEqual(words[i], FREED, `freed bytes at 0x${at.toString(16)}`);
          const holder = readable.find(({ address, size }) => at >= address && at + 4 <= address + size);
          if (holder && holder !== constant) assert.equal(words[i], readable.indexOf(holder) + 1);
        }

        // Everything else faults, one launch each, and nothing is read.
        const stillWild = wild.filter((at) => !isAllowed(at));
        const probes =
          mode === 'userfaultfd' && DEAR_PROBES < stillWild.length
            ? sample(stillWild, DEAR_PROBES)
            : stillWild;
        assert.ok(probes.length >= Math.min(DEAR_PROBES, 100), `${probes.length} probes`);
        words.fill(0xabababab);
        const before = wasm.counters();
        for (const at of probes) {
          list.view(Uint32Array)[0] = at;
          const fault = await isFault(wasm.queue.launch(reading, { items: 1, args: [list, found] }));
          assert.ok(fault, `0x${at.toString(16)} could be read: 0x${words[0]!.toString(16)}`);
          assert.equal(fault.reason, 'unmapped');
          assert.equal(fault.address, mode === 'trap' ? undefined : at);
          // A core on its way out may go on with the zero that stands in for what is not there.
          assert.ok(
            words[0] === 0xabababab || (words[0] === 0 && mode === 'userfaultfd'),
            `it read ${words[0]}`,
          );
          words[0] = 0xabababab;
        }
        const counted = wasm.counters();
        assert.equal(counted.launches - before.launches, probes.length);
        if (mode === 'userfaultfd') assert.equal(counted.wildFaults - before.wildFaults, probes.length);

        // The device's own memory holds nothing of the host's, or of anybody's.
        const target = mirror.alloc(4 * MiB, { name: 'target', devices: ['wasm'] });
        const own = await ownMemory(wasm, program, target);
        assert.equal(
          own.length,
          ownRanges(CORES).reduce((sum, { start, end }) => sum + end - start, 0),
        );
        for (const secret of [SECRET, FREED, 0xffffffff])
          assert.equal(own.indexOf(word(secret)), -1, `0x${secret.toString(16)} in the device's own memory`);
        assert.equal(hostMemory[0], SECRET);
      } finally {
        await mirror.close();
      }
    });
  });

  describe(`two devices in one mirror, with faults: '${mode}'`, () => {
    const withTwo = async (
      body: (mirror: Mirror<{ a: WasmDevice; b: WasmDevice }>, a: Program, b: Program) => Promise<void>,
    ) => {
      const device = () => wasmDevice({ cores: CORES, faults: mode });
      const mirror = await openMirror({ devices: { a: device(), b: device() } });
      try {
        const { a, b } = mirror.devices;
        await body(mirror, await a.load(hostileKernels), await b.load(hostileKernels));
      } finally {
        await mirror.close();
      }
    };

    it('reach what is for them, and can neither read nor write what is for the other', () =>
      withTwo(async (mirror, inA, inB) => {
        const { a, b } = mirror.devices;
        const shared = mirror.alloc(PAGE, { name: 'shared' });
        const onlyA = mirror.alloc(PAGE, { name: 'only a', devices: ['a'] });
        const onlyB = mirror.alloc(PAGE, { name: 'only b', access: { a: 'none' } });
        const outA = mirror.alloc(PAGE, { name: 'out a', devices: ['a'] });
        const outB = mirror.alloc(PAGE, { name: 'out b', devices: ['b'] });
        for (const buffer of [shared, onlyA, onlyB]) buffer.view(Uint32Array).fill(SECRET);
        for (const [device, program, mine, other, out] of [
          [a, inA, onlyA, onlyB, outA],
          [b, inB, onlyB, onlyA, outB],
        ] as const) {
          const load = program.kernel('walkLoads', ['pointer', 'u32', 'u32', 'pointer']);
          const store = program.kernel('walkStores', ['pointer', 'u32', 'u32']);
          const words = out.view(Uint32Array);
          for (const buffer of [mine, shared]) {
            words[0] = 0;
            await device.queue.launch(load, { items: 1, args: [buffer.address, 1, 4, out] }).done;
            assert.equal(words[0], SECRET);
          }
          words[0] = 0;
          assert.ok(await isFault(device.queue.launch(load, { items: 1, args: [other.address, 1, 4, out] })));
          assert.equal(words[0], 0);
          assert.ok(await isFault(device.queue.launch(store, { items: 1, args: [other.address, 1, 4] })));
          assert.equal(other.view(Uint32Array)[0], SECRET);
          assert.throws(() => device.queue.launch(load, { items: 1, args: [other, 1, 4, out] }), RangeError);
          assert.throws(() => device.queue.copy(out, other), RangeError);
        }
        assert.ok(
          onlyA.view(Uint32Array).every((each) => each === SECRET),
          'what the other tried left no trace',
        );
        assert.ok(onlyB.view(Uint32Array).every((each) => each === SECRET));
      }));

    it('have static data, stacks and scratch memory of their own at the same addresses', () =>
      withTwo(async (mirror, inA, inB) => {
        const { a, b } = mirror.devices;
        const store = inA.kernel('walkStores', ['pointer', 'u32', 'u32']);
        for (const { start, end } of ownRanges(CORES)) {
          // Above what the program itself has there.
          const from = Math.max(start, 1 * MiB);
          await a.queue.launch(store, { items: 1, args: [from, (end - from) / 4, 4] }).done;
        }
        const target = mirror.alloc(4 * MiB, { devices: ['b'] });
        assert.equal((await ownMemory(b, inB, target)).indexOf(word(0xffffffff)), -1);
        const mine = mirror.alloc(4 * MiB, { devices: ['a'] });
        assert.notEqual((await ownMemory(a, inA, mine)).indexOf(word(0xffffffff)), -1);
      }));

    it('lose a buffer that is freed and made anew for the other alone', () =>
      withTwo(async (mirror, inA, inB) => {
        const { a, b } = mirror.devices;
        const outA = mirror.alloc(PAGE, { devices: ['a'] });
        const read = inA.kernel('walkLoads', ['pointer', 'u32', 'u32', 'pointer']);
        const place = { at: 0xb0000000 };
        for (let round = 0; round < 5; round++) {
          await eventually('the place is free again', () => mirror.plan(PAGE, { place }).ok);
          const first = mirror.alloc(PAGE, { place, devices: ['a'] });
          await a.queue.fill(first, 0x11).done;
          await a.queue.launch(read, { items: 1, args: [first.address, 1, 4, outA] }).done;
          first.free();
          await eventually('the place is free again', () => mirror.plan(PAGE, { place }).ok);
          const second = mirror.alloc(PAGE, { place, devices: ['b'] });
          await b.queue.fill(second, 0x22).done;
          outA.view(Uint32Array)[0] = 0;
          assert.ok(
            await isFault(a.queue.launch(read, { items: 1, args: [second.address, 1, 4, outA] })),
            'a mapping that the first buffer left behind is no way to the second',
          );
          assert.equal(outA.view(Uint32Array)[0], 0);
          const outB = mirror.alloc(PAGE, { devices: ['b'] });
          const readB = inB.kernel('walkLoads', ['pointer', 'u32', 'u32', 'pointer']);
          await b.queue.launch(readB, { items: 1, args: [second.address, 1, 4, outB] }).done;
          assert.equal(outB.view(Uint32Array)[0], 0x22222222, 'and its fault took nothing from the other');
          second.free();
          outB.free();
        }
      }));
  });

  describe(`a freed buffer, with faults: '${mode}'`, () => {
    it('never shows its bytes to a buffer that comes to lie there, on the device or on the host', async () => {
      const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: CORES, faults: mode }) } });
      try {
        const { wasm } = mirror.devices;
        const program = await wasm.load(basicKernels);
        const load = program.kernel('loadAt', ['pointer', 'pointer']);
        const out = mirror.alloc(1 * MiB, { name: 'out' });
        const place = { at: 0xc0000000 };
        const sizes = [PAGE, 64 * KiB, 1 * MiB];
        for (let round = 0; round < 60; round++) {
          const size = sizes[round % 3]!;
          await eventually('the place is free again', () => mirror.plan(size, { place }).ok);
          const buffer = mirror.alloc(size, { place });
          // Both sides look before anything was written, the device first in every other round.
          out.bytes.fill(0xcc);
          const reading = wasm.queue.copy(out, buffer, size);
          await reading.done;
          assert.ok(
            out.bytes.subarray(0, size).every((byte) => byte === 0),
            `round ${round}: not all zero`,
          );
          await wasm.queue.fill(buffer, 0x80 + round).done;
          await wasm.queue.launch(load, { items: 1, args: [buffer.end - 4, out] }).done;
          assert.equal(out.bytes[0], 0x80 + round);
          // Freed with a kernel under way that still writes to it.
          if (round % 2) wasm.queue.fill(buffer, 0x7f);
          buffer.free();
        }
        await eventually('the place is free again', () => mirror.plan(1 * MiB, { place }).ok);
        const last = mirror.alloc(1 * MiB, { place });
        assert.ok(last.bytes.every((byte) => byte === 0));
      } finally {
        await mirror.close();
      }
    });
  });
}
