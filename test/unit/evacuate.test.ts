/**
 * Memory that is mapped where a device does not reach, moved into the device's window on the live kernel: what moves, what
 * is refused, and that a refusal changes nothing.
 */
import assert from 'node:assert/strict';
import { closeSync, readFileSync, writeSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import {
  type EvacuateOptions,
  EvacuationError,
  GiB,
  KiB,
  MiB,
  type Mirror,
  openMirror,
  PlacementError,
  type Range,
  type WasmDevice,
  wasmDevice,
} from 'mirrorspace';
import {
  type AddressSpace,
  addressSpaceOf,
  overlaps,
  parseMaps,
  planEvacuation,
  type Vma,
} from 'mirrorspace/mm';
import { viewMemory } from '../../src/ffi/library.ts';
import { ftruncate, memfdCreate } from '../../src/linux/memfd.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  MAP_SHARED,
  mmap,
  mprotect,
  munmap,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  residentPages,
} from '../../src/linux/mmap.ts';
import { systemCall } from '../../src/linux/system-call.ts';
import { stackPointers } from '../../src/linux/task.ts';
import { movableMapping } from '../../src/mirror/movable.ts';
import { eventually, mappings } from '../fixtures/proc.ts';
import { runProgram } from '../fixtures/run-child.ts';
import { basicKernels } from '../fixtures/with-mirror.ts';

const PAGE = 4 * KiB;
const RW = PROT_READ | PROT_WRITE;
const PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS;
/** Above the heap of the process, and small. */
const WINDOW: Range = { start: 0x68000000, end: 0x68000000 + 4 * MiB };
const FIRMWARE = { start: WINDOW.start, end: WINDOW.start + 64 * KiB, name: 'firmware' };

let mirror: Mirror<{ wasm: WasmDevice }>;
before(async () => {
  mirror = await openMirror({
    name: 'evacuation',
    devices: { wasm: wasmDevice({ cores: 1, window: [WINDOW.start, WINDOW.end], reserved: [FIRMWARE] }) },
  });
});
after(() => mirror.close());

/** Memory somewhere high, unmapped at the end wherever it then is. */
function mapped(size: number, prot = RW, flags = PRIVATE, fd = -1): Range {
  // Apart from its neighbours, so that it is a mapping of its own.
  const room = mmap(0, size + 2 * PAGE, PROT_NONE, PRIVATE, -1, 0);
  munmap(room, size + 2 * PAGE);
  const start = mmap(room + PAGE, size, prot, flags | MAP_FIXED_NOREPLACE, fd, 0);
  return { start, end: start + size };
}

const at = (address: number, vmas: readonly Vma[] = mappings()) =>
  vmas.find(({ start, end }) => start <= address && address < end);
const words = ({ start, end }: Range) => new Uint32Array(viewMemory(start, end - start));
const unmap = ({ start, end }: Range) => munmap(start, end - start);

