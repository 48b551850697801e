/**
 * A driver's address policy on live memory: the object that the model calls is asked about the process as it is, and what
 * it answers is where the kernel maps the buffer.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import {
  type AllocOptions,
  GiB,
  KiB,
  MiB,
  type Mirror,
  openMirror,
  PlacementError,
  type WasmDevice,
  wasmDevice,
} from 'mirrorspace';
import {
  type AreaRequest,
  addressSpaceOf,
  type FileOperations,
  MAP_SHARED,
  type MappedFile,
  PROT_READ,
  PROT_WRITE,
  parseMaps,
  type VmArea,
  vmUnmappedArea,
} from 'mirrorspace/mm';
import {
  MAP_ANONYMOUS,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  mmap,
  munmap,
  PROT_NONE,
} from '../../src/linux/mmap.ts';
import { arenaMappings } from '../fixtures/proc.ts';

const PAGE = 4 * KiB;
const NAME = 'driven';
const WINDOW = { start: 64 * GiB, end: 2 ** 40 };

/** A device with a fixed base that reaches 40 bits, in pages of 2 MiB. */
const operations: FileOperations = {
  getUnmappedArea: (space, { length }) =>
    vmUnmappedArea(space, { length, lowLimit: WINDOW.start, highLimit: WINDOW.end, alignMask: 2 * MiB - 1 }),
};
/** Answers what it is told. */
const answering = (answer: unknown): FileOperations => ({ getUnmappedArea: () => answer as number });

let mirror: Mirror;
before(async () => {
  mirror = await openMirror({ name: NAME, devices: {} });
});
after(() => mirror.close());

const occupy = (address: number, length: number) => {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  assert.equal(mmap(address, length, PROT_NONE, flags, -1, 0), address);
};

describe('the same driver object', () => {
  it('gives the same addresses on the model of this process and, through the mirror, in the process', () => {
    // In the way of the first places: the driver's search must see them in both.
    occupy(WINDOW.start, 3 * MiB);
    occupy(WINDOW.start + 8 * MiB, PAGE);
    const model = addressSpaceOf(parseMaps(readFileSync('/proc/self/maps', 'latin1')).vmas);
    const file: MappedFile = { fileOperations: operations };
    for (const length of [MiB, 4 * MiB, 3 * GiB, 2 * MiB, PAGE]) {
      const told = model.mmap({ length, prot: PROT_READ | PROT_WRITE, flags: MAP_SHARED, file });
      const buffer = mirror.alloc(length, { place: { driver: operations } });
      assert.equal(buffer.address, told);
      assert.equal(buffer.address % (2 * MiB), 0);
      buffer.view(Uint32Array)[0] = length;
      // The kernel's own word for it: the arena is mapped there, at the offset of its address.
      const line = arenaMappings(NAME).find(({ start, end }) => start <= told && told < end)!;
      assert.equal(line.offset, line.start);
      assert.ok(told + length <= line.end);
    }
    assert.ok(mirror.buffers().every(({ address, end }) => address >= WINDOW.start && end <= WINDOW.end));
    for (const buffer of mirror.buffers()) buffer.free();
    munmap(WINDOW.start, 3 * MiB);
    munmap(WINDOW.start + 8 * MiB, PAGE);
  });

  it('is asked as for an mmap of its file, with the hint, and then about the VMA', () => {
    const asked: AreaRequest[] = [];
    const areas: VmArea[] = [];
    const driver: FileOperations = {
      getUnmappedArea(space, request) {
        asked.push(request);
        return operations.getUnmappedArea!(space, request);
      },
      mmap: (vma) => void areas.push(vma),
    };
    const place = { driver, hint: WINDOW.start + 64 * GiB + 5 };
    const planned = mirror.plan(5 * PAGE - 1, { name: 'five', place });
    assert.equal(areas.length, 0);
    const buffer = mirror.alloc(5 * PAGE - 1, { name: 'five', place });
    assert.ok(planned.ok && planned.placement.address === buffer.address);
    assert.equal(buffer.placement.guard, 0);
    assert.equal(asked.length, 2);
    const { address, length, flags, offset, file } = asked[1]!;
    assert.deepEqual(
      [address, length, flags, offset, file?.name],
      [WINDOW.start + 64 * GiB, 5 * PAGE, MAP_SHARED, 0, 'five'],
    );
    assert.deepEqual(
      areas.map(({ start, end }) => [start, end]),
      [[buffer.address, buffer.address + 5 * PAGE]],
    );
    buffer.free();
  });

  it('sees buffers, their guards, and what devices keep for themselves, and can’t change what it sees', async () => {
    const WASM = [0x68000000, 0x68400000] as const;
    const firmware = { start: WASM[0], end: WASM[0] + 100_000, name: 'firmware' };
    const both: Mirror<{ wasm: WasmDevice }> = await openMirror({
      devices: { wasm: wasmDevice({ cores: 1, window: WASM, reserved: [firmware] }) },
    });
    const first = both.alloc(PAGE, { guard: 3 });
    const driver: FileOperations = {
      getUnmappedArea(space, { length }) {
        assert.throws(() => space.munmap(first.address, PAGE), { state: 'busy' });
        assert.equal(space.find(WASM[0] + PAGE)?.name, 'firmware (wasm)');
        assert.equal(space.find(first.address)?.name, first.name);
        return vmUnmappedArea(space, { length, lowLimit: WASM[0], highLimit: WASM[1] });
      },
    };
    const second = both.alloc(PAGE, { place: { driver } });
    assert.equal(first.address, WASM[0] + 25 * PAGE);
    assert.equal(second.address, first.address + 4 * PAGE);
    await both.close();
  });
});

