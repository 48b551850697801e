/**
 * A device driver's address policy, on the model of an address space and on the memory of this process. The device is a graphics processor that reaches
 * 40 bits of addresses, has its shared virtual memory from a fixed base on, and keeps two regions for its firmware.
 * Linux asks the driver's file where a mapping goes; the driver answers with the kernel's own search, constrained to
 * what the device reaches.
 *
 *     node --import tsx examples/driver.ts
 */
import { readFileSync } from 'node:fs';
import { openMirror } from 'mirrorspace';
import {
  AddressSpace,
  type AreaRequest,
  alignUp,
  type FileOperations,
  GiB,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  MAP_SHARED,
  type MappedFile,
  MiB,
  PROT_READ,
  PROT_WRITE,
  parseMaps,
  planEvacuation,
  type Range,
  TiB,
  VM_DONTEXPAND,
  vmUnmappedArea,
} from 'mirrorspace/mm';

const WINDOW: Range = { start: 0, end: 2 ** 40 };
const SVM_BASE = 64 * GiB;
const HUGE = 2 * MiB;
const FIRMWARE: readonly (Range & { readonly name: string })[] = [
  { name: 'ring buffers', start: 96 * GiB, end: 97 * GiB },
  { name: 'scheduler firmware', start: TiB - 8 * GiB, end: TiB },
];

/** The driver: what /dev/gpu0 does about its mappings. */
const operations: FileOperations = {
  getUnmappedArea(space, { address, length, flags }: AreaRequest) {
    if (flags & MAP_FIXED) return reaches(address, length) ? address : undefined;
    for (const { start, end } of stretches()) {
      const info = { length, lowLimit: start, highLimit: end, alignMask: HUGE - 1, fit: 'exact' as const };
      const place = vmUnmappedArea(space, info);
      if (place !== undefined) return place;
    }
    return undefined; // ENOMEM
  },
  // The device's page tables are as long as the buffer: mremap must not grow it.
  mmap: () => VM_DONTEXPAND,
};

/** The parts of the window that are the firmware's neither in part nor in whole. */
function stretches(): Range[] {
  const starts = [SVM_BASE, ...FIRMWARE.map(({ end }) => end)];
  return starts
    .map((start, i) => ({ start, end: FIRMWARE[i]?.start ?? WINDOW.end }))
    .filter(({ start, end }) => start < end);
}

function reaches(address: number, length: number): boolean {
  return stretches().some(({ start, end }) => start <= address && address + length <= end);
}

const RW = PROT_READ | PROT_WRITE;
const anonymous = { prot: RW, flags: MAP_PRIVATE | MAP_ANONYMOUS };
const hex = (value: number) => `0x${value.toString(16)}`;
const size = (bytes: number) =>
  bytes >= GiB ? `${+(bytes / GiB).toFixed(1)} GiB` : `${Math.round(bytes / MiB)} MiB`;
const say = (text = '') => process.stdout.write(`${text}\n`);

/** A process that was there before the device: libraries at the top, and an allocator that likes low addresses. */
function processOf(random: () => number, mappings: number): AddressSpace {
  const space = new AddressSpace();
  for (const length of [2 * MiB, 36 * MiB, MiB]) space.mmap({ ...anonymous, length });
  for (let i = 0; i < mappings; i++) {
    const address = SVM_BASE + Math.floor(random() * 4096) * 16 * MiB;
    space.mmap({ ...anonymous, address, length: Math.ceil(random() * 64) * MiB });
  }
  return space;
}

/** A small generator, so that every run shows the same. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

type Outcome = 'reached' | 'out of reach' | 'collides';

/** Maps a buffer for the device and says what came of it. */
function tryBuffer(
  space: AddressSpace,
  request: { address: number; flags: number; file: MappedFile },
  length: number,
): Outcome {
  try {
    const address = space.mmap({ ...request, length, prot: RW });
    return reaches(address, length) ? 'reached' : 'out of reach';
  } catch {
    return 'collides';
  }
}

const policies = {
  'no getUnmappedArea, address left to the kernel': (space: AddressSpace, length: number) =>
    tryBuffer(space, { address: 0, flags: MAP_SHARED, file: { name: '/dev/gpu0' } }, length),
  'no getUnmappedArea, next address of the device': (space: AddressSpace, length: number, next: number) =>
    tryBuffer(
      space,
      { address: next, flags: MAP_SHARED | MAP_FIXED_NOREPLACE, file: { name: '/dev/gpu0' } },
      length,
    ),
  'the driver searches': (space: AddressSpace, length: number) =>
    tryBuffer(
      space,
      { address: 0, flags: MAP_SHARED, file: { name: '/dev/gpu0', fileOperations: operations } },
      length,
    ),
};

say(`the device reaches [0, ${hex(WINDOW.end)}), shares memory from ${hex(SVM_BASE)} on, and keeps:`);
for (const { name, start, end } of FIRMWARE) say(`  ${hex(start)} - ${hex(end)}  ${name}`);
say();

say('40 buffers in each of 25 processes:');
for (const [name, policy] of Object.entries(policies)) {
  const counts: Record<Outcome, number> = { reached: 0, 'out of reach': 0, collides: 0 };
  for (let seed = 1; seed <= 25; seed++) {
    const random = generator(seed);
    const space = processOf(random, 600);
    let next = SVM_BASE;
    for (let i = 0; i < 40; i++) {
      const length = Math.ceil(random() * 256) * MiB;
      counts[policy(space, length, next)]++;
      next = alignUp(next + length, HUGE);
    }
  }
  const { reached, collides } = counts;
  say(`  ${name.padEnd(48)}${reached} reached, ${counts['out of reach']} out of reach, ${collides} collide`);
}
say();

const space = processOf(generator(7), 12);
const file: MappedFile = { name: '/dev/gpu0', fileOperations: operations };
for (const length of [512 * MiB, 30 * GiB, 64 * MiB])
  space.mmap({ length, prot: RW, flags: MAP_SHARED, file });
say('one of them, with three buffers of the device:');
const firmware = FIRMWARE.map(({ name, ...range }) => ({ ...range, name: `(${name})` }));
for (const { start, end, name } of [...space.vmas(), ...firmware].sort((a, b) => a.start - b.start))
  say(
    `  ${hex(start).padStart(14)} - ${hex(end).padEnd(14)} ${size(end - start).padStart(9)}  ${name || 'memory of the process'}`,
  );
say();

const { moves, stranded } = planEvacuation(
  space,
  { start: SVM_BASE, end: WINDOW.end },
  { reserved: FIRMWARE, alignment: HUGE },
);
say('memory that was mapped before, out of reach, and where it would fit:');
for (const { vma, to } of moves) say(`  ${hex(vma.start)} (${size(vma.size)}) to ${hex(to)}`);
say(`  ${stranded.length} stay where they are`);
say();

say('the same driver in this process, and the mappings that the kernel shows there:');
const mirror = await openMirror({ name: 'gpu0', devices: {} });
for (const length of [512 * MiB, 30 * GiB, 64 * MiB]) {
  const buffer = mirror.alloc(length, { place: { driver: operations } });
  const { vmas } = parseMaps(readFileSync('/proc/self/maps', 'latin1'));
  const shown = vmas.find(({ start, end }) => start <= buffer.address && buffer.address < end)!;
  const outcome = reaches(buffer.address, length) ? 'reached' : 'out of reach';
  say(`  ${hex(buffer.address).padStart(14)} ${size(length).padStart(9)}  ${outcome}, in ${shown.name}`);
}
await mirror.close();