describe('a mapping above the window', () => {
  it('moves into it with its pages and its bytes, and the old place is free', () => {
    const range = mapped(256 * KiB);
    const before = words(range);
    for (const page of [0, 7, 63]) before[page * 1024 + 5] = page + 1;
    assert.equal(residentPages(range.start, 256 * KiB), 3);

    const moved = mirror.evacuate(range);
    assert.equal(moved.moved, true);
    assert.deepEqual(moved.from, range);
    assert.equal(moved.start, FIRMWARE.end);
    assert.deepEqual(
      [moved.address, moved.end, moved.size],
      [moved.start, moved.start + 256 * KiB, 256 * KiB],
    );
    // Its pages have moved with it: a copy would have touched them all, or none.
    assert.equal(residentPages(moved.start, 256 * KiB), 3);
    const words_ = words(moved);
    for (const page of [0, 7, 63]) assert.equal(words_[page * 1024 + 5], page + 1);
    assert.equal(at(range.start), undefined);
    assert.deepEqual([at(moved.start)!.prot, at(moved.start)!.name], [RW, '']);
    // The wasm device maps buffers and nothing else.
    assert.deepEqual(moved.reachedBy, []);
    unmap(moved);
  });

  it('keeps its file and its protection', () => {
    const fd = memfdCreate('evacuated');
    ftruncate(fd, 8 * PAGE);
    const range = mapped(8 * PAGE, PROT_READ, MAP_SHARED, fd);
    const moved = mirror.evacuate(range, { topdown: true });
    assert.equal(moved.end, WINDOW.end);
    writeSync(fd, 'written later', 4 * PAGE);
    assert.equal(
      Buffer.from(viewMemory(moved.start, moved.size)).toString('latin1', 4 * PAGE, 4 * PAGE + 13),
      'written later',
    );
    const { prot, flags, name } = at(moved.start)!;
    assert.deepEqual([prot, flags, name], [PROT_READ, MAP_SHARED, '/memfd:evacuated']);
    unmap(moved);
    closeSync(fd);
  });

  it('may be a part of one, and the rest stays', () => {
    const range = mapped(16 * PAGE);
    words(range).forEach((_, i, all) => {
      all[i] = i;
    });
    const part = { start: range.start + 4 * PAGE, end: range.start + 8 * PAGE };
    const moved = mirror.evacuate(part, {
      align: 64 * KiB,
      place: { within: [WINDOW.start + 1 * MiB, WINDOW.end] },
    });
    assert.equal(moved.start, WINDOW.start + MiB);
    assert.equal(words(moved)[0], 4 * 1024);
    assert.equal(at(part.start), undefined);
    assert.equal(words({ start: range.start, end: part.start })[4095], 4095);
    assert.equal(words({ start: part.end, end: range.end })[0], 8 * 1024);
    for (const piece of [moved, { start: range.start, end: part.start }, { start: part.end, end: range.end }])
      unmap(piece);
  });

  it('stays where it is if it lies well, and moves out of what a device keeps for itself', () => {
    const flags = PRIVATE | MAP_FIXED_NOREPLACE;
    const well = mmap(WINDOW.start + MiB, PAGE, RW, flags, -1, 0);
    const range = { start: well, end: well + PAGE };
    const stayed = mirror.evacuate(range);
    assert.deepEqual([stayed.start, stayed.moved], [well, false]);
    assert.equal(mirror.evacuate(range, { place: { at: well } }).moved, false);
    assert.equal(mirror.evacuate(range, { align: MiB, place: { within: [well, WINDOW.end] } }).moved, false);
    const reserved = mmap(FIRMWARE.start, PAGE, RW, flags, -1, 0);
    const out = mirror.evacuate({ start: reserved, end: reserved + PAGE });
    assert.deepEqual([out.start, out.moved], [FIRMWARE.end, true]);
    const further = mirror.evacuate(range, { place: { at: well + MiB } });
    assert.deepEqual([further.start, further.moved], [well + MiB, true]);
    for (const piece of [out, further]) unmap(piece);
  });

  it('is in the way of buffers afterwards, until its owner unmaps it', () => {
    const size = WINDOW.end - FIRMWARE.end;
    const moved = mirror.evacuate(mapped(size));
    assert.throws(
      () => mirror.alloc(PAGE),
      (error) =>
        error instanceof PlacementError && error.refusal.blockers.some(({ start }) => start === moved.start),
    );
    unmap(moved);
    mirror.alloc(PAGE).free();
  });

  it('goes where planEvacuation says on the model of the process', () => {
    const range = mapped(512 * KiB);
    const model: AddressSpace = addressSpaceOf(parseMaps(readFileSync('/proc/self/maps', 'latin1')).vmas);
    const { moves } = planEvacuation(model, WINDOW, {
      reserved: [FIRMWARE],
      movable: ({ start }) => start === range.start,
    });
    assert.equal(moves.length, 1);
    const moved = mirror.evacuate(range);
    assert.equal(moved.start, moves[0]!.to);
    unmap(moved);
  });
});

describe("into: 'buffer'", () => {
  it('copies into a buffer that kernels reach, and unmaps the source', async () => {
    const { wasm } = mirror.devices;
    const range = mapped(64 * KiB);
    words(range)[3] = 4242;
    const { buffer, moved, reachedBy, from } = mirror.evacuate(range, { into: 'buffer', name: 'table' });
    assert.deepEqual(
      [moved, reachedBy, from, buffer!.name, buffer!.size],
      [true, ['wasm'], range, 'table', 64 * KiB],
    );
    assert.equal(at(range.start), undefined);
    const out = mirror.alloc(8);
    const load = (await wasm.load(basicKernels)).kernel('loadAt', ['pointer', 'pointer']);
    await wasm.queue.launch(load, { items: 1, args: [buffer!.address + 12, out] }).done;
    assert.equal(out.view(Uint32Array)[0], 4242);
    buffer!.free();
    out.free();
  });

  it('refuses what can’t be copied or would no longer be shared', () => {
    const buffers = mirror.buffers().length;
    const cases: [EvacuationError['reason'], Range][] = [
      ['unreadable', mapped(PAGE, PROT_NONE)],
      ['shared', mapped(PAGE, RW, MAP_SHARED | MAP_ANONYMOUS)],
    ];
    for (const [reason, range] of cases) {
      assert.throws(() => mirror.evacuate(range, { into: 'buffer' }), { name: 'EvacuationError', reason });
      assert.ok(at(range.start));
      unmap(range);
    }
    // Beyond the end of its file nothing can be read: SIGBUS for whoever tries.
    const fd = memfdCreate('short');
    ftruncate(fd, PAGE);
    const beyond = mapped(4 * PAGE, RW, MAP_PRIVATE, fd);
    assert.throws(() => mirror.evacuate(beyond, { into: 'buffer' }), {
      syscall: 'process_vm_readv',
      errno: 'EFAULT',
    });
    assert.ok(at(beyond.start));
    assert.equal(mirror.buffers().length, buffers);
    unmap(beyond);
    closeSync(fd);
  });
});