describe('an answer that is no good', () => {
  const alloc = (driver: FileOperations, options: AllocOptions = {}) =>
    mirror.alloc(PAGE, { ...options, place: { driver } });

  it('is refused as the kernel refuses it, and where something lies there, with nothing changed', () => {
    const buffer = mirror.alloc(PAGE);
    const cases: [unknown, object][] = [
      [undefined, { syscall: 'mmap', errno: 'ENOMEM' }],
      [GiB + 1, { errno: 'EINVAL' }],
      [2 ** 47, { errno: 'ENOMEM' }],
      [0, { errno: 'EPERM' }],
      [buffer.address, { errno: 'EEXIST' }],
      ['0', { code: 'ERR_INVALID_ARG_TYPE' }],
    ];
    const before = arenaMappings(NAME);
    for (const [answer, error] of cases) {
      assert.throws(() => alloc(answering(answer)), error, String(answer));
      assert.throws(() => mirror.plan(PAGE, { place: { driver: answering(answer) } }), error, String(answer));
    }
    assert.throws(
      () =>
        alloc({
          getUnmappedArea: () => {
            throw new Error('no firmware');
          },
        }),
      /no firmware/,
    );
    const refusing: FileOperations = {
      ...operations,
      mmap() {
        throw new Error('no pages');
      },
    };
    assert.throws(() => alloc(refusing), /no pages/);
    assert.deepEqual(arenaMappings(NAME), before);
    assert.equal(mirror.buffers().length, 1);
    buffer.free();
  });

  it('is a placement error where a device does not reach it', async () => {
    const wasm = await openMirror({ devices: { wasm: wasmDevice({ cores: 1 }) } });
    assert.throws(() => wasm.alloc(PAGE, { place: { driver: operations } }), PlacementError);
    const far = wasm.alloc(PAGE, { place: { driver: operations }, devices: [] });
    assert.equal(far.address, WINDOW.start);
    await wasm.close();
  });

  it('comes from an object that is a driver', () => {
    const cases: [unknown, string][] = [
      [{ driver: undefined }, 'ERR_INVALID_ARG_TYPE'],
      [{ driver: {} }, 'ERR_INVALID_ARG_TYPE'],
      [{ driver: null }, 'ERR_INVALID_ARG_TYPE'],
      [{ driver: operations, hint: '1' }, 'ERR_INVALID_ARG_TYPE'],
      [{ driver: operations, hint: -1 }, 'ERR_OUT_OF_RANGE'],
    ];
    for (const [place, code] of cases)
      assert.throws(() => mirror.alloc(PAGE, { place } as AllocOptions), { code }, JSON.stringify(place));
  });
});

it('memory that is mapped already moves where the driver says', () => {
  const room = mmap(0, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const range = { start: room + PAGE, end: room + 2 * PAGE };
  const moved = mirror.evacuate(range, { place: { driver: operations } });
  assert.equal(moved.start, WINDOW.start);
  munmap(moved.start, PAGE);
  munmap(room, PAGE);
  munmap(room + 2 * PAGE, PAGE);
});