describe('refused, with nothing changed:', () => {
  /** Refused for that reason, and every mapping in the range is as it was. */
  function refused(
    reason: EvacuationError['reason'],
    { start, end }: Range,
    options?: EvacuateOptions,
  ): void {
    const inRange = () => mappings().filter((vma) => overlaps(vma, { start, end }));
    const before = inRange();
    const free = mirror.plan(PAGE);
    assert.throws(
      () => mirror.evacuate({ start, end }, options),
      (error) =>
        error instanceof EvacuationError &&
        error.reason === reason &&
        error.start === start &&
        error.end === end,
      reason,
    );
    assert.deepEqual(
      inRange().map(({ start, prot, name }) => [start, prot, name]),
      before.map(({ start, prot, name }) => [start, prot, name]),
    );
    assert.deepEqual(mirror.plan(PAGE), free);
  }
  const named = (name: string) => mappings().find((vma) => vma.name === name)!;

  it('what is not mapped, wholly or in part', () => {
    const range = mapped(4 * PAGE);
    munmap(range.start + PAGE, PAGE);
    refused('not-mapped', range);
    refused('not-mapped', { start: range.start + PAGE, end: range.start + 2 * PAGE });
    refused('not-mapped', { start: range.end - PAGE, end: range.end + PAGE });
    refused('not-mapped', { start: 2 ** 52, end: 2 ** 52 + PAGE });
    munmap(range.start, 4 * PAGE);
  });

  it('what is several mappings, however they touch', () => {
    const range = mapped(4 * PAGE);
    mprotect(range.start + PAGE, PAGE, PROT_READ);
    refused('several-mappings', range);
    unmap(range);
  });

  it('the kernel’s own, the stack, the heap', () => {
    refused('kernel', named('[vdso]'));
    refused('kernel', named('[vvar]'));
    const stack = named('[stack]');
    refused('stack', { start: stack.end - 4 * PAGE, end: stack.end });
    refused('heap', named('[heap]'));
  });

  it('the program and its libraries: code, constants, data, zeroed data', () => {
    const vmas = mappings();
    const code = vmas.filter(({ kind, prot }) => kind === 'file' && (prot & 4) !== 0);
    assert.ok(code.length > 2);
    const libraries = new Set(code.map(({ name }) => name));
    const segments = vmas.filter(({ name, kind }) => kind === 'file' && libraries.has(name));
    for (const segment of segments) refused('program', segment);
    const bss = vmas.filter(
      (vma, i) =>
        vma.kind === 'anonymous' && vmas[i - 1]?.end === vma.start && libraries.has(vmas[i - 1]!.name),
    );
    assert.ok(bss.length > 0);
    for (const vma of bss) refused('program', vma);
    assert.ok(segments.length > 10);
  });

  it('what the mirror holds: buffers, freed ones in use, shared memory of its devices', () => {
    const buffer = mirror.alloc(64 * KiB, { name: 'held' });
    refused('mirror', { start: buffer.address, end: buffer.end });
    refused('mirror', { start: buffer.address + PAGE, end: buffer.address + 2 * PAGE }, { into: 'buffer' });
    const { bytes } = buffer;
    const range = { start: buffer.address, end: buffer.end };
    buffer.free();
    refused('mirror', range);
    assert.equal(bytes[0], 0);
    const shared = mappings().filter(({ name }) => name.startsWith('/memfd:mirrorspace-'));
    assert.ok(shared.length > 0);
    for (const vma of shared) refused('mirror', vma);
  });

  it('the stack of a thread, as far as it tells', async () => {
    const worker = new Worker('require("node:worker_threads").parentPort.ref()', { eval: true });
    await new Promise((resolve) => worker.once('online', resolve));
    let pointers: number[] = [];
    let vmas: Vma[] = [];
    let stacks: Vma[] = [];
    // Those of threads that wait now: V8 has some of them, too. And the main thread's own.
    await eventually('a thread that waits', () => {
      pointers = stackPointers();
      vmas = mappings();
      stacks = pointers.flatMap((pointer) => at(pointer, vmas) ?? []);
      return stacks.some(({ kind }) => kind === 'anonymous');
    });
    assert.ok(stacks.some(({ kind }) => kind === 'stack'));
    const others = stacks.filter(({ kind }) => kind === 'anonymous');
    // Decided, not tried: a thread that runs does not tell, and would lose its stack.
    for (const stack of others)
      assert.throws(() => movableMapping(stack, { vmas, stackPointers: pointers, mirrored: [] }), {
        reason: 'stack',
      });
    await worker.terminate();
  });

  it('what fits nowhere', () => {
    const range = mapped(8 * MiB);
    assert.throws(() => mirror.evacuate(range), PlacementError);
    assert.throws(() => mirror.evacuate(range, { into: 'buffer' }), PlacementError);
    assert.ok(at(range.start));
    unmap(range);
    const small = mapped(PAGE);
    assert.throws(() => mirror.evacuate(small, { place: { at: 2 ** 40 } }), PlacementError);
    unmap(small);
  });

  it('what the kernel refuses to move, and then the target is free again', (t) => {
    const range = mapped(PAGE);
    const mseal = 462;
    if (systemCall(mseal, range.start, PAGE, 0, 0, 0, 0) !== 0) return t.skip('this kernel has no mseal(2)');
    const inWindow = () => mappings().filter((vma) => overlaps(vma, WINDOW));
    const before = inWindow();
    assert.throws(() => mirror.evacuate(range), { name: 'SystemError', syscall: 'mremap', errno: 'EPERM' });
    assert.ok(at(range.start));
    assert.deepEqual(inWindow(), before);
  });

  it('bad arguments', () => {
    const range = { start: PAGE, end: 2 * PAGE };
    const cases: [unknown, unknown, string][] = [
      [undefined, undefined, 'ERR_INVALID_ARG_TYPE'],
      [null, undefined, 'ERR_INVALID_ARG_TYPE'],
      [PAGE, undefined, 'ERR_INVALID_ARG_TYPE'],
      [{ start: '4096', end: 8192 }, undefined, 'ERR_INVALID_ARG_TYPE'],
      [{ start: 1n, end: 8192 }, undefined, 'ERR_INVALID_ARG_TYPE'],
      [{ start: 1, end: 8192 }, undefined, 'ERR_OUT_OF_RANGE'],
      [{ start: 4096, end: 4096 }, undefined, 'ERR_OUT_OF_RANGE'],
      [{ start: -4096, end: 4096 }, undefined, 'ERR_OUT_OF_RANGE'],
      [{ start: 0, end: 2 ** 60 }, undefined, 'ERR_OUT_OF_RANGE'],
      [range, null, 'ERR_INVALID_ARG_TYPE'],
      [range, { into: 'heap' }, 'ERR_OUT_OF_RANGE'],
      [range, { align: 3 }, 'ERR_OUT_OF_RANGE'],
      [range, { devices: 'wasm' }, 'ERR_INVALID_ARG_TYPE'],
      [range, { devices: ['gpu'] }, 'ERR_OUT_OF_RANGE'],
      [range, { place: { at: 1 } }, 'ERR_OUT_OF_RANGE'],
    ];
    for (const [given, options, code] of cases)
      assert.throws(
        () => mirror.evacuate(given as Range, options as EvacuateOptions),
        { code },
        JSON.stringify(options),
      );
  });

  it('anything, by a mirror that is closed', async () => {
    const closed = await openMirror({ devices: {} });
    await closed.close();
    const range = mapped(PAGE);
    assert.throws(() => closed.evacuate(range), { state: 'closed' });
    unmap(range);
  });
});

it('without devices everything lies well, and the host’s limits are the window', async () => {
  const alone = await openMirror({ devices: {} });
  const range = mapped(PAGE);
  assert.equal(alone.evacuate(range).moved, false);
  const low = alone.evacuate(range, { place: { within: [2 * GiB, 4 * GiB] } });
  assert.equal(low.start, 2 * GiB);
  unmap(low);
  await alone.close();
});

it('among threads that map in the same window nobody’s memory is replaced, and no byte is lost', async () => {
  const { end, said, stderr } = await runProgram('evacuate-race.mjs', ['400']);
  assert.equal(end, 0, stderr);
  const [{ moved, foreign, wrong, lost }] = said as [Record<string, number>];
  assert.deepEqual({ wrong, lost }, { wrong: 0, lost: 0 });
  assert.ok(moved! > 100, `${moved} moved`);
  assert.ok(foreign! > 100, `${foreign} foreign mappings`);
});
